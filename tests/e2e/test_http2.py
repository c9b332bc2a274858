"""HTTP/2 from clients, in clear text by prior knowledge: real ones, and what no real one would send."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from h2wire import (CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2Client, HEADERS, NO_ERROR, PING,
                    PRIORITY, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, field, frame, head, pseudo)
from harness import BARE, SharedWeirTest, WeirTest, eventually, forwarding
from origins import Peer, echo, fixed, hang, raw
from wire import Message, abort, chunk, request, response


def curl(port: int, path: str = "/", *arguments: str, data: bytes | None = None) -> tuple[str, bytes]:
    """Heads and body of the answer."""
    with tempfile.TemporaryDirectory() as folder:
        heads = Path(folder) / "heads"
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--max-time", "20", "-D", heads, *arguments,
             *(["--data-binary", "@-"] if data is not None else []), f"http://127.0.0.1:{port}{path}"],
            input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise AssertionError(f"curl: {done.returncode} {done.stderr!r}")
        return heads.read_text(), done.stdout


class Clients(SharedWeirTest):
    def test_a_request_passes(self) -> None:
        self.origin_.answer = fixed(200, b"hello", {"X-Said": "so", "Keep-Alive": "timeout=5"})
        heads, body = curl(self.weir_.port, "/a/b?c=d", "-H", "X-Mine: yes")
        self.assertEqual(body, b"hello")
        self.assertTrue(heads.startswith("HTTP/2 200"), heads)
        self.assertIn("x-said: so", heads)
        self.assertIn("content-length: 5", heads)
        self.assertNotIn("keep-alive", heads)
        received = self.origin_.received()
        self.assertIn(b"GET /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1", received)
        self.assertIn(b"x-mine: yes\r\n", received)
        self.assertIn(b"Via: 2 weir\r\n", received)
        eventually(lambda: any(line["protocol"] == "HTTP/2" and line["path"] == "/a/b?c=d"
                               for line in self.weir_.access_log()), "an access record")

    def test_bodies_pass_in_both_directions(self) -> None:
        self.origin_.answer = echo_body
        for size in (1, 1000, 65_536, 3_000_000):
            data = os.urandom(size)
            with self.subTest(size):
                self.assertEqual(curl(self.weir_.port, "/", data=data)[1], data)
                self.assertEqual(curl(self.weir_.port, "/", "-H", "Transfer-Encoding: chunked", "-H", "Expect:",
                                      data=data)[1], data)

    def test_an_answer_without_a_body_ends_with_its_head(self) -> None:
        self.origin_.answer = fixed(204, b"")
        self.assertTrue(curl(self.weir_.port)[0].startswith("HTTP/2 204"))
        self.origin_.answer = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        self.assertIn("content-length: 5", curl(self.weir_.port, "/", "-I")[0])

    def test_an_answer_in_chunks_passes(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"one") +
                                  chunk(b"two") + b"0\r\n\r\n")
        heads, body = curl(self.weir_.port)
        self.assertEqual(body, b"onetwo")
        self.assertNotIn("transfer-encoding", heads)

    def test_our_own_answers_name_their_reason(self) -> None:
        heads, body = curl(self.weir_.port, "/", "-H", "X-Long: " + "a" * 40_000)
        self.assertTrue(heads.startswith("HTTP/2 431"), heads)
        self.assertIn("weir-error: headers_too_large", heads)
        self.assertNotIn("connection:", heads)
        self.assertIn(b"weir explain headers_too_large", body)

    def test_h2load_is_served(self) -> None:
        self.origin_.answer = fixed(200, b"x" * 1000)
        for streams in ("1", "20", "100"):
            done = subprocess.run(["h2load", "-n", "1000", "-c", "3", "-m", streams,
                                   f"http://127.0.0.1:{self.weir_.port}/"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=50, check=True, text=True)
            with self.subTest(streams=streams):
                self.assertRegex(done.stdout, r"1000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)
                self.assertIn("status codes: 1000 2xx", done.stdout)

    def test_nghttp_is_served(self) -> None:
        self.origin_.answer = fixed(200, b"hello")
        done = subprocess.run(["nghttp", "-v", *[f"http://127.0.0.1:{self.weir_.port}/{i}" for i in range(10)]],
                              stdout=subprocess.PIPE, timeout=20, check=True)
        self.assertEqual(done.stdout.count(b":status: 200"), 10)

    def test_http1_and_http2_share_a_port(self) -> None:
        self.origin_.answer = fixed(200, b"ok")
        with self.weir_.connect() as one, H2Client(self.weir_.port) as two:
            for number in range(3):
                self.assertEqual(one.ask(request()).status, 200)
                two.send(head(2 * number + 1))
                two.end_of(2 * number + 1)
                self.assertTrue(two.is_good(2 * number + 1))

    def test_the_preface_may_come_byte_by_byte(self) -> None:
        self.origin_.answer = fixed(200, b"ok")
        with H2Client.__new__(H2Client) as client:
            client.__dict__.update(frames=[], has_ended=False, buffer=b"")
            client.sock = self.weir_.connect().sock
            for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS) + head(1):
                client.send(bytes((byte,)))
            client.end_of(1)
            self.assertTrue(client.is_good(1))

    def test_trailers_pass_in_both_directions(self) -> None:
        def answer(peer: Peer, message: Message) -> None:
            peer.read_body(message)
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"body") +
                      b"0\r\nX-Sum: 1\r\n\r\n")
        self.origin_.answer = answer
        with H2Client(self.weir_.port) as client:
            client.send(head(1, "POST", ends=False) + frame(DATA, 0, 1, b"data") +
                        frame(HEADERS, END_HEADERS | END_STREAM, 1, field(b"x-mine", b"2")))
            end = client.end_of(1)
        self.assertEqual((end.kind, client.body(1)), (HEADERS, b"body"))
        self.assertIn(b"0\r\nx-mine: 2\r\n\r\n", self.origin_.received())

    def test_a_stream_that_is_reset_ends_its_request(self) -> None:
        self.origin_.answer = hang
        with H2Client(self.weir_.port) as client:
            client.send(head(1, path="/left"))
            eventually(lambda: "/left" in self.origin_.targets(), "the request")
            client.send(frame(RST_STREAM, 0, 1, (8).to_bytes(4, "big")))
            eventually(lambda: any(line["path"] == "/left" and line["reason"] == "client_closed"
                                   for line in self.weir_.access_log()), "its record")
            self.origin_.answer = fixed(200, b"ok")
            client.send(head(3))
            client.end_of(3)
            self.assertTrue(client.is_good(3))

    def test_a_connection_that_ends_takes_its_requests_along(self) -> None:
        self.origin_.answer = hang
        for rudely in (False, True):
            with self.subTest(rudely=rudely), H2Client(self.weir_.port) as client:
                client.send(b"".join(head(2 * i + 1, path=f"/gone-{rudely}-{i}") for i in range(5)))
                eventually(lambda: sum(t.startswith(f"/gone-{rudely}") for t in self.origin_.targets()) == 5, "them")
                if rudely:
                    abort(client.sock)
            eventually(lambda: sum(line["path"].startswith(f"/gone-{rudely}") for line in self.weir_.access_log()) == 5,
                       "their records")
        eventually(lambda: self.weir_.metrics().sum("weir_requests_active") == 0, "none is active")
        eventually(lambda: self.weir_.metrics().sum("weir_connections_active") == 0, "no connection is left")

    def test_an_answer_that_breaks_is_reset(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", close=True)
        with H2Client(self.weir_.port) as client:
            client.send(head(1))
            end = client.end_of(1)
            self.assertEqual(end.kind, RST_STREAM)

    def test_an_early_answer_ends_an_upload(self) -> None:
        def answer(peer: Peer, message: Message) -> None:
            peer.send(response(403, b"no"))
        self.origin_.answer = answer
        with H2Client(self.weir_.port) as client:
            client.send(head(1, "POST", ends=False) + frame(DATA, 0, 1, b"x" * 10_000))
            client.until(lambda f: f.stream == 1 and f.ends)
            reset = client.until(lambda f: f.stream == 1 and f.kind == RST_STREAM)
            self.assertEqual(reset.code, NO_ERROR)

    def test_a_client_that_does_not_read_stops_the_origin(self) -> None:
        sent = []

        def answer(peer: Peer, _: Message) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(50):
                    peer.send(b"x" * 1_000_000)
                    sent.append(1)
        self.origin_.answer = answer
        with H2Client(self.weir_.port) as client:
            client.send(head(1))
            client.until(lambda f: sum(len(g.payload) for g in client.frames if g.kind == DATA) == 65_535)
            before = len(sent)
            self.assertLess(before, 20)
            # The connection goes on: a head needs no window.
            self.origin_.answer = fixed(204, b"")
            client.send(head(3))
            client.end_of(3)
            self.assertLess(len(sent), 20)

    def test_an_origin_that_does_not_read_stops_the_client(self) -> None:
        release = threading.Event()

        def answer(peer: Peer, message: Message) -> None:
            release.wait(20)
            peer.read_body(message)
            peer.send(response(200, b"ok"))
        self.origin_.answer = answer
        with H2Client(self.weir_.port) as client:
            client.send(head(1, "POST", more=[(b"content-length", b"20000000")], ends=False))
            sent = 0

            def window(stream: int) -> int:
                return 65_535 + sum(int.from_bytes(f.payload, "big") for f in client.frames
                                    if f.kind == WINDOW_UPDATE and f.stream == stream)

            client.sock.settimeout(0.5)
            while sent < 20_000_000:
                size = min(window(0) - sent, window(1) - sent, 16_384, 20_000_000 - sent)
                if size > 0:
                    client.send(frame(DATA, 0, 1, b"x" * size))
                    sent += size
                    continue
                try:
                    client.fill()
                except TimeoutError:  # both sides are full
                    self.assertFalse(release.is_set())
                    self.assertLess(sent, 19_000_000)
                    release.set()
            self.assertTrue(release.is_set())
            client.sock.settimeout(10)
            client.send(frame(DATA, END_STREAM, 1))
            client.end_of(1)
            self.assertTrue(client.is_good(1))


def echo_body(peer: Peer, message: Message) -> None:
    peer.read_body(message)
    peer.send(response(200, message.body))


class Smuggling(SharedWeirTest):
    """What HTTP/1 would read as something else never reaches an origin that speaks HTTP/1."""

    VECTORS: list[tuple[str, list[tuple[bytes, bytes]]]] = [
        ("transfer-encoding", [*pseudo("POST"), (b"transfer-encoding", b"chunked")]),
        ("transfer-encoding, spelt", [*pseudo("POST"), (b"Transfer-Encoding", b"chunked")]),
        ("connection", [*pseudo(), (b"connection", b"x")]),
        ("keep-alive", [*pseudo(), (b"keep-alive", b"1")]),
        ("proxy-connection", [*pseudo(), (b"proxy-connection", b"close")]),
        ("upgrade", [*pseudo(), (b"upgrade", b"websocket")]),
        ("two lengths", [*pseudo("POST"), (b"content-length", b"0"), (b"content-length", b"5")]),
        ("length that is none", [*pseudo("POST"), (b"content-length", b"+0")]),
        ("empty length", [*pseudo("POST"), (b"content-length", b"")]),
        ("length of a body that does not come", [*pseudo("POST"), (b"content-length", b"30")]),
        ("line end in a value", [*pseudo(), (b"x", b"a\r\nHost: evil")]),
        ("request in a value", [*pseudo(), (b"x", b"a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n")]),
        ("line feed in a value", [*pseudo(), (b"x", b"a\nb")]),
        ("NUL in a value", [*pseudo(), (b"x", b"a\0b")]),
        ("line end in a name", [*pseudo(), (b"x: y\r\ntransfer-encoding", b"chunked")]),
        ("colon in a name", [*pseudo(), (b"transfer-encoding: chunked\r\nx", b"y")]),
        ("blank in a name", [*pseudo(), (b"transfer-encoding ", b"chunked")]),
        ("empty name", [*pseudo(), (b"", b"y")]),
        ("line end in the path", [*pseudo(path="/ HTTP/1.1\r\nHost: test\r\n\r\nGET /smuggled")]),
        ("blank in the path", [*pseudo(path="/a b")]),
        ("no path", [*pseudo(path="")]),
        ("absolute path", [*pseudo(path="http://evil/")]),
        ("encoded slash", [*pseudo(path="/a%2fb")]),
        ("fragment", [*pseudo(path="/a#b")]),
        ("line end in the method", [*pseudo("GET / HTTP/1.1\r\nx: y\r\n\r\nGET")]),
        ("blank in the method", [*pseudo("GET /smuggled")]),
        ("CONNECT", [(b":method", b"CONNECT"), (b":authority", b"test:80")]),
        ("line end in the authority", [*pseudo(authority="test\r\nx: y")]),
        ("user in the authority", [*pseudo(authority="me@test")]),
        ("no authority", [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")]),
        ("another host", [*pseudo(), (b"host", b"evil")]),
        ("two hosts", [*pseudo(), (b"host", b"test"), (b"host", b"test")]),
        ("two paths", [*pseudo(), (b":path", b"/smuggled")]),
        ("a pseudo-field behind", [*pseudo()[:3], (b"x", b"y"), (b":path", b"/")]),
        ("a pseudo-field of answers", [*pseudo(), (b":status", b"200")]),
        ("an unknown pseudo-field", [*pseudo(), (b":x", b"y")]),
        ("a protocol", [*pseudo(), (b":protocol", b"websocket")]),
        ("a scheme", [(b":method", b"GET"), (b":scheme", b"file"), (b":authority", b"test"), (b":path", b"/")]),
        ("te", [*pseudo(), (b"te", b"chunked")]),
    ]

    def test_every_vector(self) -> None:
        self.origin_.answer = fixed(200, b"ok")
        for name, fields in self.VECTORS:
            before = len(self.origin_.received())
            with self.subTest(name), H2Client(self.weir_.port) as client:
                client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(fields)))
                with contextlib.suppress(AssertionError):
                    client.end_of(1)
                self.assertFalse(client.is_good(1), client.frames)
                # One worker: what it caused was written before this is answered.
                with H2Client(self.weir_.port) as other:
                    other.send(head(1, path="/sentinel"))
                    other.end_of(1)
                self.assertEqual(self.origin_.received()[before:].count(b"HTTP/1.1"), 1)
                self.assertIn(b"GET /sentinel HTTP/1.1", self.origin_.received()[before:])

    def test_a_body_longer_or_shorter_than_announced_is_reset(self) -> None:
        self.origin_.answer = echo_body
        for body in (b"123", b"1234567"):
            with self.subTest(body), H2Client(self.weir_.port) as client:
                client.send(head(1, "POST", more=[(b"content-length", b"5")], ends=False) +
                            frame(DATA, END_STREAM, 1, body))
                self.assertEqual(client.end_of(1).kind, RST_STREAM)

    def test_a_trailer_that_would_be_a_header_is_left_out(self) -> None:
        self.origin_.answer = echo_body
        with H2Client(self.weir_.port) as client:
            client.send(head(1, "POST", ends=False) + frame(DATA, 0, 1, b"data") +
                        frame(HEADERS, END_HEADERS | END_STREAM, 1,
                              block([(b"content-length", b"0"), (b"authorization", b"x"), (b"x-good", b"y")])))
            client.end_of(1)
        received = self.origin_.received()
        self.assertNotIn(b"authorization", received)


class Floods(SharedWeirTest):
    """Each ends its own connection and is counted; a client beside it stays served."""

    rest = "threads: 1\n"

    def setUp(self) -> None:
        super().setUp()
        self.origin_.answer = fixed(200, b"ok")

    def attack(self, data: bytes, reason: str, goes_away: bool = True) -> None:
        def count() -> float:
            return self.weir_.metrics().sum("weir_protocol_refused_total", reason=reason, mode="enforce")
        before = count()
        memory = self.weir_.rss_bytes()
        with H2Client(self.weir_.port) as beside, H2Client(self.weir_.port) as attacker:
            attacker.flood(data)
            beside.send(head(1))
            beside.end_of(1)
            self.assertTrue(beside.is_good(1))
            with contextlib.suppress(OSError):
                attacker.rest()
            if goes_away:
                codes = [f.code for f in attacker.frames if f.kind == GOAWAY]
                self.assertIn(CALM, codes)
        self.assertEqual(count(), before + 1)
        self.assertLess(self.weir_.rss_bytes() - memory, 30 << 20)

    def test_rapid_reset(self) -> None:
        cancel = (8).to_bytes(4, "big")
        self.attack(b"".join(head(2 * i + 1) + frame(RST_STREAM, 0, 2 * i + 1, cancel) for i in range(5000)),
                    "h2_resets")

    def test_made_you_reset(self) -> None:
        self.attack(b"".join(head(2 * i + 1) + frame(WINDOW_UPDATE, 0, 2 * i + 1, b"\x7f\xff\xff\xff") for i in range(5000)),
                    "h2_resets")

    def test_continuations(self) -> None:
        self.attack(frame(HEADERS, 0, 1, block(pseudo())) + frame(CONTINUATION, 0, 1, field(b"x", b"y")) * 100_000,
                    "h2_headers", goes_away=False)

    def test_a_block_that_unfolds(self) -> None:
        large = b"\x40" + field(b"cookie", b"a" * 4000)[1:]
        self.attack(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(pseudo()) + large + b"\xbe" * 10_000),
                    "h2_headers")

    def test_pings(self) -> None:
        # Ended without a word: the answers that wait are too many already.
        self.attack(frame(PING, 0, 0, b"12345678") * 100_000, "h2_glitches", goes_away=False)

    def test_settings(self) -> None:
        self.attack(frame(SETTINGS) * 100_000, "h2_glitches", goes_away=False)

    def test_priorities(self) -> None:
        self.attack(frame(PRIORITY, 0, 1, (3).to_bytes(4, "big") + b"\0") * 100_000, "h2_glitches")

    def test_empty_data(self) -> None:
        self.attack(head(1, "POST", ends=False) + frame(DATA, 0, 1) * 100_000, "h2_glitches")

    def test_window_updates(self) -> None:
        self.attack(frame(WINDOW_UPDATE, 0, 0, (1).to_bytes(4, "big")) * 100_000, "h2_glitches")

    def test_broken_frames_are_counted(self) -> None:
        self.attack(frame(DATA, 0, 0, b"x"), "h2_protocol", goes_away=False)


class Settings(WeirTest):
    def test_floods_may_be_counted_only(self) -> None:
        weir, _ = self.proxied(fixed(200, b"ok"), cluster=BARE, rest="limits: {log_only: [resets, glitches, headers]}\n")
        cancel = (8).to_bytes(4, "big")
        with H2Client(weir.port) as client:
            client.flood(b"".join(head(2 * i + 1) + frame(RST_STREAM, 0, 2 * i + 1, cancel) for i in range(300)))
            client.flood(frame(PRIORITY, 0, 1, (3).to_bytes(4, "big") + b"\0") * 1500)
            large = b"\x40" + field(b"cookie", b"a" * 4000)[1:]
            client.send(frame(HEADERS, END_HEADERS | END_STREAM, 901, block(pseudo()) + large + b"\xbe" * 10_000))
            client.end_of(901)
            self.assertFalse(client.is_good(901))
            client.send(frame(HEADERS, END_STREAM, 903, block(pseudo())) + frame(CONTINUATION, 0, 903) * 1000 +
                        frame(CONTINUATION, END_HEADERS, 903))
            client.end_of(903)
            self.assertFalse(client.is_good(903))
            client.send(head(1001))
            client.end_of(1001)
            self.assertTrue(client.is_good(1001))
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason="h2_headers", mode="log_only"), 2)
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason="headers_too_large"), 2)
        for reason in ("h2_resets", "h2_glitches"):
            self.assertGreater(weir.metrics().sum("weir_protocol_refused_total", reason=reason, mode="log_only"), 50)
            self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason=reason, mode="enforce"), 0)

    def test_streams_are_limited(self) -> None:
        weir, origin = self.proxied(hang, cluster=BARE, rest="limits: {streams: 3}\n")
        with H2Client(weir.port) as client:
            client.until(lambda f: f.kind == SETTINGS)
            client.send(b"".join(head(2 * i + 1) for i in range(3)))
            eventually(lambda: len(origin.targets()) == 3, "three requests")
            client.send(head(7))
            self.assertEqual(client.goaway().code, PROTOCOL_ERROR)
            self.assertEqual(len(origin.targets()), 3)

    def test_a_listener_may_speak_one_protocol_only(self) -> None:
        origin = self.origin(fixed(200, b"ok"))
        for protocol, speaks in (("http1", "http1"), ("h2c", "h2"), ("auto", "both")):
            weir = self.weir(forwarding(origin.address).replace("listen: $LISTEN",
                                                                f"listen: $LISTEN, protocol: {protocol}"))
            with self.subTest(protocol):
                if speaks == "h2":
                    with weir.connect() as client:
                        client.send(request())
                        self.assertTrue(client.is_closed())
                else:
                    self.assertEqual(weir.ask().status, 200)
                if speaks == "http1":
                    with weir.connect() as client:
                        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                        self.assertIn(client.answer().status, (400, 505))
                with H2Client(weir.port) as client:
                    client.send(head(1))
                    with contextlib.suppress(AssertionError, OSError):
                        client.end_of(1)
                    self.assertEqual(client.is_good(1), speaks != "http1")

    def test_sigterm_lets_streams_finish(self) -> None:
        release = threading.Event()

        def answer(peer: Peer, _: Message) -> None:
            release.wait(10)
            peer.send(response(200, b"ok"))
        weir, origin = self.proxied(answer, cluster=BARE)
        with H2Client(weir.port) as client:
            client.send(head(1))
            eventually(lambda: origin.targets() == ["/"], "the request")
            weir.signal(signal.SIGTERM)
            self.assertEqual(client.goaway().code, NO_ERROR)
            release.set()
            client.end_of(1)
            self.assertTrue(client.is_good(1))
            client.rest()
        self.assertEqual(weir.process.wait(10), 0)

    def test_requests_per_connection(self) -> None:
        weir, _ = self.proxied(fixed(200, b"ok"), cluster=BARE, rest="limits: {requests_per_connection: 3}\n")
        with H2Client(weir.port) as client:
            for number in range(3):
                client.send(head(2 * number + 1))
                client.end_of(2 * number + 1)
                self.assertTrue(client.is_good(2 * number + 1))
            self.assertEqual(client.goaway().code, NO_ERROR)
            client.rest()

    def test_an_idle_connection_is_closed(self) -> None:
        weir, _ = self.proxied(fixed(200, b"ok"), cluster=BARE,
                               rest="defaults: {timeout: {client_idle: 300ms, client_header: 300ms}}\n")
        with H2Client(weir.port) as client:
            client.send(head(1))
            client.end_of(1)
            self.assertEqual(client.goaway().code, NO_ERROR)
            client.rest()
        for begun in (b"", frame(HEADERS, 0, 1, block(pseudo()))):
            with self.subTest(begun), H2Client(weir.port) as client:
                client.until(lambda f: f.kind == SETTINGS)  # its acknowledgement must not break the block
                client.send(begun)
                client.rest()
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason="request_timeout"), 2)


if __name__ == "__main__":
    unittest.main()
