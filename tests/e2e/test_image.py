"""What the image holds: small, no shell, and Weir runs in it with nothing to write to and as nobody."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import BINARY, SANITIZER, WeirTest, eventually, fetch, free_port

ROOT = Path(__file__).resolve().parents[2]
MOST = 25_000_000  # bytes, compressed
READ_ONLY = """
mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77
exec chroot --userspec=65532:65532 "$@"
"""


class Image(WeirTest):
    root: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = Path(tempfile.mkdtemp(prefix="weir-image-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        cls.root = folder / "root"
        done = subprocess.run([ROOT / "packaging/rootfs", cls.root], capture_output=True, text=True, timeout=100,
                              env={**os.environ, "WEIR_BINARY": BINARY})
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def inside(self, *command: str) -> list[str]:
        return ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(self.root), *command]

    def need_namespaces(self) -> None:
        if subprocess.run(self.inside("/weir", "version"), capture_output=True, timeout=30).returncode != 0:
            self.skipTest("no mount namespace, or no chroot, is permitted here")

    def test_is_small_and_holds_no_shell(self) -> None:
        tar = subprocess.Popen(["tar", "-C", self.root, "-c", "."], stdout=subprocess.PIPE)
        size = len(subprocess.run(["gzip", "-6"], stdin=tar.stdout, capture_output=True, check=True).stdout)
        self.assertEqual(tar.wait(), 0)
        assert tar.stdout is not None
        tar.stdout.close()
        self.assertLessEqual(size, MOST)
        programs = [path.relative_to(self.root) for path in self.root.rglob("*")
                    if path.is_file() and os.access(path, os.X_OK) and ".so" not in path.name]
        self.assertEqual(programs, [Path("weir")])

    def test_its_own_configuration_is_valid(self) -> None:
        self.need_namespaces()
        subprocess.run(self.inside("/weir", "check", "/etc/weir/weir.yaml"), check=True, capture_output=True, timeout=30)

    def test_serves_read_only_as_nobody_and_says_that_it_is_ready(self) -> None:
        self.need_namespaces()
        port, admin, telemetry = free_port(), free_port(), free_port()
        (self.root / "etc/weir/test.yaml").write_text(
            f"version: 1\nlisteners:\n  - {{listen: '127.0.0.1:{port}', to: '{self.origin().address}'}}\n"
            f"admin: {{listen: '127.0.0.1:{admin}'}}\ntelemetry: {{listen: '127.0.0.1:{telemetry}'}}\ndrain: 1s\n")
        with tempfile.TemporaryFile() as errors:
            weir = subprocess.Popen(self.inside("/weir", "run", "/etc/weir/test.yaml"), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=errors)
            try:
                wait = self.inside("/weir", "status", "--ready", "--wait", "20s", "--admin", f"http://127.0.0.1:{admin}")
                done = subprocess.run(wait, capture_output=True, text=True, timeout=40)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(eventually(lambda: fetch(port, "GET", "/")[0], "an answer"), 200)
                status = Path(f"/proc/{weir.pid}/status").read_text()
                self.assertIn("Uid:\t65532\t65532", status)
                self.assertIn("Gid:\t65532\t65532", status)
            finally:
                weir.send_signal(signal.SIGTERM)
                code = weir.wait(15)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            self.assertEqual(code, 0, said)
            self.assertIsNone(SANITIZER.search(said), said)


if __name__ == "__main__":
    unittest.main()
