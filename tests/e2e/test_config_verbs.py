"""The verbs that need no running Weir: config dump, explain and diff, init, fmt, explain, documents."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import BINARY, SANITIZER, WeirTest

CONFIG = """\
version: 1
listeners:
  - {name: public, listen: ":18080", to: orders}
clusters:
  orders:
    endpoints: ["127.0.0.1:19000"]
    timeout: 5s
  users:
    endpoints: ["127.0.0.1:19001"]
defaults:
  timeout: {request: 3s}
"""
WRONG = "version: 1\nlisteners: [{listen: \":18080\", to: nowhere}]\n"


class Offline(WeirTest):
    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="weir-verbs-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.file = self.write("weir.yaml", CONFIG)

    def write(self, name: str, text: str) -> str:
        path = self.root / name
        path.write_text(text)
        return str(path)

    def run_weir(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        result = subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, text=True,
                                timeout=30, cwd=self.root)
        self.assertNotRegex(result.stderr, SANITIZER)
        return result

    def said(self, *arguments: str, stdin: str = "") -> str:
        """What a verb that succeeds prints."""
        result = self.run_weir(*arguments, stdin=stdin)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def assert_valid(self, file: str) -> None:
        """No errors; there may be warnings about what else this machine listens on."""
        result = self.run_weir("check", file)
        self.assertEqual((result.returncode, result.stdout), (0, f"{file}: ok\n"), result.stderr)

    def refused(self, code: int, *arguments: str, stdin: str = "") -> str:
        """What a verb says that fails: all of it on stderr."""
        result = self.run_weir(*arguments, stdin=stdin)
        self.assertEqual((result.returncode, result.stdout), (code, ""), (arguments, result.stderr))
        return result.stderr


class Dump(Offline):
    def test_writes_what_is_in_force(self) -> None:
        text = self.said("config", "dump", self.file)
        self.assertIn("  users:\n    endpoints: [127.0.0.1:19001]\n    timeout:\n      request: 3s\n", text)
        self.assertNotIn("connect:", text)

    def test_loads_to_the_same(self) -> None:
        for options in ([], ["--defaults"], ["--origin", "--defaults"], ["-o", "json"]):
            dumped = self.write("dumped.yaml", self.said("config", "dump", self.file, *options))
            self.assertEqual(self.said("config", "diff", self.file, dumped), "no difference\n", options)

    def test_says_where_values_come_from(self) -> None:
        text = self.said("config", "dump", self.file, "--origin", "--defaults")
        self.assertIn(f"      request: 5s  # {self.file}:7\n", text)
        self.assertIn(f"      request: 3s  # {self.file}:11\n", text)
        self.assertIn("      connect: 1s  # built-in\n", text)

    def test_writes_json(self) -> None:
        document = json.loads(self.said("config", "dump", self.file, "-o", "json"))
        self.assertEqual(document["clusters"]["users"]["timeout"]["request"], "3s")
        document = json.loads(self.said("config", "dump", self.file, "-o", "json", "--origin"))
        self.assertEqual(document["clusters"]["orders"]["timeout"]["request"],
                         {"value": "5s", "origin": f"{self.file}:7"})

    def test_refuses_what_is_wrong(self) -> None:
        self.assertIn("error[W110]", self.refused(1, "config", "dump", self.write("w.yaml", WRONG)))
        self.assertIn("cannot read", self.refused(1, "config", "dump", "none.yaml"))
        self.assertIn("{yaml,json}", self.refused(2, "config", "dump", self.file, "-o", "toml"))


class Explain(Offline):
    def test_prints_value_place_and_chain(self) -> None:
        self.assertEqual(
            self.said("config", "explain", "clusters.orders.timeout.request", "-f", self.file),
            f"clusters.orders.timeout.request = 5s   {self.file}:7\n"
            f"  hides 3s   {self.file}:11 (defaults)\n"
            "  hides 1m   built-in\n"
            "  timeout.request: from the end of the request to the response headers, all tries and"
            " backoffs included\n")

    def test_takes_indexes_and_built_in_values(self) -> None:
        text = self.said("config", "explain", "listeners[0].routes[0].to", "-f", self.file)
        self.assertTrue(text.startswith(f"listeners.public.routes.default.to = orders   {self.file}:3\n"), text)
        self.assertTrue(self.said("config", "explain", "drain", "-f", self.file).startswith(
            "drain = 30s   built-in\n"))

    def test_suggests_what_is_near(self) -> None:
        text = self.refused(1, "config", "explain", "clusters.orders.timeout.requets", "-f", self.file)
        self.assertIn("did you mean\n  clusters.orders.timeout.request\n", text)
        self.assertIn("has no 'x.y'", self.refused(1, "config", "explain", "x.y", "-f", self.file))

    def test_needs_a_path(self) -> None:
        self.assertIn("PATH", self.refused(2, "config", "explain", "-f", self.file))


class Diff(Offline):
    def test_names_what_changes(self) -> None:
        other = self.write("other.yaml", CONFIG.replace("timeout: 5s", "retry: off").replace(
            "  users:\n    endpoints: [\"127.0.0.1:19001\"]\n", ""))
        self.assertEqual(self.said("config", "diff", self.file, other),
                         "~ clusters.orders.retry.attempts: 2 -> 0\n"
                         "~ clusters.orders.timeout.request: 5s -> 3s\n"
                         "- clusters.users.endpoints: [127.0.0.1:19001]\n"
                         "- clusters.users.timeout.request: 3s\n")

    def test_needs_two_valid_files(self) -> None:
        self.assertIn("NEW", self.refused(2, "config", "diff", self.file))
        self.assertIn("error[W110]", self.refused(1, "config", "diff", self.file, self.write("w.yaml", WRONG)))
        self.refused(2, "config")


class Init(Offline):
    def test_writes_a_valid_file_once(self) -> None:
        target = str(self.root / "new.yaml")
        text = self.said("init", "--from", ":18081", "--to", "localhost:19000", "-o", target)
        self.assertIn("weir run " + target, text)
        self.assert_valid(target)
        written = Path(target).read_text()
        self.assertTrue(written.startswith("# yaml-language-server: $schema=./weir.schema.json\n"))
        self.assertIn("--force", self.refused(1, "init", "--to", "b:80", "-o", target))
        self.assertEqual(Path(target).read_text(), written)
        self.said("init", "--to", "b:80", "-o", target, "--force")
        self.assertIn("b:80", Path(target).read_text())

    def test_writes_to_standard_output(self) -> None:
        text = self.said("init", "--to", "[::1]:80", "-o", "-")
        self.assertIn('endpoints: ["[::1]:80"]', text)
        self.assertEqual(self.said("fmt", "-", stdin=text), text)

    def test_writes_nothing_that_is_wrong(self) -> None:
        self.assertIn("error[W111]", self.refused(1, "init", "--to", "a:99999", "-o", "bad.yaml"))
        self.assertFalse((self.root / "bad.yaml").exists())

    def test_asks_nobody_without_a_terminal(self) -> None:
        self.assertIn("--from", self.refused(2, "init"))
        self.assertIn("--to", self.refused(2, "init", "--from", ":80"))

    def converse(self, answers: list[bytes]) -> tuple[int, str]:
        """The exit code of `weir init` on a terminal where each question is answered."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.root)
            os.execv(BINARY, [BINARY, "init", "-o", "asked.yaml"])
        seen = b""
        asked = 0
        try:
            while select.select([terminal], [], [], 20)[0]:
                chunk = os.read(terminal, 4096)
                if not chunk:
                    break
                seen += chunk
                if seen.count(b"]: ") > asked and asked < len(answers):
                    os.write(terminal, answers[asked])
                    asked += 1
        except OSError:  # the other side is closed
            pass
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()

    def test_asks_three_questions_on_a_terminal(self) -> None:
        code, seen = self.converse([b"127.0.0.1:18082\n", b"\n", b"inbound\n"])
        self.assertEqual(code, 0, seen)
        self.assertEqual(seen.count("]: "), 3, seen)
        written = (self.root / "asked.yaml").read_text()
        for line in ("listen: 127.0.0.1:18082\n", "mode: inbound\n", 'endpoints: ["127.0.0.1:9000"]\n'):
            self.assertIn(line, written)
        self.assert_valid("asked.yaml")

    def test_writes_nothing_if_it_is_left(self) -> None:
        code, seen = self.converse([b"\n", b"\x04"])
        self.assertEqual(code, 1, seen)
        self.assertFalse((self.root / "asked.yaml").exists())


