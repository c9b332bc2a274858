"""docs/ is what the binary prints, the schema agrees with `weir check`, and the examples run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from harness import BINARY, SANITIZER, Weir, WeirTest, eventually
from tokens import example_token

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted([*ROOT.glob("config/*.yaml"), *ROOT.glob("config/examples/*.yaml")])


def printed(*arguments: str) -> str:
    result = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30,
                            stdin=subprocess.DEVNULL)
    if result.returncode != 0 or SANITIZER.search(result.stderr):
        raise AssertionError(f"weir {' '.join(arguments)}: {result.returncode}\n{result.stderr}")
    return result.stdout


class Yaml12(yaml.SafeLoader):
    """As editors read YAML: `off` is a text, and only true and false are booleans."""


Yaml12.yaml_implicit_resolvers = {}
for tag, pattern, first in (("bool", r"true|false", "tf"), ("int", r"[-+]?[0-9]+", "-+0123456789"),
                            ("float", r"[-+]?[0-9]+\.[0-9]+", "-+0123456789"), ("null", r"~|null|", "~n")):
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first))


class Documents(WeirTest):
    def documents(self) -> dict[str, list[str]]:
        """The list in `dev`: file and the verb that prints it."""
        body = re.search(r"^documents\(\) \{\n    cat <<'TEXT'\n(.*?)^TEXT$", (ROOT / "dev").read_text(), re.M | re.S)
        assert body is not None
        return {line.split()[0]: line.split()[1:] for line in body[1].splitlines()}

    def test_are_what_the_binary_prints(self) -> None:
        self.assertGreaterEqual(len(self.documents()), 8)
        for name, verb in self.documents().items():
            with self.subTest(name):
                self.assertEqual((ROOT / "docs" / name).read_text(), printed(*verb),
                                 f"docs/{name} is out of date: ./dev docs")

    def test_hold_nothing_that_nobody_prints(self) -> None:
        self.assertEqual({path.name for path in (ROOT / "docs").iterdir() if path.is_file()},
                         set(self.documents()))

    def test_guides_name_keys_that_exist_and_files_that_are_there(self) -> None:
        known = {f"{block.split('.')[-1]}.{key}" for block, body in json.loads(printed("schema"))["$defs"].items()
                 for key in body.get("properties", {})}
        blocks = ("breaker", "outlier", "retry", "timeout", "limits", "health", "lb")
        for guide in sorted((ROOT / "docs" / "guide").glob("*.md")):
            text = guide.read_text()
            for key in re.findall(rf"`((?:{'|'.join(blocks)})\.[a-z_.]+)`", text):
                self.assertIn(key, known, f"{guide.name}: no such key")
            prose = re.sub(r"(?ms)^```.*?^```$", "", text)
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
                self.assertTrue((guide.parent / link).exists(), f"{guide.name}: {link} is not there")

    def test_a_full_disk_is_a_failure(self) -> None:
        with open("/dev/full", "w") as full:
            result = subprocess.run([BINARY, "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "weir: cannot write to standard output\n")

    def test_closed_streams_are_nobodys_sockets(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "weir.yaml")
            file.write_text("version: 1\nlisteners: [{listen: '127.0.0.1:0', to: '127.0.0.1:9'}]\n"
                            "admin: {listen: off}\ntelemetry: {listen: off}\n")
            process = subprocess.Popen(["sh", "-c", 'exec "$0" run --core-dumps "$1" <&- >&- 2>&-', BINARY, str(file)])
            try:
                streams = Path(f"/proc/{process.pid}/fd")
                eventually(lambda: "socket" in subprocess.run(["ls", "-l", streams], stdout=subprocess.PIPE,
                                                              stderr=subprocess.DEVNULL, text=True).stdout, "a listener")
                self.assertEqual([os.readlink(streams / str(fd)) for fd in range(3)], ["/dev/null"] * 3)
            finally:
                process.terminate()
                process.wait(10)

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_manual_is_clean(self) -> None:
        result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=printed("man"),
                                capture_output=True, text=True, timeout=30)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def complete(self, *words: str) -> list[str]:
        """What bash offers for the last of these words."""
        script = printed("completion", "bash") + (
            'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weir; printf "%s\\n" "${COMPREPLY[@]}"\n')
        result = subprocess.run(["bash", "-euc", script, "bash", *words], capture_output=True, text=True,
                                timeout=30)
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return result.stdout.split()

    def test_bash_completes(self) -> None:
        self.assertIn("config", self.complete("weir", ""))
        self.assertEqual(self.complete("weir", "comp"), ["completion"])
        self.assertEqual(self.complete("weir", "completion", "z"), ["zsh"])
        self.assertEqual(self.complete("weir", "config", "du"), ["dump"])
        self.assertEqual(self.complete("weir", "config", "dump", "-o", "j"), ["json"])
        self.assertIn("--defaults", self.complete("weir", "config", "dump", "--"))
        self.assertEqual(self.complete("weir", "config", "explain", "defaults.timeout.req"),
                         ["defaults.timeout.request"])

    def test_other_shells_take_their_scripts(self) -> None:
        for shell in ("zsh", "fish"):
            if not shutil.which(shell):
                continue  # the text is tested by units
            result = subprocess.run([shell, "-n", "/dev/stdin"], input=printed("completion", shell),
                                    capture_output=True, text=True, timeout=30)
            self.assertEqual((result.returncode, result.stderr), (0, ""), shell)


class Schema(WeirTest):
    schema: dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.schema = json.loads(printed("schema"))
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def errors(self, text: str) -> list[str]:
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
                for error in self.validator.iter_errors(yaml.load(text, Yaml12))]

    def test_is_one(self) -> None:
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_takes_every_example(self) -> None:
        for path in EXAMPLES:
            self.assertEqual(self.errors(path.read_text()), [], path)

    def test_takes_dumps_and_first_configurations(self) -> None:
        for path in EXAMPLES:
            for options in ([], ["--defaults"]):
                self.assertEqual(self.errors(printed("config", "dump", str(path), *options)), [], path)
        self.assertEqual(self.errors(printed("init", "--to", "a:80", "-o", "-")), [])

    def test_takes_shorthands(self) -> None:
        text = (ROOT / "tests/unit/describe/texts.hpp").read_text()
        texts = re.findall(r'R"\((.*?)\)";', text, re.S)
        self.assertGreaterEqual(len(texts), 4)
        for text in texts:
            self.assertEqual(self.errors(text), [], text)

    def test_refuses_the_mistakes_it_can_know(self) -> None:
        # The others are about more than one value, or no YAML at all.
        names = ("bad_unit", "no_unit", "percent", "port", "unknown_key", "word", "other_words", "later",
                 "all_at_once")
        for name in names:
            text = (ROOT / f"tests/golden/config/{name}.yaml").read_text()
            self.assertNotEqual(self.errors(text), [], name)

    def test_refuses_by_value(self) -> None:
        base = "version: 1\nlisteners: [{listen: ':8080', to: a}]\nclusters: {a: {endpoints: ['a:80']%s}}\n%s"
        self.assertEqual(self.errors(base % ("", "")), [])
        for cluster, rest in ((", timeout: 5", ""), (", timeout: {client_idle: 5s}", ""), (", retry: -1", ""),
                              (", retry: {on: {a: b}}", ""), (", breaker: on", ""), (", lb: best", ""),
                              (", breaker: {failure_rate: 0.5}", ""), (", limits: {max_pending: many}", ""),
                              ("", "drain: soon"), ("", "threads: 0"), ("", "limits: {url: 8}"),
                              ("", "admin: {listen: 9347}"), ("", "log: {level: loud}"),
                              ("", "defaults: {health: /x}"), ("", "nothing: 1")):
            self.assertNotEqual(self.errors(base % (cluster, rest)), [], (cluster, rest))
        for text in ("version: 2\nlisteners: [{listen: ':80', to: 'a:80'}]\n", "listeners: []\n",
                     "version: 1\nlisteners: [{listen: ':80'}]\n",
                     "version: 1\nlisteners: [{to: 'a:80'}]\n",
                     "version: 1\nlisteners: [{listen: ':80', routes: [{path: /}]}]\n",
                     "version: 1\nlisteners: [{listen: ':80', routes: [{to: a, redirect: /}]}]\n"):
            self.assertNotEqual(self.errors(text), [], text)


class Examples(WeirTest):
    """Each file of config/ is started as it is, but for its addresses, and answers a request."""

    # By file: what stands for the origin's address, the request, the status and where it goes.
    CASES: dict[str, tuple[list[str], dict[str, Any], int, bool]] = {
        "minimal": (["127.0.0.1:9000"], {}, 200, True),
        "sidecar": (["127.0.0.1:8080"], {}, 200, True),
        "gateway": (["10.0.1.1:8080", "10.0.1.2:8080"],
                    {"target": "/users/7", "headers": {"authorization": f"Bearer {example_token()}"}}, 200, True),
        "access_log": (["127.0.0.1:9000"], {}, 200, True),
        "canary": (["shop-v1:80", "shop-v2:80"], {"headers": {"x-canary": "true"}}, 200, True),
        "endpoints_file": ([], {}, 200, True),
        "legacy": (["10.0.0.5:9000", "10.0.0.6:9000"], {}, 200, True),
        "routes": (["10.0.1.1:8080", "10.0.1.2:8080"],
                   {"host": "img.example.com", "target": "/cat.png"}, 200, True),
        "shadow": (["10.0.0.5:9000", "10.0.0.6:9000"], {}, 200, True),
    }

    def test_are_all_here(self) -> None:
        self.assertEqual({path.stem for path in EXAMPLES}, set(self.CASES))

    def test_pass_check_and_are_formatted(self) -> None:
        for path in EXAMPLES:
            self.assertEqual(printed("check", str(path)), f"{path}: ok\n")
            self.assertEqual(printed("fmt", str(path)), path.read_text(), path)

    def local(self, text: str, origins: list[str], replaced: list[str]) -> str:
        """The same with the first listener on $LISTEN, others on free ports, endpoints here."""
        text, count = re.subn(r"(?m)^(\s+(?:- )?listen: )\S+$", r"\g<1>127.0.0.1:0", text)
        self.assertGreaterEqual(count, 1)
        text = text.replace("listen: 127.0.0.1:0", "listen: $LISTEN", 1)
        for address, origin in zip(replaced, origins):
            self.assertIn(address, text)
            text = text.replace(address, origin)
        return text

    def test_serve(self) -> None:
        for path in EXAMPLES:
            with self.subTest(path.stem):
                self.serve(path, *self.CASES[path.stem])

    def serve(self, path: Path, replaced: list[str], asked: dict[str, Any], status: int, reaches: bool) -> None:
        folder = Path(tempfile.mkdtemp(prefix="weir-example-"))
        self.addCleanup(shutil.rmtree, folder)
        origins = [self.origin() for _ in range(max(len(replaced), 1))]
        text = self.local(path.read_text(), [origin.address for origin in origins], replaced)
        if path.stem == "endpoints_file":
            (folder / "list.yaml").write_text(f"[\"{origins[0].address}\"]\n")
            text = text.replace("/etc/weir/app-endpoints.yaml", str(folder / "list.yaml"))
        weir = Weir(text)
        try:
            weir.wait_ready()
            answer = eventually(lambda: weir.ask(**asked), "an answer")
            self.assertEqual(answer.status, status, answer)
            asked_for = [m for origin in origins for m in origin.requests if m.get("user-agent") != "weir-health"]
            self.assertEqual(len(asked_for), 1 if reaches else 0)
        finally:
            weir.stop()

    def test_the_gateway_knows_who_asks(self) -> None:
        path = next(path for path in EXAMPLES if path.stem == "gateway")
        origins = [self.origin(), self.origin()]
        weir = self.weir(self.local(path.read_text(), [origin.address for origin in origins],
                                    ["10.0.1.1:8080", "10.0.1.2:8080"]))
        asked = {role: weir.ask("/users/admin/x", headers={"authorization": f"Bearer {example_token(role=role)}"}).status
                 for role in ("admin", "clerk")}
        self.assertEqual(asked, {"admin": 200, "clerk": 403})
        self.assertEqual([m.get("x-user-id") for origin in origins for m in origin.requests], ["7"])
        self.assertEqual(weir.ask("/users/7").status, 401)
        logins = [weir.ask("/login", "POST") for _ in range(12)]
        self.assertEqual(logins[-1].status, 429)
        self.assertGreaterEqual(int(logins[-1].get("retry-after") or 0), 1)


if __name__ == "__main__":
    unittest.main()
