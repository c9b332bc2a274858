"""Calls of gRPC by a real client: what Weir itself answers, deadlines, and an origin that speaks HTTP/1.1."""

from __future__ import annotations

import textwrap
import unittest
from functools import partial

import grpc_bed
from grpc_bed import Channel, grpc, metadata, over_http1
from harness import BARE, SharedWeirTest, WeirTest, eventually
from origins import Peer, fixed, hang
from wire import Message, request

ROUTES = """
version: 1
listeners:
  - listen: $LISTEN
    routes:
      - {path: /weir.test.Echo/Unary, to: c}
      - {path: /weir.test.Echo/Small, to: c, max_body: 1KiB}
      - {path: /weir.test.Echo/Respond, respond: {status: 403, body: no}}
      - {path: /weir.test.Echo/Nobody, to: gone}
      - {path: /weir.test.Echo/Fallback, to: falling}
clusters:
  c: {endpoints: ["$ORIGIN"], retry: off}
  gone: {endpoints: ["127.0.0.1:1"], retry: off, breaker: {consecutive_failures: 1, consecutive_for: 0ms}}
  falling:
    endpoints: ["127.0.0.1:1"]
    retry: off
    breaker: {consecutive_failures: 1, consecutive_for: 0ms, open_for: 1m, fallback: {status: 429, body: later}}
"""


@unittest.skipIf(grpc is None, grpc_bed.NOT_HERE)
class Answers(SharedWeirTest):
    """What Weir says itself."""

    @classmethod
    def configuration(cls, address: str) -> str:
        return textwrap.dedent(ROUTES).replace("$ORIGIN", address) + "threads: 1\n"

    def fails(self, method: str, code: str, reason: str | None, **more: object) -> dict[str, str]:
        with Channel(f"127.0.0.1:{self.weir_.port}") as channel:
            error = channel.failure(method, **more)  # type: ignore[arg-type]
        said = metadata(error.trailing_metadata()) | metadata(error.initial_metadata())
        self.assertEqual((error.code().name, said.get("weir-error")), (code, reason), error)
        if reason:
            self.assertIn(f"weir explain {reason}", error.details())
            self.assertIn(said["x-request-id"], error.details())
        return said

    def test_no_route_is_unimplemented(self) -> None:
        self.fails("Elsewhere", "UNIMPLEMENTED", "no_route")

    def test_a_refused_connection_and_an_open_breaker_are_unavailable(self) -> None:
        self.fails("Nobody", "UNAVAILABLE", "upstream_connect_refused")
        said = self.fails("Nobody", "UNAVAILABLE", "breaker_open")
        self.assertGreater(int(said["grpc-retry-pushback-ms"]), 0)
        lines = eventually(lambda: [line for line in self.weir_.access_log() if line["reason"] == "breaker_open"],
                           "the record")
        self.assertEqual(lines[0]["status"], 200)
        self.assertGreaterEqual(self.weir_.metrics().sum("weir_requests_total", code="200", outcome="failure",
                                                         reason="breaker_open"), 1)

    def test_a_body_that_is_too_large_exhausts_a_resource(self) -> None:
        self.fails("Small", "RESOURCE_EXHAUSTED", "body_too_large", body=b"x" * 3000)

    def test_a_deadline_that_passes_is_one(self) -> None:
        self.origin_.answer = hang
        with Channel(f"127.0.0.1:{self.weir_.port}") as channel:
            error = channel.failure(timeout=0.2)
        self.assertEqual(error.code().name, "DEADLINE_EXCEEDED")
        lines = eventually(lambda: [line for line in self.weir_.access_log() if line["path"].endswith("/Unary") and
                                    line["reason"] in ("upstream_timeout", "client_closed")], "the record")
        self.assertEqual(len(lines), 1)
        said = int(self.last().get("grpc-timeout", )[:-1])  # type: ignore[index]
        self.assertTrue(100 <= said <= 220, said)  # the client itself rounds up

    def test_what_a_route_responds_is_for_the_client_to_read(self) -> None:
        self.fails("Respond", "PERMISSION_DENIED", None)

    def test_a_fallback_gives_its_code(self) -> None:
        self.fails("Fallback", "UNAVAILABLE", "upstream_connect_refused")
        self.fails("Fallback", "UNAVAILABLE", "breaker_open")

    def test_a_call_over_http1_is_answered_in_a_head(self) -> None:
        answer = self.weir_.ask("/weir.test.Echo/Elsewhere", "POST", {"Content-Type": "application/grpc+proto"}, b"x")
        self.assertEqual((answer.status, answer.get("grpc-status"), answer.error, answer.body),
                         (200, "12", "no_route", b""))
        self.assertEqual(answer.get("content-length"), "0")
        for kind in ("application/grpc-web", "application/grpc-web-text"):
            answer = self.weir_.ask("/weir.test.Echo/Elsewhere", "POST", {"Content-Type": kind}, b"x")
            self.assertEqual((answer.get("grpc-status"), answer.get("content-type")), ("12", f"{kind}+proto"))

    def test_other_requests_get_answers_of_http(self) -> None:
        answer = self.weir_.ask("/elsewhere", "POST", {"Content-Type": "application/grpcish"}, b"x")
        self.assert_refused(answer, 404, "no_route")


