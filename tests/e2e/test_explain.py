"""Why: the stories of failed requests, what would trip an endpoint or a breaker, traces of attempts; real faults."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import unittest
from typing import Any
from urllib.parse import quote

from admin_api import ask
from harness import BINARY, Weir, WeirTest, eventually
from origins import fixed, hang, reset

# Opens after five failures, and stays so.
OPENS = "retry: off\nbreaker: {consecutive_for: 0s, open_for: 1h, max_open_for: 1h}"


def failures(weir: Weir, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = weir.api("failures" + query)
    return found


def weir_cli(weir: Weir, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("WEIR_TOKEN", "COLUMNS")}
    environment["WEIR_ADMIN"] = str(weir.admin_port)
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30, env=environment)


class ExplainTest(WeirTest):
    def open_breaker(self, weir: Weir) -> None:
        eventually(lambda: weir.ask().error == "breaker_open", "an open breaker")


class Stories(ExplainTest):
    def test_each_fault_has_its_story(self) -> None:
        for answer, reason, outcome, kind, words in (
                (reset, "upstream_reset", "local_failure", "reset", "broke off before it answered"),
                (fixed(500), "none", "failure", "500", "answered 500"),
                (fixed(503), "none", "failure", "503", "answered 503")):
            with self.subTest(kind):
                weir, origin = self.proxied(answer, cluster="retry: off")
                got = weir.ask("/orders?a=1", headers={"X-Request-Id": "the-id"})
                self.assertGreaterEqual(got.status, 500)
                failure, = failures(weir)
                self.assertEqual((failure["method"], failure["path"], failure["host"]), ("GET", "/orders?a=1", "test"))
                self.assertEqual((failure["request_id"], failure["cluster"]), ("the-id", "c"))
                self.assertEqual((failure["status"], failure["reason"]), (got.status, reason))
                attempt, = failure["attempts"]
                self.assertEqual((attempt["endpoint"], attempt["outcome"], attempt["kind"]),
                                 (origin.address, outcome, kind))
                self.assertEqual((attempt["role"], attempt["reused"], attempt["sent"]), ("first", False, True))
                self.assertIsNotNone(attempt["connect_ms"])
                self.assertIn(words, failure["story"])
                self.assertIn(origin.address, failure["story"])
                self.assertEqual([c["endpoint"] for c in failure["candidates"]], [origin.address])

    def test_a_refused_connection_is_told_with_every_attempt(self) -> None:
        a, b = self.origin(), self.origin()
        weir = self.forward(a.address, b.address, cluster="retry: {attempts: 1}")
        a.refuse()
        b.refuse()
        self.assertEqual(weir.ask().error, "upstream_connect_refused")
        failure = failures(weir)[0]
        self.assertEqual({attempt["endpoint"] for attempt in failure["attempts"]}, {a.address, b.address})
        for attempt in failure["attempts"]:
            self.assertEqual((attempt["outcome"], attempt["kind"]), ("local_failure", "connect_refused"))
            self.assertFalse(attempt["sent"])
        self.assertEqual([attempt["role"] for attempt in failure["attempts"]], ["first", "retry"])
        self.assertEqual(failure["no_retry"], "exhausted")
        self.assertIn("retried", failure["flags"])
        self.assertIn("refused the connection", failure["story"])
        self.assertIn("retry.attempts are used up", failure["story"])

    def test_a_hung_upstream_names_the_deadline(self) -> None:
        weir, _ = self.proxied(hang, cluster="timeout: {request: 200ms, connect: 100ms}\nretry: off")
        self.assertEqual(weir.ask().status, 504)
        failure, = failures(weir)
        self.assertEqual(failure["detail"], "timeout.request")
        timers = {timer["key"]: timer for timer in failure["timers"]}
        self.assertEqual((timers["timeout.request"]["after"], timers["timeout.request"]["fired"]), ("200ms", True))
        self.assertFalse(timers["timeout.connect"]["fired"])
        self.assertIn("did not answer in time (timeout.request)", failure["story"])

    def test_an_endpoint_that_is_out_is_excluded_with_its_reason(self) -> None:
        a, b = self.origin(fixed(500)), self.origin(fixed(500))
        weir = self.forward(a.address, b.address, cluster="outlier: {consecutive_for: 0s}\nretry: off")

        def story() -> dict[str, Any] | None:
            weir.ask()
            return next((f for f in failures(weir) if f["excluded"]), None)

        failure = eventually(story, "an ejected endpoint")
        assert failure
        excluded, = failure["excluded"]
        self.assertEqual((excluded["state"], excluded["reason"], excluded["why"]), ("ejected", "ejected", "consecutive"))
        self.assertEqual(failure["endpoints"], 2)
        self.assertIn("1 of 2 endpoints took no requests", failure["story"])

    def test_success_leaves_no_story(self) -> None:
        weir, origin = self.proxied()
        self.assertEqual(weir.ask().status, 200)
        origin.answer = fixed(404)
        self.assertEqual(weir.ask().status, 404)
        self.assertEqual(failures(weir), [])

    def test_the_last_256_are_kept_newest_first_and_what_led_to_them_is_found(self) -> None:
        weir, origin = self.proxied(reset, cluster=OPENS)
        origin.refuse()
        with weir.connect() as client:
            for number in range(300):
                client.ask(f"GET /{number} HTTP/1.1\r\nHost: test\r\n\r\n".encode(), "GET")
        found = failures(weir)
        self.assertEqual([f["path"] for f in found], [f"/{number}" for number in range(299, 43, -1)])
        self.assertEqual({f["reason"] for f in found}, {"breaker_open"})
        self.assertEqual((found[0]["breaker"], found[0]["breaker_reason"]), ("open", "consecutive"))
        self.assertEqual(found[0]["candidates"], [])
        early = failures(weir, "?reason=upstream_connect_refused")
        self.assertEqual({f["path"] for f in early}, {f"/{number}" for number in range(5)})
        self.assertEqual(len(failures(weir, "?n=3")), 3)
        self.assertEqual(failures(weir, "?cluster=other"), [])
        one, = failures(weir, f"?id={found[7]['request_id']}")
        self.assertEqual(one, found[7])

    def test_texts_are_cut_and_secrets_hidden(self) -> None:
        limits = "limits: {url: 64KiB, header_size: 128KiB}\n"
        weir, _ = self.proxied(fixed(500), rest="access_log: {redact: [token]}\n" + limits)
        self.assertEqual(weir.ask("/?token=secret&x=" + "y" * 60_000).status, 500)
        failure, = failures(weir)
        self.assertEqual(len(failure["path"]), 512)
        self.assertTrue(failure["path"].startswith("/?token=***&x=yyy"), failure["path"])
        _, body = weir.admin("/api/v1/failures")
        self.assertNotIn("secret", body)

    def test_they_are_the_admin_ports_only(self) -> None:
        weir, _ = self.proxied()
        for path in ("/api/v1/failures", "/api/v1/trace-export"):
            self.assertEqual(ask(weir.telemetry_port, "GET", path).status, 404)
            self.assertEqual(ask(weir.admin_port, "POST", path).status, 405)
            self.assertEqual(ask(weir.admin_port, "GET", path, headers={"Host": "evil.example"}).status, 421)
            self.assertEqual(ask(weir.admin_port, "GET", path, headers={"Origin": "http://evil.example"}).status, 403)


class Whys(ExplainTest):
    def endpoint(self, weir: Weir, address: str) -> dict[str, Any]:
        found: dict[str, Any] = next(e for e in weir.api("clusters/c/endpoints?history=1") if e["address"] == address)
        return found

    def test_a_healthy_endpoint_says_what_would_trip_it(self) -> None:
        a, b = self.origin(fixed(500)), self.origin()
        weir = self.forward(a.address, b.address, cluster="retry: off\noutlier: {consecutive_for: 1h}\nbreaker: off")
        eventually(lambda: weir.ask().status == 500, "a failure")
        endpoint = self.endpoint(weir, a.address)
        self.assertEqual((endpoint["state"], endpoint["why"]), ("healthy", "it has never been ejected"))
        rules = {rule["rule"]: rule for rule in endpoint["trips_next"]}
        self.assertLessEqual({"consecutive", "consecutive_local", "failure_rate"}, rules.keys())
        self.assertEqual((rules["consecutive"]["value"], rules["consecutive"]["threshold"]), (1, 5))
        self.assertIn("1 of 5 failures in a row", rules["consecutive"]["text"])
        self.assertIsNone(endpoint["next_probe_at"])
        self.assertEqual(endpoint["history"], [])

    def test_an_ejected_endpoint_says_why_and_when_it_is_tried(self) -> None:
        a, b = self.origin(), self.origin()
        weir = self.forward(a.address, b.address,
                            cluster="outlier: {consecutive_for: 0s, eject_for: 1h, max_eject_for: 1h}")
        a.refuse()

        def is_ejected() -> bool:
            weir.ask()
            return weir.endpoint_state("c", a.address) == "ejected"

        eventually(is_ejected, "the ejection")
        endpoint = self.endpoint(weir, a.address)
        self.assertIn("3 failures to connect in a row", endpoint["why"])
        self.assertEqual(endpoint["trips_next"], [])
        self.assertEqual(endpoint["next_probe_at"], endpoint["ejected_until"])
        self.assertTrue(endpoint["next_probe_by"])
        self.assertEqual([t["reason"] for t in endpoint["history"]], ["consecutive_local"])
        other = self.endpoint(weir, b.address)
        self.assertIn("must stay", other["guard"])

    def test_a_breaker_says_why_and_when_it_is_tried(self) -> None:
        weir, _ = self.proxied(fixed(500), cluster=OPENS)
        weir.ask()
        breaker, = weir.api("breakers")
        rules = {rule["rule"]: rule for rule in breaker["trips_next"]}
        self.assertEqual(rules["consecutive"]["value"], 1)
        self.assertEqual(breaker["why"], "it has never been open")
        self.open_breaker(weir)
        breaker, = weir.api("breakers")
        self.assertIn("5 failures in a row", breaker["why"])
        self.assertEqual(breaker["next_probe_by"], "the next request")
        self.assertIsNotNone(breaker["next_probe_at"])
        self.assertEqual(breaker["history"][-1]["reason"], "consecutive")

    def test_an_operators_order_is_the_reason(self) -> None:
        a, b = self.origin(), self.origin()
        weir = self.forward(a.address, b.address)
        path = f"/api/v1/clusters/c/endpoints/{quote(a.address, safe='')}/drain"
        got = ask(weir.admin_port, "POST", path, {"for": "1h", "reason": "a disk"})
        self.assertIn("a disk", got.json()["why"])
        self.assertEqual(got.json()["trips_next"], [])


class Traces(WeirTest):
    def lines(self, weir: Weir, query: str) -> tuple[list[dict[str, Any]], threading.Thread]:
        """Filled while it is recorded; the thread ends with the recording."""
        found: list[dict[str, Any]] = []

        def read() -> None:
            answer = ask(weir.admin_port, "GET", f"/api/v1/trace-export{query}")
            self.assertEqual(answer.type, "application/x-ndjson")
            found.extend(json.loads(line) for line in answer.text().splitlines())

        thread = threading.Thread(target=read)
        thread.start()
        return found, thread

    def test_each_attempt_is_a_line(self) -> None:
        a, b = self.origin(fixed(503)), self.origin(fixed(503))
        weir = self.forward(a.address, b.address, cluster="retry: {attempts: 1}\nbreaker: off\noutlier: off")
        found, thread = self.lines(weir, "?n=8&for=30s")
        eventually(lambda: [weir.ask(), not thread.is_alive()][1], "eight lines")
        head, *attempts = found
        self.assertEqual((head["weir_trace"], head["dropped"]), (1, 0))
        self.assertEqual(len(attempts), 8)
        for attempt in attempts:
            self.assertEqual((attempt["cluster"], attempt["outcome"], attempt["kind"], attempt["status"]),
                             ("c", "failure", "status_503", 503))
            self.assertIn(attempt["endpoint"], (a.address, b.address))
            self.assertGreaterEqual(attempt["latency_ms"], attempt["headers_ms"])
        by_request: dict[int, list[int]] = {}
        for attempt in attempts:
            by_request.setdefault(attempt["request"], []).append(attempt["attempt"])
        self.assertIn([1, 2], by_request.values())

    def test_it_ends_by_time_and_says_what_it_cannot(self) -> None:
        weir, _ = self.proxied()
        found, thread = self.lines(weir, "?for=300ms")
        thread.join(20)
        self.assertFalse(thread.is_alive())
        self.assertEqual(len(found), 1)
        self.assertEqual(ask(weir.admin_port, "GET", "/api/v1/trace-export?for=2h").status, 400)
        self.assertEqual(ask(weir.admin_port, "GET", "/api/v1/trace-export?for=x").status, 400)


class CommandLine(ExplainTest):
    def test_failures_are_told_to_people(self) -> None:
        weir, origin = self.proxied(reset, cluster="retry: off")
        self.assertEqual(weir_cli(weir, "failures").stdout, "no request has failed\n")
        weir.ask("/orders", headers={"X-Request-Id": "the-id"})
        short = weir_cli(weir, "failures")
        self.assertEqual(short.returncode, 0, short)
        self.assertIn("GET test/orders  502 upstream_reset", short.stdout)
        self.assertIn(f"{origin.address} broke off before it answered", short.stdout)
        full = weir_cli(weir, "failures", "the-id")
        for words in ("story", "timers", "ENDPOINT", "COULD BE CHOSEN", "first"):
            self.assertIn(words, full.stdout)
        as_json = weir_cli(weir, "failures", "-o", "json")
        self.assertEqual(json.loads(as_json.stdout), failures(weir))
        self.assertIn("no failed request", weir_cli(weir, "failures", "another").stdout)

    def test_wide_says_why(self) -> None:
        weir, _ = self.proxied(fixed(500), cluster=OPENS)
        weir.ask()
        wide = weir_cli(weir, "endpoints", "c", "-o", "wide").stdout
        self.assertIn("why", wide)
        self.assertIn("1 of 5 failures in a row", wide)
        self.open_breaker(weir)
        breaker = weir_cli(weir, "breaker", "c").stdout
        self.assertIn("5 failures in a row", breaker)
        self.assertIn("by the next request", breaker)

    def test_a_trace_goes_to_standard_output(self) -> None:
        weir, _ = self.proxied()
        got = weir_cli(weir, "trace-export", "--for", "300ms")
        self.assertEqual((got.returncode, got.stderr), (0, ""))
        self.assertEqual(json.loads(got.stdout.splitlines()[0])["weir_trace"], 1)
        self.assertNotEqual(weir_cli(weir, "trace-export", "--for", "2h").returncode, 0)


if __name__ == "__main__":
    unittest.main()
