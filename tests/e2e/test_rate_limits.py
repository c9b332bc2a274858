"""Rate limits that this process counts: who is refused, what the answer says, what a reload keeps."""

from __future__ import annotations

import re
import textwrap
import threading
import unittest

import grpc_bed
from grpc_bed import Channel, grpc, metadata, over_http1
from harness import Weir, WeirTest, eventually
from origins import Peer, RawOrigin, echo, hang
from wire import Message, request

# Rates so low that none comes back while a test runs.
ROUTES = """\
version: 1
threads: 1
listeners:
  - listen: $LISTEN
    name: public
    trusted_proxies: [127.0.0.1]
    routes:
      - {name: draft, path: /draft, rate_limit: three, to: c}
      - {name: legacy, path: /legacy, rate_limit: {rate: 1/h, burst: 3, headers: legacy}, to: c}
      - {name: quiet, path: /quiet, rate_limit: {rate: 1/h, burst: 1, headers: none}, to: c}
      - {name: ip, path: /ip, rate_limit: {rate: 1/h, burst: 1, key: client_ip}, to: c}
      - {name: net, path: /net, rate_limit: {rate: 1/h, burst: 1, key: client_ip/24}, to: c}
      - {name: header, path: /header, rate_limit: {rate: 1/h, burst: 1, key: ["header:x-user", method]}, to: c}
      - {name: cookie, path: /cookie, rate_limit: {rate: 1/h, burst: 1, key: "cookie:sid"}, to: c}
      - {name: both, path: /both, rate_limit: [wide, {rate: 1/h, burst: 2}], to: c}
      - {name: shadow, path: /shadow, rate_limit: {rate: 1/h, burst: 1, mode: shadow}, to: c}
      - {name: dear, path: /dear, rate_limit: {rate: 1/h, burst: 5, cost: 2}, to: c}
      - {name: other-status, path: /status, rate_limit: {rate: 1/h, burst: 1, status: 503}, to: c}
      - {name: window, path: /window, rate_limit: {rate: 3/d, algorithm: sliding_window}, to: c}
      - {name: jitter, path: /jitter, rate_limit: {rate: 1/h, burst: 1, retry_jitter: 1h}, to: c}
      - {name: fixed, path: /fixed, rate_limit: {rate: 1/h, burst: 1}, respond: {status: 204}}
      - {name: few-keys, path: /few, rate_limit: few, to: c}
      - {name: shared-a, path: /shared/a, rate_limit: shared, to: c}
      - {name: shared-b, path: /shared/b, rate_limit: shared, to: c}
      - {name: apart-a, path: /apart/a, rate_limit: apart, to: c}
      - {name: apart-b, path: /apart/b, rate_limit: apart, to: c}
rate_limits:
  three: {rate: 1/h, burst: 3}
  wide: {rate: 1/h, burst: 100}
  few: {rate: 1/h, burst: 1, key: "header:x-user", max_keys: 16}
  shared: {rate: 1/h, burst: 1, key: global}
  apart: {rate: 1/h, burst: 1}
clusters:
  c: {endpoints: ["$ORIGIN"]}
"""


