"""TLS towards clients and towards upstreams, as peers see it."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import unittest
import warnings
from pathlib import Path

from harness import Weir, WeirTest, eventually
from origins import echo
from pki import Authority, Pair, TlsOrigin


class TlsTest(WeirTest):
    ca: Authority
    other: Authority
    server: Pair

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ca, cls.other = Authority("good"), Authority("other")
        cls.addClassCleanup(cls.ca.close)
        cls.addClassCleanup(cls.other.close)
        cls.server = cls.ca.issue("localhost")

    def terminating(self, tls: str, to: str = "", rest: str = "") -> Weir:
        target = to or self.origin(echo).address
        return self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, listen: $LISTEN, to: "{target}", tls: {{{tls}}}}}
            """ + rest)

    def originating(self, origin: str, tls: str, rest: str = "") -> Weir:
        return self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, listen: $LISTEN, to: up}}
            clusters:
              up: {{endpoints: ["{origin}"], tls: {tls}, retry: off, breaker: off, outlier: off}}
            """ + rest)

    def tls_origin(self, context: ssl.SSLContext) -> TlsOrigin:
        origin = TlsOrigin(context)
        self.addCleanup(origin.close)
        return origin

    def connect(self, weir: Weir, context: ssl.SSLContext, name: str = "localhost") -> ssl.SSLSocket:
        sock = socket.create_connection(("127.0.0.1", weir.port), 10)
        self.addCleanup(sock.close)
        safe = context.wrap_socket(sock, server_hostname=name)
        self.addCleanup(safe.close)
        return safe

    def ask(self, weir: Weir, context: ssl.SSLContext, path: str = "/", body: bytes | None = None,
            name: str = "localhost") -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPSConnection("127.0.0.1", weir.port, timeout=10, context=context)
        connection.sock = self.connect(weir, context, name)
        connection.request("POST" if body else "GET", path, body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def handshakes(self, weir: Weir, side: str, result: str) -> float:
        return weir.metrics().sum("weir_tls_handshakes_total", side=side, result=result)

    def assert_handshake(self, weir: Weir, side: str, result: str, count: float = 1) -> None:
        eventually(lambda: self.handshakes(weir, side, result) >= count, f"{side} {result}")


class Downstream(TlsTest):
    def test_serves_and_says_so_upstream_and_in_the_metrics(self) -> None:
        origin = self.origin(echo)
        weir = self.terminating(self.server.yaml, origin.address)
        self.assertEqual(self.ask(weir, self.ca.client()), (200, b"ok"))
        self.assertIn(b"X-Forwarded-Proto: https", origin.received())
        self.assert_handshake(weir, "downstream", "ok")
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_connections_total", listener="in", tls="yes"), 1)
        self.assertGreater(metrics.sum("weir_tls_certificate_not_after_timestamp_seconds",
                                       subject_name="listeners[0].tls"), 1_700_000_000)

    def test_bodies_of_many_records_arrive_whole(self) -> None:
        weir = self.terminating(self.server.yaml)
        body = os.urandom(3_000_000)
        self.assertEqual(self.ask(weir, self.ca.client(), "/", body), (200, body))

    def test_requests_share_a_connection_and_its_end_is_said(self) -> None:
        weir = self.terminating(self.server.yaml)
        sock = self.connect(weir, self.ca.client())
        for _ in range(3):
            sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            got = b""
            while b"ok" not in got:
                got += sock.recv(4096)
        sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        while sock.recv(4096):
            pass  # an end without close_notify would raise

    def test_the_certificate_is_chosen_by_the_name(self) -> None:
        shop, wild = self.ca.issue("shop.test", "DNS:shop.test"), self.ca.issue("wild", "DNS:*.wild.test")
        weir = self.terminating(f"{self.server.yaml}, certs: [{{{shop.yaml}}}, {{{wild.yaml}}}]")
        for name in ("localhost", "shop.test", "a.wild.test"):
            with self.subTest(name):
                self.assertEqual(self.ask(weir, self.ca.client(), name=name)[0], 200)

    def test_a_session_is_resumed_also_after_a_reload(self) -> None:
        origin = self.origin(echo)
        config = f"""\
            version: 1
            threads: 2
            listeners:
              - {{name: in, listen: $LISTEN, to: "{origin.address}", tls: {{{self.server.yaml}}}}}
            """
        weir = self.weir(config)
        context = self.ca.client()
        sock = self.connect(weir, context)
        sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        sock.recv(4096)
        session = sock.session
        weir.reload(config + "log: {level: warn}\n")
        raw = socket.create_connection(("127.0.0.1", weir.port), 10)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as again:
            self.assertTrue(again.session_reused)
        self.assert_handshake(weir, "downstream", "resumed")

    def test_permissive_serves_both_and_counts_each(self) -> None:
        weir = self.terminating(f"{self.server.yaml}, mode: permissive")
        self.assertEqual(self.ask(weir, self.ca.client())[0], 200)
        self.assertEqual(weir.ask().status, 200)
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_connections_total", listener="in", tls="yes"), 1)
        self.assertEqual(metrics.sum("weir_connections_total", listener="in", tls="no"), 1)

    def test_a_client_that_says_nothing_is_closed_in_time(self) -> None:
        weir = self.terminating(self.server.yaml, rest="defaults: {timeout: {handshake: 200ms}}\n")
        with socket.create_connection(("127.0.0.1", weir.port), 10) as sock:
            self.assertEqual(sock.recv(100), b"")
        self.assert_handshake(weir, "downstream", "timeout")

    def test_a_hello_byte_by_byte_is_served(self) -> None:
        weir = self.terminating(self.server.yaml)
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.ca.client().wrap_bio(into, out, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", weir.port), 10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for byte in out.read():
                        sock.send(bytes([byte]))
                    into.write(sock.recv(65536))
            client.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            for byte in out.read():
                sock.send(bytes([byte]))
            got = b""
            while b"ok" not in got:
                into.write(sock.recv(65536))
                try:
                    got += client.read(65536)
                except ssl.SSLWantReadError:
                    continue

    def test_a_client_that_breaks_off_anywhere_leaves_nothing(self) -> None:
        weir = self.terminating(self.server.yaml)
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.ca.client().wrap_bio(into, out, server_hostname="localhost")
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            hello = out.read()
        for size in range(0, len(hello) + 1, 7):
            with socket.create_connection(("127.0.0.1", weir.port), 10) as sock:
                sock.sendall(hello[:size])
        self.assert_handshake(weir, "downstream", "closed", len(range(0, len(hello) + 1, 7)))
        eventually(lambda: weir.metrics().sum("weir_connections_active", listener="in") == 0, "all are gone")
        self.assertEqual(self.ask(weir, self.ca.client())[0], 200)

    def test_the_peer_is_in_the_log_and_its_hop_is_believed(self) -> None:
        front = self.ca.issue("front", "URI:spiffe://shop/ns/web/sa/front")
        weir = self.terminating(f"{self.server.yaml}, client_ca: {self.ca.cert}, allow: ['spiffe://shop/ns/web/*']")
        self.assertEqual(self.ask(weir, self.ca.client(front))[0], 200)
        eventually(lambda: any(r.get("peer") == "spiffe://shop/ns/web/sa/front" for r in weir.access_log()), "peer")


class Refused(TlsTest):
    """Who is refused, by which side, and what the metrics say."""

    def refuse(self, weir: Weir, context: ssl.SSLContext, result: str) -> None:
        with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            self.ask(weir, context)
        self.assert_handshake(weir, "downstream", result)
        self.assertEqual(weir.metrics().sum("weir_requests_total"), 0)

    def mutual(self, more: str = "") -> Weir:
        return self.terminating(f"{self.server.yaml}, client_ca: {self.ca.cert}{more}")

    def test_a_client_without_a_certificate(self) -> None:
        self.refuse(self.mutual(), self.ca.client(), "no_certificate")

    def test_a_client_of_another_authority(self) -> None:
        self.refuse(self.mutual(), self.ca.client(self.other.issue("stranger")), "untrusted")

    def test_a_client_that_expired(self) -> None:
        self.refuse(self.mutual(), self.ca.client(self.ca.issue("late", ends="20200101000000Z")), "expired")

    def test_a_client_that_nobody_allowed(self) -> None:
        self.refuse(self.mutual(", allow: [front.test]"), self.ca.client(self.ca.issue("back.test")), "not_allowed")

    def test_a_client_that_was_revoked(self) -> None:
        good, bad = self.ca.issue("good"), self.ca.issue("bad")
        weir = self.mutual(f", crl: {self.ca.revoke(bad)}")
        self.refuse(weir, self.ca.client(bad), "revoked")
        self.assertEqual(self.ask(weir, self.ca.client(good))[0], 200)

    def test_tls_1_1(self) -> None:
        context = self.ca.client()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        self.refuse(self.terminating(self.server.yaml), context, "version")

    def test_tls_1_2_where_1_3_is_asked_for(self) -> None:
        context = self.ca.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.refuse(self.terminating(f"{self.server.yaml}, min_version: 1.3"), context, "version")

    def test_plaintext(self) -> None:
        weir = self.terminating(self.server.yaml)
        with weir.connect() as client:
            client.sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertNotIn(b"HTTP/1.1 200", client.sock.recv(100))
        self.assert_handshake(weir, "downstream", "not_tls")

    def test_renegotiation(self) -> None:
        weir = self.terminating(self.server.yaml)
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{weir.port}", "-tls1_2"],
                              input=b"R\n", capture_output=True, timeout=20)
        self.assertIn(b"no renegotiation", done.stdout + done.stderr)

    def test_an_optional_certificate_may_be_missing_but_not_wrong(self) -> None:
        weir = self.mutual(", client_auth: optional")
        self.assertEqual(self.ask(weir, self.ca.client())[0], 200)
        with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            self.ask(weir, self.ca.client(self.other.issue("stranger")))
        self.assert_handshake(weir, "downstream", "untrusted")


class Upstream(TlsTest):
    def test_is_verified_spoken_to_by_name_and_resumed(self) -> None:
        origin = self.tls_origin(self.ca.server(self.server))
        weir = self.originating(origin.address, f"{{ca: {self.ca.cert}, server_name: localhost}}")
        for _ in range(3):
            self.assertEqual(weir.ask("/close").status, 200)
        self.assertEqual(origin.resumed, [False, True, True])
        self.assertEqual(origin.asked_names[0], "localhost")
        self.assert_handshake(weir, "upstream", "resumed", 2)

    def test_an_address_is_verified_as_one(self) -> None:
        origin = self.tls_origin(self.ca.server(self.server))
        weir = self.originating(origin.address, f"{{ca: {self.ca.cert}}}")
        self.assertEqual(weir.ask().status, 200)
        self.assertEqual(origin.asked_names, [None])

    def test_bodies_of_many_records_arrive_whole(self) -> None:
        origin = self.tls_origin(self.ca.server(self.server))
        weir = self.originating(origin.address, f"{{ca: {self.ca.cert}}}")
        body = os.urandom(3_000_000)
        self.assertEqual(weir.ask("/", "POST", body=body).body, body)

    def test_our_certificate_is_shown(self) -> None:
        origin = self.tls_origin(self.ca.server(self.server, clients=True))
        us = self.ca.issue("weir")
        weir = self.originating(origin.address, f"{{ca: {self.ca.cert}, {us.yaml}}}")
        self.assertEqual(weir.ask().status, 200)
        self.assertIn((("commonName", "weir"),), origin.peers[0]["subject"])  # type: ignore[arg-type]

    def refuse(self, pair: Pair, tls: str, result: str, clients: bool = False) -> None:
        origin = self.tls_origin(self.ca.server(pair, clients))
        weir = self.originating(origin.address, tls)
        self.assert_refused(weir.ask(), 503, "upstream_tls")
        self.assert_handshake(weir, "upstream", result)
        self.assertEqual(origin.headers, [])
        # One that refuses us does so after our side of the handshake was over: we were connected.
        failures = weir.metrics().sum("weir_upstream_connect_failures_total", cluster="up", reason="tls")
        self.assertEqual(failures, 0 if clients else 1)

    def test_one_of_another_authority_is_refused(self) -> None:
        self.refuse(self.server, f"{{ca: {self.other.cert}}}", "untrusted")

    def test_one_that_the_system_does_not_know_is_refused(self) -> None:
        self.refuse(self.server, "{}", "untrusted")

    def test_one_of_another_name_is_refused(self) -> None:
        self.refuse(self.server, f"{{ca: {self.ca.cert}, server_name: orders.test}}", "wrong_name")

    def test_one_that_expired_is_refused(self) -> None:
        late = self.ca.issue("localhost", ends="20200101000000Z", stem="late-server")
        self.refuse(late, f"{{ca: {self.ca.cert}}}", "expired")

    def test_one_that_was_revoked_is_refused(self) -> None:
        bad = self.ca.issue("localhost", stem="revoked-server")
        self.refuse(bad, f"{{ca: {self.ca.cert}, crl: {self.ca.revoke(bad)}}}", "revoked")

    def test_one_that_nobody_allowed_is_refused(self) -> None:
        self.refuse(self.server, f"{{ca: {self.ca.cert}, allow: [orders.test]}}", "not_allowed")

    def test_one_that_wants_a_certificate_of_ours_refuses(self) -> None:
        self.refuse(self.server, f"{{ca: {self.ca.cert}}}", "ok", clients=True)

    def test_one_in_clear_is_refused(self) -> None:
        origin = self.origin(echo)
        weir = self.originating(origin.address, "{}")
        self.assertEqual(weir.ask(timeout=15).status, 503)

    def test_verify_may_leave_out_the_name_or_all(self) -> None:
        origin = self.tls_origin(self.ca.server(self.ca.issue("else.test", "DNS:else.test")))
        weir = self.originating(origin.address, f"{{ca: {self.ca.cert}, verify: ca}}")
        self.assertEqual(weir.ask().status, 200)
        weir = self.originating(origin.address, "{verify: none}")
        self.assertEqual(weir.ask().status, 200)

    def test_health_checks_speak_it_too(self) -> None:
        origin = self.tls_origin(self.ca.server(self.server))
        weir = self.weir(f"""\
            version: 1
            listeners: [{{name: in, listen: $LISTEN, to: up}}]
            clusters:
              up:
                endpoints: ["{origin.address}"]
                tls: {{ca: {self.ca.cert}}}
                health: {{path: /health, interval: 1s, timeout: 900ms}}
            """)
        eventually(lambda: weir.metrics().sum("weir_health_checks_total", cluster="up", result="success") > 1, "checks")
        self.assertEqual(weir.metrics().sum("weir_health_checks_total", cluster="up", result="failure"), 0)


class Rotation(TlsTest):
    def test_a_new_certificate_is_taken_without_losing_a_connection(self) -> None:
        pair = self.ca.issue("localhost", stem="turning")
        weir = self.terminating(pair.yaml)
        old = self.connect(weir, self.ca.client())
        serial = old.getpeercert()["serialNumber"]  # type: ignore[index]
        self.ca.issue("localhost", stem="turning")

        def has_new() -> bool:
            with self.connect(weir, self.ca.client()) as sock:
                return sock.getpeercert()["serialNumber"] != serial  # type: ignore[index]

        eventually(has_new, "the new certificate")
        old.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertIn(b"200", old.recv(4096))

    def test_half_a_pair_changes_nothing(self) -> None:
        pair = self.ca.issue("localhost", stem="half")
        weir = self.terminating(pair.yaml)
        key = Path(pair.key).read_text()
        Path(pair.key).write_text(Path(self.server.key).read_text())
        eventually(lambda: weir.metrics().sum("weir_config_last_reload_success") == 0, "a refused reload")
        self.assertEqual(self.ask(weir, self.ca.client())[0], 200)
        Path(pair.key).write_text(key)
        eventually(lambda: weir.metrics().sum("weir_config_last_reload_success") == 1, "an accepted reload")

    def test_upstream_connections_of_other_rules_carry_nothing_more(self) -> None:
        origin = self.tls_origin(self.ca.server(self.server))
        config = """\
            version: 1
            threads: 1
            listeners: [{name: in, listen: $LISTEN, to: up}]
            clusters:
              up: {endpoints: ["%s"], tls: {ca: %s%s}, retry: off, breaker: off, outlier: off}
            """
        weir = self.weir(config % (origin.address, self.ca.cert, ""))
        self.assertEqual(weir.ask().status, 200)
        weir.reload(config % (origin.address, self.ca.cert, ", allow: [orders.test]"))
        self.assert_refused(weir.ask(), 503, "upstream_tls")


class Mesh(TlsTest):
    def test_two_weirs_know_each_other(self) -> None:
        origin = self.origin(echo)
        front = self.ca.issue("front", "URI:spiffe://shop/front")
        back = self.ca.issue("back", "URI:spiffe://shop/back")
        server = self.weir(f"""\
            version: 1
            identity: {{{back.yaml}, ca: {self.ca.cert}}}
            listeners: [{{name: in, mode: inbound, listen: $LISTEN, tls: mesh, to: "{origin.address}"}}]
            """)
        client = self.weir(f"""\
            version: 1
            identity: {{{front.yaml}, ca: {self.ca.cert}}}
            listeners: [{{name: out, mode: outbound, listen: $LISTEN, to: orders}}]
            clusters: {{orders: {{endpoints: ["127.0.0.1:{server.port}"], tls: mesh}}}}
            """)
        self.assertEqual(client.ask().status, 200)
        eventually(lambda: any(r.get("peer") == "spiffe://shop/front" for r in server.access_log()), "the peer")
        # In clear as well, until the listener is strict.
        self.assertEqual(server.ask().status, 200)
        self.assertEqual(server.metrics().sum("weir_connections_total", listener="in", tls="no"), 1)


if __name__ == "__main__":
    unittest.main()