@unittest.skipIf(grpc is None, grpc_bed.NOT_HERE)
class OverHttp1(SharedWeirTest):
    """A client of HTTP/2 and an origin of HTTP/1.1: trailers pass, whatever the shape of the call."""

    cluster = BARE

    def setUp(self) -> None:
        super().setUp()
        self.origin_.answer = over_http1
        self.channel = Channel(f"127.0.0.1:{self.weir_.port}")
        self.addCleanup(self.channel.channel.close)

    def test_a_call_passes(self) -> None:
        got, call = self.channel.unary().with_call(b"hello", metadata=(("x-mine", "1"), ("x-raw-bin", b"\x00\xff")))
        self.assertEqual(got, b"hello")
        self.assertEqual(metadata(call.initial_metadata())["x-said"], "so")
        self.assertEqual((self.last().get("x-mine"), self.last().get("te")), ("1", "trailers"))
        self.assertIsNone(self.last().get("grpc-timeout"))

    def test_large_messages_pass(self) -> None:
        for size in (0, 1, 16_384, 1_000_000, 20_000_000):
            with self.subTest(size):
                self.assertEqual(self.channel.unary()(b"x" * size, timeout=20), b"x" * size)

    def test_messages_pass_in_every_shape(self) -> None:
        self.assertEqual(self.channel.join()(iter([b"a"]), timeout=10), b"a")
        self.assertEqual(list(self.channel.split()(b"abc", timeout=10)), [b"abc"])
        self.assertEqual(list(self.channel.chat()(iter([b"a", b"b", b"c"]), timeout=10)), [b"a", b"b", b"c"])

    def test_status_and_message_come_from_trailers(self) -> None:
        self.origin_.answer = partial(over_http1, status=b"grpc-status: 9\r\ngrpc-message: so%20it%20is\r\n")
        error = self.channel.failure()
        self.assertEqual((error.code().name, error.details()), ("FAILED_PRECONDITION", "so it is"))

    def test_a_status_may_come_in_the_head(self) -> None:
        self.origin_.answer = fixed(200, b"", {"Content-Type": "application/grpc", "grpc-status": "5",
                                               "grpc-message": "none"})
        error = self.channel.failure()
        self.assertEqual((error.code().name, error.details()), ("NOT_FOUND", "none"))

    def test_an_answer_that_is_none_of_grpc_passes_as_it_is(self) -> None:
        self.origin_.answer = fixed(503, b"<html>", {"Content-Type": "text/html"})
        error = self.channel.failure()
        self.assertEqual(error.code().name, "UNAVAILABLE")
        self.assertIn("503", error.details())

    def test_what_is_left_of_a_deadline_is_passed_on(self) -> None:
        self.channel.unary()(b"x", timeout=15)
        left = str(self.last().get("grpc-timeout"))
        self.assertTrue(left.endswith("m") and 10_000 < int(left[:-1]) <= 15_500, left)  # the client itself rounds up
        self.assertEqual(len(self.last().values("grpc-timeout")), 1)

    def test_a_call_that_is_cancelled_ends_upstream(self) -> None:
        self.origin_.answer = hang
        before = len(self.origin_.requests)
        call = self.channel.unary().future(b"x")
        eventually(lambda: len(self.origin_.requests) > before, "the request")
        call.cancel()
        eventually(lambda: any(line["reason"] == "client_closed" for line in self.weir_.access_log()), "its record")

    def test_an_answer_that_is_cut_off_is_no_good_end(self) -> None:
        def cut(peer: Peer, asked: Message) -> None:
            peer.read_body(asked)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"6\r\n" + grpc_bed.message(b"a") + b"\r\n")
            peer.close()
        self.origin_.answer = cut
        error = self.channel.failure()
        self.assertEqual(error.code().name, "INTERNAL")


class Deadlines(WeirTest):
    def test_every_hop_says_what_is_left(self) -> None:
        origin = self.origin()
        second = self.forward(origin.address, cluster=BARE)
        first = self.forward(f"127.0.0.1:{second.port}", cluster=BARE)
        with first.connect() as client:
            client.ask(request("POST", "/a.B/C", {"Content-Type": "application/grpc", "grpc-timeout": "9000m"}, b"x"),
                       "POST")
        left = str(origin.requests[-1].get("grpc-timeout"))
        self.assertTrue(left.endswith("m") and 5_000 < int(left[:-1]) <= 9_000, left)


if __name__ == "__main__":
    unittest.main()
