"""A request that Weir answers itself has one word for why: in the header, the body, the metric, the access log and
`weir explain`. How much a client is told follows its Accept and `errors.detail`."""

from __future__ import annotations

import json
import subprocess
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

from harness import BINARY, Weir, WeirTest, eventually, free_port
from origins import fixed, hang, reset
from wire import Message, request

CONFIG = """\
version: 1
drain: 200ms
listeners:
  - listen: $LISTEN
    mode: {mode}
    limits: {{header_size: 2KiB, headers: 20, url: 1KiB}}
    routes:
      - {{name: small, path: /small, max_body: 4B, to: well}}
      - {{name: refused, path: /refused, to: refused}}
      - {{name: reset, path: /reset, to: reset}}
      - {{name: slow, path: /slow, to: slow}}
      - {{name: nonsense, path: /nonsense, to: nonsense}}
      - {{name: none, path: /none, to: none}}
      - {{name: open, path: /open, to: open}}
      - {{name: full, path: /full, to: full}}
clusters:
  well: {{endpoints: [{well}]}}
  refused: {{endpoints: ["127.0.0.1:{closed}"], breaker: off, outlier: off, retry: off}}
  reset: {{endpoints: [{reset}], breaker: off, outlier: off, retry: off}}
  slow: {{endpoints: [{hang}], breaker: off, outlier: off, retry: off, timeout: 100ms}}
  nonsense: {{endpoints: [{nonsense}], breaker: off, outlier: off, retry: off}}
  none: {{discovery: {{type: file, path: {empty}}}}}
  open:
    endpoints: ["127.0.0.1:{closed}"]
    outlier: off
    retry: off
    breaker: {{consecutive_failures: 1, consecutive_for: 0s, open_for: 1m, max_open_for: 1m}}
  full: {{endpoints: [{hang}], breaker: off, outlier: off, retry: off, limits: {{max_requests: 1}}, timeout: 20s}}
{rest}
"""


class Reasons(WeirTest):
    def start(self, mode: str = "inbound", rest: str = "") -> Weir:
        nonsense = self.origin(lambda peer, _: peer.send(b"this is no HTTP\r\n\r\n"))
        silent = self.origin(hang)
        empty = self.empty_list()
        return self.weir(CONFIG.format(
            mode=mode, rest=rest, well=self.origin(fixed()).address, closed=free_port(), empty=empty,
            reset=self.origin(reset).address, hang=silent.address, nonsense=nonsense.address))

    def empty_list(self) -> str:
        folder = tempfile.TemporaryDirectory(prefix="weir-e2e-")
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "endpoints.yaml"
        path.write_text("[]\n")
        return str(path)

    def provocations(self, weir: Weir) -> dict[str, Callable[[], Message]]:
        def open_circuit() -> Message:
            weir.ask("/open")
            return weir.ask("/open")

        def fill() -> Message:
            with weir.connect() as first:
                first.send(request(target="/full"))
                eventually(lambda: weir.metrics().sum("weir_upstream_requests_active", cluster="full") == 1, "in flight")
                return weir.ask("/full")

        def send(data: bytes) -> Message:
            with weir.connect() as client:
                return client.ask(data)

        return {
            "no_route": lambda: weir.ask("/nowhere"),
            "bad_request": lambda: send(b"GET / HTTP/1.1\r\nHost: a\r\nbad header: x\r\n\r\n"),
            "headers_too_large": lambda: weir.ask("/small", headers={"x-big": "x" * 3000}),
            "uri_too_long": lambda: weir.ask("/" + "x" * 1500),
            "body_too_large": lambda: weir.ask("/small", method="POST", body=b"12345"),
            "upstream_connect_refused": lambda: weir.ask("/refused"),
            "upstream_reset": lambda: weir.ask("/reset"),
            "upstream_timeout": lambda: weir.ask("/slow"),
            "upstream_protocol": lambda: weir.ask("/nonsense"),
            "no_healthy_endpoint": lambda: weir.ask("/none"),
            "breaker_open": open_circuit,
            "limit_exceeded": fill,
        }

    def test_each_reason_is_one_word_everywhere(self) -> None:
        weir = self.start()
        for reason, provoke in self.provocations(weir).items():
            with self.subTest(reason):
                answer = provoke()
                self.assertEqual(answer.error, reason, answer)
                body = answer.body.decode()
                self.assertRegex(body, rf"^weir: [^\n]+\.( request \S+)? - see: weir explain {reason}\n$")
                counted = eventually(lambda: weir.metrics().sum("weir_requests_total", reason=reason), f"{reason} counted")
                self.assertGreaterEqual(counted, 1)
                record = eventually(lambda: [r for r in weir.access_log() if r["reason"] == reason], "logged")[-1]
                self.assertEqual(record["status"], answer.status)
                if answer.get("x-request-id"):
                    self.assertIn(f" request {answer.get('x-request-id')} ", body)
                    self.assertEqual(record["request_id"], answer.get("x-request-id"))
                explained = subprocess.run([BINARY, "explain", reason], capture_output=True, text=True, timeout=30)
                self.assertEqual(explained.returncode, 0)
                self.assertIn(str(answer.status), explained.stdout)

    def test_a_program_gets_problem_details(self) -> None:
        weir = self.start()
        answer = weir.ask("/refused", headers={"accept": "application/problem+json"})
        self.assertEqual(answer.get("content-type"), "application/problem+json")
        problem = json.loads(answer.body)
        self.assertEqual(problem["status"], 503)
        self.assertEqual(problem["weir_error"], "upstream_connect_refused")
        self.assertEqual(problem["cluster"], "refused")
        self.assertEqual(problem["request_id"], answer.get("x-request-id"))
        self.assertEqual(problem["detail"], "'refused' refused the connection (1 attempt)")

    def test_names_stay_inside_at_a_gateway(self) -> None:
        weir = self.start(mode="gateway")
        for accept in ("text/plain", "application/problem+json"):
            answer = weir.ask("/refused", headers={"accept": accept})
            self.assertEqual(answer.error, "upstream_connect_refused")
            self.assertNotIn(b"'refused'", answer.body)
            self.assertNotIn(b"cluster", answer.body)
            self.assertNotIn(b"attempt", answer.body)
            self.assertIn(b"the upstream refused the connection", answer.body)

    def test_errors_detail_overrules_the_mode(self) -> None:
        told = self.start(mode="gateway", rest="errors: {detail: internal}")
        self.assertIn(b"'refused' refused the connection", told.ask("/refused").body)
        hidden = self.start(mode="inbound", rest="errors: {detail: public}")
        self.assertNotIn(b"'refused'", hidden.ask("/refused").body)

    def test_breakers_and_limits_say_when_to_come_again(self) -> None:
        weir = self.start()
        provoked = self.provocations(weir)
        for reason in ("breaker_open", "limit_exceeded"):
            self.assertGreaterEqual(int(provoked[reason]().get("retry-after") or 0), 1, reason)
        self.assertIsNone(provoked["no_route"]().get("retry-after"))


if __name__ == "__main__":
    unittest.main()
