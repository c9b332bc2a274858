"""The last good endpoints of a process are what the next one begins with, while their source is away."""

from __future__ import annotations

import os
import signal
import unittest
from pathlib import Path
from unittest import mock

from harness import Weir, eventually
from kube_bed import KubernetesTest


class Snapshots(KubernetesTest):
    def setUp(self) -> None:
        super().setUp()
        self.put("127.0.0.2", "127.0.0.3")

    def file(self) -> Path:
        return self.state / "discovery-c"

    def saved(self) -> Weir:
        weir = self.start(state=True)
        self.expect(weir, "127.0.0.2", "127.0.0.3")
        eventually(lambda: self.file().exists() and b"127.0.0.3" in self.file().read_bytes(), "the snapshot")
        return weir

    def test_the_last_good_set_survives_a_kill_with_the_source_away(self) -> None:
        weir = self.saved()
        weir.expected_exit = -signal.SIGKILL
        self.end(weir, signal.SIGKILL)
        self.api.stop()
        again = self.start(state=True)
        self.assertEqual(set(self.states(again)), {"127.0.0.2", "127.0.0.3"})
        self.assertLessEqual(self.reached(again, 20), {"127.0.0.2", "127.0.0.3"})
        source = self.source(again)
        self.assertTrue(source["snapshot"])
        self.assertLess(source["age_s"], 60)
        eventually(lambda: self.source(again)["error"], "that the source is away is said")
        self.api.start_again()
        self.put("127.0.0.4")
        self.expect(again, "127.0.0.4")
        self.assertFalse(self.source(again)["snapshot"])

    def test_one_that_is_too_old_is_not_used(self) -> None:
        self.end(self.saved())
        text = self.file().read_text()
        self.api.stop()
        with mock.patch("harness.Weir.wait_ready"):
            weir = self.start(more=", keep_last_max_age: 1s", state=True)
            eventually(lambda: "too old to be used" in weir.errors() or self.is_used(weir), "it is looked at", 10)
        self.assertEqual(self.file().read_text(), text)

    def is_used(self, weir: Weir) -> bool:
        return "until their source answers" in weir.errors()

    def test_one_that_is_damaged_is_refused(self) -> None:
        self.end(self.saved())
        whole = self.file().read_bytes()
        for damaged in (b"", whole[:-1], whole[: len(whole) // 2], b"x" + whole, whole.replace(b"127.0.0.2", b"127.0.0.9"),
                        b"weir-discovery 1 0 cbf29ce484222325\n", os.urandom(2000)):
            self.file().write_bytes(damaged)
            weir = self.start(state=True)
            self.expect(weir, "127.0.0.2", "127.0.0.3")
            self.assertIn("snapshot of endpoints refused", weir.errors())
            self.end(weir)

    def test_nothing_is_written_where_nothing_is_named(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2", "127.0.0.3")
        self.end(weir)
        self.assertFalse(self.state.exists())


if __name__ == "__main__":
    unittest.main()
