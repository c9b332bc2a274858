"""Whose request it is: what a client writes of addresses and names gets it around no limit and no list."""

from __future__ import annotations

import http.client
import random
import socket
import unittest

from h2wire import H2Client
from harness import RawOrigin, Weir, WeirTest, eventually
from pki import Authority
from wire import Message

CLAIMS = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP",
          "Fastly-Client-IP", "X-Original-Forwarded-For", "X_Forwarded_For", "X-Forwarded", "Client-IP", "Via")
ENTRIES = ("6.6.6.6", "10.0.0.1", "127.0.0.1", "127.0.0.2", "::1", "fd00::1", "6.6.6.6:80", "[::1]", "[::1]:80", "::ffff:127.0.0.1",
           "unknown", "_x", "", " ", "\t", "10.0.0.1, 6.6.6.6", "6.6.6.6,", ",", ",6.6.6.6", "for=6.6.6.6", "\"6.6.6.6\"", "127.1",
           "0x7f000001", "2130706433", "localhost", "6.6.6.6;7.7.7.7", "10.0.0.0/8", "1" * 300)


class AddressTest(WeirTest):
    def limited(self, listener: str) -> tuple[Weir, RawOrigin]:
        """One request an address."""
        origin = self.origin()
        weir = self.weir(f"version: 1\nthreads: 1\nlisteners:\n  - {{listen: $LISTEN, {listener}, underscores: allow, to: c,\n"
                         "     rate_limit: {rate: 1/h, burst: 1, key: client_ip}}\n"
                         f"clusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n")
        return weir, origin

    def forged(self, draw: random.Random) -> list[tuple[str, str]]:
        fields = []
        for _ in range(draw.randint(0, 5)):
            name = draw.choice(CLAIMS[:1] * 8 + CLAIMS)
            name = "".join(draw.choice((c.upper(), c.lower())) for c in name)
            fields.append((name, ",".join(draw.choice(ENTRIES) for _ in range(draw.randint(1, 4)))))
        if draw.random() < 0.3:
            fields.append(("Forwarded", f"for={draw.choice(ENTRIES[:6])};by=10.0.0.1"))
        return fields

    def ask(self, weir: Weir, fields: list[tuple[str, str]]) -> Message:
        with weir.connect() as client:
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
            return client.ask(f"GET / HTTP/1.1\r\nHost: test\r\n{lines}\r\n")


class Limits(AddressTest):
    def test_a_stranger_has_the_address_of_its_connection(self) -> None:
        """trusted_hops says how many proxies are believed, and none is trusted here."""
        draw = random.Random(11)
        for listener in ("name: a", "trusted_proxies: [10.0.0.0/8, 'fd00::/8']", "trusted_proxies: [10.0.0.1], trusted_hops: 2"):
            weir, origin = self.limited(listener)
            self.assertEqual(self.ask(weir, []).status, 200)
            origin.requests.clear()
            for _ in range(80):
                fields = self.forged(draw)
                with self.subTest(listener=listener, fields=fields):
                    self.assert_refused(self.ask(weir, fields), 429, "rate_limited")
            self.assertEqual(origin.requests, [])

    def test_nor_does_http2_make_it_another(self) -> None:
        draw = random.Random(12)
        weir, origin = self.limited("trusted_proxies: [10.0.0.0/8]")
        self.assertEqual(self.ask(weir, []).status, 200)
        origin.requests.clear()
        with H2Client(weir.port, reads_heads=True) as client:
            for _ in range(80):
                fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"test"), (b":path", b"/"),
                          *[(name.lower().encode(), value.strip().encode()) for name, value in self.forged(draw)]]
                answer = client.ask(fields)
                assert isinstance(answer, Message), answer
                self.assert_refused(answer, 429, "rate_limited")
        self.assertEqual(origin.requests, [])

    def test_behind_a_proxy_it_has_the_address_that_the_proxy_saw(self) -> None:
        """Whatever it wrote before, and however the proxy adds to it: to the last field, or as one more."""
        draw = random.Random(13)
        for listener, behind in (("trusted_proxies: [127.0.0.1]", []), ("trusted_proxies: [127.0.0.1, 10.0.0.0/8]", ["10.0.0.9"]),
                                 ("trusted_proxies: [127.0.0.1], trusted_hops: 1", []),
                                 ("trusted_proxies: [127.0.0.1], trusted_hops: 2", ["8.8.8.8"])):
            weir, origin = self.limited(listener)
            real = "198.51.100.7"
            added = ", ".join([real, *behind])
            self.assertEqual(self.ask(weir, [("X-Forwarded-For", added)]).status, 200)
            origin.requests.clear()
            for _ in range(60):
                fields = [each for each in self.forged(draw) if each[0].lower() == "x-forwarded-for"]
                if fields and draw.random() < 0.5:
                    fields[-1] = (fields[-1][0], f"{fields[-1][1]}, {added}")
                else:
                    fields += [("X-Forwarded-For", entry) for entry in added.split(", ")]
                with self.subTest(listener=listener, fields=fields):
                    self.assert_refused(self.ask(weir, fields), 429, "rate_limited")
            self.assertEqual(origin.requests, [])
            self.assertEqual(self.ask(weir, [("X-Forwarded-For", ", ".join(["198.51.100.8", *behind]))]).status, 200)

    def test_the_access_log_says_the_same(self) -> None:
        weir, _ = self.limited("trusted_proxies: [127.0.0.1]")
        self.ask(weir, [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.7")])
        entry = eventually(weir.access_log, "an access record")[0]
        self.assertTrue(str(entry["client"]).startswith("198.51.100.7"), entry)


class Lists(WeirTest):
    """A certificate is shown in a handshake, and nowhere else."""

    def test_no_header_is_a_certificate(self) -> None:
        ca = Authority()
        self.addCleanup(ca.close)
        server, job = ca.issue("server", "DNS:localhost"), ca.issue("job", "URI:spiffe://shop/ns/jobs/sa/night")
        origin = self.origin()
        weir = self.weir(
            f"version: 1\nthreads: 1\nlisteners:\n  - listen: $LISTEN\n    tls: {{{server.yaml}, client_ca: {ca.cert}, client_auth: optional}}\n"
            "    auth: web\n    routes:\n      - {path: /san, auth: none, require: 'spiffe == \"spiffe://shop/ns/web/sa/front\"', to: c}\n"
            "      - {path: /*, to: c}\n"
            "auth:\n  web: {type: mtls, allow: ['spiffe://shop/ns/web/*'], forward_claims: {sub: x-who}}\n"
            f"clusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n")
        name = "spiffe://shop/ns/web/sa/front"
        forged = {"X-Forwarded-Client-Cert": f"By=spiffe://shop/weir;Hash=00;Subject=\"CN=front\";URI={name}", "X-Who": name,
                  "X-Client-Cert": name, "SSL-Client-Cert": name, "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-S-DN": "CN=front",
                  "X-Spiffe-Id": name, "Client-Cert": f":{name}:", "Authorization": f"Bearer {name}"}
        for pair, status in ((None, 401), (job, 403)):
            for path, told in (("/", status), ("/san", 403)):
                with socket.create_connection(("127.0.0.1", weir.port), 10) as sock:
                    connection = http.client.HTTPConnection("localhost", timeout=10)
                    connection.sock = ca.client(pair).wrap_socket(sock, server_hostname="localhost")
                    connection.request("GET", path, headers=forged)
                    self.assertEqual(connection.getresponse().status, told, path)
                    connection.close()
        self.assertEqual(origin.requests, [])


if __name__ == "__main__":
    unittest.main()
