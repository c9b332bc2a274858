"""HTTP/2 under TLS: which of the protocols a connection speaks is agreed in its handshake (RFC 7301)."""

from __future__ import annotations

import os
import subprocess
import unittest

from h2wire import H2Client, head
from harness import Weir, WeirTest, eventually
from origins import echo
from pki import Authority, Pair
from test_http2 import echo_body


class Agreed(WeirTest):
    ca: Authority
    server: Pair

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ca = Authority()
        cls.addClassCleanup(cls.ca.close)
        cls.server = cls.ca.issue("localhost")

    def listening(self, keys: str = "", tls: str = "", answer=echo) -> Weir:
        return self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, listen: $LISTEN, to: "{self.origin(answer).address}", tls: {{{self.server.yaml}{tls}}}{keys}}}
            """)

    def curl(self, weir: Weir, *arguments: str, body: bytes = b"") -> tuple[str, bytes]:
        """What it spoke, and what came."""
        done = subprocess.run(["curl", "-sS", "--max-time", "20", "--cacert", self.ca.cert, *arguments,
                               *(["--data-binary", "@-"] if body else []), "-w", "%{stderr}%{http_version}",
                               f"https://localhost:{weir.port}/", "--resolve", f"localhost:{weir.port}:127.0.0.1"],
                              input=body, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr.decode(), done.stdout

    def test_the_client_has_the_choice(self) -> None:
        weir = self.listening()
        self.assertEqual(self.curl(weir), ("2", b"ok"))
        self.assertEqual(self.curl(weir, "--http1.1"), ("1.1", b"ok"))
        self.assertEqual(self.curl(weir, "--no-alpn", "--http1.1"), ("1.1", b"ok"))
        eventually(lambda: [line["protocol"] for line in weir.access_log()] == ["HTTP/2", "HTTP/1.1", "HTTP/1.1"],
                   "three records")

    def test_a_listener_may_speak_one_only(self) -> None:
        self.assertEqual(self.curl(self.listening(", protocol: http1"))[0], "1.1")
        self.assertEqual(self.curl(self.listening(tls=", alpn: [http/1.1]"))[0], "1.1")
        weir = self.listening(", protocol: h2c")
        self.assertEqual(self.curl(weir)[0], "2")
        refused = subprocess.run(["curl", "-sS", "--http1.1", "--cacert", self.ca.cert, f"https://127.0.0.1:{weir.port}/"],
                                 capture_output=True, check=False)
        self.assertEqual(refused.returncode, 35, refused.stderr)  # no protocol in common

    def test_what_was_agreed_is_what_is_spoken(self) -> None:
        weir = self.listening()
        context = self.ca.client()
        context.set_alpn_protocols(["h2"])
        with weir.connect() as clear:
            with context.wrap_socket(clear.sock, server_hostname="localhost") as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(sock.recv(100), b"")
        self.assertEqual(weir.metrics().sum("weir_protocol_refused_total", reason="bad_request"), 1)

    def test_bodies_pass_in_both_directions(self) -> None:
        weir = self.listening(answer=echo_body)
        for size in (1, 16_384, 3_000_000):
            with self.subTest(size):
                data = os.urandom(size)
                self.assertEqual(self.curl(weir, body=data), ("2", data))

    def test_many_streams_are_served(self) -> None:
        weir = self.listening()
        done = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "50", f"https://127.0.0.1:{weir.port}/"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=50, check=True, text=True)
        self.assertRegex(done.stdout, r"2000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)
        self.assertIn("Application protocol: h2", done.stdout)

    def test_the_peer_is_known_on_each_stream(self) -> None:
        weir = self.listening(tls=f", client_ca: {self.ca.cert}")
        shop = self.ca.issue("shop", "URI:spiffe://test/shop")
        for _ in range(2):
            self.assertEqual(self.curl(weir, "--cert", shop.cert, "--key", shop.key)[0], "2")
        eventually(lambda: [line.get("peer") for line in weir.access_log()] == ["spiffe://test/shop"] * 2, "records")

    def test_prior_knowledge_needs_no_agreement(self) -> None:
        weir = self.listening()
        with weir.connect() as clear:
            with self.ca.client().wrap_socket(clear.sock, server_hostname="localhost") as sock:
                client = H2Client(weir.port, sock=sock)
                client.send(head(1))
                client.end_of(1)
                self.assertTrue(client.is_good(1))


if __name__ == "__main__":
    unittest.main()