class Local(WeirTest):
    weir_: Weir

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        origin = RawOrigin(echo)
        cls.addClassCleanup(origin.close)
        cls.weir_ = Weir(ROUTES.replace("$ORIGIN", origin.address))
        cls.addClassCleanup(cls.weir_.stop)
        cls.weir_.wait_ready()

    def passes(self, target: str, headers: dict[str, str] | None = None, method: str = "GET") -> Message:
        answer = self.weir_.ask(target, method, headers)
        self.assertEqual(answer.status, 200, answer)
        return answer

    def refused(self, target: str, headers: dict[str, str] | None = None, status: int = 429) -> Message:
        answer = self.weir_.ask(target, "GET", headers)
        self.assert_refused(answer, status, "rate_limited")
        return answer

    def test_a_refusal_says_when_to_come_again(self) -> None:
        for left in (2, 1, 0):
            answer = self.passes("/draft")
            self.assertEqual(answer.get("ratelimit-policy"), '"three";q=3;w=10800')
            self.assertRegex(answer.get("ratelimit") or "", f'^"three";r={left};t=[0-9]+$')
        answer = self.refused("/draft")
        self.assertIn(int(answer.get("retry-after") or 0), range(3590, 3601))
        self.assertRegex(answer.get("ratelimit") or "", '^"three";r=0;t=[0-9]+$')
        self.assertEqual(answer.get("ratelimit-policy"), '"three";q=3;w=10800')

    def test_legacy_headers_by_choice(self) -> None:
        answer = self.passes("/legacy")
        self.assertEqual((answer.get("x-ratelimit-limit"), answer.get("x-ratelimit-remaining")), ("3", "2"))
        self.assertGreater(int(answer.get("x-ratelimit-reset") or 0), 0)
        self.assertIsNone(answer.get("ratelimit"))

    def test_no_headers_by_choice_but_retry_after(self) -> None:
        names = {name.lower() for name, _ in self.passes("/quiet").headers}
        self.assertFalse([name for name in names if "ratelimit" in name])
        answer = self.refused("/quiet")
        self.assertIsNotNone(answer.get("retry-after"))
        self.assertFalse([name for name, _ in answer.headers if "ratelimit" in name.lower()])

    def test_jitter_parts_those_who_were_refused_together(self) -> None:
        self.passes("/jitter")
        waits = [int(self.refused("/jitter").get("retry-after") or 0) for _ in range(20)]
        self.assertGreater(len(set(waits)), 10)
        self.assertGreaterEqual(min(waits), 3590)
        self.assertLessEqual(max(waits), 7200)

    def test_the_api_tells_what_was_decided(self) -> None:
        self.passes("/shadow")
        self.passes("/shadow")
        limit = next(limit for limit in self.weir_.api("ratelimits") if limit["name"] == "public/shadow")
        self.assertGreaterEqual(limit["decisions"]["shadow"], 1)
        self.assertEqual((limit["mode"], limit["keys"], limit["quota"]), ("shadow", 1, 1))
        self.assertEqual(limit["store"], {"kind": "local", "name": None, "on_failure": None, "breaker": None, "since": None,
                                          "answered_at": None, "age_s": None, "error": None, "failed_at": None})

    def test_each_address_has_its_own(self) -> None:
        for ip in ("192.0.2.1", "192.0.2.2", "2001:db8:1::1", "2001:db8:2::1"):
            self.passes("/ip", {"X-Forwarded-For": ip})
            self.refused("/ip", {"X-Forwarded-For": ip})
        self.refused("/ip", {"X-Forwarded-For": "2001:db8:1:0:ffff::9"})  # the same network, the same client
        self.refused("/ip", {"X-Forwarded-For": "::ffff:192.0.2.1"})
        self.refused("/ip", {"X-Forwarded-For": "203.0.113.9, 192.0.2.1"})  # the nearest that is no proxy

    def test_a_network_shares_one(self) -> None:
        self.passes("/net", {"X-Forwarded-For": "198.51.100.1"})
        self.refused("/net", {"X-Forwarded-For": "198.51.100.200"})
        self.passes("/net", {"X-Forwarded-For": "198.51.101.1"})

    def test_no_split_and_no_case_of_a_header_is_another_key(self) -> None:
        self.passes("/header", {"x-user": "a,b"})
        with self.weir_.connect() as client:
            raw = b"GET /header HTTP/1.1\r\nHost: test\r\nX-USER: a\r\nother: 1\r\nx-User: b\r\n\r\n"
            answer = client.ask(raw, "GET")
        self.assert_refused(answer, 429, "rate_limited")
        self.passes("/header", {"x-user": "a,b"}, method="PUT")
        self.passes("/header")
        self.refused("/header")

    def test_cookies_tell_clients_apart(self) -> None:
        self.passes("/cookie", {"cookie": "a=1; sid=x"})
        self.refused("/cookie", {"cookie": "sid=x; b=2"})
        self.passes("/cookie", {"cookie": "sid=y"})

    def test_all_must_admit_and_the_tightest_is_told(self) -> None:
        self.assertRegex(self.passes("/both").get("ratelimit") or "", '^"public/both";r=1;')
        self.passes("/both")
        self.assertRegex(self.refused("/both").get("ratelimit") or "", '^"public/both";r=0;')

    def test_a_rule_that_is_named_twice_is_one_or_one_a_route(self) -> None:
        self.passes("/shared/a")
        self.refused("/shared/b")
        self.passes("/apart/a")
        self.passes("/apart/b")
        self.refused("/apart/a")

    def test_shadow_only_counts(self) -> None:
        for _ in range(3):
            self.assertIsNone(self.passes("/shadow").get("ratelimit"))
        self.assertEqual(self.weir_.metrics().sum("weir_rate_limited_total", rule="public/shadow", result="shadow"), 2)
        self.assertEqual(self.weir_.metrics().sum("weir_rate_limited_total", rule="public/shadow", result="limited"), 0)

    def test_costs_are_charged(self) -> None:
        self.passes("/dear")
        self.assertRegex(self.passes("/dear").get("ratelimit") or "", ";r=1;")
        self.assertIn(int(self.refused("/dear").get("retry-after") or 0), range(3590, 3601))  # for one of two

    def test_the_status_can_be_another(self) -> None:
        self.passes("/status")
        self.refused("/status", status=503)

    def test_a_window_slides(self) -> None:
        for left in (2, 1, 0):
            answer = self.passes("/window")
            self.assertEqual(answer.get("ratelimit-policy"), '"public/window";q=3;w=86400')
            self.assertRegex(answer.get("ratelimit") or "", f";r={left};")
        self.assertGreater(int(self.refused("/window").get("retry-after") or 0), 0)

    def test_our_own_answers_are_limited_and_told_too(self) -> None:
        answer = self.weir_.ask("/fixed")
        self.assertEqual((answer.status, answer.get("ratelimit-policy")), (204, '"public/fixed";q=1;w=3600'))
        self.refused("/fixed")

    def test_metrics_and_log_name_the_reason(self) -> None:
        before = self.weir_.metrics()
        for user in range(100):
            self.passes("/few", {"x-user": f"u{user}"})
        self.refused("/few", {"x-user": "u99"})
        after = self.weir_.metrics()
        self.assertEqual(before.sum("weir_rate_limited_total", rule="few", result="limited"), 0)
        self.assertEqual(after.sum("weir_rate_limited_total", rule="few", result="limited"), 1)
        self.assertIn(after.sum("weir_rate_limit_keys", rule="few"), range(8, 33))
        self.assertGreaterEqual(after.sum("weir_rate_limit_evicted_total", rule="few"), 100 - 32)
        self.assertEqual(after.sum("weir_requests_total", route="few-keys", code="429", reason="rate_limited"), 1)
        eventually(lambda: any(line["reason"] == "rate_limited" and line["route"] == "few-keys"
                               for line in self.weir_.access_log()), "the record")


