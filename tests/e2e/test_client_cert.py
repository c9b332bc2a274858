"""X-Forwarded-Client-Cert: what the service behind learns of a client's certificate, and from whom."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import unittest
from pathlib import Path

from harness import BARE, RawOrigin, Weir, WeirTest
from pki import Authority, Pair
from wire import request

NAME = "X-Forwarded-Client-Cert"


def digest(pair: Pair) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(pair.cert).read_text())).hexdigest()


class ClientCert(WeirTest):
    ca: Authority
    server: Pair
    client: Pair

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ca = Authority()
        cls.addClassCleanup(cls.ca.close)
        cls.server = cls.ca.issue("server", "DNS:localhost, URI:spiffe://shop/front")
        cls.client = cls.ca.issue("web", "URI:spiffe://shop/web, DNS:web.shop, DNS:web")

    def behind(self, listener: str, asks: str = "require") -> tuple[Weir, RawOrigin]:
        origin = self.origin()
        tls = f"{{{self.server.yaml}, client_ca: {self.ca.cert}, client_auth: {asks}}}"
        return self.weir(f"version: 1\nlisteners:\n  - {{listen: $LISTEN, to: c, tls: {tls}{listener}}}\n"
                         f"clusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n"), origin

    def told(self, weir: Weir, origin: RawOrigin, pair: Pair | None, said: str = "") -> list[str]:
        """What a request by that client, who says that of itself, is called upstream."""
        with socket.create_connection(("127.0.0.1", weir.port), 10) as sock:
            connection = http.client.HTTPConnection("localhost", timeout=10)
            connection.sock = self.ca.client(pair).wrap_socket(sock, server_hostname="localhost")
            connection.request("GET", "/", headers={NAME: said} if said else {})
            self.assertEqual(connection.getresponse().read(), b"ok")
            connection.close()
        return origin.requests[-1].values(NAME)

    def element(self) -> str:
        return (f'By=spiffe://shop/front;Hash={digest(self.client)};Subject="CN=web";URI=spiffe://shop/web;'
                "DNS=web.shop;DNS=web")

    def test_set_says_who_the_client_is(self) -> None:
        weir, origin = self.behind(", forward_client_cert: set")
        self.assertEqual(self.told(weir, origin, self.client), [self.element()])
        self.assertEqual(self.told(weir, origin, self.client, "URI=spiffe://shop/admin"), [self.element()])

    def test_set_says_nothing_of_a_client_without_one(self) -> None:
        weir, origin = self.behind(", forward_client_cert: set", "optional")
        self.assertEqual(self.told(weir, origin, None, "URI=spiffe://shop/admin"), [])
        self.assertEqual(self.told(weir, origin, self.client), [self.element()])

    def test_append_keeps_what_those_who_are_trusted_say(self) -> None:
        weir, origin = self.behind(", forward_client_cert: append, trusted_proxies: [127.0.0.1/32]", "optional")
        self.assertEqual(self.told(weir, origin, self.client, "URI=spiffe://a/b"),
                         [f"URI=spiffe://a/b,{self.element()}"])
        self.assertEqual(self.told(weir, origin, None, "URI=spiffe://a/b"), ["URI=spiffe://a/b"])

    def test_append_drops_what_others_say(self) -> None:
        weir, origin = self.behind(", forward_client_cert: append", "optional")
        self.assertEqual(self.told(weir, origin, None, "URI=spiffe://a/b"), [])

    def test_names_cannot_break_out_of_their_element(self) -> None:
        pair = self.ca.issue('odd", URI=x', "DNS:odd, URI:spiffe://a;URI=spiffe://b/", stem="odd")
        weir, origin = self.behind(", forward_client_cert: set")
        self.assertEqual(self.told(weir, origin, pair),
                         [f'By=spiffe://shop/front;Hash={digest(pair)};Subject="CN=odd\\\\\\"\\\\, URI=x";'
                          'URI="spiffe://a;URI=spiffe://b/";DNS=odd'])

    def test_off_passes_what_those_who_are_trusted_say_and_nothing_else(self) -> None:
        for trusts, said in (("", []), ("trusted_proxies: [127.0.0.1/32], ", ["URI=spiffe://a/b"])):
            with self.subTest(trusts=trusts):
                origin = self.origin()
                weir = self.weir(f"version: 1\nlisteners:\n  - {{listen: $LISTEN, {trusts}to: c}}\nclusters:\n  c:\n"
                                 f"    endpoints: [{origin.address}]\n    " + BARE.replace("\n", "\n    "))
                with weir.connect() as client:
                    client.ask(request("GET", "/", {NAME: "URI=spiffe://a/b"}))
                self.assertEqual(origin.requests[-1].values(NAME), said)


if __name__ == "__main__":
    unittest.main()
