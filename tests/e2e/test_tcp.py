"""Bytes of any protocol: relayed, by server name, and with the PROXY protocol, as peers see it."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from collections.abc import Callable
from pathlib import Path

from harness import BINARY, Weir, WeirTest, eventually, free_port
from pki import Authority, Pair
from wire import abort

Serve = Callable[[socket.socket], None]


def echo(sock: socket.socket) -> None:
    """Sends everything back, and its end after the client's."""
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


class TcpOrigin:
    """A server of one function, a thread a connection."""

    def __init__(self, serve: Serve = echo, context: ssl.SSLContext | None = None) -> None:
        self.serve, self.context = serve, context
        self.accepted = 0
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self.listener.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.sockets.append(sock)
            threading.Thread(target=self.run, args=(sock,), daemon=True).start()

    def run(self, sock: socket.socket) -> None:
        try:
            self.serve(self.context.wrap_socket(sock, server_side=True) if self.context else sock)
        except OSError:
            pass
        finally:
            sock.close()

    def close(self) -> None:
        self.listener.close()
        for sock in self.sockets:
            sock.close()


def name(text: str) -> Serve:
    """Says this at once, before the client does, then reads to the end."""
    def serve(sock: socket.socket) -> None:
        sock.sendall(text.encode())
        while sock.recv(65536):
            pass
    return serve


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


