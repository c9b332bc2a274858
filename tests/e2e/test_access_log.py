"""The access log of a live Weir: fields, redaction, what is kept, files moved away, sinks that do not read."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import unittest
from pathlib import Path
from typing import Any

from harness import Weir, WeirTest, eventually
from origins import fixed, hang
from wire import request


class AccessLogTest(WeirTest):
    """Each test has its own Weir, and a folder for the log."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="weir-access-log-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "access.log"

    def config(self, address: str, access_log: str, route: str = "", listener: str = "") -> str:
        return (f"version: 1\nthreads: 1\nlisteners:\n  - listen: $LISTEN\n    name: in\n{listener}    routes:\n"
                f"      - {{name: quiet, path: /quiet, access_log: off, to: c}}\n"
                f"      - {{name: all, path: /*, to: c{route}}}\n"
                f"clusters:\n  c: {{endpoints: [\"{address}\"], retry: off, outlier: off, breaker: off}}\n"
                f"access_log: {{to: {self.log}, format: json{access_log}}}\n")

    def lines(self, file: Path | None = None) -> list[dict[str, Any]]:
        file = file or self.log
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def entry(self, path: str) -> dict[str, Any]:
        return eventually(lambda: [e for e in self.lines() if e["path"] == path], f"a line for {path}")[0]

    def settle(self, weir: Weir) -> None:
        """All before are in the log: workers hand over in order, but each has its own order."""
        self.assertEqual(weir.ask("/settle").status, 200)
        self.entry("/settle")


class Content(AccessLogTest):
    def test_fields_come_from_both_heads(self) -> None:
        origin = self.origin(fixed(headers={"content-type": "text/plain", "x-many": "one"}))
        weir = self.weir(self.config(origin.address, ', fields: {agent: "header:user-agent", page: "query:page", '
                                     'sid: "cookie:sid", type: "response_header:content-type", stage: test, '
                                     'none: "header:x-none"}'))
        weir.ask("/f?page=3&x=1", headers={"User-Agent": "te\"st\\", "Cookie": "a=b; sid=42"})
        entry = self.entry("/f?page=3&x=1")
        expected = {"agent": "te\"st\\", "page": "3", "sid": "42", "type": "text/plain", "stage": "test", "none": ""}
        self.assertEqual({key: entry.get(key) for key in expected}, expected)
        # A request that no route takes has a head, too; its answer is ours.
        weir.ask("/g", headers={"User-Agent": "again"})
        self.assertEqual(self.entry("/g")["agent"], "again")

    def test_what_is_named_is_hidden_wherever_it_is(self) -> None:
        weir = self.weir(self.config(self.origin().address,
                                     ', redact: [authorization, token], fields: {auth: "header:authorization", '
                                     't: "query:token", agent: "header:user-agent"}'))
        weir.ask("/r?token=s3cret&a=1&%74oken=s3cret", headers={"Authorization": "Bearer s3cret", "User-Agent": "x"})
        entry = self.entry("/r?token=***&a=1&%74oken=***")
        self.assertEqual((entry["auth"], entry["t"], entry["agent"]), ("***", "***", "x"))
        self.assertNotIn("s3cret", self.log.read_text())

    def test_text_is_one_visible_line_a_request(self) -> None:
        weir = self.weir(self.config(self.origin().address, "").replace("format: json", "format: text"))
        weir.ask("/text")
        line = eventually(lambda: self.log.read_text() if self.log.exists() else "", "a line")
        self.assertRegex(line, r"\A\d\d:\d\d:\d\d\.\d{3}  GET  /text {8}200 +\d+\.\dms  → c 127\.0\.0\.1:\d+\n\Z")

    def test_a_line_parses_whatever_the_request_holds(self) -> None:
        weir = self.weir(self.config(self.origin().address, ', fields: {agent: "header:user-agent"}'))
        nasty = "/n?" + "".join(chr(c) for c in range(0x21, 0x7f) if chr(c) != "#")
        weir.ask(nasty, headers={"User-Agent": "\"}\\\t\u00e9\u00ff"})
        self.settle(weir)
        self.assertIn(nasty, [entry["path"] for entry in self.lines()])


