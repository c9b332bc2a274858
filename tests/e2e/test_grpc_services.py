"""A real client and a real server of gRPC with Weir between them, one and two, in clear and in a mesh."""

from __future__ import annotations

import contextlib
import threading
import time
import unittest
from collections.abc import Iterator

import grpc_bed
from grpc_bed import Channel, Service, grpc, metadata
from harness import WeirTest, Weir, eventually, forwarding
from pki import Authority

H2C = "protocol: h2c\n"


class Calls:
    """What must hold whatever is between; `port` is where the client goes."""

    port: int
    service: Service

    def open(self) -> Channel:
        channel = Channel(f"127.0.0.1:{self.port}")
        self.addCleanup(channel.channel.close)  # type: ignore[attr-defined]
        return channel

    def test_all_four_shapes(self) -> None:
        channel = self.open()
        self.assertEqual(channel.unary()(b"hello", timeout=20), b"hello")
        self.assertEqual(list(channel.split()(b"5 3", timeout=20)), [bytes((i,)) * 3 for i in range(5)])
        self.assertEqual(channel.join()(iter([b"a", b"b", b"c"]), timeout=20), b"abc")
        self.assertEqual(list(channel.chat()(iter([b"a", b"", b"c"]), timeout=20)), [b"a", b"", b"c"])

    def test_a_conversation_waits_for_neither_side_to_end(self) -> None:
        said: list[bytes] = []
        go_on = threading.Semaphore(0)

        def speak() -> Iterator[bytes]:
            for number in range(20):
                yield b"%d" % number
                go_on.acquire(timeout=10)

        for answer in self.open().chat()(speak(), timeout=30):
            said.append(answer)
            go_on.release()
        self.assertEqual(said, [b"%d" % number for number in range(20)])

    def test_large_messages(self) -> None:
        channel = self.open()
        for size in (0, 1, 65_535, 65_536, 5_000_000):
            body = bytes(range(256)) * (size // 256 + 1)
            self.assertEqual(channel.unary()(body[:size], timeout=30), body[:size])

    def test_long_streams(self) -> None:
        channel = self.open()
        got = list(channel.split()(b"2000 5000", timeout=40))
        self.assertEqual((len(got), sum(map(len, got))), (2000, 10_000_000))
        self.assertEqual(len(channel.join()((b"x" * 5000 for _ in range(2000)), timeout=40)), 10_000_000)

    def test_metadata_both_ways(self) -> None:
        got, call = self.open().unary().with_call(b"x", timeout=20, metadata=(
            ("x-mine", "1"), ("x-raw-bin", b"\x00\xfe"), ("x-many", "a"), ("x-many", "b")))
        self.assertEqual(got, b"x")
        seen = self.service.metadata[-1]
        self.assertEqual((seen["x-mine"], seen["x-raw-bin"]), ("1", b"\x00\xfe"))
        self.assertEqual(metadata(call.initial_metadata())["x-raw-bin"], b"\x00\xff")
        self.assertEqual(metadata(call.trailing_metadata())["x-last"], "1")

    def test_errors_with_their_words(self) -> None:
        channel = self.open()
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            error = channel.failure("Fail", b"%d %s" % (code.value[0], "über 100 %\n".encode()))
            self.assertEqual((error.code(), error.details()), (code, "über 100 %\n"))
            self.assertEqual(metadata(error.trailing_metadata())["x-last"], "1")

    def test_an_error_after_messages(self) -> None:
        got: list[bytes] = []
        with self.assertRaises(grpc.RpcError) as caught:
            for each in self.open().split("Break")(b"3 10", timeout=20):
                got.append(each)
        self.assertEqual((len(got), caught.exception.code().name), (3, "DATA_LOSS"))

    def test_a_method_that_is_not_there(self) -> None:
        self.assertEqual(self.open().failure("Nowhere").code().name, "UNIMPLEMENTED")

    def test_a_deadline_reaches_the_server(self) -> None:
        channel = self.open()
        channel.unary()(b"x", timeout=15)
        left = self.service.remaining[-1]
        self.assertTrue(left is not None and 5 < left <= 15.5, left)  # the client itself rounds up
        channel.unary()(b"x")
        left = self.service.remaining[-1]
        self.assertTrue(left is None or left > 1e6, left)

    def test_a_deadline_that_passes(self) -> None:
        self.service.ended.clear()
        began = time.monotonic()
        error = self.open().failure("Hang", timeout=0.3)
        self.assertEqual(error.code().name, "DEADLINE_EXCEEDED")
        self.assertLess(time.monotonic() - began, 10)
        self.assertTrue(self.service.ended.wait(10))

    def test_a_cancel_reaches_the_server(self) -> None:
        self.service.ended.clear()
        count = self.service.calls.count("Hang")
        call = self.open().unary("Hang").future(b"x")
        eventually(lambda: self.service.calls.count("Hang") > count, "the call")
        call.cancel()
        self.assertTrue(self.service.ended.wait(10))

    def test_many_at_once(self) -> None:
        channel = self.open()
        calls = [channel.unary().future(b"%d" % i, timeout=30) for i in range(300)]
        self.assertEqual([call.result() for call in calls], [b"%d" % i for i in range(300)])


@unittest.skipIf(grpc is None, grpc_bed.NOT_HERE)
class ThroughOne(Calls, WeirTest):
    def setUp(self) -> None:
        self.service = Service()
        self.addCleanup(self.service.close)
        self.weir_ = self.forward(self.service.address, cluster=H2C)
        self.port = self.weir_.port

    def tearDown(self) -> None:
        eventually(lambda: self.weir_.metrics().sum("weir_requests_active") == 0, "nothing is left")


@unittest.skipIf(grpc is None, grpc_bed.NOT_HERE)
class ThroughAMesh(Calls, WeirTest):
    """In clear to a Weir, mutual TLS to another, in clear to the server."""

    authority: Authority
    identity: str

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.close)
        member = cls.authority.issue("member", "URI:spiffe://test/member")
        cls.identity = f"identity: {{{member.yaml}, ca: {cls.authority.cert}}}\n"

    def setUp(self) -> None:
        self.service = Service()
        self.addCleanup(self.service.close)
        config = forwarding(self.service.address, cluster=H2C, rest=self.identity)
        second = self.weir(config.replace("to: c", "to: c, tls: mesh"))
        self.port = self.forward(f"127.0.0.1:{second.port}", cluster="tls: mesh\n", rest=self.identity).port