class Format(Offline):
    MESSY = "version: 1  \nlisteners:\n-   listen: [::1]:18080\n\t to: orders\n# end"
    CLEAN = "version: 1\nlisteners:\n  - listen: \"[::1]:18080\"\n    to: orders\n# end\n"

    def test_prints_what_it_would_write(self) -> None:
        messy = self.MESSY.replace("\t to", "    to")
        file = self.write("messy.yaml", messy)
        self.assertEqual(self.said("fmt", file), self.CLEAN)
        self.assertEqual(self.said("fmt", "-", stdin=messy), self.CLEAN)
        self.assertEqual(Path(file).read_text(), messy)

    def test_writes_the_file_and_keeps_its_rights(self) -> None:
        file = Path(self.write("tabs.yaml", CONFIG.replace("    endpoints", "\t\tendpoints").replace(
            "    timeout", "\t\ttimeout")))
        file.chmod(0o640)
        self.assertIn("W100", self.refused(1, "check", str(file)))
        link = self.root / "link.yaml"
        link.symlink_to(file)
        self.assertEqual(self.said("fmt", "--write", str(link)), "")
        self.assertTrue(link.is_symlink())
        self.assertEqual(file.read_text(), CONFIG)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o640)
        self.assert_valid(str(file))

    def test_checks(self) -> None:
        self.assertEqual(self.said("fmt", "--check", self.file), "")
        messy = self.write("messy.yaml", self.MESSY)
        self.assertIn("--write", self.refused(1, "fmt", "--check", messy))
        self.assertEqual(Path(messy).read_text(), self.MESSY)

    def test_refuses_wrong_use(self) -> None:
        self.assertIn("excludes", self.refused(2, "fmt", "--check", "--write", self.file))
        self.assertIn("cannot read none.yaml: No such file", self.refused(1, "fmt", "none.yaml"))
        self.refused(2, "fmt")