class Kept(AccessLogTest):
    def test_a_route_can_be_left_out(self) -> None:
        weir = self.weir(self.config(self.origin().address, ""))
        weir.ask("/quiet")
        weir.ask("/loud")
        self.settle(weir)
        self.assertEqual({entry["path"] for entry in self.lines()}, {"/loud", "/settle"})

    def test_a_listener_that_is_off_can_have_a_route_that_is_on(self) -> None:
        text = self.config(self.origin().address, "", route=f", access_log: {{to: {self.log}}}",
                           listener="    access_log: off\n").replace("path: /*", "path: /on/*")
        weir = self.weir(text)
        weir.ask("/nowhere")
        with weir.connect() as client:
            client.ask("GET / HTTP/1.1\r\nHost: test\r\nX : y\r\n\r\n")
        weir.ask("/on/a")
        self.entry("/on/a")
        self.assertEqual([entry["path"] for entry in self.lines()], ["/on/a"])

    def test_only_errors_and_slow_ones(self) -> None:
        origin = self.origin()
        weir = self.weir(self.config(origin.address, ', only: [errors, "slow>100ms"]'))
        weir.ask("/good")
        origin.answer = fixed(status=500)
        weir.ask("/bad")
        origin.answer = fixed(status=404)
        weir.ask("/missing")
        origin.answer = hang
        with weir.connect() as client:
            client.send(request(target="/slow"))
            eventually(lambda: "/slow" in origin.targets(), "the request at the origin")
            client.abort()  # left: an error for the log
        self.entry("/slow")
        self.entry("/bad")
        self.assertEqual({entry["path"] for entry in self.lines()}, {"/bad", "/slow"})

    def test_what_is_slow_is_kept(self) -> None:
        origin = self.origin()
        weir = self.weir(self.config(origin.address, ', only: ["slow>1us"]'))
        weir.ask("/slower-than-a-microsecond")
        self.entry("/slower-than-a-microsecond")

    def test_a_sample_keeps_every_error(self) -> None:
        origin = self.origin()
        weir = self.weir(self.config(origin.address, ", sample: 0%"))
        for i in range(20):
            origin.answer = fixed(status=503 if i % 4 == 0 else 200)
            weir.ask(f"/{i}")
        eventually(lambda: len(self.lines()) >= 5, "the errors")
        self.assertEqual({entry["path"] for entry in self.lines()}, {f"/{i}" for i in range(0, 20, 4)})

    def test_a_sample_is_its_share(self) -> None:
        weir = self.weir(self.config(self.origin().address, ", sample: 50%"))
        with weir.connect() as client:
            for i in range(600):
                self.assertEqual(client.ask(request(target=f"/{i}")).status, 200)
        weir.signal(signal.SIGTERM)
        weir.process.wait(15)
        kept = len(self.lines())
        # 300 expected, standard deviation 12: beyond ten of them is no chance.
        self.assertTrue(180 <= kept <= 420, kept)


class Sinks(AccessLogTest):
    def test_a_moved_file_is_opened_again(self) -> None:
        weir = self.weir(self.config(self.origin().address, ""))
        weir.ask("/before")
        self.entry("/before")
        moved = self.folder / "access.log.1"
        self.log.rename(moved)
        weir.ask("/between")
        eventually(lambda: len(self.lines(moved)) == 2, "a line in the moved file")
        self.assertFalse(self.log.exists())
        status, body = weir.admin("/api/v1/log/reopen", "POST")
        self.assertEqual(status // 100, 2, body)
        weir.ask("/after")
        self.entry("/after")
        self.assertEqual([entry["path"] for entry in self.lines(moved)], ["/before", "/between"])

    def test_a_reload_changes_sink_format_and_fields(self) -> None:
        origin = self.origin()
        weir = self.weir(self.config(origin.address, ""))
        weir.ask("/json")
        self.entry("/json")
        second = self.folder / "second.log"
        text = self.config(origin.address, ", fields: {stage: second}")
        weir.reload(text.replace(str(self.log), str(second)))
        weir.ask("/second")
        eventually(lambda: any(e["path"] == "/second" for e in self.lines(second)), "a line in the second file")
        self.assertEqual(self.lines(second)[-1]["stage"], "second")
        self.assertEqual([entry["path"] for entry in self.lines()], ["/json"])
        weir.reload(text.replace(f"{{to: {self.log}, format: json, fields: {{stage: second}}}}", "off"))
        weir.ask("/off")
        weir.reload(text)
        weir.ask("/again")
        self.entry("/again")
        self.assertNotIn("/off", self.log.read_text() + second.read_text())
        eventually(lambda: not any(str(second) in os.readlink(f"/proc/{weir.process.pid}/fd/{fd}")
                                   for fd in os.listdir(f"/proc/{weir.process.pid}/fd")), "the second file closed")

    def test_a_reload_with_a_sink_that_cannot_be_opened_is_refused(self) -> None:
        origin = self.origin()
        weir = self.weir(self.config(origin.address, ""))
        weir.write(self.config(origin.address, "").replace(str(self.log), str(self.folder / "no" / "such")))
        self.assertGreaterEqual(weir.admin("/api/v1/config/reload", "POST")[0], 400)
        weir.ask("/kept")
        self.entry("/kept")

    def test_a_sink_that_does_not_read_costs_records_and_no_request(self) -> None:
        os.mkfifo(self.log)
        reader = os.open(self.log, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        weir = self.weir(self.config(self.origin().address, ", buffer: 16KiB"))
        sent = 400
        padding = "x" * 1000
        with weir.connect() as client:
            for i in range(sent):
                self.assertEqual(client.ask(request(target=f"/{i}?{padding}")).status, 200)
        eventually(lambda: weir.metrics().sum("weir_access_log_dropped_total", reason="buffer_full") > 0, "drops")
        # Now it reads: what was not dropped comes whole.
        received = bytearray()

        def is_all_there() -> bool:
            try:
                received.extend(os.read(reader, 1 << 20))
            except BlockingIOError:
                pass
            dropped = weir.metrics().sum("weir_access_log_dropped_total")
            return received.count(b"\n") + dropped == sent

        eventually(is_all_there, "each record written or counted", 20)
        for line in received.decode().splitlines():
            self.assertTrue(re.fullmatch(r"/\d+\?x+", json.loads(line)["path"]))


if __name__ == "__main__":
    unittest.main()
