"""Authentication that asks somebody: keys by URL, passwords, an external service, introspection."""

from __future__ import annotations

import base64
import ctypes
import json
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import RawOrigin, Weir, eventually
from origins import Peer, fixed, hang
from test_auth import AuthTest
from tokens import Signer, b64, claims, encoded, jwks
from wire import Message


class IssuerTest(AuthTest):
    def hold(self, source: RawOrigin) -> threading.Event:
        """The source answers when that is set."""
        gate = threading.Event()

        def slow(peer: Peer, request: Message) -> None:
            gate.wait(10)
            fixed(200, jwks(self.signer).encode())(peer, request)

        source.answer = slow
        return gate

    def second(self) -> Signer:
        other = Signer("two")
        self.addCleanup(other.close)
        return other


class FetchedKeys(IssuerTest):
    """The issuer is a server of its own, which tests stop, change and start."""

    def issuer(self, *signers: Signer, more: str = "", answer: str | None = None) -> tuple[Weir, RawOrigin, RawOrigin]:
        source = self.origin(fixed(200, (answer or jwks(*signers)).encode(), {"cache-control": "max-age=3600"}))
        auth = (f"{{type: jwt, jwks: 'http://issuer.test/keys?x=1', jwks_cluster: issuer, min_refetch: 1s,"
                f" issuer: 'https://issuer.test/'{more}}}")
        origin = self.origin()
        weir = self.weir("version: 1\nthreads: 2\nlisteners:\n  - {listen: $LISTEN, auth: users, to: c}\n"
                         f"auth:\n  users: {auth}\nclusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n"
                         f"  issuer: {{endpoints: [{source.address}], breaker: off, outlier: off}}\n")
        return weir, source, origin

    def test_they_are_fetched_once_for_all_who_wait(self) -> None:
        weir, source, _ = self.issuer(self.signer)
        gate = self.hold(source)
        token = self.signer.token()
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(self.bearer, weir, token) for _ in range(20)]
            eventually(lambda: source.requests, "a fetch")
            gate.set()
            self.assertEqual({each.result().status for each in asked}, {200})
        self.assertEqual(len(source.requests), 1)
        told = source.requests[0]
        self.assertEqual((told.target, told.get("host")), ("/keys?x=1", "issuer.test"))
        self.assertIsNone(told.get("authorization"))

    def test_a_rotation_refuses_nobody(self) -> None:
        weir, source, _ = self.issuer(self.signer)
        other = self.second()
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)
        time.sleep(1.1)  # min_refetch
        source.answer = fixed(200, jwks(self.signer, other).encode())
        with ThreadPoolExecutor(20) as pool:
            token = other.token()
            self.assertEqual(set(pool.map(lambda _: self.bearer(weir, token).status, range(20))), {200})
        self.assertEqual(len(source.requests), 2)
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)

    def test_random_ids_cause_one_fetch_in_a_while(self) -> None:
        weir, source, origin = self.issuer(self.signer)
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)
        start = time.monotonic()
        body = encoded(claims())
        for i in range(400):
            token = f"{encoded({'alg': 'RS256', 'kid': str(i)})}.{body}.{b64(b'x' * 256)}"
            self.assert_refused(self.bearer(weir, token), 401, "unauthorized")
        most = 2 + (time.monotonic() - start)
        self.assertLessEqual(len(source.requests), most)
        self.assertEqual(self.failures(weir, "unknown_key"), 400)
        self.assertEqual(len(origin.requests), 1)

    def test_good_keys_outlive_their_source(self) -> None:
        weir, source, _ = self.issuer(self.signer)
        other = self.second()
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)
        source.refuse()
        time.sleep(1.1)
        self.assertEqual(self.bearer(weir, self.signer.token(claims(sub="8"))).status, 200)
        self.assert_refused(self.bearer(weir, other.token()), 401, "unauthorized")
        self.assertEqual(self.bearer(weir, self.signer.token(claims(sub="9"))).status, 200)
        source.answer = fixed(200, jwks(other).encode())
        source.accept_again()
        eventually(lambda: self.bearer(weir, other.token()).status == 200, "the source is back")
        self.assertEqual(self.bearer(weir, self.signer.token(claims(sub="10"))).status, 401)

    def test_good_keys_outlive_a_reload(self) -> None:
        weir, source, _ = self.issuer(self.signer)
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)
        source.refuse()
        for old, new in (("min_refetch: 1s", "min_refetch: 2s"), ("outlier: off}", "outlier: off, retry: off}"), ("threads: 2", "threads: 2 ")):
            weir.reload(weir.file.read_text().replace(old, new))
            self.assertEqual(self.bearer(weir, self.signer.token(claims(sub=old))).status, 200, new)

    def test_without_any_keys_nobody_can_say(self) -> None:
        weir, source, origin = self.issuer(self.signer)
        source.refuse()
        answer = self.bearer(weir, self.signer.token())
        self.assert_refused(answer, 503, "auth_unavailable")
        self.assertIsNone(answer.get("www-authenticate"))
        self.assertGreaterEqual(self.failures(weir, "unavailable"), 1)
        self.assert_refused(weir.ask("/"), 401, "unauthorized")
        source.accept_again()
        eventually(lambda: self.bearer(weir, self.signer.token()).status == 200, "the source is back")
        self.assertEqual(len(origin.requests), 1)

    def test_a_source_that_answers_nonsense_has_no_keys(self) -> None:
        for body in ("<html>", '{"keys":[]}', '{"keys":[],"keys":[]}', "x" * 300_000,
                     json.dumps({"keys": [{"kty": "oct", "k": b64(b"k" * 32)}]})):
            with self.subTest(body[:20]):
                weir, _, _ = self.issuer(answer=body)
                self.assert_refused(self.bearer(weir, self.signer.token()), 503, "auth_unavailable")

    def test_a_source_that_hangs_is_waited_for_two_seconds(self) -> None:
        weir, source, _ = self.issuer(self.signer)
        source.answer = hang
        self.assert_refused(self.bearer(weir, self.signer.token()), 503, "auth_unavailable")

    def test_clients_that_leave_take_nothing_with_them(self) -> None:
        weir, source, _ = self.issuer(self.signer)
        gate = self.hold(source)
        for _ in range(5):
            client = weir.connect()
            client.send(f"GET / HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {self.signer.token()}\r\n\r\n")
            eventually(lambda: source.requests, "a fetch")
            client.sock.close()
        gate.set()
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)
        self.assertEqual(len(source.requests), 1)

    def test_a_body_that_comes_while_it_waits_is_not_lost(self) -> None:
        weir, source, origin = self.issuer(self.signer)
        gate = self.hold(source)
        body = bytes(range(256)) * 400
        with weir.connect() as client:
            client.send(f"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n"
                        f"Authorization: Bearer {self.signer.token()}\r\n\r\n")
            client.send(body[:1000])
            eventually(lambda: source.requests, "a fetch")
            client.send(body[1000:])
            gate.set()
            self.assertEqual(client.answer("POST").body, body)
        self.assertEqual(origin.requests[-1].body, body)


