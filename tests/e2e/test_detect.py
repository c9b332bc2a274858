"""One port for HTTP/1, HTTP/2, TLS and anything else, as clients see it."""

from __future__ import annotations

import socket
import subprocess
import unittest

from harness import Weir, eventually
from pki import Authority
from test_tcp import TcpTest, echo, name, read_all, serving, trusting

REQUEST = b"GET /x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class Detection(TcpTest):
    def inbound(self, origin: str, listener: str = "", rest: str = "") -> Weir:
        return self.weir(self.config(origin, listener) + rest)

    def config(self, origin: str, listener: str = "") -> str:
        return f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, mode: inbound, listen: $LISTEN, to: "{origin}"{listener}}}
            """

    def send(self, weir: Weir, data: bytes, one_by_one: bool = False) -> socket.socket:
        sock = self.open(weir)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [data[i:i + 1] for i in range(len(data))] if one_by_one else [data]:
            sock.sendall(piece)
        return sock

    def test_http1_whole_and_byte_by_byte(self) -> None:
        origin = self.origin()
        weir = self.inbound(origin.address, ", detect_timeout: 10s")
        for one_by_one in (False, True):
            self.assertIn(b"HTTP/1.1 200", read_all(self.send(weir, REQUEST, one_by_one)))
        records = eventually(lambda: len(log := weir.access_log()) == 2 and log, "records")
        self.assertEqual({r["protocol"] for r in records}, {"HTTP/1.1"})
        self.assertEqual(origin.requests[-1].target, "/x")

    def test_http2(self) -> None:
        weir = self.inbound(self.origin().address)
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_version}", "-o", "/dev/null",
                               f"http://127.0.0.1:{weir.port}/"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.stdout, "2", done.stderr)

    def test_other_bytes_are_relayed(self) -> None:
        weir = self.inbound(self.tcp_origin().address, ", detect_timeout: 10s")
        for count, data in enumerate((b"\0\1\2\3", b"EHLO client\r\n", b"*1\r\n$4\r\nPING\r\n", b"SSH-2.0-x\r\n"), 1):
            for one_by_one in (False, True):
                with self.subTest(data), self.send(weir, data, one_by_one) as sock:
                    sock.shutdown(socket.SHUT_WR)
                    self.assertEqual(read_all(sock), data)
        records = eventually(lambda: len(log := weir.access_log()) == 8 and log, "records")
        self.assertEqual({(r["protocol"], r["reason"], r["route"]) for r in records}, {("TCP", "none", "default")})
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total"), 0)

    def test_tls_passes_through_where_none_ends(self) -> None:
        ca = Authority("good")
        self.addCleanup(ca.close)
        origin = self.tcp_origin(name("secret"), serving(ca.issue("localhost")))
        weir = self.inbound(origin.address, ", detect_timeout: 10s")
        with trusting(ca).wrap_socket(self.open(weir), server_hostname="localhost") as sock:
            self.assertEqual(sock.recv(10), b"secret")
        self.assertEqual(self.record(weir)["host"], "localhost")

    def test_opaque_bytes_within_tls(self) -> None:
        ca = Authority("good")
        self.addCleanup(ca.close)
        http, tcp = self.origin(), self.tcp_origin()
        for origin, data, answer in ((http.address, REQUEST, b"HTTP/1.1 200"), (tcp.address, b"\0\1binary", b"\0\1")):
            weir = self.inbound(origin, f", detect_timeout: 10s, tls: {{{ca.issue('localhost').yaml}}}")
            with trusting(ca).wrap_socket(self.open(weir), server_hostname="localhost") as sock:
                sock.sendall(data)
                self.assertTrue(sock.recv(100).startswith(answer))

    def test_a_server_that_speaks_first_where_tls_is_optional(self) -> None:
        ca = Authority("mesh")
        self.addCleanup(ca.close)
        pair = ca.issue("app", "DNS:app, URI:spiffe://shop/app")
        weir = self.inbound(self.tcp_origin(name("220 ready")).address, ", detect_timeout: 100ms, tls: mesh",
                            f"identity: {{{pair.yaml}, ca: {ca.cert}}}\n")
        self.assertEqual(self.open(weir).recv(100), b"220 ready")
        context = ca.client(pair)
        with context.wrap_socket(self.open(weir), server_hostname="app") as sock:
            self.assertEqual(sock.recv(100), b"220 ready")

    def test_a_server_that_speaks_first_is_remembered(self) -> None:
        origin = self.tcp_origin(name("220 ready"))
        weir = self.inbound(origin.address, ", detect_timeout: 100ms")
        self.assertEqual(self.open(weir).recv(100), b"220 ready")
        # From now on nobody waits for the client: not for as long as this.
        weir.reload(self.config(origin.address, ", detect_timeout: 60s"))
        self.assertEqual(self.open(weir).recv(100), b"220 ready")
        self.assertEqual(self.open(weir).recv(100), b"220 ready")
        # It is another server now, whose clients speak first: that is found out by one of them.
        origin.serve = echo
        sock = self.send(weir, b"\1\2")
        self.assertEqual(sock.recv(10), b"\1\2")
        before = len(weir.access_log())
        self.send(weir, REQUEST).close()
        eventually(lambda: any(r["protocol"] == "HTTP/1.1" for r in weir.access_log()[before:]), "HTTP is seen again")

    def test_a_client_that_says_nothing_yet(self) -> None:
        weir = self.inbound(self.origin().address, ", detect_timeout: 50ms")
        with self.open(weir) as sock:
            eventually(lambda: weir.metrics().sum("weir_upstream_connections_active") == 1, "connected meanwhile")
            sock.sendall(REQUEST)
            self.assertTrue(sock.recv(100).startswith(b"HTTP/1.1 200"))
        # That was no server that speaks first.
        self.assertIn(b"HTTP/1.1 200", read_all(self.send(weir, REQUEST)))
        eventually(lambda: {r["protocol"] for r in weir.access_log()} == {"TCP", "HTTP/1.1"}, "records")

    def test_a_fragment_that_could_be_anything(self) -> None:
        weir = self.inbound(self.tcp_origin().address, ", detect_timeout: 50ms")
        self.assertEqual(self.send(weir, b"GE").recv(10), b"GE")

    def test_an_end_before_anything_is_known(self) -> None:
        weir = self.inbound(self.tcp_origin().address, ", detect_timeout: 10s")
        for data in (b"GE", b"\x16", b"\x16\x03\x01\x00", b"PRI"):
            sock = self.send(weir, data)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(sock), data)
        sock = self.open(weir)
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock), b"")

    def test_a_gateway_takes_nothing_but_http(self) -> None:
        origin = self.tcp_origin()
        weir = self.weir(f"""\
            version: 1
            threads: 1
            listeners: [{{listen: $LISTEN, to: "{origin.address}"}}]
            """)
        self.assertIn(b"400 Bad Request", read_all(self.send(weir, b"EHLO client\r\n\r\n")))
        self.assertEqual(origin.accepted, 0)

    def test_broken_http_stays_http(self) -> None:
        origin = self.tcp_origin()
        weir = self.inbound(origin.address)
        sock = self.send(weir, b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
        self.assertIn(b"400 Bad Request", read_all(sock))
        self.assertEqual(origin.accepted, 0)

    def test_http2_within_tls_by_alpn(self) -> None:
        ca = Authority("good")
        self.addCleanup(ca.close)
        weir = self.inbound(self.origin().address, f", tls: {{{ca.issue('localhost').yaml}}}")
        context = trusting(ca)
        context.set_alpn_protocols(["h2"])
        with context.wrap_socket(self.open(weir), server_hostname="localhost") as sock:
            self.assertEqual(sock.selected_alpn_protocol(), "h2")
            sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            self.assertEqual(sock.recv(100)[3], 4)  # SETTINGS


if __name__ == "__main__":
    unittest.main()
