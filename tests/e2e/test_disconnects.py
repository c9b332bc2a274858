"""A client or an origin that goes away at every byte. Afterwards nothing is held and Weir answers as before."""

from __future__ import annotations

import threading
import unittest

from harness import BARE, WeirTest, eventually
from origins import Answer, Peer, echo
from wire import Malformed, Message, RawClient, chunk, request, response

CHUNKED = (b"POST /chunked HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello") +
           b"0\r\nX-Sum: 1\r\n\r\n")
ANSWERS = {
    "length": response(200, b"hello", {"X": "y"}),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello") + b"0\r\nX: y\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + response(200, b"hello"),
}
GAUGES = ("weir_requests_active", "weir_upstream_requests_active", "weir_upstream_requests_pending",
          "weir_connections_active")


class Disconnecting(WeirTest):
    """What holds after each test: idle gauges, an answer, and no descriptor more than before."""

    def setUp(self) -> None:
        self.weir_, self.origin_ = self.proxied(echo, BARE)
        self.files = self.weir_.open_files()

    def tearDown(self) -> None:
        weir = self.weir_
        self.origin_.released.set()
        self.origin_.answer = echo
        eventually(lambda: all(weir.metrics().sum(name) == 0 for name in GAUGES),
                   f"idle gauges: { {name: weir.metrics().sum(name) for name in GAUGES} }")
        self.assertEqual(weir.ask("/still-there").body, b"ok")
        for peer in self.origin_.open_peers():
            peer.close()
        eventually(lambda: weir.open_files() <= self.files, f"descriptors: {weir.open_files()}, before {self.files}")


