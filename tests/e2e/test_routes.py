"""Which route takes a request, and what it does with it."""

from __future__ import annotations

import unittest

from harness import Weir, WeirTest
from origins import Answer, Peer, RawOrigin
from wire import Message, response


def tell(name: str) -> Answer:
    """Answers with its name and what it was asked."""

    def answer(peer: Peer, message: Message) -> None:
        peer.read_body(message)
        peer.send(response(200, f"{name} {message.target} {message.get('host')}".encode()))

    return answer


ROUTES = """\
version: 1
listeners:
  - listen: $LISTEN
    routes:
      - {name: exact-host, host: shop.test, path: /who, to: a}
      - {name: hosts, host: [one.test, two.test], to: a}
      - {name: wildcard, host: "*.wild.test", to: b}
      - {name: exact, path: /exact, to: a}
      - {name: prefix, path: /prefix/, to: a}
      - {name: star, path: "/star/*", to: b}
      - {name: template, path: "/users/{id}", to: a}
      - {name: template-rest, path: "/users/{id}/items/*", to: b}
      - {name: posts, path: /method, method: [POST, PUT], to: a}
      - {name: gets, path: /method, method: GET, to: b}
      - {name: canary, path: /canary, header: {x-canary: "true"}, to: b}
      - {name: regex, path: /canary, header: {x-version: "~ ^v[2-9]$"}, to: b}
      - {name: present, path: /canary, header: {x-debug: present}, to: b}
      - {name: stable, path: /canary, to: a}
      - {name: query, path: /query, query: {kind: new}, to: b}
      - {name: no-query, path: /query, to: a}
      - {name: weighted, path: /weighted, to: {a: 90%, b: 10%}}
      - {name: fixed, path: /fixed, respond: {status: 418, body: "short and stout"}}
      - {name: empty, path: /empty, respond: {status: 204}}
      - {name: moved, path: "/old/*", redirect: "https://new.test/*"}
      - {name: moved-template, path: "/go/{id}", redirect: "/went/{id}"}
      - {name: rewritten, path: "/api/*", rewrite: {path: "/v1/*"}, to: a}
      - {name: rewritten-template, path: "/u/{id}", rewrite: {path: "/user/{id}/profile"}, to: a}
      - {name: rewritten-host, path: /host, rewrite: {host: inner.test}, to: a}
      - {name: small, path: /small, max_body: 10B, to: a}
clusters:
  a: {endpoints: [ADDRESS_A]}
  b: {endpoints: [ADDRESS_B]}
"""


