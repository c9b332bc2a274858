"""`weir check` through the real binary: what it finds, in which form, with which exit code."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import BINARY
from pki import Authority

GOOD = """\
version: 1
admin: {listen: "unix:$ROOT/admin.sock"}
telemetry: {listen: off}
listeners:
  - listen: 127.0.0.1:0
    to: legacy
clusters:
  legacy:
    endpoints: [127.0.0.1:9000]
"""


class Check(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="weir-check-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("$ROOT", str(self.root)))
        return path

    def check(self, text: str, *arguments: str, env: dict[str, str] | None = None,
              name: str = "weir.yaml") -> subprocess.CompletedProcess[str]:
        self.write(name, text)
        return subprocess.run([BINARY, "check", name, *arguments], cwd=self.root, capture_output=True, text=True,
                              timeout=20, env={**os.environ, **(env or {})})


class Forms(Check):
    WRONG = GOOD.replace("to: legacy", "to: legcy") + "    timeout: 5\n"

    def test_valid_is_zero_and_says_so(self) -> None:
        done = self.check(GOOD)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "weir.yaml: ok\n", ""))

    def test_invalid_is_one_with_all_errors_on_stderr(self) -> None:
        done = self.check(self.WRONG)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.splitlines()[0], "weir.yaml:6:9: error[W110]: no cluster named 'legcy'")
        self.assertIn("weir.yaml:10:14: error[W103]: a duration needs a unit\n", done.stderr)
        self.assertTrue(done.stderr.endswith("weir.yaml: 2 errors\n"), done.stderr)

    def test_wrong_usage_is_two(self) -> None:
        for arguments in ([], ["weir.yaml", "more"], ["weir.yaml", "--format", "xml"]):
            done = subprocess.run([BINARY, "check", *arguments], cwd=self.root, capture_output=True, timeout=20)
            self.assertEqual(done.returncode, 2, arguments)

    def test_a_file_that_is_not_there_is_one(self) -> None:
        done = subprocess.run([BINARY, "check", "none.yaml"], cwd=self.root, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("none.yaml: error[W100]: cannot read the file: No such file or directory", done.stderr)

    def test_json_has_stable_shapes(self) -> None:
        done = self.check(GOOD, "--format", "json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout), {"valid": True, "errors": [], "warnings": []})
        done = self.check(self.WRONG, "--format", "json")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        answer = json.loads(done.stdout)
        self.assertFalse(answer["valid"])
        self.assertEqual(answer["errors"][0], {
            "code": "W110", "file": "weir.yaml", "line": 6, "column": 9, "message": "no cluster named 'legcy'",
            "note": "did you mean 'legacy' (line 8)?   for a host write legcy:PORT", "help": ""})
        self.assertEqual([error["code"] for error in answer["errors"]], ["W110", "W103"])

    def test_json_of_a_syntax_error(self) -> None:
        done = self.check("version: 1\n\tx: 1\n", "--format", "json")
        self.assertEqual([error["code"] for error in json.loads(done.stdout)["errors"]], ["W100"])

    def test_github_gets_annotations(self) -> None:
        done = self.check(self.WRONG, "--format", "github")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        lines = done.stdout.splitlines()
        self.assertTrue(lines[0].startswith("::error file=weir.yaml,line=6,col=9,title=W110::no cluster"), lines)
        self.assertEqual(len(lines), 2)
        self.assertEqual(self.check(GOOD, "--format", "github").stdout, "")

    def test_no_colour_where_nobody_sees_it(self) -> None:
        self.assertNotIn("\033", self.check(self.WRONG).stderr)


class Findings(Check):
    def codes(self, text: str, env: dict[str, str] | None = None) -> list[str]:
        answer = json.loads(self.check(text, "--format", "json", env=env).stdout)
        return [problem["code"] for problem in answer["errors"] + answer["warnings"]]

    def test_routes_certificates_and_contradictions_come_in_one_run(self) -> None:
        for name in ("one", "two"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}"],
                           cwd=self.root, check=True, capture_output=True, timeout=20)
        text = GOOD.replace("    to: legacy\n", """\
    routes:
      - {path: /b, header: {x: "~ ("}, to: legacy}
      - {path: /*, to: legacy}
      - {path: /a, to: legacy}
    tls: {cert: one.crt, key: two.key}
""") + "    timeout: {connect: 3s, request: 2s}\n"
        self.assertEqual(sorted(self.codes(text)), ["W119", "W120", "W140", "W201"])

    def test_a_weak_key_is_an_error_and_an_upstream_that_may_be_anyone_a_warning(self) -> None:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.key", "-out",
                        "weak.crt", "-subj", "/CN=weak"], cwd=self.root, check=True, capture_output=True, timeout=20)
        text = GOOD.replace("to: legacy\n", "to: legacy\n    tls: {cert: weak.crt, key: weak.key}\n", 1)
        done = self.check(text)
        self.assertEqual(done.returncode, 1)
        self.assertIn("error[W123]: this key is too weak: RSA of 1024 bits", done.stderr)
        done = self.check(GOOD + "    tls: {verify: none}\n")
        self.assertEqual((done.returncode, done.stdout), (0, "weir.yaml: ok\n"))
        self.assertIn("warning[W203]: verify: none takes anyone for the upstream", done.stderr)

    def test_a_certificate_that_ends_soon_is_a_warning(self) -> None:
        with contextlib.closing(Authority()) as authority:
            end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)).strftime("%Y%m%d%H%M%SZ")
            pair = authority.issue("late", ends=end)
            done = self.check(GOOD.replace("to: legacy\n", f"to: legacy\n    tls: {{{pair.yaml}}}\n", 1))
        self.assertEqual(done.returncode, 0)
        self.assertIn("warning[W220]: this certificate (CN=late) expires soon, on ", done.stderr)

    def test_a_warning_does_not_fail(self) -> None:
        text = GOOD.replace("to: legacy", "routes: [{to: legacy}, {path: /a, to: legacy}]")
        done = self.check(text)
        self.assertEqual((done.returncode, done.stdout), (0, "weir.yaml: ok\n"))
        self.assertIn("warning[W201]: this route can never match", done.stderr)
        self.assertTrue(done.stderr.endswith("weir.yaml: 1 warning\n"))

    def test_a_port_in_use_is_a_warning(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            text = GOOD.replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")
            done = self.check(text)
            self.assertEqual(done.returncode, 0)
            self.assertIn("warning[W210]", done.stderr)
        self.assertEqual(self.codes(text), [])

    def test_included_files_are_checked_by_their_names(self) -> None:
        self.write("conf.d/a.yaml", "clusters:\n  more: {endpoints: [127.0.0.1:9001], timeout: 7}\n")
        done = self.check("include: [conf.d/*.yaml]\n" + GOOD)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith("conf.d/a.yaml:2:48: error[W103]: a duration needs a unit\n"
                                               "    2 |   more: {endpoints"), done.stderr)

    def test_secrets_come_from_outside_and_are_never_shown(self) -> None:
        text = GOOD.replace("admin: {", "admin: {token: {env: WEIR_TOKEN}, ")
        self.assertEqual(self.codes(text, {"WEIR_TOKEN": "s3cret"}), [])
        self.assertEqual(self.codes(text), ["W107"])
        done = self.check(GOOD.replace("admin: {", "admin: {token: s3cret, "))
        self.assertEqual(done.returncode, 1)
        self.assertIn("error[W151]", done.stderr)
        self.assertNotIn("s3cret", done.stderr)

    def test_the_admin_port_leaves_the_machine_only_with_a_token(self) -> None:
        text = GOOD.replace('"unix:$ROOT/admin.sock"', '"0.0.0.0:0"')
        self.assertEqual(self.codes(text), ["W150"])
        self.write("token", "s3cret\n")
        self.assertEqual(self.codes(text.replace('0:0"', '0:0", token: {file: token}')), [])

    def test_examples_are_valid(self) -> None:
        config = Path(__file__).resolve().parents[2] / "config"
        files = [*config.glob("*.yaml"), *config.glob("examples/*.yaml")]
        self.assertGreaterEqual(len(files), 3)
        for file in files:
            done = subprocess.run([BINARY, "check", str(file), "--format", "json"], capture_output=True, text=True,
                                  timeout=20)
            self.assertEqual(json.loads(done.stdout)["errors"], [], file)


if __name__ == "__main__":
    unittest.main()
