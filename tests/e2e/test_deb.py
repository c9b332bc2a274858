"""The Debian package of this binary: made the same twice, installed over this machine's files in a mount of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import BINARY, WeirTest

ROOT = Path(__file__).resolve().parents[2]
# Everything that is written goes to memory, and with the mounts.
IN_A_ROOT_OF_ITS_OWN = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp "$2" "$1/root/weir.deb"
mkdir -p "$1/root/proc" && mount -t proc proc "$1/root/proc"
exec chroot "$1/root" sh -c "$3"
"""


class Deb(WeirTest):
    folder: Path
    package: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        missing = [tool for tool in ("dpkg-deb", "dpkg-shlibdeps", "strip") if not shutil.which(tool)]
        if missing:
            raise unittest.SkipTest(f"not installed: {' '.join(missing)}")
        cls.folder = Path(tempfile.mkdtemp(prefix="weir-deb-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.package = cls.build("first", "0.1.0")

    @classmethod
    def build(cls, folder: str, version: str) -> Path:
        out = cls.folder / folder
        out.mkdir()
        done = subprocess.run([ROOT / "packaging/deb", out], capture_output=True, text=True, timeout=200,
                              env={**os.environ, "WEIR_BINARY": BINARY, "WEIR_VERSION": version,
                                   "SOURCE_DATE_EPOCH": "1700000000"})
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return next(out.glob(f"weir_{version}_*.deb"))

    def in_a_root(self, script: str) -> str:
        root = self.folder / "mount"
        root.mkdir(exist_ok=True)
        command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", IN_A_ROOT_OF_ITS_OWN, "sh", root, self.package]
        trial = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=60)
        if trial.returncode != 0:
            self.skipTest(f"no mount namespace with an overlay here: {trial.stderr.strip()[-200:]}")
        done = subprocess.run([*command, script], capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_is_the_same_when_made_again(self) -> None:
        again = self.build("again", "0.1.0")
        self.assertEqual(self.package.read_bytes(), again.read_bytes())

    def test_names_what_it_needs_and_keeps_its_configuration(self) -> None:
        def field(name: str) -> str:
            return subprocess.run(["dpkg-deb", "-f", self.package, name], capture_output=True, text=True,
                                  check=True).stdout.strip()

        self.assertEqual(field("Version"), "0.1.0")
        self.assertIn("libc6", field("Depends"))
        self.assertIn("libssl3", field("Depends"))
        held = subprocess.run(["dpkg-deb", "--fsys-tarfile", self.package], capture_output=True, check=True).stdout
        names = subprocess.run(["tar", "-t"], input=held, capture_output=True, check=True).stdout.decode()
        for name in ("lib/systemd/system/weir.service", "usr/share/weir/weir.schema.json",
                     "usr/share/man/man1/weir.1.gz", "usr/share/bash-completion/completions/weir",
                     "usr/share/doc/weir/copyright"):
            self.assertIn(f"./{name}\n", names)

    def test_is_installed_run_and_removed(self) -> None:
        said = self.in_a_root("""
            set -e
            export DEBIAN_FRONTEND=noninteractive
            dpkg -i /weir.deb >/dev/null
            weir version
            weir check /etc/weir/weir.yaml >/dev/null
            if command -v systemd-analyze >/dev/null; then
                systemd-analyze verify /lib/systemd/system/weir.service 2>&1 | grep weir && exit 1
            fi
            echo '# mine' >>/etc/weir/weir.yaml
            dpkg -i /weir.deb >/dev/null
            tail -n 1 /etc/weir/weir.yaml
            dpkg -P weir >/dev/null
            test ! -e /usr/bin/weir
            test ! -e /etc/weir/weir.yaml
            echo gone
        """)
        lines = said.splitlines()
        self.assertTrue(lines[0].startswith("weir "), said)
        self.assertEqual(lines[-2:], ["# mine", "gone"], said)


if __name__ == "__main__":
    unittest.main()
