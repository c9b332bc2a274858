"""Rate limits that a service of Envoy's protocol counts: the real one with a real Redis, and one that a test scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

from grpc_bed import NOT_HERE as NO_GRPC
from grpc_bed import grpc
from harness import Weir, WeirTest, eventually, fetch, free_port
from redis_bed import SERVER, Redis

SERVICE = Path(__file__).parents[2] / "build/tools/ratelimit"

LIMITS = """\
domain: weir
descriptors:
  - key: "header:x-user"
    rate_limit: {unit: day, requests_per_unit: 3}
  - key: generic_key
    value: all
    rate_limit: {unit: day, requests_per_unit: 4}
  - key: method
    descriptors:
      - key: client_ip
        rate_limit: {unit: day, requests_per_unit: 2}
"""

CONFIG = """\
version: 1
threads: 1
listeners:
  - listen: $LISTEN
    routes:
      - {path: /user, rate_limit: user, to: c}
      - {path: /all, rate_limit: all, to: c}
      - {path: /pair, rate_limit: pair, to: c}
      - {path: /dear, rate_limit: dear, to: c}
      - {path: /shadow, rate_limit: shadow, to: c}
      - {path: /deny, rate_limit: deny, to: c}
      - {path: /allow, rate_limit: allow, to: c}
      - {path: /two, rate_limit: [user, all], to: c}
rate_limits:
  user: {rate: 1/h, burst: 5, key: "header:x-user", store: {rls: service}}
  all: {rate: 1/h, burst: 5, key: global, store: {rls: service}}
  pair: {rate: 1/h, burst: 5, key: [method, client_ip], store: {rls: service}}
  dear: {rate: 1/h, burst: 5, key: "header:x-user", cost: 2, store: {rls: service}}
  shadow: {rate: 1/h, key: "header:x-user", mode: shadow, store: {rls: service}}
  deny: {key: "header:x-user", store: {rls: service}, on_store_failure: deny}
  allow: {key: "header:x-user", store: {rls: service}, on_store_failure: allow}
clusters:
  c: {endpoints: ["ORIGIN"]}
  service: {endpoints: ["SERVICE"], protocol: h2c, timeout: TIMEOUT}