class Words(Offline):
    def test_every_word_that_is_listed_has_a_page(self) -> None:
        words = [line.split()[0] for line in self.said("explain").splitlines()]
        self.assertGreater(len(words), 60)
        for word in words:
            page = self.said("explain", word.upper())
            self.assertTrue(page.startswith(word), page)
            self.assertIn("\n  Cause\n", page)

    def test_a_word_it_does_not_know_gets_a_hint(self) -> None:
        self.assertIn("did you mean 'breaker_open'?", self.refused(1, "explain", "braker_open"))
        self.assertIn("weir explain", self.refused(1, "explain", "qqqqqqqq"))


class Usage(Offline):
    def test_documents_take_no_more_than_they_need(self) -> None:
        for verb in ("schema", "man", "openapi"):
            self.assertGreater(len(self.said(verb)), 1000)
            self.refused(2, verb, "extra")
        self.assertIn("{bash,zsh,fish}", self.refused(2, "completion", "tcsh"))
        self.assertIn("SHELL", self.refused(2, "completion"))
        self.assertIn("{config,metrics,errors}", self.refused(2, "reference", "nothing"))

    def test_help_names_every_verb(self) -> None:
        text = self.said("--help")
        for verb in ("init", "fmt", "config", "explain", "schema", "reference", "man", "completion"):
            self.assertRegex(text, rf"(?m)^  {verb} ")


if __name__ == "__main__":
    unittest.main()
