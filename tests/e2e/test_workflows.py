"""The workflows of .github: each job runs `./dev ci JOB` and nothing else, with the least rights, and what the scripts
say to GitHub is right, asked of a server that stands for it."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONLINT = ROOT / "build/tools/actionlint"
MATRIX = re.compile(r"\$\{\{ matrix\.(\w+) \}\}")
HEAD = "0123456789abcdef0123456789abcdef01234567"


def known_jobs() -> set[str]:
    listed = subprocess.run([ROOT / "dev", "ci"], capture_output=True, text=True, check=True, timeout=30)
    return {line.split()[0] for line in listed.stdout.splitlines()}


def load(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text())
    return loaded


def expanded(line: str, job: dict[str, Any]) -> list[str]:
    """The line for each value of the job's matrix."""
    hit = MATRIX.search(line)
    if not hit:
        return [line]
    return [line.replace(hit[0], value) for value in job["strategy"]["matrix"][hit[1]]]


class Workflows(unittest.TestCase):
    def jobs(self) -> list[tuple[str, dict[str, Any]]]:
        jobs = [(f"{path.name}: {name}", job) for path in WORKFLOWS for name, job in load(path)["jobs"].items()]
        self.assertGreaterEqual(len(jobs), 5)
        return jobs

    def test_run_the_jobs_of_dev_and_nothing_else(self) -> None:
        run = set()
        for name, job in self.jobs():
            lines = [step["run"] for step in job["steps"] if "run" in step]
            self.assertEqual(len(lines), 1, name)
            for line in expanded(lines[0], job):
                with self.subTest(name, line=line):
                    self.assertRegex(line, r"\A\./dev ci [a-z]+\Z")
                    run.add(line.split()[2])
        self.assertEqual(run, known_jobs())

    def test_have_the_least_rights(self) -> None:
        writers = set()
        for path in WORKFLOWS:
            workflow = load(path)
            with self.subTest(path.name):
                self.assertIn(workflow["permissions"], ({}, {"contents": "read"}))
                self.assertIn("group", workflow["concurrency"])
                # YAML 1.1 reads `on` as true; pull_request_target would run strange code with our rights.
                self.assertNotIn("pull_request_target", workflow[True])
            for name, job in workflow["jobs"].items():
                writers |= {(path.stem, name, right) for right, level in job.get("permissions", {}).items()
                            if level == "write"}
        self.assertEqual(writers, {("bench-comment", "comment", "pull-requests"), ("release", "release", "id-token"),
                                   ("release", "release", "attestations"), ("release", "publish", "contents")})

    def test_end_in_time_and_keep_no_credentials(self) -> None:
        for name, job in self.jobs():
            with self.subTest(name):
                self.assertLessEqual(job["timeout-minutes"], 240)
                checkout = next(step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@"))
                self.assertIs(checkout["with"]["persist-credentials"], False)

    def test_pin_actions_by_commit(self) -> None:
        for path in WORKFLOWS:
            for line in path.read_text().splitlines():
                if "uses:" in line:
                    with self.subTest(path.name, line=line):
                        self.assertRegex(line, r"uses: actions/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$")

    def test_are_as_actionlint_wants_them(self) -> None:
        done = subprocess.run([ACTIONLINT, "-no-color", *WORKFLOWS], capture_output=True, text=True, timeout=50)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_actionlint_finds_what_is_wrong(self) -> None:
        with tempfile.TemporaryDirectory(prefix="weir-workflows-") as folder:
            broken = Path(folder) / "check.yml"
            broken.write_text((ROOT / ".github/workflows/check.yml").read_text().replace("matrix.job", "matrix.jobb"))
            done = subprocess.run([ACTIONLINT, "-no-color", broken], capture_output=True, text=True, timeout=50)
            self.assertEqual(done.returncode, 1)
            self.assertIn('property "jobb" is not defined', done.stdout)


class Dev(unittest.TestCase):
    def ci(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([ROOT / "dev", "ci", *arguments], capture_output=True, text=True, timeout=55,
                              env={**os.environ, "GITHUB_ACTIONS": ""})

    def test_refuses_a_job_it_does_not_know(self) -> None:
        done = self.ci("nonsense")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such job: nonsense", done.stderr)

    def test_runs_the_lints_as_a_job(self) -> None:
        done = self.ci("lint")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\n9 passed, 0 failed\n\Z")


class GitHub(http.server.ThreadingHTTPServer):
    """Stands for the API: keeps what it is told, and answers with what `answers` has for a method and a path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: dict[str, Any] = {}
        self.told: list[tuple[str, bytes]] = []
        self.tokens: set[str] = set()


class Handler(http.server.BaseHTTPRequestHandler):
    server: GitHub

    def answer(self) -> None:
        asked = f"{self.command} {self.path}"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.told.append((asked, body))
        self.server.tokens.add(self.headers["Authorization"])
        status, answer = (200, self.server.answers[asked]) if asked in self.server.answers else (404, {"message": "no"})
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_: Any) -> None:
        pass


class Told(unittest.TestCase):
    def setUp(self) -> None:
        self.github = GitHub()
        thread = threading.Thread(target=self.github.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.github.server_close)
        self.addCleanup(self.github.shutdown)
        self.root = Path(tempfile.mkdtemp(prefix="weir-github-"))
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "packaging").mkdir()
        shutil.copy(ROOT / "packaging/github", self.root / "packaging/github")

    def say(self, verb: str, **more: str) -> subprocess.CompletedProcess[str]:
        names = {"GITHUB_API_URL": self.github.url, "GITHUB_REPOSITORY": "weir/weir", "GITHUB_TOKEN": "s3cret",
                 "BENCH_HEAD": HEAD, "GITHUB_REF_NAME": "v1.2.3", **more}
        return subprocess.run([self.root / "packaging/github", verb], capture_output=True, text=True, timeout=30,
                              env={**os.environ, **names})

    def measured(self, table: str = "| a | 1 |\n") -> None:
        (self.root / "build/bench").mkdir(parents=True)
        (self.root / "build/bench/results.md").write_text(table)
        self.github.answers[f"GET /repos/weir/weir/commits/{HEAD}/pulls"] = [
            {"number": 7, "state": "open", "head": {"sha": HEAD}},
            {"number": 5, "state": "closed", "head": {"sha": HEAD}},
            {"number": 6, "state": "open", "head": {"sha": "f" * 40}}]
        self.github.answers["GET /repos/weir/weir/issues/7/comments?per_page=100"] = []
        self.github.answers["POST /repos/weir/weir/issues/7/comments"] = {}

    def comments(self) -> list[tuple[str, str]]:
        return [(asked, json.loads(body)["body"]) for asked, body in self.github.told if not asked.startswith("GET")]

    def test_a_table_becomes_a_comment_on_the_pull_request_measured(self) -> None:
        self.measured()
        done = self.say("comment")
        self.assertEqual(done.returncode, 0, done.stderr)
        (asked, body), = self.comments()
        self.assertEqual(asked, "POST /repos/weir/weir/issues/7/comments")
        self.assertTrue(body.startswith("<!-- weir bench -->\nOf 0123456789ab,"), body)
        self.assertIn("\n```text\n| a | 1 |\n", body)
        self.assertEqual(self.github.tokens, {"Bearer s3cret"})

    def test_the_next_table_replaces_it(self) -> None:
        self.measured()
        bot, person = {"type": "Bot"}, {"type": "User"}
        self.github.answers["GET /repos/weir/weir/issues/7/comments?per_page=100"] = [
            {"id": 1, "user": person, "body": "<!-- weir bench -->\nfrom somebody"},
            {"id": 2, "user": bot, "body": "of another bot"}, {"id": 3, "user": bot, "body": "<!-- weir bench -->\nold"}]
        self.github.answers["PATCH /repos/weir/weir/issues/comments/3"] = {}
        self.assertEqual(self.say("comment").returncode, 0)
        self.assertEqual([asked for asked, _ in self.comments()], ["PATCH /repos/weir/weir/issues/comments/3"])

    def test_a_table_cannot_leave_its_block_nor_be_too_long(self) -> None:
        self.measured("```\n@everybody\n" + "x" * 100_000)
        self.assertEqual(self.say("comment").returncode, 0)
        (_, body), = self.comments()
        self.assertEqual(body.count("```"), 2)
        self.assertTrue(body.endswith("\n```\n"))
        self.assertLess(len(body), 65_536)

    def test_a_head_that_is_no_commit_is_refused(self) -> None:
        self.measured()
        for head in ("", "../../../evil", HEAD + "\n", HEAD.upper()):
            with self.subTest(head):
                self.assertNotEqual(self.say("comment", BENCH_HEAD=head).returncode, 0)
        self.assertEqual(self.github.told, [])

    def test_no_token_goes_elsewhere_in_clear(self) -> None:
        self.measured()
        self.assertIn("no token is sent", self.say("comment", GITHUB_API_URL="http://127.0.0.2:1").stderr)

    def test_a_refusal_is_an_error_in_the_words_of_github(self) -> None:
        self.measured()
        del self.github.answers["POST /repos/weir/weir/issues/7/comments"]
        done = self.say("comment")
        self.assertEqual(done.returncode, 1)
        self.assertIn('404 {"message": "no"}', done.stderr)
        self.assertNotIn("s3cret", done.stdout + done.stderr)

    def released(self) -> None:
        (self.root / "CHANGELOG.md").write_text(
            "# Changelog\n\n## 1.2.3 - 2026-01-02\n\n### Upgrade notes\n- None.\n\n## 1.2.2 - 2026-01-01\n\n- old\n")
        (self.root / "dist").mkdir()
        for name, content in (("weir-1.2.3.tar.gz", b"\x1f\x8b\0"), ("weir_1.2.3+a.deb", b"deb")):
            (self.root / "dist" / name).write_bytes(content)
        self.github.answers["POST /repos/weir/weir/releases"] = {
            "id": 9, "upload_url": self.github.url + "/up/9/assets{?name,label}"}
        for name in ("weir-1.2.3.tar.gz", "weir_1.2.3%2Ba.deb"):
            self.github.answers[f"POST /up/9/assets?name={name}"] = {}
        self.github.answers["PATCH /repos/weir/weir/releases/9"] = {}

    def test_a_release_is_seen_when_it_is_whole(self) -> None:
        self.released()
        done = self.say("publish")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([asked for asked, _ in self.github.told], [
            "POST /repos/weir/weir/releases", "POST /up/9/assets?name=weir-1.2.3.tar.gz",
            "POST /up/9/assets?name=weir_1.2.3%2Ba.deb", "PATCH /repos/weir/weir/releases/9"])
        first = json.loads(self.github.told[0][1])
        self.assertEqual((first["tag_name"], first["draft"]), ("v1.2.3", True))
        self.assertEqual(first["body"], "### Upgrade notes\n- None.")
        self.assertEqual(self.github.told[1][1], b"\x1f\x8b\0")
        self.assertEqual(json.loads(self.github.told[3][1]), {"draft": False})

    def test_a_file_that_is_refused_leaves_a_draft(self) -> None:
        self.released()
        del self.github.answers["POST /up/9/assets?name=weir_1.2.3%2Ba.deb"]
        self.assertEqual(self.say("publish").returncode, 1)
        self.assertNotIn("PATCH /repos/weir/weir/releases/9", [asked for asked, _ in self.github.told])

    def test_a_tag_without_a_section_is_not_published(self) -> None:
        self.released()
        self.assertNotEqual(self.say("publish", GITHUB_REF_NAME="v1.2.4").returncode, 0)
        self.assertEqual(self.github.told, [])


if __name__ == "__main__":
    unittest.main()
