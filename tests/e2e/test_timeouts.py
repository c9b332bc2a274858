"""Each timeout of the configuration, small: what the client sees, when, and that the connection is given back."""

from __future__ import annotations

import socket
import threading
import time
import unittest

from harness import BARE, WeirTest, eventually
from origins import Answer, Peer, echo, hang
from wire import Message, Truncated, request, response

# Wide enough for a busy machine; a timeout that is not there would be 60 s.
LATEST = 4.0


class Timeouts(WeirTest):
    def timed(self, answer: Answer, timeout: str, status: int, reason: str, earliest: float = 0.2) -> None:
        weir, origin = self.proxied(answer, f"breaker: off\noutlier: off\nretry: off\ntimeout: {timeout}")
        began = time.monotonic()
        self.assert_refused(weir.ask(), status, reason)
        took = time.monotonic() - began
        self.assertGreaterEqual(took, earliest)
        self.assertLess(took, LATEST)
        eventually(lambda: weir.metrics().sum("weir_upstream_requests_active") == 0, "the attempt ended")
        self.assertEqual(weir.metrics().sum("weir_requests_total", reason=reason), 1)

    def test_request_ends_a_silent_upstream(self) -> None:
        self.timed(hang, "300ms", 504, "upstream_timeout")

    def test_request_spans_all_tries(self) -> None:
        origin = self.origin(hang)
        other = self.origin(hang)
        weir = self.forward(origin.address, other.address, cluster="""\
            breaker: off
            outlier: off
            timeout: 600ms
            retry: {attempts: 5, per_try_timeout: 200ms, on: [timeout]}
            """)
        began = time.monotonic()
        self.assert_refused(weir.ask(), 504, "upstream_timeout")
        self.assertGreaterEqual(time.monotonic() - began, 0.5)
        self.assertLess(time.monotonic() - began, LATEST)
        self.assertGreaterEqual(len(origin.requests) + len(other.requests), 2)

    def test_response_header_is_per_try(self) -> None:
        self.timed(hang, "{response_header: 300ms}", 504, "upstream_timeout")

    def test_response_header_does_not_count_the_sending(self) -> None:
        weir, _ = self.proxied(echo, "retry: off\ntimeout: {response_header: 300ms}")
        with weir.connect() as client:
            client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n")
            for _ in range(10):
                client.send("x")
                time.sleep(0.06)  # a slow client, longer in all than the timeout
            self.assertEqual(client.answer().body, b"x" * 10)

    def test_connect_ends_the_wait_for_a_full_backlog(self) -> None:
        # A listener that never accepts, its queue filled: the next SYN is not answered.
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            waiting = [socket.socket() for _ in range(4)]
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port))
            for sock in waiting:
                self.addCleanup(sock.close)
            weir = self.forward(f"127.0.0.1:{port}", cluster=BARE + "timeout: {connect: 300ms}")
            began = time.monotonic()
            self.assert_refused(weir.ask(), 503, "upstream_connect_timeout")
            self.assertLess(time.monotonic() - began, LATEST)
            failures = weir.metrics().sum("weir_upstream_connect_failures_total", cluster="c", reason="timeout")
            self.assertEqual(failures, 1)

    def test_total_ends_an_exchange_that_flows(self) -> None:
        def drip(peer: Peer, request: Message) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not peer.origin.released.wait(0.02):
                peer.send(b"x")

        weir, _ = self.proxied(drip, BARE + "timeout: {total: 400ms}")
        began = time.monotonic()
        with self.assertRaises((Truncated, ConnectionResetError)):
            weir.ask()
        self.assertLess(time.monotonic() - began, LATEST)

    def test_total_before_headers_is_a_504(self) -> None:
        self.timed(hang, "{total: 300ms}", 504, "upstream_timeout")

    def test_stream_idle_cuts_a_silent_body(self) -> None:
        def half(peer: Peer, _: Message) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            peer.hang()

        weir, _ = self.proxied(half, BARE + "timeout: {stream_idle: 300ms}")
        began = time.monotonic()
        with self.assertRaises((Truncated, ConnectionResetError)):
            weir.ask()
        self.assertLess(time.monotonic() - began, LATEST)

    def test_stream_idle_leaves_a_slow_body_alone(self) -> None:
        def slow(peer: Peer, request: Message) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            for _ in range(10):
                peer.origin.released.wait(0.08)
                peer.send(b"x")

        weir, _ = self.proxied(slow, BARE + "timeout: {stream_idle: 400ms, request: 200ms}")
        self.assertEqual(weir.ask().body, b"x" * 10)

    def test_idle_closes_pooled_connections(self) -> None:
        weir, origin = self.proxied(echo, "timeout: {idle: 300ms}")
        self.assertEqual(weir.ask().status, 200)
        self.assertEqual(len(origin.open_peers()), 1)
        eventually(lambda: not origin.open_peers(), "the idle connection closed", LATEST)
        self.assertEqual(weir.ask().status, 200)

    def test_client_header_ends_a_slow_head_with_408(self) -> None:
        weir, origin = self.proxied(rest="defaults: {timeout: {client_header: 300ms}}")
        with weir.connect() as client:
            client.send("GET / HTTP/1.1\r\nHost: te")
            began = time.monotonic()
            self.assert_refused(client.answer(), 408, "request_timeout")
            self.assertTrue(client.is_closed())
        self.assertLess(time.monotonic() - began, LATEST)
        self.assertEqual(origin.requests, [])

    def test_client_header_counts_for_later_requests_too(self) -> None:
        weir, _ = self.proxied(rest="defaults: {timeout: {client_header: 300ms, client_idle: 60s}}")
        with weir.connect() as client:
            for _ in range(2):
                self.assertEqual(client.ask(request()).status, 200)
            client.send("GET / HTTP/1.1\r\nHost: te")
            self.assert_refused(client.answer(), 408, "request_timeout")

    def test_client_header_is_not_fooled_by_dripping(self) -> None:
        weir, _ = self.proxied(rest="defaults: {timeout: {client_header: 400ms}}")
        with weir.connect() as client:
            client.send("GET / HTTP/1.1\r\nHost: test\r\nX: ")
            began = time.monotonic()

            def drip() -> None:
                try:
                    while time.monotonic() - began < LATEST:
                        client.send("x")
                        time.sleep(0.05)
                except OSError:
                    pass

            threading.Thread(target=drip, daemon=True).start()
            data = client.wire.rest()
        self.assertIn(b" 408 ", data[:20])
        self.assertLess(time.monotonic() - began, LATEST)

    def test_client_idle_closes_quietly(self) -> None:
        weir, _ = self.proxied(rest="defaults: {timeout: {client_idle: 300ms, client_header: 400ms}}")
        with weir.connect() as client:
            client.ask(request())
            began = time.monotonic()
            self.assertTrue(client.is_closed())
            self.assertLess(time.monotonic() - began, LATEST)
        with weir.connect() as client:
            self.assertTrue(client.is_closed(), "a connection without a request")

    def test_a_client_that_stops_sending_its_body_ends(self) -> None:
        weir, origin = self.proxied(echo, BARE + "timeout: {stream_idle: 300ms}")
        for part in ("half", ""):
            with self.subTest(part), weir.connect() as client:
                client.send(f"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n{part}")
                self.assertRegex(client.wire.rest()[:20], rb"^(HTTP/1.1 408 |$)")
        eventually(lambda: not origin.open_peers(), "the origin's connection ended", LATEST)

    def test_tcp_idle_ends_a_silent_tunnel_and_only_that(self) -> None:
        def tunnel(peer: Peer, request: Message) -> None:
            peer.send(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            for _ in range(10):
                peer.origin.released.wait(0.1)
                peer.send(b"x")
            peer.hang()

        weir, origin = self.proxied(tunnel, BARE + "timeout: {tcp_idle: 500ms, stream_idle: 200ms, request: 200ms}")
        with weir.connect() as client:
            client.ask(request(headers={"Connection": "Upgrade", "Upgrade": "x"}))
            self.assertEqual(client.wire.rest(), b"x" * 10)
        origin.released.set()

    def test_a_timeout_of_a_route_wins(self) -> None:
        origin = self.origin(hang)
        weir = self.weir(f"""\
            version: 1
            listeners:
              - listen: $LISTEN
                routes:
                  - {{path: /quick, timeout: 200ms, to: c}}
                  - {{to: c}}
            clusters:
              c: {{endpoints: ["{origin.address}"], timeout: 30s, breaker: off, outlier: off}}
            """)
        began = time.monotonic()
        self.assert_refused(weir.ask("/quick"), 504, "upstream_timeout")
        self.assertLess(time.monotonic() - began, LATEST)

    def test_slow_is_not_late(self) -> None:
        def slow(peer: Peer, _: Message) -> None:
            peer.origin.released.wait(0.3)
            peer.send(response())

        weir, _ = self.proxied(slow, "timeout: 5s")
        self.assertEqual(weir.ask().status, 200)


if __name__ == "__main__":
    unittest.main()