LISTENER = """\
version: 1
listeners:
  - listen: $LISTEN
    name: public
    rate_limit: {rate: 1/h, burst: BURST, key: client_ip}
    routes:
      - {name: a, path: /a, to: c}
      - {name: b, path: /b, rate_limit: {rate: 1/h, burst: 2}, to: c}
clusters:
  c: {endpoints: ["ADDRESS"]}
"""


class OfAListener(WeirTest):
    def limited(self, burst: int, more: str = "") -> tuple[Weir, str]:
        config = LISTENER.replace("ADDRESS", self.origin().address).replace("BURST", str(burst)) + more
        return self.weir(config), config

    def test_it_holds_for_all_routes_and_for_what_no_route_takes(self) -> None:
        weir, _ = self.limited(5)
        statuses = [weir.ask(target).status for target in ("/a", "/b", "/none", "/b", "/b", "/a", "/none")]
        self.assertEqual(statuses, [200, 200, 404, 200, 429, 429, 429])
        self.assertEqual(weir.metrics().sum("weir_rate_limited_total", rule="public"), 2)

    def test_it_is_exact_among_threads(self) -> None:
        weir, _ = self.limited(100, "threads: 4\n")
        statuses: list[int] = []

        def ask() -> None:
            for _ in range(10):
                with weir.connect() as client:
                    for _ in range(5):
                        statuses.append(client.ask(request("GET", "/a"), "GET").status)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((statuses.count(200), statuses.count(429)), (100, 300))

    def test_a_reload_forgets_nothing_unless_the_rule_counts_otherwise(self) -> None:
        weir, config = self.limited(2)
        self.assertEqual([weir.ask("/a").status for _ in range(3)], [200, 200, 429])
        weir.reload(config.replace("key: client_ip", "key: client_ip, headers: legacy").replace("name: a", "name: aa"))
        self.assertEqual(weir.ask("/a").status, 429)
        weir.reload(config.replace("burst: 2, key: client_ip", "burst: 4, key: client_ip"))
        self.assertEqual([weir.ask("/a").status for _ in range(5)], [200, 200, 200, 200, 429])