class Clients(Disconnecting):
    def leave(self, client: RawClient, rudely: bool) -> None:
        if rudely:
            client.abort()
        else:
            client.sock.close()

    def test_client_leaves_after_every_byte_of_its_request(self) -> None:
        for data in (request("POST", "/length", body=b"hello"), CHUNKED):
            for rudely in (False, True):
                for size in range(len(data) + 1):
                    client = self.weir_.connect()
                    client.send(data[:size])
                    self.leave(client, rudely)

    def test_client_ends_its_side_after_every_byte_of_its_request(self) -> None:
        for data in (request("POST", "/length", body=b"hello"), CHUNKED):
            for size in range(len(data)):
                with self.weir_.connect() as client:
                    client.send(data[:size])
                    client.end_sending()
                    self.assertNotIn(b" 200 ", client.wire.rest()[:20], f"answered {size} of {len(data)} bytes")
        self.assertEqual([m.body for m in self.origin_.requests if m.body], [])

    def test_client_leaves_while_it_waits_and_the_origin_is_told(self) -> None:
        def until_told(peer: Peer, _: Message) -> None:
            peer.wire.rest()

        self.origin_.answer = until_told
        for _ in range(5):
            client = self.weir_.connect()
            client.send(request())
            eventually(lambda: self.origin_.open_peers(), "the request at the origin")
            client.abort()
            eventually(lambda: not self.origin_.open_peers(), "the origin's connection ended")

    def test_client_that_left_quietly_is_noticed_with_the_answer(self) -> None:
        """Its end alone is no reason: it may still read (half-close)."""

        def late(peer: Peer, _: Message) -> None:
            peer.hang()
            peer.send(response(200, b"x" * 100_000))

        self.origin_.answer = late
        for _ in range(5):
            self.origin_.released.clear()
            count = len(self.origin_.requests)
            client = self.weir_.connect()
            client.send(request())
            eventually(lambda: len(self.origin_.requests) > count, "the request at the origin")  # noqa: B023
            client.sock.close()
            self.origin_.released.set()

    def test_client_leaves_after_every_byte_of_the_answer(self) -> None:
        for data in ANSWERS.values():
            self.origin_.answer = lambda peer, _: peer.send(data)  # noqa: B023
            for rudely in (False, True):
                for size in range(1, len(data), 3):
                    client = self.weir_.connect()
                    client.send(request())
                    client.wire.exactly(size)
                    self.leave(client, rudely)

    def test_client_leaves_in_the_middle_of_an_endless_answer(self) -> None:
        def endless(peer: Peer, _: Message) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                peer.send(chunk(b"x" * 65536))

        self.origin_.answer = endless
        for rudely in (False, True, False, True):
            client = self.weir_.connect()
            client.send(request())
            client.wire.exactly(1 << 20)
            self.leave(client, rudely)
        eventually(lambda: not self.origin_.open_peers(), "the origin's connections ended")

    def test_client_leaves_in_the_middle_of_a_large_upload(self) -> None:
        for rudely in (False, True, False, True):
            client = self.weir_.connect()
            client.send(f"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {1 << 30}\r\n\r\n")
            client.send(b"x" * (1 << 20))
            self.leave(client, rudely)
        eventually(lambda: not self.origin_.open_peers(), "the origin's connections ended")

    def test_client_ends_its_side_within_the_second_request_of_a_pipeline(self) -> None:
        """Its end is read while the first is served; the rest of the second will never come."""
        def late(peer: Peer, message: Message) -> None:
            if message.target == "/first":
                peer.hang()
            peer.read_body(message)
            peer.send(response())

        self.origin_.answer = late
        second = [data[:size] for data in (request("POST", "/length", body=b"hello"), CHUNKED)
                  for size in range(1, len(data), 5)]
        clients = [self.weir_.connect() for _ in second]
        for client, part in zip(clients, second, strict=True):
            client.send(request(target="/first") + part)
            client.end_sending()
        eventually(lambda: self.origin_.targets().count("/first") == len(second), "all first requests")
        self.origin_.released.set()
        for client in clients:
            self.assertEqual(client.answer().status, 200)
            self.assertNotIn(b" 200 ", client.wire.rest()[:20])
            client.sock.close()

    def test_client_leaves_a_pipeline(self) -> None:
        for rudely in (False, True):
            for _ in range(20):
                client = self.weir_.connect()
                client.send(request() * 10)
                self.leave(client, rudely)

    def test_either_side_leaves_a_tunnel(self) -> None:
        def tunnel(peer: Peer, message: Message) -> None:
            peer.send(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            if message.target == "/origin-resets":
                peer.reset()
            elif message.target == "/origin-closes":
                peer.close()
            else:
                peer.wire.rest()
                peer.close()

        self.origin_.answer = tunnel
        for target in ("/origin-resets", "/origin-closes", "/client-closes", "/client-resets"):
            with self.subTest(target):
                client = self.weir_.connect()
                client.ask(request(target=target, headers={"Connection": "Upgrade", "Upgrade": "x"}))
                if target.startswith("/origin"):
                    client.wire.rest()
                self.leave(client, target == "/client-resets")


class Origins(Disconnecting):
    def go(self, peer: Peer, rudely: bool) -> None:
        if rudely:
            peer.reset()
        else:
            peer.close()

    def ask(self, data: bytes = b"") -> bytes:
        with self.weir_.connect() as client:
            client.send(data or request(headers={"Connection": "close"}))
            return client.wire.rest()

    def assert_failed_cleanly(self, answer: bytes) -> None:
        self.assertTrue(answer.startswith(b"HTTP/1.1 502 "), answer[:200])
        self.assertIn(b"weir-error: upstream_reset", answer.lower())

    def test_origin_leaves_after_reading_any_part_of_the_request(self) -> None:
        body = b"b" * 200_000
        data = request("POST", "/", {"Connection": "close"}, body)
        for rudely in (False, True):
            for part in (0, 1, 1000, 100_000):
                with self.subTest(rudely=rudely, part=part):
                    self.origin_.answer = self.after_reading(part, rudely)
                    self.assert_failed_cleanly(self.ask(data))

    def after_reading(self, part: int, rudely: bool) -> Answer:
        def answer(peer: Peer, _: Message) -> None:
            peer.wire.exactly(part)
            self.go(peer, rudely)

        return answer

    def test_origin_leaves_after_every_byte_of_its_answer(self) -> None:
        for name, data in ANSWERS.items():
            for rudely in (False, True):
                for size in range(len(data) + 1):
                    with self.subTest(name, rudely=rudely, size=size):
                        self.check_cut(data, size, rudely)

    def check_cut(self, data: bytes, size: int, rudely: bool) -> None:
        def cut(peer: Peer, message: Message) -> None:
            peer.read_body(message)
            peer.send(data[:size])
            self.go(peer, rudely)

        self.origin_.answer = cut
        with self.weir_.connect() as client:
            try:
                answer = client.ask(request(headers={"Connection": "close"}))
            except (Malformed, ConnectionResetError):
                self.assertLess(size, len(data))
                return
        if answer.status == 200:
            self.assertEqual(answer.body, b"hello")
            self.assertTrue(size == len(data), f"{size} of {len(data)} bytes passed for whole")
        else:
            self.assertEqual((answer.status, answer.error), (502, "upstream_reset"))

    def test_origin_leaves_idle_connections(self) -> None:
        for rudely in (False, True):
            for _ in range(20):
                self.assertEqual(self.weir_.ask("/", "POST", body=b"x").status, 200)
                for peer in self.origin_.open_peers():
                    peer.leave(rudely)

    def test_both_leave_at_once(self) -> None:
        self.origin_.answer = lambda peer, _: self.go(peer, True)

        def client_side() -> None:
            for _ in range(50):
                client = self.weir_.connect()
                client.send(request("POST", body=b"x" * 1000))
                client.abort()

        threads = [threading.Thread(target=client_side) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)


if __name__ == "__main__":
    unittest.main()