class Discovery(IssuerTest):
    """The issuer's document says where its keys are."""

    URL = "http://issuer.test:8080/realm/.well-known/openid-configuration"

    def found(self, document: object, keys: str | None = None) -> tuple[Weir, RawOrigin, RawOrigin]:
        text = document if isinstance(document, str) else json.dumps(document)

        def answer(peer: Peer, request: Message) -> None:
            is_document = request.target.startswith("/realm/.well-known/")
            fixed(200, (text if is_document else keys or jwks(self.signer)).encode())(peer, request)

        source = self.origin(answer)
        origin = self.origin()
        weir = self.weir("version: 1\nthreads: 2\nlisteners:\n  - {listen: $LISTEN, auth: users, to: c}\n"
                         f"auth:\n  users: {{type: jwt, jwks: '{self.URL}', jwks_cluster: issuer, min_refetch: 1s, issuer: 'https://issuer.test/'}}\n"
                         f"clusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n"
                         f"  issuer: {{endpoints: [{source.address}], breaker: off, outlier: off}}\n")
        return weir, source, origin

    def test_its_keys_are_used(self) -> None:
        weir, source, _ = self.found({"issuer": "https://issuer.test/", "jwks_uri": "http://issuer.test:8080/realm/keys?v=1"})
        with ThreadPoolExecutor(10) as pool:
            token = self.signer.token()
            self.assertEqual(set(pool.map(lambda _: self.bearer(weir, token).status, range(10))), {200})
        self.assertEqual([(told.target, told.get("host")) for told in source.requests],
                         [("/realm/.well-known/openid-configuration", "issuer.test:8080"), ("/realm/keys?v=1", "issuer.test:8080")])

    def test_a_document_that_proves_nothing_has_no_keys(self) -> None:
        uri = "http://issuer.test:8080/keys"
        for document, why in (({"issuer": "https://evil.test/", "jwks_uri": uri}, "of another issuer"),
                              ({"issuer": "https://issuer.test", "jwks_uri": uri}, "of another issuer"),
                              ({"jwks_uri": uri}, "of another issuer"), ({"issuer": "https://issuer.test/"}, "no URL in jwks_uri"),
                              ({"issuer": "https://issuer.test/", "jwks_uri": "http://evil.test/keys"}, "jwks_uri is elsewhere, at http://evil.test/keys"),
                              ({"issuer": "https://issuer.test/", "jwks_uri": "http://issuer.test/keys"}, "elsewhere"),
                              ({"issuer": "https://issuer.test/", "jwks_uri": f"{uri}\r\nx: 1"}, "no URL"),
                              (f'{{"issuer":"https://issuer.test/","jwks_uri":"http://evil.test/","jwks_uri":"{uri}"}}', "each member once"),
                              ("<html>", "not a JSON object"), (jwks(self.signer), "of another issuer")):
            with self.subTest(document):
                weir, source, origin = self.found(document)
                self.assert_refused(self.bearer(weir, self.signer.token()), 503, "auth_unavailable")
                self.assertEqual(len(source.requests), 1)
                self.assertEqual(origin.requests, [])
                eventually(lambda: why in weir.errors(), "the log says why")

    def test_keys_that_do_not_come_are_none(self) -> None:
        weir, source, _ = self.found({"issuer": "https://issuer.test/", "jwks_uri": "http://issuer.test:8080/keys"}, keys="<html>")
        self.assert_refused(self.bearer(weir, self.signer.token()), 503, "auth_unavailable")
        self.assertEqual(len(source.requests), 2)

    def test_the_document_is_asked_for_again_when_keys_change(self) -> None:
        weir, source, _ = self.found({"issuer": "https://issuer.test/", "jwks_uri": "http://issuer.test:8080/old"})
        other = self.second()
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)

        def moved(peer: Peer, request: Message) -> None:
            document = json.dumps({"issuer": "https://issuer.test/", "jwks_uri": "http://issuer.test:8080/new"})
            fixed(200, (jwks(other) if request.target == "/new" else document).encode())(peer, request)

        source.answer = moved
        eventually(lambda: self.bearer(weir, other.token()).status == 200, "the new keys")
        self.assertEqual(source.requests[-1].target, "/new")
        source.refuse()
        self.assertEqual(self.bearer(weir, other.token(claims(sub="9"))).status, 200)


