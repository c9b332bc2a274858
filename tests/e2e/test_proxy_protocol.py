"""The PROXY protocol, told to us and told by us: real HAProxy among the peers."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import Weir, eventually, free_port
from pki import Authority
from test_tcp import TcpTest, name, read_all

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_v2(source: str, port: int, tlvs: bytes = b"") -> bytes:
    body = socket.inet_aton(source) + socket.inet_aton("10.9.9.9") + struct.pack("!HH", port, 443) + tlvs
    return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(body)) + body


class ProxyProtocol(TcpTest):
    def accepting(self, protocol: str, origin: str, rest: str = "", proxies: str = "127.0.0.0/8") -> Weir:
        return self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, protocol: {protocol}, listen: $LISTEN, to: "{origin}", proxy_protocol: true,
                 trusted_proxies: ["{proxies}"]}}
            """ + rest)

    def test_both_versions_name_the_client_of_a_request(self) -> None:
        origin = self.origin()
        weir = self.accepting("auto", origin.address)
        request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
        for header in (b"PROXY TCP4 10.1.2.3 10.9.9.9 40000 443\r\n", proxy_v2("10.1.2.3", 40000),
                       proxy_v2("10.1.2.3", 40000, b"\x04\x00\x03xyz")):
            with self.subTest(header), self.open(weir) as sock:
                sock.sendall(header + request)
                self.assertIn(b"HTTP/1.1 200", read_all(sock))
                # The client of a proxy of TCP is trusted no more than without that proxy.
                self.assertEqual(origin.requests[-1].get("x-forwarded-for"), "10.1.2.3")
                self.assertEqual(weir.access_log()[-1]["client"] if weir.access_log() else "10.1.2.3", "10.1.2.3")

    def test_a_header_that_comes_byte_by_byte(self) -> None:
        weir = self.accepting("tcp", self.tcp_origin().address)
        for header in (b"PROXY TCP4 10.1.2.3 10.9.9.9 40000 443\r\n", proxy_v2("10.1.2.3", 40000)):
            sock = self.open(weir)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header + b"hello":
                sock.sendall(bytes([byte]))
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(sock), b"hello")
        self.assertEqual(self.record(weir, 2)["client"], "10.1.2.3")

    def test_addresses_that_are_not_said_are_the_connections_own(self) -> None:
        weir = self.accepting("tcp", self.tcp_origin().address)
        for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"):
            with self.open(weir) as sock:
                sock.sendall(header + b"x")
                self.assertEqual(sock.recv(10), b"x")
        self.assertEqual(self.record(weir, 2)["client"], "127.0.0.1")

    def test_what_is_no_header_is_refused(self) -> None:
        origin = self.tcp_origin()
        weir = self.accepting("tcp", origin.address)
        wrong = (b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 " + b"1" * 120, b"\x16\x03\x01",
                 SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12))
        for header in wrong:
            sock = self.open(weir)
            sock.sendall(header)
            self.assert_dropped(sock)
        sock = self.open(weir)
        sock.sendall(b"PROXY TCP4")
        sock.shutdown(socket.SHUT_WR)
        self.assert_dropped(sock)
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", listener="in", reason="bad_request"),
                         len(wrong) + 1)
        self.assertEqual(origin.accepted, 0)

    def test_a_header_that_does_not_come_is_given_up(self) -> None:
        weir = self.accepting("tcp", self.tcp_origin().address, "defaults: {timeout: {client_header: 300ms}}\n")
        for start in (b"", b"PROXY "):
            sock = self.open(weir)
            sock.sendall(start)
            self.assert_dropped(sock)
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason="request_timeout"), 2)

    def test_others_than_trusted_proxies_speak_for_themselves(self) -> None:
        weir = self.accepting("tcp", self.tcp_origin().address, proxies="10.0.0.0/8")
        with self.open(weir) as sock:
            sock.sendall(b"x")
            self.assertEqual(sock.recv(10), b"x")
        self.assertEqual(self.record(weir)["client"], "127.0.0.1")

    def test_one_weir_tells_the_next(self) -> None:
        blob = os.urandom(300_000)
        for version in ("v1", "v2"):
            second = self.accepting("tcp", self.tcp_origin().address)
            first = self.relay(f"127.0.0.1:{second.port}", cluster=f", proxy_protocol: {version}")
            sock = self.open(first)
            sock.sendall(blob)
            sock.shutdown(socket.SHUT_WR)
            self.assertTrue(read_all(sock) == blob)
            self.assertEqual(self.record(second)["client"], "127.0.0.1")
            self.assertEqual(self.record(second)["request_bytes"], len(blob))

    def test_the_header_goes_before_tls(self) -> None:
        ca = Authority("good")
        self.addCleanup(ca.close)
        pair = ca.issue("localhost")
        second = self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, protocol: tcp, listen: $LISTEN, to: "{self.tcp_origin().address}", proxy_protocol: true,
                 trusted_proxies: [127.0.0.1/32], tls: {{{pair.yaml}}}}}
            """)
        first = self.relay(f"127.0.0.1:{second.port}",
                           cluster=f", proxy_protocol: v2, tls: {{ca: {ca.cert}, server_name: localhost}}")
        with self.open(first) as sock:
            sock.sendall(b"hello")
            self.assertEqual(sock.recv(10), b"hello")

    def haproxy(self, config: str) -> int:
        """A real HAProxy that listens on the port returned, $PORT in its configuration."""
        port = free_port()
        root = Path(tempfile.mkdtemp(prefix="weir-haproxy-"))
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        (root / "cfg").write_text("defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
                                  + config.replace("$PORT", str(port)))
        program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        self.assertIsNotNone(program, "haproxy is not installed: ./dev packages")
        process = subprocess.Popen([program or "", "-db", "-f", str(root / "cfg")], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.terminate)

        def is_listening() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False

        eventually(is_listening, "haproxy listens")
        return port

    def test_haproxy_tells_us(self) -> None:
        for send in ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"):
            weir = self.accepting("tcp", self.tcp_origin().address)
            port = self.haproxy(f"frontend f\n bind 127.0.0.1:$PORT\n unique-id-format %ci\n default_backend b\n"
                                f"backend b\n server s 127.0.0.1:{weir.port} {send}\n")
            with self.subTest(send), socket.create_connection(("127.0.0.1", port), 10) as sock:
                sock.sendall(b"hello")
                self.assertEqual(sock.recv(10), b"hello")

    def test_we_tell_haproxy(self) -> None:
        origin = self.tcp_origin(name(""))
        port = self.haproxy("frontend f\n bind 127.0.0.1:$PORT accept-proxy\n mode http\n"
                            " http-request return status 200 content-type text/plain lf-string %[src]:%[src_port]\n")
        for version in ("v1", "v2"):
            weir = self.relay(f"127.0.0.1:{port}", cluster=f", proxy_protocol: {version}")
            sock = self.open(weir)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            host, own_port = sock.getsockname()
            self.assertTrue(read_all(sock).endswith(f"{host}:{own_port}".encode()))
        self.assertEqual(origin.accepted, 0)


if __name__ == "__main__":
    unittest.main()
