"""`./dev release` on a clone of its own, with the binary that is tested: the same bytes each time, and what it refuses."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

from harness import BINARY

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {".git", "build", "dist", ".cache", "__pycache__"}


def sources() -> list[str]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
            if path.is_file() and not LEFT_OUT & set(path.relative_to(ROOT).parts)]


class Release(unittest.TestCase):
    origin: Path
    version: str

    @classmethod
    def setUpClass(cls) -> None:
        """A repository of what ships, but for the seeds of fuzzing, which are many."""
        cls.origin = Path(tempfile.mkdtemp(prefix="weir-release-"))
        cls.addClassCleanup(shutil.rmtree, cls.origin)
        for name in sources():
            if not name.startswith("tests/fuzz/corpus/"):
                (cls.origin / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, cls.origin / name)
        said = subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True, timeout=30).stdout
        cls.version = said.split()[1]
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "x"]):
            subprocess.run(["git", "-C", cls.origin, *words], check=True, timeout=30, env=cls.environment())

    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="weir-release-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.tree = self.origin
        self.git("clone", "-q", str(self.origin), str(self.root / "tree"))
        self.tree = self.root / "tree"
        self.changelog(self.version)
        self.git("commit", "-qam", "x")

    @classmethod
    def environment(cls) -> dict[str, str]:
        left = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "WEIR_", "GIT_"))}
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "a"), ("EMAIL", "a@b.example"))}
        return {**left, **identity, "GIT_CONFIG_GLOBAL": "/dev/null"}

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", self.tree, *arguments], capture_output=True, text=True, check=True,
                              timeout=30, env=self.environment())
        return done.stdout.strip()

    def changelog(self, version: str, notes: str = "- None.") -> None:
        (self.tree / "CHANGELOG.md").write_text(
            f"# Changelog\n\n## {version} (unreleased)\n\n### Added\n- `everything`\n\n### Upgrade notes\n{notes}\n")

    def release(self, version: str, *, binary: str | Path = BINARY, **names: str) -> tuple[int, str]:
        done = subprocess.run([self.tree / "dev", "release", "--binary", binary, "--no-image", version],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=55,
                              env={**self.environment(), **names})
        return done.returncode, done.stdout

    def dist(self) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.tree / "dist").iterdir()}

    def newer_binary(self, version: str) -> Path:
        """The binary, but that its version is another, which must be as long."""
        self.assertEqual(len(version), len(self.version))
        path = self.root / "weir"
        program = Path(BINARY).read_bytes()
        self.assertIn(f"\0{self.version}\0".encode(), program)
        path.write_bytes(program.replace(f"\0{self.version}\0".encode(), f"\0{version}\0".encode()))
        path.chmod(0o755)
        return path

    def test_makes_the_same_bytes_each_time(self) -> None:
        code, output = self.release(self.version)
        self.assertEqual(code, 0, output)
        first, commit = self.dist(), self.git("rev-parse", "HEAD")
        self.assertIn(f"weir-{self.version}.tar.gz", first)
        for path in (self.tree / "dist").iterdir():  # older than the next by their dates, too
            os.utime(path, (1, 1))
        code, output = self.release(self.version)
        self.assertEqual(code, 0, output)
        self.assertEqual(self.dist(), first)
        self.assertEqual(self.git("rev-parse", "HEAD"), commit)
        again = self.root / "elsewhere"  # another clone, at another place
        self.git("clone", "-q", str(self.tree), str(again))
        self.tree = again
        code, output = self.release(self.version)
        self.assertEqual(code, 0, output)
        self.assertEqual(self.dist(), first)

    def test_holds_the_commit_and_sums_of_everything(self) -> None:
        code, output = self.release(self.version)
        self.assertEqual(code, 0, output)
        sums = dict(reversed(line.split()) for line in (self.tree / "dist/SHA256SUMS").read_text().splitlines())
        files = self.dist()
        del files["SHA256SUMS"]
        self.assertEqual(sums, files)
        tarball = self.tree / "dist" / f"weir-{self.version}.tar.gz"
        with tarfile.open(tarball) as archive:
            names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
            self.assertEqual({name for name in names if not archive.getmember(f"weir-{self.version}/{name}").isdir()},
                             set(self.git("ls-tree", "-r", "--name-only", "HEAD").splitlines()))
        self.assertEqual(tarball.read_bytes()[4:8], b"\0\0\0\0")  # no date of the packing

    def test_states_the_version_and_dates_its_section_in_one_commit(self) -> None:
        self.changelog("9.8.7")
        self.git("commit", "-qam", "y")
        before = self.git("rev-parse", "HEAD")
        code, output = self.release("9.8.7", binary=self.newer_binary("9.8.7"))
        self.assertEqual(code, 0, output)
        self.assertEqual(self.git("rev-parse", "HEAD~1"), before)
        self.assertEqual(self.git("log", "-1", "--format=%s"), "Release 9.8.7")
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertIn("project(weir VERSION 9.8.7 ", (self.tree / "CMakeLists.txt").read_text())
        self.assertRegex((self.tree / "CHANGELOG.md").read_text(), r"\n## 9\.8\.7 - \d{4}-\d\d-\d\d\n")
        self.assertIn("weir-9.8.7.tar.gz", self.dist())
        if (self.tree / "deploy/k8s/chart").exists():
            self.assertIn("weir-chart-9.8.7.tgz", self.dist())
            left = subprocess.run(["grep", "-rnF", self.version, self.tree / "deploy"], capture_output=True, text=True)
            self.assertEqual(left.stdout, "")

    def refused(self, version: str, word: str, **more: str) -> None:
        before, state = self.git("rev-parse", "HEAD"), self.git("status", "--porcelain")
        code, output = self.release(version, **more)
        self.assertEqual(code, 1, output)
        self.assertIn(word, output)
        self.assertEqual((self.git("rev-parse", "HEAD"), self.git("status", "--porcelain")), (before, state))

    def test_refuses_what_is_not_ready(self) -> None:
        self.refused("1.2", "MAJOR.MINOR.PATCH")
        self.refused("9.8.7", "has no section")
        self.refused("0.0.0", "has no section")
        self.refused(self.version, "the tag's commit", GITHUB_REF_TYPE="tag", GITHUB_REF_NAME=f"v{self.version}")
        self.refused(self.version, f"not v{self.version}", GITHUB_REF_TYPE="tag", GITHUB_REF_NAME="v0.0.0")
        (self.tree / "new").write_text("x")
        self.refused(self.version, "not clean: ?? new")
        (self.tree / "new").unlink()
        for version, word in (("9.8.7", "not 9.8.7"), ("0.0.0", "is older than")):
            self.changelog(version)
            self.git("commit", "-qam", "y")
            self.refused(version, word)
        self.changelog(self.version, notes="")
        self.git("commit", "-qam", "y")
        self.refused(self.version, "the changelog is not ready")


if __name__ == "__main__":
    unittest.main()
