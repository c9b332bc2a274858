"""Who may ask, by HTTP/2: the same malicious tokens, and what only its frames and fields can say."""

from __future__ import annotations

import hashlib
import random
import unittest

from h2wire import CONTINUATION, DATA, END_HEADERS, END_STREAM, H2Client, HEADERS, PROTOCOL_ERROR, block, field, frame
from harness import RawOrigin, Weir
from test_auth import AuthTest, as_read, changes, malicious, paths, secrets
from tokens import SECRET, claims, hs256
from wire import Message

Fields = list[tuple[bytes, bytes]]


def asking(*fields: tuple[str, str], path: str = "/", host: str = "test", method: str = "GET") -> Fields:
    pseudo = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*pseudo, *fields)]


def bearing(token: str, **more: str) -> Fields:
    return asking(("authorization", f"Bearer {token}".rstrip()), **more)


class H2AuthTest(AuthTest):
    def client(self, weir: Weir) -> H2Client:
        client = H2Client(weir.port, reads_heads=True)
        self.addCleanup(client.sock.close)
        return client

    def assert_told(self, answer: Message | int, status: int, reason: str) -> Message:
        assert isinstance(answer, Message), f"a reset, code {answer}"
        self.assert_refused(answer, status, reason)
        return answer

    def status(self, answer: Message | int) -> int:
        """0: it was reset as malformed, or nobody's answer."""
        if isinstance(answer, Message):
            return answer.status
        self.assertEqual(answer, PROTOCOL_ERROR)
        return 0