def trusting(ca: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca.cert)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def serving(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return context


class TcpTest(WeirTest):
    def tcp_origin(self, serve: Serve = echo, context: ssl.SSLContext | None = None) -> TcpOrigin:
        origin = TcpOrigin(serve, context)
        self.addCleanup(origin.close)
        return origin

    def relay(self, *addresses: str, cluster: str = "", listener: str = "", rest: str = "") -> Weir:
        return self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, protocol: tcp, listen: $LISTEN, to: c{listener}}}
            clusters:
              c: {{endpoints: [{", ".join(addresses)}]{cluster}}}
            """ + rest)

    def open(self, weir: Weir, timeout: float = 10) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", weir.port), timeout)
        self.addCleanup(sock.close)
        return sock

    def record(self, weir: Weir, count: int = 1) -> dict:
        return eventually(lambda: len(log := weir.access_log()) >= count and log, "records")[-1]

    def assert_dropped(self, sock: socket.socket) -> None:
        try:
            self.assertEqual(sock.recv(100), b"")
        except ConnectionError:
            pass

    def assert_refuses(self, weir: Weir) -> None:
        """Accepted, as the kernel does, and dropped at once."""
        try:
            self.assert_dropped(self.open(weir))
        except ConnectionError:
            pass


class Relaying(TcpTest):
    def test_bytes_go_both_ways_and_are_recorded(self) -> None:
        weir = self.relay(self.tcp_origin().address)
        with self.open(weir) as sock:
            sock.sendall(b"\0\1anything\xff")
            self.assertEqual(sock.recv(100), b"\0\1anything\xff")
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(sock.recv(100), b"")
        record = self.record(weir)
        self.assertEqual((record["protocol"], record["status"], record["reason"], record["cluster"], record["route"],
                          record["request_bytes"], record["response_bytes"], record["attempts"], record["client"]),
                         ("TCP", 0, "none", "c", "default", 11, 11, 1, "127.0.0.1"))
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_requests_total", cluster="c", outcome="ok", code="_other"), 1)
        self.assertEqual(metrics.sum("weir_request_bytes_total", route="default"), 11)
        self.assertEqual(metrics.sum("weir_response_bytes_total", route="default"), 11)
        self.assertEqual(metrics.sum("weir_connections_total", listener="in"), 1)
        eventually(lambda: weir.metrics().sum("weir_connections_active") == 0, "no connection")
        self.assertEqual(weir.metrics().sum("weir_upstream_connections_active"), 0)
        self.assertEqual(weir.metrics().sum("weir_requests_active"), 0)

    def test_a_server_that_speaks_first_is_heard_at_once(self) -> None:
        weir = self.relay(self.tcp_origin(name("220 ready\r\n")).address)
        self.assertEqual(self.open(weir).recv(100), b"220 ready\r\n")

    def test_half_close_both_ways(self) -> None:
        def serve(sock: socket.socket) -> None:
            sock.sendall(b"first")
            sock.shutdown(socket.SHUT_WR)
            heard.append(read_all(sock))

        heard: list[bytes] = []
        weir = self.relay(self.tcp_origin(serve).address)
        sock = self.open(weir)
        self.assertEqual(read_all(sock), b"first")
        sock.sendall(b"after")
        sock.shutdown(socket.SHUT_WR)
        eventually(lambda: heard, "the client's bytes after the server's end")
        self.assertEqual(heard, [b"after"])

    def test_large_transfers_are_whole_in_both_directions_at_once(self) -> None:
        blob = os.urandom(1 << 20) * 24
        weir = self.relay(self.tcp_origin().address)
        sock = self.open(weir, 30)
        sender = threading.Thread(target=lambda: (sock.sendall(blob), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        got = read_all(sock)
        sender.join()
        self.assertTrue(got == blob, f"{len(got)} of {len(blob)} bytes")
        self.assertEqual(self.record(weir)["request_bytes"], len(blob))

    def test_who_does_not_read_stops_who_sends(self) -> None:
        sent = [0]

        def serve(sock: socket.socket) -> None:
            sock.settimeout(0.3)
            try:
                while True:
                    sent[0] += sock.send(bytes(65536))
            except TimeoutError:
                stuck.set()
                sock.settimeout(20)
                sock.recv(1)

        stuck = threading.Event()
        weir = self.relay(self.tcp_origin(serve).address)
        before = weir.rss_bytes()
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", weir.port))
        self.assertTrue(stuck.wait(20))
        self.assertLess(weir.rss_bytes() - before, 8 << 20)
        sock.settimeout(10)
        got = 0
        while got < sent[0]:
            got += len(sock.recv(1 << 20))
        self.assertEqual(got, sent[0])

    def test_resets_are_passed_on(self) -> None:
        origin = self.tcp_origin(lambda sock: (sock.recv(1), abort(sock)))
        weir = self.relay(origin.address)
        sock = self.open(weir)
        sock.sendall(b"x")
        with self.assertRaises(ConnectionResetError):
            sock.recv(1)
        self.assertEqual(self.record(weir)["reason"], "upstream_reset")

        def serve(sock: socket.socket) -> None:
            try:
                sock.recv(1), sock.recv(1)
            except ConnectionResetError:
                resets.append(True)

        resets: list[bool] = []
        origin.serve = serve
        sock = self.open(weir)
        sock.sendall(b"x")
        eventually(lambda: origin.accepted == 2, "connected")
        abort(sock)
        eventually(lambda: resets, "the reset at the origin")
        self.assertEqual(self.record(weir, 2)["reason"], "client_closed")

    def test_the_last_word_of_a_server_that_stops_reading_arrives(self) -> None:
        def serve(sock: socket.socket) -> None:
            sock.recv(10)
            sock.sendall(b"too large")
            sock.close()  # with bytes unread: a reset follows

        weir = self.relay(self.tcp_origin(serve).address)
        sock = self.open(weir)
        sock.sendall(b"x" * 10)
        self.assertEqual(sock.recv(100), b"too large")

    def test_nothing_moves_for_tcp_idle(self) -> None:
        weir = self.relay(self.tcp_origin().address, cluster=", timeout: {tcp_idle: 200ms}")
        sock = self.open(weir)
        sock.sendall(b"x")
        self.assertEqual(sock.recv(10), b"x")
        self.assertEqual(sock.recv(10), b"")

    def test_another_endpoint_is_tried_before_a_byte_is_sent(self) -> None:
        dead = free_port()
        weir = self.relay(f"127.0.0.1:{dead}", self.tcp_origin().address, cluster=", lb: round_robin, outlier: off, retry: {budget_min: 100/s}")
        for _ in range(4):
            with self.open(weir) as sock:
                sock.sendall(b"x")
                self.assertEqual(sock.recv(10), b"x")
        metrics = weir.metrics()
        self.assertGreater(metrics.sum("weir_retries_total", cluster="c", result="success"), 0)
        self.assertGreater(metrics.sum("weir_upstream_connect_failures_total", cluster="c", reason="refused"), 0)

    def test_connect_failures_open_the_breaker(self) -> None:
        weir = self.relay(f"127.0.0.1:{free_port()}",
                          cluster=", retry: off, outlier: off, breaker: {consecutive_failures: 3, consecutive_for: 1ms,"
                                  " open_for: 60s}")

        def is_open() -> bool:
            self.assert_refuses(weir)
            return weir.breaker("c") == "open"

        eventually(is_open, "the breaker opens")
        self.assert_refuses(weir)
        eventually(lambda: any(r["reason"] == "breaker_open" for r in weir.access_log()), "refused by the breaker")
        self.assertEqual(weir.access_log()[0]["reason"], "upstream_connect_refused")
        self.assertGreater(weir.metrics().sum("weir_breaker_rejected_total", cluster="c"), 0)

    def test_an_open_breaker_falls_back_to_another_cluster(self) -> None:
        other = self.tcp_origin(name("other"))
        weir = self.weir(f"""\
            version: 1
            threads: 1
            listeners: [{{name: in, protocol: tcp, listen: $LISTEN, to: c}}]
            clusters:
              c:
                endpoints: [127.0.0.1:{free_port()}]
                retry: off
                outlier: off
                breaker: {{consecutive_failures: 2, consecutive_for: 1ms, open_for: 60s, fallback: {{to: other}}}}
              other: {{endpoints: [{other.address}]}}
            """)

        def is_answered() -> bool:
            try:
                return self.open(weir).recv(10) == b"other"
            except ConnectionError:
                return False

        eventually(is_answered, "the fallback")

    def test_limits_hold(self) -> None:
        weir = self.relay(self.tcp_origin(name("hi")).address,
                          cluster=", limits: {max_requests: 1}, retry: off")
        first = self.open(weir)
        self.assertEqual(first.recv(10), b"hi")
        self.assert_refuses(weir)
        self.assertEqual(self.record(weir)["reason"], "limit_exceeded")
        first.close()

        def is_free() -> bool:
            try:
                return self.open(weir).recv(10) == b"hi"
            except ConnectionError:
                return False

        eventually(is_free, "the slot is free again")

    def test_open_tunnels_have_the_time_of_the_drain(self) -> None:
        weir = self.relay(self.tcp_origin().address, rest="drain: 1s\n")
        sock = self.open(weir)
        sock.sendall(b"x")
        self.assertEqual(sock.recv(10), b"x")
        weir.signal(signal.SIGTERM)
        sock.sendall(b"still here")
        self.assertEqual(sock.recv(20), b"still here")
        self.assert_dropped(sock)
        self.assertEqual(weir.process.wait(10), 0)
        self.assertEqual(weir.access_log()[-1]["reason"], "draining")

    def test_many_connections_leave_nothing_behind(self) -> None:
        weir = self.relay(self.tcp_origin().address)
        eventually(lambda: weir.open_files() > 0, "files")
        self.open(weir).close()
        before = weir.open_files()
        for step in range(60):
            sock = self.open(weir)
            if step % 2:
                sock.sendall(bytes(200_000))
            if step % 3 == 0:
                abort(sock)
            else:
                sock.close()
        eventually(lambda: weir.open_files() <= before + 20, "descriptors")  # some pipes are kept
        eventually(lambda: weir.metrics().sum("weir_connections_active") == 0, "connections")


class UnderTls(TcpTest):
    ca: Authority
    pair: Pair

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ca = Authority("good")
        cls.addClassCleanup(cls.ca.close)
        cls.pair, cls.pair_a, cls.pair_b = (cls.ca.issue(name) for name in ("localhost", "a.example", "b.example"))

    def test_tls_ends_and_begins_here(self) -> None:
        blob = os.urandom(3 << 20)
        weir = self.relay(self.tcp_origin(echo, serving(self.pair)).address,
                          listener=f", tls: {{{self.pair.yaml}}}",
                          cluster=f", tls: {{ca: {self.ca.cert}, server_name: localhost}}")
        context = trusting(self.ca)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(self.open(weir, 30), server_hostname="localhost") as sock:
            self.assertIsNone(sock.selected_alpn_protocol())
            sender = threading.Thread(target=sock.sendall, args=(blob,))
            sender.start()
            got = b""
            while len(got) < len(blob):
                got += sock.recv(1 << 20)
            sender.join()
            self.assertTrue(got == blob)
        self.assertEqual(self.record(weir)["request_bytes"], len(blob))

    def test_who_speaks_no_tls_gets_no_upstream(self) -> None:
        origin = self.tcp_origin()
        weir = self.relay(origin.address, listener=f", tls: {{{self.pair.yaml}}}")
        sock = self.open(weir)
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        try:
            read_all(sock)
        except ConnectionError:
            pass
        eventually(lambda: weir.metrics().sum("weir_tls_handshakes_total", result="not_tls") == 1, "counted")
        self.assertEqual(origin.accepted, 0)

    def names(self, rest: str = "", default: bool = True) -> Weir:
        """Two servers by their name, passed through, and a third for all else."""
        self.a = self.tcp_origin(name("a"), serving(self.pair_a))
        self.b = self.tcp_origin(name("b"), serving(self.pair_b))
        self.c = self.tcp_origin(name("c"))
        last = f'- {{name: rest, to: "{self.c.address}"}}' if default else ""
        return self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - name: in
                protocol: tcp
                listen: $LISTEN
                detect_timeout: 200ms
                routes:
                  - {{name: a, host: a.example, to: "{self.a.address}"}}
                  - {{name: b, host: "*.b.example", to: "{self.b.address}"}}
                  {last}
            """ + rest)

    def say(self, weir: Weir, name: str | None) -> bytes:
        with trusting().wrap_socket(self.open(weir), server_hostname=name) as sock:
            return sock.recv(10)

    def test_a_route_by_server_name_passes_tls_through(self) -> None:
        weir = self.names()
        self.assertEqual(self.say(weir, "a.example"), b"a")
        self.assertEqual(self.say(weir, "A.Example"), b"a")
        self.assertEqual(self.say(weir, "x.b.example"), b"b")
        with trusting().wrap_socket(self.open(weir), server_hostname="a.example") as sock:
            der = sock.getpeercert(binary_form=True)
        self.assertIn(b"a.example", der or b"")
        records = eventually(lambda: len(log := weir.access_log()) >= 4 and log, "records")
        self.assertEqual({(r["route"], r["host"]) for r in records}, {("a", "a.example"), ("b", "x.b.example")})

    def test_who_names_none_takes_the_default(self) -> None:
        weir = self.names()
        with self.open(weir) as sock:
            sock.sendall(b"no TLS at all")
            self.assertEqual(sock.recv(10), b"c")
        with self.open(weir) as sock:
            self.assertEqual(sock.recv(10), b"c")  # a client that waits for its server
        self.assertEqual(self.record(weir)["host"], "")

    def test_a_hello_that_comes_byte_by_byte(self) -> None:
        weir = self.names()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting().wrap_bio(incoming, outgoing, server_hostname="a.example")
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        sock = self.open(weir)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))
        self.assertEqual(sock.recv(1), b"\x16")
        self.assertEqual(self.a.accepted, 1)

    def test_a_name_no_route_takes_is_refused(self) -> None:
        weir = self.names(default=False)
        with self.assertRaises(OSError):
            self.say(weir, "other.example")
        self.assertEqual(self.record(weir)["reason"], "no_route")
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", listener="in", reason="no_route"), 1)

    def test_a_broken_hello_is_refused(self) -> None:
        weir = self.names()
        sock = self.open(weir)
        sock.sendall(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
        self.assert_dropped(sock)
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason="bad_request"), 1)

    def test_a_hello_that_never_ends_is_given_up(self) -> None:
        weir = self.names(rest="defaults: {timeout: {client_header: 300ms}}\n")
        sock = self.open(weir)
        sock.sendall(b"\x16\x03\x01")
        self.assert_dropped(sock)
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason="request_timeout"), 1)

    def test_the_name_is_seen_where_tls_ends_here(self) -> None:
        a, b = self.tcp_origin(name("a")), self.tcp_origin(name("b"))
        weir = self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - name: in
                protocol: tcp
                listen: $LISTEN
                tls: {{{self.pair.yaml}}}
                routes:
                  - {{host: a.example, to: "{a.address}"}}
                  - {{to: "{b.address}"}}
            """)
        self.assertEqual(self.say(weir, "a.example"), b"a")
        self.assertEqual(self.say(weir, "localhost"), b"b")


class Configuration(unittest.TestCase):
    def check(self, listener: str, rest: str = "") -> str:
        with tempfile.TemporaryDirectory() as root:
            file = Path(root) / "weir.yaml"
            file.write_text(f"version: 1\nlisteners:\n  - {{listen: ':8080', {listener}}}\n{rest}")
            result = subprocess.run([BINARY, "check", str(file)], capture_output=True, text=True)
        return result.stdout + result.stderr

    def test_what_is_about_http_is_refused_with_its_line(self) -> None:
        for key in ("path: /a", "method: GET", "header: {x: y}", "query: {x: y}", "rewrite: {path: /}",
                    "max_body: 1KiB"):
            output = self.check(f"protocol: tcp, routes: [{{host: a.example, {key}, to: '127.0.0.1:1'}}]")
            self.assertRegex(output, r"weir\.yaml:3:\d+: error\[W115\]: '" + key.split(":")[0])
        for action in ("respond: {status: 200}", "redirect: 'https://x/'"):
            self.assertIn("W115", self.check(f"protocol: tcp, routes: [{{{action}}}]"))

    def test_udp_is_refused_in_words(self) -> None:
        self.assertIn("Weir relays TCP, not UDP", self.check("protocol: udp, to: '127.0.0.1:1'"))
        self.assertIn("is UDP: Weir relays TCP only", self.check("protocol: tcp, to: 'udp:127.0.0.1:1'"))
        self.assertIn("is UDP: Weir relays TCP only",
                      self.check("protocol: tcp, to: c", "clusters: {c: {endpoints: ['udp:127.0.0.1:53']}}\n"))

    def test_proxy_protocol_needs_who_may_speak_it(self) -> None:
        self.assertIn("W115", self.check("proxy_protocol: true, to: '127.0.0.1:1'"))
        self.assertIn("whose proxy_protocol names one client a connection", self.check(
            "to: c", "clusters: {c: {endpoints: ['127.0.0.1:1'], proxy_protocol: v1}}\n"))


if __name__ == "__main__":
    unittest.main()