def crypt(password: str, setting: str) -> str:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return str(library.crypt(password.encode(), setting.encode()).decode())


class Passwords(AuthTest):
    def store(self, cost: int = 5) -> str:
        return self.keys("users", "ann:" + crypt("secret", f"$2b$0{cost}$weirweirweirweirweirwe") + "\n"
                         "bob:" + crypt("s3:cret", "$6$rounds=1000$weir$") + "\n")

    def login(self, weir: Weir, user: str, password: str) -> Message:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return weir.ask("/", headers={"Authorization": f"Basic {pair}"})

    def test_a_user_is_known_by_the_password(self) -> None:
        weir, origin = self.guard(f"{{type: basic, keys: {{file: {self.store()}}}, forward_claims: {{sub: x-user}}}}")
        for user, password in (("ann", "secret"), ("bob", "s3:cret"), ("ann", "secret")):
            self.assertEqual(self.login(weir, user, password).status, 200)
            self.assertEqual(origin.requests[-1].values("x-user"), [user])
        origin.requests.clear()
        for user, password in (("ann", "Secret"), ("ann", ""), ("mallory", "secret"), ("bob", "secret")):
            answer = self.login(weir, user, password)
            self.assert_refused(answer, 401, "unauthorized")
            self.assertEqual(answer.get("www-authenticate"), 'Basic realm="users", charset="UTF-8"')
        self.assertEqual(self.failures(weir, "rejected"), 4)
        for value in ("Basic", "Basic !", "Basic YW5u", "Basic OnNlY3JldA==", "Basic YW5uOnNlY3JldA", "Basic YW4KbjpzZWNyZXQ="):
            self.assert_refused(weir.ask("/", headers={"Authorization": value}), 401, "unauthorized")
        self.assertEqual(self.failures(weir, "malformed"), 6)
        self.assertEqual(origin.requests, [])

    def test_who_guesses_waits(self) -> None:
        weir, origin = self.guard(f"{{type: basic, keys: {{file: {self.store()}}}}}")
        self.assertEqual(self.login(weir, "bob", "s3:cret").status, 200)
        statuses = [self.login(weir, "ann", str(i)).status for i in range(12)]
        self.assertEqual(statuses[:10], [401] * 10)
        answer = self.login(weir, "ann", "secret")
        self.assert_refused(answer, 429, "rate_limited")
        self.assertGreaterEqual(int(answer.get("retry-after") or "0"), 1)
        self.assertEqual(self.login(weir, "bob", "s3:cret").status, 200)
        self.assertEqual(len(origin.requests), 2)

    def test_more_than_can_be_hashed_is_refused_at_once(self) -> None:
        weir, _ = self.guard(f"{{type: basic, keys: {{file: {self.store(9)}}}}}",
                             listener="auth: users, trusted_proxies: [127.0.0.1/32], trusted_hops: 1")

        def attempt(i: int) -> int:
            pair = base64.b64encode(f"user{i}:x".encode()).decode()
            with weir.connect(30) as client:
                return client.ask(f"GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 10.0.{i // 250}.{i % 250}\r\n"
                                  f"Authorization: Basic {pair}\r\n\r\n").status

        with ThreadPoolExecutor(150) as pool:
            statuses = list(pool.map(attempt, range(150)))
        self.assertLessEqual(set(statuses), {401, 503})
        self.assertIn(401, statuses)
        self.assertIn(503, statuses)

    def test_clients_that_leave_while_a_password_is_hashed(self) -> None:
        weir, _ = self.guard(f"{{type: basic, keys: {{file: {self.store(8)}}}}}")
        pair = base64.b64encode(b"ann:x").decode()
        for _ in range(8):
            client = weir.connect()
            client.send(f"GET / HTTP/1.1\r\nHost: t\r\nAuthorization: Basic {pair}\r\n\r\n")
            client.sock.close()
        self.assertEqual(self.login(weir, "bob", "s3:cret").status, 200)