class Routes(WeirTest):
    weir_: Weir

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        origins = {name: RawOrigin(tell(name)) for name in "ab"}
        config = ROUTES
        for name, origin in origins.items():
            cls.addClassCleanup(origin.close)
            config = config.replace(f"ADDRESS_{name.upper()}", origin.address)
        cls.weir_ = Weir(config)
        cls.addClassCleanup(cls.weir_.stop)
        cls.weir_.wait_ready()

    def goes_to(self, name: str | None, target: str, host: str = "test", method: str = "GET",
                headers: dict[str, str] | None = None) -> None:
        answer = self.weir_.ask(target, method, headers, host=host)
        if name is None:
            self.assert_refused(answer, 404, "no_route")
        else:
            self.assertEqual(answer.body.decode().split()[0], name, answer)

    def test_host(self) -> None:
        self.goes_to("a", "/who", "shop.test")
        self.goes_to("a", "/who", "SHOP.test:8080")
        self.goes_to("a", "/any", "two.test")
        self.goes_to(None, "/who", "other.test")

    def test_wildcard_host_is_one_or_more_labels(self) -> None:
        self.goes_to("b", "/x", "a.wild.test")
        self.goes_to("b", "/x", "a.b.wild.test")
        self.goes_to(None, "/x", "wild.test")
        self.goes_to(None, "/x", "notwild.test")

    def test_paths(self) -> None:
        for name, target in (("a", "/exact"), (None, "/exact/"), (None, "/exactly"), ("a", "/exact?x=1"),
                             ("a", "/prefix/"), ("a", "/prefix/x/y"), (None, "/prefix"), (None, "/prefixed"),
                             ("b", "/star/"), ("b", "/star/x"), (None, "/star"), ("a", "/users/7"),
                             (None, "/users/"), (None, "/users/7/x"), ("b", "/users/7/items/1")):
            with self.subTest(target):
                self.goes_to(name, target)

    def test_what_is_matched_is_what_is_forwarded(self) -> None:
        self.assertEqual(self.weir_.ask("/x/../prefix//%61").body, b"a /prefix/a test")

    def test_method(self) -> None:
        self.goes_to("a", "/method", method="POST")
        self.goes_to("b", "/method", method="GET")
        self.goes_to(None, "/method", method="DELETE")

    def test_header_exact_regex_and_present(self) -> None:
        self.goes_to("b", "/canary", headers={"X-Canary": "true"})
        self.goes_to("a", "/canary", headers={"X-Canary": "false"})
        self.goes_to("b", "/canary", headers={"X-Version": "v3"})
        self.goes_to("a", "/canary", headers={"X-Version": "v33"})
        self.goes_to("b", "/canary", headers={"X-Debug": ""})
        self.goes_to("a", "/canary")

    def test_query(self) -> None:
        self.goes_to("b", "/query?x=1&kind=new")
        self.goes_to("a", "/query?kind=newer")
        self.goes_to("a", "/query")

    def test_weights_hold_within_five_sigma(self) -> None:
        from wire import request

        with self.weir_.connect() as client:
            names = [client.ask(request(target="/weighted")).body[:1] for _ in range(2000)]
        # Binomial(2000, 0.1): mean 200, sigma 13.4.
        self.assertGreater(names.count(b"b"), 133)
        self.assertLess(names.count(b"b"), 267)

    def test_respond(self) -> None:
        answer = self.weir_.ask("/fixed")
        self.assertEqual((answer.status, answer.body, answer.error), (418, b"short and stout", None))
        self.assertEqual(self.weir_.ask("/fixed", "POST", body=b"x" * 1000).status, 418)
        self.assertEqual(self.weir_.ask("/empty").status, 204)

    def test_respond_to_head_has_no_body(self) -> None:
        answer = self.weir_.ask("/fixed", "HEAD")
        self.assertEqual((answer.status, answer.get("content-length")), (418, "15"))

    def test_redirect(self) -> None:
        for target, location in (("/old/a/b", "https://new.test/a/b"), ("/go/7", "/went/7")):
            answer = self.weir_.ask(target)
            self.assertEqual((answer.status, answer.get("location")), (308, location))

    def test_redirect_cannot_be_split_by_the_path(self) -> None:
        answer = self.weir_.ask("/old/a%0d%0aX-Evil:1")
        self.assertIsNone(answer.get("x-evil"))

    def test_rewrite(self) -> None:
        self.assertEqual(self.weir_.ask("/api/x/y?q=1").body, b"a /v1/x/y?q=1 test")
        self.assertEqual(self.weir_.ask("/u/7").body, b"a /user/7/profile test")
        self.assertEqual(self.weir_.ask("/host").body, b"a /host inner.test")

    def test_max_body(self) -> None:
        self.assertEqual(self.weir_.ask("/small", "POST", body=b"x" * 10).status, 200)
        self.assert_refused(self.weir_.ask("/small", "POST", body=b"x" * 11), 413, "body_too_large")
        with self.weir_.connect() as client:
            client.send("POST /small HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send("20\r\n" + "x" * 32 + "\r\n0\r\n\r\n")
            self.assert_refused(client.answer(), 413, "body_too_large")

    def test_metrics_name_the_routes_from_the_file_only(self) -> None:
        self.goes_to(None, "/never-heard-of", "evil.test")
        metrics = self.weir_.metrics()
        routes = metrics.label("weir_requests_total", "route")
        self.assertIn("weighted", routes)
        self.assertTrue(all("never" not in value and "evil" not in value
                            for _, labels, _ in metrics.samples for value in labels.values()))


if __name__ == "__main__":
    unittest.main()