class Tokens(H2AuthTest):
    def test_no_malicious_token_gets_through(self) -> None:
        weir, origin = self.guard(secrets(self))
        client = self.client(weir)
        for good in (hs256(), self.signer.token()):
            answer = client.ask(bearing(good))
            assert isinstance(answer, Message)
            self.assertEqual(answer.status, 200)
        origin.requests.clear()
        before = weir.metrics()
        for what, token, reason in malicious(self.signer):
            with self.subTest(what):
                answer = self.assert_told(client.ask(bearing(token)), 401, "unauthorized")
                challenge = answer.get("www-authenticate") or ""
                self.assertTrue(challenge.startswith('Bearer error="invalid_token"'), challenge)
                after = weir.metrics()
                self.assertEqual(changes(before, after), {reason: 1})
                before = after
        self.assertEqual(origin.requests, [])
        self.assertNotIn("eyJ", weir.output() + weir.errors())

    def test_no_way_to_write_the_fields_lets_a_bad_token_in(self) -> None:
        weir, origin = self.guard(secrets(self))
        good, bad = hs256(), hs256(secret=b"x" * 32)
        client = self.client(weir)
        for fields in (
            [("authorization", f"Bearer {good}"), ("authorization", f"Bearer {bad}")],
            [("authorization", f"Bearer {bad}"), ("authorization", f"Bearer {good}")],
            [("authorization", f"Bearer {good}"), ("authorization", f"Bearer {good}")],
            [("authorization", f"Bearer {good}"), ("x", "1"), ("authorization", "")],
            [("authorization", f"Bearer {good}"), ("authorization", "Basic YTpi")],
            [("authorization", "Bearer"), ("authorization", good)],
            [("authorization", good[:20]), ("authorization", good[20:])],
            [("authorization", f"Bearer {bad}, Bearer {good}")], [("authorization", f"Bearer{good}")],
            [("authorization", f"Basic {good}")], [("authorization", good)], [("authorization", "")],
            [("authorization", "Bearer")], [("authorization", f"Bearer {good} x")], [("authorization", f"Bearer {good};{bad}")],
            [("authorisation", f"Bearer {good}")], [("proxy-authorization", f"Bearer {good}")],
            [("x-authorization", f"Bearer {good}")], [("cookie", f"authorization=Bearer {good}")],
            [("cookie", "authorization"), ("cookie", f"Bearer {good}")], [("http2-settings", good)],
            [("x-user-id", "admin"), ("x-roles", "root")], [("x-forwarded-user", "admin"), ("x-original-authorization", good)],
        ):
            with self.subTest(str(fields)[:60]):
                self.assert_told(client.ask(asking(*fields)), 401, "unauthorized")
        self.assertEqual(origin.requests, [])
        answer = client.ask(asking(("authorization", f"bEaReR   {good}")))
        self.assertEqual(self.status(answer), 200)

    def test_malformed_fields_are_nobodys(self) -> None:
        weir, origin = self.guard(secrets(self))
        good = hs256()
        value = f"Bearer {good}"
        for fields in (
            [("Authorization", value)], [("AUTHORIZATION", value)], [("authorization ", value)], [(" authorization", value)],
            [("authorization", f"{value}\0")], [("authorization", f"{value}\r\nx-user-id: admin")], [("authorization", f"{value}\n")],
            [("authorization:", value)], [("", value)], [(":authorization", value)], [("authoriz\0ation", value)],
            [("x\r\nauthorization: Bearer x", value)], [("connection", "authorization"), ("authorization", value)],
            [("transfer-encoding", "chunked"), ("authorization", value)], [("authorization", value), (":path", "/admin")],
            [("te", "authorization"), ("authorization", value)], [("authorization", value), (":authority", "other")],
        ):
            with self.subTest(fields):
                self.assertIn(self.status(self.client(weir).ask(asking(*fields))), (0, 400))
        self.assertEqual(origin.requests, [])

    def test_nor_behind_a_body_nor_in_two_frames(self) -> None:
        weir, origin = self.guard(secrets(self))
        good, bad = hs256(), hs256(secret=b"x" * 32)
        client = self.client(weir)
        trailers = frame(DATA, 0, 0, b"x")[:5] + b"STREAM" + b"x"
        trailers += frame(HEADERS, END_HEADERS | END_STREAM, 0, field(b"authorization", b"Bearer " + good.encode()))[:5]
        trailers += b"STREAM" + field(b"authorization", b"Bearer " + good.encode())
        for fields in (asking(method="POST"), bearing(bad, method="POST")):
            self.assert_told(client.ask(fields, trailers), 401, "unauthorized")
        # A field that is cut by a frame is one field.
        whole = block(bearing(good))
        for cut in (1, len(whole) // 2, len(whole) - 1):
            stream = client.next_stream
            client.next_stream += 2
            client.send(frame(HEADERS, END_STREAM, stream, whole[:cut]) +
                        frame(CONTINUATION, END_HEADERS, stream, whole[cut:]))
            client.end_of(stream)
        self.assertEqual(len(origin.requests), 3)

    def test_any_variation_of_a_denied_request_is_denied(self) -> None:
        weir, origin = self.guard(secrets(self))
        draw = random.Random(7)
        bad = hs256(secret=b"x" * 32)
        fields = [("authorization", f"Bearer {bad}"), ("x-user-id", "admin"), ("x_user_id", "admin"),
                  ("cookie", f"token={hs256()}"), ("cookie", "a=b"), ("x-forwarded-user", "admin"),
                  ("x-original-authorization", f"Bearer {hs256()}"), ("forwarded", "for=127.0.0.1")]
        client = self.client(weir)
        for _ in range(300):
            chosen = [draw.choice(fields) for _ in range(draw.randint(0, 6))]
            self.assert_told(client.ask(asking(*chosen)), 401, "unauthorized")
        self.assertEqual(origin.requests, [])

    def test_claims_become_headers_that_clients_cannot_set(self) -> None:
        weir, origin = self.guard(secrets(self), listener="auth: users, underscores: allow")
        client = self.client(weir)
        for spoof in ("x-user-id", "x_user_id", "x-user_id"):
            fields = asking((spoof, "admin"), ("authorization", f"Bearer {hs256()}"), (spoof, "root"), ("x-roles", "root"))
            self.assertEqual(self.status(client.ask(fields)), 200)
            told = origin.requests[-1]
            self.assertEqual([v for n, v in told.headers if n.lower().replace("_", "-") == "x-user-id"], ["7"])
            self.assertEqual(told.values("x-roles"), [])


class Crumbs(H2AuthTest):
    """HTTP/2 may send each cookie in a field of its own."""

    def test_a_token_in_a_cookie_is_there_once(self) -> None:
        auth = f"{{type: jwt, secret: {{file: {self.keys('secret', SECRET)}}}, from: 'cookie:sid'}}"
        weir, origin = self.guard(auth)
        client = self.client(weir)
        good, bad = hs256(), hs256(secret=b"x" * 32)
        for crumbs in ([f"sid={good}"], ["a=b", f"sid={good}"], [f"a=b; sid={good}", "c=d"], ["sidx=1", f"sid={good}", "xsid=2"]):
            with self.subTest(crumbs):
                self.assertEqual(self.status(client.ask(asking(*[("cookie", crumb) for crumb in crumbs]))), 200)
        origin.requests.clear()
        for crumbs in ([f"sid={good}", f"sid={bad}"], [f"sid={bad}", f"sid={good}"], [f"sid={good}", f"sid={good}"],
                       [f"sid={bad}; sid={good}"], [f"sid={bad}"], ["sid", good], ["sid=", good], [f"SID={good}"],
                       [f"sid={good[:30]}", good[30:]], [f"sid={good},x"], [f"a=\"; sid={bad}; b=\"; sid={good}"], ["sid="]):
            with self.subTest(crumbs):
                self.assert_told(client.ask(asking(*[("cookie", crumb) for crumb in crumbs])), 401, "unauthorized")
        self.assertEqual(origin.requests, [])

    def test_a_key_is_there_once(self) -> None:
        line = f"acme:{hashlib.sha256(b'key-1').hexdigest()}\n"
        weir, origin = self.guard(f"{{type: api_key, from: 'header:x-api-key', keys: {{file: {self.keys('keys', line)}}}}}")
        client = self.client(weir)
        self.assertEqual(self.status(client.ask(asking(("x-api-key", "key-1")))), 200)
        self.assertEqual(origin.requests[-1].values("x-api-key"), [])
        origin.requests.clear()
        for fields in ([("x-api-key", "key-1"), ("x-api-key", "key-1")], [("x-api-key", "key-1"), ("x-api-key", "key-2")],
                       [("x-api-key", "key-1, key-1")], [("x_api_key", "key-1")], [("x-api-key", "")], [("cookie", "x-api-key=key-1")]):
            with self.subTest(fields):
                self.assert_told(client.ask(asking(*fields)), 401, "unauthorized")
        self.assertEqual(origin.requests, [])


class Paths(H2AuthTest):
    def test_no_spelling_of_a_path_is_beside_its_rule(self) -> None:
        routes = '{path: /admin/*, require: \'claims.sub == "root"\', to: c}, {path: /admin, respond: {status: 404}}, {path: /*, to: c}'
        weir, origin = self.guard(secrets(self), routes=routes)
        token = hs256()
        for target in (*paths(), "", "admin/x", "*", "http://test/admin/x", "/admin/x HTTP/1.1", "/admin\r\n/x", " /admin/x"):
            with self.subTest(target):
                answer = self.status(self.client(weir).ask(bearing(token, path=target)))
                self.assert_not_reached(origin, answer)
        self.assertEqual(self.status(self.client(weir).ask(bearing(hs256(payload=claims(sub="root")), path="/admin/x"))), 200)

    def assert_not_reached(self, origin: RawOrigin, status: int) -> None:
        reached = [told.target for told in origin.requests]
        origin.requests.clear()
        self.assertFalse([path for path in reached if as_read(path).startswith("/admin/")], reached)
        if status == 200:
            self.assertTrue(reached)
        else:
            self.assertIn(status, (0, 400, 403, 404))
            self.assertEqual(reached, [])

    def test_no_spelling_of_a_host_is_beside_its_rule(self) -> None:
        routes = '{host: admin.test, path: /*, require: \'claims.sub == "root"\', to: c}, {path: /*, to: c}'
        weir, origin = self.guard(secrets(self), routes=routes)
        token = hs256()
        for host in ("admin.test", "ADMIN.test", "Admin.Test", "admin.test:80", "admin.test:443", "admin.test.", "ADMIN.TEST.:80",
                     "admin.test:", "admin.test:x", "user@admin.test", "admin.test@other", "admin.test/", "admin.test/../other",
                     "admin.test#x", "admin.test?x", "admin.test\\other", " admin.test", "admin.test ", "admin.test\t", "admin.test,other",
                     "admin.test\0", "%61dmin.test", "", "admin.test:80:80", "http://admin.test"):
            with self.subTest(host):
                answer = self.client(weir).ask(bearing(token, host=host))
                self.assertIn(self.status(answer), (0, 400, 403))
                self.assertEqual(origin.requests, [])
        for more in ([("host", "other.test")], [("host", "admin.test"), ("host", "other.test")], [("host", "other.test"), ("x", "1")]):
            fields = [*bearing(token, host="admin.test"), *[(n.encode(), v.encode()) for n, v in more]]
            with self.subTest(more):
                self.assertIn(self.status(self.client(weir).ask(fields)), (0, 400, 403))
                self.assertEqual(origin.requests, [])
        # Without an authority the field is what counts, and it is what goes on.
        fields = [each for each in bearing(token) if each[0] != b":authority"] + [(b"host", b"admin.test")]
        self.assertEqual(self.status(self.client(weir).ask(fields)), 403)
        self.assertEqual(origin.requests, [])

    def test_no_method_is_beside_its_rule(self) -> None:
        routes = '{path: /a, method: [POST], require: \'claims.sub == "root"\', to: c}, {path: /a, method: GET, to: c}'
        weir, origin = self.guard(secrets(self), routes=routes)
        for method in ("POST", "post", "Post", "POST ", "PUT", "", "GET POST", "PO\0ST"):
            with self.subTest(method):
                fields = [*bearing(hs256(), path="/a", method=method), (b"x-http-method-override", b"POST")]
                self.assertIn(self.status(self.client(weir).ask(fields)), (0, 400, 403, 404))
        self.assertEqual(origin.requests, [])


if __name__ == "__main__":
    unittest.main()