SLOTS = """\
version: 1
listeners:
  - listen: $LISTEN
    rate_limit: {algorithm: concurrency, max: 2}
    to: "ADDRESS"
"""


class Concurrency(WeirTest):
    def test_what_is_under_way_is_counted_until_it_ends(self) -> None:
        open_ = threading.Event()

        def slow(peer: Peer, message: Message) -> None:
            open_.wait(10)
            echo(peer, message)

        weir = self.weir(SLOTS.replace("ADDRESS", self.origin(slow).address))
        with weir.connect() as one, weir.connect() as two:
            one.send(request("GET", "/1"))
            two.send(request("GET", "/2"))
            eventually(lambda: weir.metrics().sum("weir_upstream_requests_active") == 2, "two are under way")
            answer = weir.ask("/3")
            self.assert_refused(answer, 429, "rate_limited")
            self.assertRegex(answer.get("ratelimit") or "", ";r=0$")
            self.assertEqual(answer.get("retry-after"), "1")
            open_.set()
            self.assertEqual((one.answer().status, two.answer().status), (200, 200))
        self.assertEqual(weir.ask("/4").status, 200)

    def test_a_client_that_leaves_gives_back(self) -> None:
        weir = self.weir(SLOTS.replace("ADDRESS", self.origin(hang).address))
        for _ in range(5):
            with weir.connect() as one, weir.connect() as two:
                one.send(request("GET", "/1"))
                two.send(request("GET", "/2"))
                eventually(lambda: weir.metrics().sum("weir_upstream_requests_active") == 2, "two are under way")
                one.abort()
                two.abort()
            eventually(lambda: weir.metrics().sum("weir_requests_active") == 0, "both have ended")


@unittest.skipIf(grpc is None, grpc_bed.NOT_HERE)
class Calls(WeirTest):
    def test_a_call_that_is_refused_knows_when_to_come_again(self) -> None:
        origin = self.origin(over_http1)
        weir = self.weir(textwrap.dedent("""\
            version: 1
            listeners: [{listen: $LISTEN, rate_limit: {rate: 1/h, burst: 1}, to: c}]
            clusters: {c: {endpoints: ["ADDRESS"], protocol: http1}}
            """).replace("ADDRESS", origin.address))
        with Channel(f"127.0.0.1:{weir.port}") as channel:
            channel.unary()(b"x", timeout=20)
            error = channel.failure("Unary")
        said = metadata(error.trailing_metadata()) | metadata(error.initial_metadata())
        self.assertEqual((error.code().name, said.get("weir-error")), ("RESOURCE_EXHAUSTED", "rate_limited"), error)
        self.assertGreater(int(said["grpc-retry-pushback-ms"]), 3_500_000)
        self.assertTrue(re.match('^"public"|^"127', said.get("ratelimit", "")) is not None, said)


if __name__ == "__main__":
    unittest.main()
