"""The demo plays its story and asserts it."""

from __future__ import annotations

import subprocess
import unittest

from harness import BINARY, SANITIZER, WeirTest


class Demo(WeirTest):
    def test_once_plays_the_story_and_exits_0(self) -> None:
        result = subprocess.run([BINARY, "demo", "--once"], capture_output=True, text=True, timeout=60,
                                stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, 0, result.stdout[-4000:] + result.stderr[-4000:])
        self.assertNotRegex(result.stderr, SANITIZER)


if __name__ == "__main__":
    unittest.main()