class External(AuthTest):
    def guard_by(self, service: RawOrigin, more: str = "") -> tuple[Weir, RawOrigin]:
        origin = self.origin()
        return self.weir("version: 1\nthreads: 1\nlisteners:\n  - {listen: $LISTEN, auth: users, to: c}\n"
                         f"auth:\n  users: {{type: external, to: judge, path: /check, forward_headers: [x-user]{more}}}\n"
                         f"clusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n"
                         f"  judge: {{endpoints: [{service.address}], breaker: off, outlier: off}}\n"), origin

    def test_a_service_decides_and_says_who_it_is(self) -> None:
        service = self.origin(fixed(200, b"", {"x-user": "7", "x-secret": "1"}))
        weir, origin = self.guard_by(service)
        answer = weir.ask("/a/b?c=d", method="DELETE", headers={"X-User": "root", "Cookie": "s=1", "Authorization": "Token t",
                                                                 "X-Forwarded-Uri": "/public"})
        self.assertEqual(answer.status, 200)
        told = service.requests[-1]
        self.assertEqual((told.method, told.target), ("GET", "/check"))
        self.assertEqual([told.values(name) for name in ("x-forwarded-method", "x-forwarded-uri", "cookie", "authorization")],
                         [["DELETE"], ["/a/b?c=d"], ["s=1"], ["Token t"]])
        self.assertEqual(told.values("x-user"), [])
        self.assertEqual(origin.requests[-1].values("x-user"), ["7"])
        self.assertEqual(origin.requests[-1].values("x-secret"), [])

    def test_its_refusal_is_ours(self) -> None:
        service = self.origin()
        weir, origin = self.guard_by(service)
        for status, headers, error in ((401, {"www-authenticate": "Custom"}, "unauthorized"), (403, {}, "forbidden"),
                                       (302, {"location": "/login"}, None), (404, {}, "forbidden")):
            with self.subTest(status):
                service.answer = fixed(status, b"no", headers)
                answer = weir.ask("/")
                self.assertEqual((answer.status, answer.error), (status, error))
                for name, value in headers.items():
                    self.assertEqual(answer.get(name), value)
        self.assertEqual(origin.requests, [])
        self.assertEqual(self.failures(weir, "rejected"), 4)

    def test_who_does_not_answer_lets_nobody_in(self) -> None:
        service = self.origin()
        weir, origin = self.guard_by(service, ", timeout: 300ms")
        for answer in (fixed(500), fixed(503), hang):
            service.answer = answer
            self.assert_refused(weir.ask("/"), 503, "auth_unavailable")
        service.refuse()
        self.assert_refused(weir.ask("/"), 503, "auth_unavailable")
        self.assertEqual(origin.requests, [])
        self.assertEqual(self.failures(weir, "unavailable"), 4)

    def test_unless_that_is_wanted(self) -> None:
        service = self.origin(fixed(500))
        weir, origin = self.guard_by(service, ", timeout: 300ms, fail_open: true")
        self.assertEqual(weir.ask("/", headers={"X-User": "root"}).status, 200)
        self.assertEqual(origin.requests[-1].values("x-user"), [])
        service.answer = fixed(403)
        self.assert_refused(weir.ask("/"), 403, "forbidden")
        self.assertEqual(self.failures(weir, "unavailable"), 1)