@unittest.skipIf(grpc is None, grpc_bed.NOT_HERE)
class Health(WeirTest):
    """The status of a call is what breaker, detector and retry go by."""

    def service(self) -> Service:
        service = Service()
        self.addCleanup(service.close)
        return service

    def channel(self, weir: Weir) -> Channel:
        channel = Channel(f"127.0.0.1:{weir.port}")
        self.addCleanup(channel.channel.close)
        return channel

    def test_unavailable_opens_the_breaker(self) -> None:
        weir = self.forward(self.service().address, cluster=H2C + "retry: off\nbreaker: {open_for: 1m}\n")
        channel = self.channel(weir)

        def is_open() -> bool:
            channel.failure("Fail", b"14 no")
            return weir.breaker("c") == "open"
        eventually(is_open, "the breaker opens")
        error = channel.failure()
        self.assertEqual(error.code().name, "UNAVAILABLE")
        self.assertEqual(metadata(error.trailing_metadata())["weir-error"], "breaker_open")

    def test_the_clients_own_mistakes_do_not(self) -> None:
        weir = self.forward(self.service().address, cluster=H2C + "retry: off\n")
        channel = self.channel(weir)
        for _ in range(40):
            channel.failure("Fail", b"5 none")
        self.assertEqual(weir.breaker("c"), "closed")

    def test_a_server_that_is_unavailable_is_ejected(self) -> None:
        good, bad = self.service(), self.service()
        bad.broken = True
        weir = self.forward(good.address, bad.address, cluster=H2C + "retry: off\nlb: round_robin\n")
        channel = self.channel(weir)

        def is_out() -> bool:
            with contextlib.suppress(grpc.RpcError):
                channel.unary()(b"x", timeout=20)
            return weir.endpoint_state("c", bad.address) == "ejected"
        eventually(is_out, "it is ejected")
        self.assertEqual(weir.breaker("c"), "closed")

    def test_unavailable_is_tried_again_where_post_is_listed(self) -> None:
        good, bad = self.service(), self.service()
        bad.broken = True
        weir = self.forward(good.address, bad.address, cluster=H2C + "retry: {methods: [POST], budget: 100%}\n"
                            "lb: round_robin\noutlier: off\nbreaker: off\n")
        channel = self.channel(weir)
        for number in range(20):
            self.assertEqual(channel.unary()(b"%d" % number, timeout=20), b"%d" % number)
        self.assertGreater(bad.calls.count("Unary"), 2)
        self.assertGreater(weir.metrics().sum("weir_retries_total", result="success"), 2)

    def test_unavailable_is_not_tried_again_by_default(self) -> None:
        bad = self.service()
        bad.broken = True
        channel = self.channel(self.forward(bad.address, cluster=H2C))
        self.assertEqual(channel.failure().code().name, "UNAVAILABLE")
        self.assertEqual(bad.calls, ["Unary"])

    def test_a_dead_server_is_left_and_calls_go_on(self) -> None:
        good, bad = self.service(), self.service()
        weir = self.forward(good.address, bad.address, cluster=H2C)
        channel = self.channel(weir)
        for _ in range(20):
            channel.unary()(b"x", timeout=20)
        bad.close()
        for _ in range(100):
            self.assertEqual(channel.unary()(b"x", timeout=20), b"x")


if __name__ == "__main__":
    unittest.main()