"""


class RlsTest(WeirTest):
    def limited(self, service: str, timeout: str = "5s") -> Weir:
        self.origin_ = self.origin()
        config = CONFIG.replace("ORIGIN", self.origin_.address).replace("SERVICE", service)
        return self.weir(config.replace("TIMEOUT", timeout))

    def statuses(self, weir: Weir, target: str, count: int, **headers: str) -> list[int]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return [weir.ask(target, headers=named).status for _ in range(count)]

    def store_errors(self, weir: Weir, rule: str) -> float:
        return weir.metrics().sum("weir_rate_limited_total", rule=rule, result="store_error")


@unittest.skipUnless(SERVER and os.access(SERVICE, os.X_OK), "no redis-server, or no ratelimit (./dev test builds it)")
class Real(RlsTest):
    def service(self) -> str:
        redis = Redis(free_port())
        self.addCleanup(redis.close)
        redis.start()
        eventually(redis.is_listening, "redis listens")
        root = tempfile.mkdtemp(prefix="weir-rls-")
        self.addCleanup(shutil.rmtree, root, True)
        folder = Path(root) / "ratelimit" / "config"
        folder.mkdir(parents=True)
        (folder / "weir.yaml").write_text(LIMITS)
        port, debug, plain = free_port(), free_port(), free_port()
        environment = {"USE_STATSD": "false", "REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": redis.address,
                       "RUNTIME_ROOT": root, "RUNTIME_SUBDIRECTORY": "ratelimit", "RUNTIME_WATCH_ROOT": "false",
                       "HOST": "127.0.0.1", "PORT": str(plain), "GRPC_HOST": "127.0.0.1", "GRPC_PORT": str(port),
                       "DEBUG_HOST": "127.0.0.1", "DEBUG_PORT": str(debug), "LIMIT_RESPONSE_HEADERS_ENABLED": "true",
                       "BACKEND_TYPE": "redis", "PATH": "/usr/bin", "HOME": root}
        process = subprocess.Popen([str(SERVICE)], env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end() -> None:
            process.kill()
            process.wait()

        self.addCleanup(end)

        def is_healthy() -> bool:
            try:
                return fetch(plain, "GET", "/healthcheck")[0] == 200
            except OSError:
                return False

        eventually(is_healthy, "the service answers", within=20)
        return f"127.0.0.1:{port}"

    def test_it_counts_by_descriptors_of_the_keys(self) -> None:
        weir = self.limited(self.service())
        self.assertEqual(self.statuses(weir, "/user", 5, x_user="a"), [200, 200, 200, 429, 429])
        self.assertEqual(self.statuses(weir, "/user", 1, x_user="b"), [200])
        self.assertEqual(self.statuses(weir, "/all", 6), [200] * 4 + [429] * 2)
        self.assertEqual(self.statuses(weir, "/pair", 3), [200, 200, 429])
        self.assertEqual(self.statuses(weir, "/dear", 2, x_user="c"), [200, 429])
        self.assertEqual(self.statuses(weir, "/shadow", 5, x_user="d"), [200] * 5)
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_rate_limited_total", result="store_error"), 0)
        self.assertEqual(metrics.sum("weir_rate_limited_total", rule="shadow", result="shadow"), 2)
        answer = weir.ask("/user", headers={"x-user": "a"})
        self.assert_refused(answer, 429, "rate_limited")
        self.assertIn(int(answer.get("retry-after") or 0), range(1, 86401))

    def test_what_the_service_adds_is_passed_on(self) -> None:
        weir = self.limited(self.service())
        answer = weir.ask("/user", headers={"x-user": "z"})
        self.assertEqual(answer.get("ratelimit-remaining"), "2")
        self.assertIn('"user";q=3;w=86400', answer.get("ratelimit-policy") or "")


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def tagged(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


OK, OVER = 1, 2


def answer(code: int, seconds: int = 0, headers: list[tuple[int, str, str]] | None = None) -> bytes:
    out = tagged(1, code)
    if seconds:
        out += tagged(2, tagged(1, code) + tagged(4, tagged(1, seconds)))
    for field, name, value in headers or []:
        out += tagged(field, tagged(1, name.encode()) + tagged(2, value.encode()))
    return out


@unittest.skipIf(grpc is None, NO_GRPC)
class Scripted(RlsTest):
    """The service answers as `self.answer` says: bytes, or a function of the call."""

    def setUp(self) -> None:
        self.answer: bytes | Callable[[Any], bytes] = answer(OK)
        self.asked: list[bytes] = []
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        handler = grpc.unary_unary_rpc_method_handler(self.should_rate_limit)
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
            "envoy.service.ratelimit.v3.RateLimitService", {"ShouldRateLimit": handler})])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.addCleanup(self.server.stop, 0)

    def should_rate_limit(self, request: bytes, context: Any) -> bytes:
        self.asked.append(request)
        return self.answer if isinstance(self.answer, bytes) else self.answer(context)

    def test_the_question(self) -> None:
        weir = self.limited(f"127.0.0.1:{self.port}")
        self.assertEqual(self.statuses(weir, "/user", 1, x_user="a"), [200])
        entry = tagged(1, b"header:x-user") + tagged(2, b"a")
        self.assertEqual(self.asked, [tagged(1, b"weir") + tagged(2, tagged(1, entry)) + tagged(3, 1)])

    def test_a_refused_key_is_not_asked_again_until_its_reset(self) -> None:
        weir = self.limited(f"127.0.0.1:{self.port}")
        self.answer = answer(OVER, 3600)
        self.assertEqual(self.statuses(weir, "/user", 5, x_user="a"), [429] * 5)
        self.assertEqual(len(self.asked), 1)
        self.assertEqual(self.statuses(weir, "/user", 1, x_user="b"), [429])
        self.assertEqual(len(self.asked), 2)
        self.answer = answer(OVER)  # of which it does not say until when
        self.assertEqual(self.statuses(weir, "/user", 3, x_user="c"), [429] * 3)
        self.assertEqual(len(self.asked), 5)

    def test_headers_for_both_sides(self) -> None:
        weir = self.limited(f"127.0.0.1:{self.port}")
        self.answer = answer(OK, headers=[(3, "x-left", "7"), (3, "content-length", "1"), (4, "x-tier", "gold"),
                                          (4, "transfer-encoding", "chunked"), (3, "x-bad", "a\r\nb: c")])
        got = weir.ask("/user", headers={"x-user": "a"})
        self.assertEqual((got.status, got.get("x-left"), got.get("x-bad"), got.get("b")), (200, "7", None, None))
        self.assertEqual(self.origin_.requests[-1].get("x-tier"), "gold")

    def test_failures_are_as_configured(self) -> None:
        weir = self.limited(f"127.0.0.1:{self.port}")
        for number, bad in enumerate((b"", b"\x08", b"\x08\x07", b"not protobuf", answer(OK) + b"\xff", self.abort)):
            self.answer = bad
            for rule, expected in (("user", [200] * 5 + [429]), ("deny", [429] * 6), ("allow", [200] * 6)):
                with self.subTest(bad=bad, rule=rule):
                    before = self.store_errors(weir, rule)
                    self.assertEqual(self.statuses(weir, f"/{rule}", 6, x_user=f"u{number}"), expected)
                    self.assertEqual(self.store_errors(weir, rule) - before, 6)

    @staticmethod
    def abort(context: Any) -> bytes:
        context.abort(grpc.StatusCode.INTERNAL, "no")
        raise AssertionError

    def test_a_service_that_is_silent_or_gone(self) -> None:
        silence = threading.Event()
        self.addCleanup(silence.set)

        def wait(_: Any) -> bytes:
            silence.wait(20)
            return answer(OK)

        self.answer = wait
        weir = self.limited(f"127.0.0.1:{self.port}", timeout="20ms")
        self.assertEqual(self.statuses(weir, "/user", 6, x_user="a"), [200] * 5 + [429])
        self.assertEqual(self.store_errors(weir, "user"), 6)
        gone = self.limited(f"127.0.0.1:{free_port()}")
        self.assertEqual(self.statuses(gone, "/user", 6, x_user="a"), [200] * 5 + [429])

    def test_two_rules_of_a_silent_service_wait_once(self) -> None:
        silence = threading.Event()
        self.addCleanup(silence.set)
        self.answer = lambda _: answer(OK) if silence.wait(20) else b""
        weir = self.limited(f"127.0.0.1:{self.port}", timeout="1s")
        began = time.monotonic()
        self.assertEqual(self.statuses(weir, "/two", 1, x_user="a"), [200])
        self.assertLess(time.monotonic() - began, 1.9)
        self.assertEqual((self.store_errors(weir, "user"), self.store_errors(weir, "all")), (1, 1))
        self.assertEqual(len(self.asked), 1)
        store = next(limit["store"] for limit in weir.api("ratelimits") if limit["name"] == "all")
        self.assertEqual((store["kind"], store["name"], store["error"]), ("rls", "service", "upstream_timeout"))
        self.assertIn(store["breaker"], ("open", "half_open"))
        self.assertEqual(weir.metrics().sum("weir_rate_limit_store_seconds_count", rule="user"), 1)
        self.assertEqual(weir.metrics().sum("weir_rate_limit_store_seconds_count", rule="all"), 0)

    def test_wrong_answers_are_told(self) -> None:
        weir = self.limited(f"127.0.0.1:{self.port}")
        self.answer = b"\x08"
        self.assertEqual(self.statuses(weir, "/allow", 1, x_user="a"), [200])
        limit = next(limit for limit in weir.api("ratelimits") if limit["name"] == "allow")
        self.assertEqual((limit["quota"], limit["store"]["error"]), (None, "its answer is none of the protocol"))

    def test_clients_that_leave_while_it_is_silent(self) -> None:
        silence = threading.Event()
        self.addCleanup(silence.set)
        self.answer = lambda _: answer(OK) if silence.wait(20) else b""
        weir = self.limited(f"127.0.0.1:{self.port}", timeout="10s")
        clients = [weir.connect() for _ in range(4)]
        for client in clients:
            client.send(b"GET /user HTTP/1.1\r\nHost: test\r\n\r\n")
        eventually(lambda: weir.metrics().sum("weir_requests_active") == 4, "four wait")
        for client in clients:
            client.abort()
        eventually(lambda: weir.metrics().sum("weir_requests_active") == 0, "they are gone")

    def test_it_is_asked_again_when_it_is_back(self) -> None:
        weir = self.limited(f"127.0.0.1:{self.port}")
        self.answer = b"\x08"
        self.assertEqual(self.statuses(weir, "/allow", 3, x_user="a"), [200] * 3)
        self.answer = answer(OVER)
        eventually(lambda: weir.ask("/allow").status == 429, "it is asked again")


if __name__ == "__main__":
    unittest.main()