class Introspection(AuthTest):
    def issuer(self, more: str = "") -> tuple[Weir, RawOrigin, RawOrigin]:
        issuer, origin = self.origin(), self.origin()
        secret = self.keys("client", "p&ss")
        weir = self.weir("version: 1\nthreads: 1\nlisteners:\n  - {listen: $LISTEN, auth: users, to: c}\n"
                         "auth:\n  users: {type: introspection, to: issuer, path: /introspect, client_id: weir, "
                         f"secret: {{file: {secret}}}, audience: orders, forward_claims: {{sub: x-user}}{more}}}\n"
                         f"clusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n"
                         f"  issuer: {{endpoints: [{issuer.address}], breaker: off, outlier: off}}\n")
        return weir, issuer, origin

    def says(self, **what: object) -> bytes:
        return json.dumps({"active": True, "sub": "7", "aud": "orders", **what}).encode()

    def test_a_token_is_asked_about_and_remembered(self) -> None:
        weir, issuer, origin = self.issuer()
        issuer.answer = fixed(200, self.says())
        for _ in range(3):
            self.assertEqual(self.bearer(weir, "a/b+c=").status, 200)
            self.assertEqual(origin.requests[-1].values("x-user"), ["7"])
        self.assertEqual(len(issuer.requests), 1)
        told = issuer.requests[-1]
        self.assertEqual((told.method, told.target), ("POST", "/introspect"))
        self.assertEqual(told.body, b"token=a%2Fb%2Bc%3D&token_type_hint=access_token")
        self.assertEqual(told.get("authorization"), "Basic " + base64.b64encode(b"weir:p%26ss").decode())
        self.assertEqual(self.bearer(weir, "other").status, 200)
        self.assertEqual(len(issuer.requests), 2)

    def test_what_is_not_plainly_active_is_refused(self) -> None:
        weir, issuer, origin = self.issuer(", cache: 0s")
        for body, reason in ((self.says(active=False), "rejected"), (self.says(active="true"), "rejected"),
                             (self.says(active=1), "rejected"), (b"{}", "rejected"), (self.says(aud="x"), "claims"),
                             (self.says(exp=5), "expired"), (self.says(exp="x"), "malformed")):
            with self.subTest(body):
                issuer.answer = fixed(200, body)
                before = self.failures(weir, reason)
                self.assert_refused(self.bearer(weir, "t"), 401, "unauthorized")
                self.assertEqual(self.failures(weir, reason), before + 1)
        for body in (b"<html>", b"[]", b'{"active":true,"active":true,"aud":"orders"}'):
            issuer.answer = fixed(200, body)
            self.assert_refused(self.bearer(weir, "t"), 503, "auth_unavailable")
        for answer in (fixed(401), fixed(500), hang):
            issuer.answer = answer
            self.assert_refused(self.bearer(weir, "t"), 503, "auth_unavailable")
        self.assertEqual(origin.requests, [])


del AuthTest  # its tests are those of the classes above

if __name__ == "__main__":
    unittest.main()
