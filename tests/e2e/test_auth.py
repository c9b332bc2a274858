"""Who may ask: tokens, keys and certificates, and the rules over them. No malicious one gets through."""

from __future__ import annotations

import hashlib
import http.client
import posixpath
import random
import socket
import subprocess
import time
import unittest
import urllib.parse
from pathlib import Path

from h2wire import H2Client
from harness import BINARY, Metrics, RawOrigin, Weir, WeirTest, eventually
from pki import Authority, Pair
from tokens import SECRET, Signer, b64, claims, encoded, hs256, jwks
from wire import Message, request

NOW = int(time.time())


class AuthTest(WeirTest):
    """A Weir of `auth` and routes, in front of one origin."""

    signer: Signer

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.signer = Signer("one")
        cls.addClassCleanup(cls.signer.close)

    def keys(self, name: str, text: str | bytes) -> str:
        folder = self.signer.folder.name
        path = Path(folder) / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    def guard(self, auth: str, listener: str = "auth: users", routes: str = "", rest: str = "",
              tls: str = "") -> tuple[Weir, RawOrigin]:
        origin = self.origin()
        routes = routes or "{path: /*, to: c}"
        config = (f"version: 1\nthreads: 1\nlisteners:\n  - {{listen: $LISTEN, {listener}{tls}, "
                  f"routes: [{routes}]}}\nauth:\n  users: {auth}\n{rest}\n"
                  f"clusters:\n  c: {{endpoints: [{origin.address}], retry: off}}\n")
        return self.weir(config), origin

    def bearer(self, weir: Weir, token: str, target: str = "/") -> Message:
        return weir.ask(target, headers={"Authorization": f"Bearer {token}"})

    def failures(self, weir: Weir, reason: str, provider: str = "users") -> float:
        return weir.metrics().sum("weir_auth_failures_total", provider=provider, reason=reason)


def secrets(test: AuthTest) -> str:
    return (f"{{type: jwt, secret: {{file: {test.keys('secret', SECRET)}}}, jwks: {test.keys('jwks', jwks(test.signer))},"
            " issuer: 'https://issuer.test/', audience: [orders, stock], max_lifetime: 1h,"
            " forward_claims: {sub: x-user-id, roles: x-roles}}")


def malicious(signer: Signer) -> list[tuple[str, str, str]]:
    """What it is, the token, and the word of the metric."""
    public = signer.pem()
    good = hs256()
    head, body, signature = good.split(".")
    rs_head, rs_body, rs_signature = signer.token().split(".")
    none = [(f"alg {name}", f"{encoded({'alg': name})}.{encoded(claims())}.", "signature")
            for name in ("none", "None", "NONE", "nOnE", "", "null", "hs256", "HS256 ", "RS1", "ES256K", "HS1")]
    none += [("alg none with a signature", f"{encoded({'alg': 'none'})}.{body}.{signature}", "signature"),
             ("alg is a list", hs256({"alg": ["HS256"]}), "signature"),
             ("alg is null", hs256({"alg": None}), "signature"),
             ("no alg", hs256({"typ": "JWT"}), "signature"),
             ("alg and Alg", encoded('{"Alg":"HS256","alg":"none"}') + f".{body}.", "signature")]
    confusion = [("HS256 by the public key's PEM", hs256({"alg": "HS256", "kid": "one"}, secret=public), "signature"),
                 ("HS256 by the PEM, no kid", hs256(secret=public), "signature"),
                 ("HS256 by the modulus", hs256(secret=signer.modulus), "signature"),
                 ("HS256 by an empty secret", hs256(secret=b""), "signature"),
                 ("HS256 by the jwks", hs256(secret=jwks(signer).encode()), "signature"),
                 ("RS256 head on an HS256 token", f"{rs_head}.{body}.{signature}", "signature"),
                 ("RS256 signature on other claims", f"{rs_head}.{encoded(claims(sub='admin'))}.{rs_signature}", "signature"),
                 ("RS384, which is not allowed", hs256({"alg": "RS384", "kid": "one"}), "signature"),
                 ("PS256 head on an RS256 signature", signer.token(header={"alg": "PS256", "kid": "one"}), "signature"),
                 ("EdDSA of an RSA key", hs256({"alg": "EdDSA", "kid": "one"}), "signature"),
                 ("ES256 with zeros", f"{encoded({'alg': 'ES256', 'kid': 'one'})}.{body}.{b64(bytes(64))}", "signature")]
    kids = [(f"kid {kid!r}", hs256({"alg": "HS256", "kid": kid}, secret=b"\0"), reason) for kid, reason in (
        ("../../../../dev/null", "signature"), ("' UNION SELECT 'k", "signature"), ("/etc/passwd", "signature"),
        ("one\0", "signature"), ("", "signature"), ("x" * 4000, "signature"), (7, "malformed"), (None, "malformed"),
        (["one"], "malformed"), ({"one": 1}, "malformed"), (True, "malformed"))]
    kids += [(f"{name} of its own", hs256({"alg": "HS256", name: value}, secret=b"e" * 32), "signature")
             for name, value in (("jku", "http://127.0.0.1:1/jwks"), ("x5u", "http://127.0.0.1:1/x"),
                                 ("jwk", {"kty": "oct", "k": b64(b"e" * 32)}), ("x5c", ["AA=="]))]
    twice = [(f"twice: {text}", hs256(text), "malformed") for text in (
        '{"alg":"HS256","alg":"none"}', '{"alg":"none","alg":"HS256"}', '{"alg":"HS256","kid":"a","kid":"one"}',
        '{"alg":"HS256","\\u0061lg":"HS256"}', '{"alg":"HS256","x":{"y":1,"y":2}}')]
    twice += [(f"claims twice: {text}", hs256(payload=text), "malformed") for text in (
        f'{{"sub":"7","sub":"admin","exp":{NOW + 600}}}', f'{{"exp":1,"exp":{NOW + 600}}}',
        f'{{"exp":{NOW + 600},"a":[{{"b":1,"b":2}}]}}')]
    extensions = [(f"extension: {text}", hs256(text), "malformed") for text in (
        '{"alg":"HS256","crit":["exp"],"exp":1}', '{"alg":"HS256","crit":[]}', '{"alg":"HS256","crit":"x"}',
        '{"alg":"HS256","b64":false,"crit":["b64"]}', '{"alg":"HS256","b64":false}')]
    shapes = [("two parts", f"{head}.{body}", "malformed"), ("four parts", f"{good}.x", "malformed"),
              ("five parts, as a JWE", f"{head}.{body}.{signature}.a.b", "malformed"), ("one part", head, "malformed"),
              ("dots", "..", "malformed"), ("nothing", "", "malformed"), ("a word", "null", "malformed"),
              ("padded", good + "=", "malformed"), ("blank inside", good.replace(".", ". ", 1), "signature"),
              ("standard alphabet", f"{head}.{body}.{'+' + signature[1:]}", "malformed"),
              ("two tokens", f"{good}, {good}", "malformed"), ("in quotes", f'"{good}"', "malformed"),
              ("non-canonical end", good[:-1] + chr(ord(good[-1]) + 1), "malformed"),
              ("no signature", f"{head}.{body}.", "signature"), ("half a signature", good[:-19], "signature"),
              ("longer than 8 KiB", hs256(payload=claims(x="x" * 6200)), "malformed"),
              ("header no JSON", hs256("{alg:HS256}"), "malformed"), ("header a list", hs256("[]"), "malformed"),
              ("header behind an object", hs256('{"alg":"HS256"}{}'), "malformed"),
              ("header nested deeply", hs256('{"alg":"HS256","x":' + "[" * 200 + "]" * 200 + "}"), "malformed"),
              ("header no UTF-8", hs256(b'{"alg":"HS256","x":"\xff"}'), "malformed"),
              ("claims no JSON", hs256(payload="sub=7"), "malformed"), ("claims a list", hs256(payload="[]"), "malformed"),
              ("claims null", hs256(payload="null"), "malformed"), ("claims no UTF-8", hs256(payload=b'{"sub":"\xc0\x80"}'), "malformed")]
    times = [("expired", claims(exp=NOW - 60, iat=NOW - 600), "expired"), ("no exp", claims(exp=None), "expired"),
             ("exp a text", claims(exp=str(NOW + 600)), "malformed"), ("exp null", {**claims(), "exp": None}, "malformed"),
             ("exp negative", claims(exp=-1), "malformed"), ("exp 1e300", claims(exp=1e300), "malformed"),
             ("exp true", claims(exp=True), "malformed"), ("exp a list", claims(exp=[NOW + 600]), "malformed"),
             ("not yet", claims(nbf=NOW + 3000), "expired"), ("nbf a text", claims(nbf="0"), "malformed"),
             ("issued later", claims(iat=NOW + 3000, exp=NOW + 3300), "expired"),
             ("valid for too long", claims(exp=NOW + 9000), "expired"), ("long, no iat", claims(iat=None, exp=NOW + 9000), "expired"),
             ("another issuer", claims(iss="https://evil.test/"), "claims"), ("no issuer", claims(iss=None), "claims"),
             ("issuer without its slash", claims(iss="https://issuer.test"), "claims"),
             ("issuer with a NUL", claims(iss="https://issuer.test/\0"), "claims"),
             ("issuer a list", claims(iss=["https://issuer.test/"]), "malformed"),
             ("another audience", claims(aud="other"), "claims"), ("no audience", claims(aud=None), "claims"),
             ("audience a part", claims(aud="order"), "claims"), ("audiences in a text", claims(aud="orders,stock"), "claims"),
             ("audience a number", claims(aud=[7]), "malformed"), ("audience nested", claims(aud=[["orders"]]), "malformed"),
             ("sub a number", claims(sub=7), "malformed"), ("sub an object", claims(sub={"x": 1}), "malformed")]
    forged = hs256(secret=b"x" * 32)
    return [*none, *confusion, *kids, *twice, *extensions, *shapes, ("forged", forged, "signature"),
            *((what, hs256(payload=payload), reason) for what, payload, reason in times)]


def changes(before: Metrics, after: Metrics) -> dict[str, float]:
    """Failures by their reason."""
    name = "weir_auth_failures_total"
    reasons = after.label(name, "reason")
    all_of = {reason: after.sum(name, reason=reason) - before.sum(name, reason=reason) for reason in reasons}
    return {reason: count for reason, count in all_of.items() if count}


def paths() -> tuple[str, ...]:
    """Ways to write /admin/x, or to try."""
    return ("/admin/x", "//admin/x", "/./admin/x", "/a/../admin/x", "/%61dmin/x", "/admin//x", "/admin/./x",
            "/admin/y/../x", "/%2e/admin/x", "/a/%2e%2e/admin/x", "/x/..//admin/x", "/admin/x?/../../y",
            "/admin%2Fx", "/admin/..;/x", "/admin\\x", "/admin%5Cx", "/admin/x%00", "/admin/x#/y",
            "/..;/admin/x", "/;/../admin/x", "/%252e%252e/admin/x", "/ADMIN/../admin/x", "/a/..;/admin/x",
            "/a/.%2e/admin/x", "/a/%2e./admin/x", "/a/%2E%2E/admin/x", "/a%2f..%2fadmin/x", "/%2fadmin/x", "/admin%2f%2e%2e%2fx",
            "/%5cadmin/x", "/a/..%2fadmin/x", "/a/..%5cadmin/x", "/%41dmin/../admin/x", "/admin;x=1/x", "/admin/;/x", "///admin///x",
            "/%2561dmin/x", "/%u0061dmin/x", "/admin/x/.", "/admin/x/..", "/../admin/x", "/admin/%", "/admin/%zz", "/%c0%afadmin/x",
            "/%c0%ae%c0%ae/admin/x", "/a/...//../../admin/x")


def as_read(target: str) -> str:
    """The path as a credulous origin would take it: decoded, without parameters of segments, dots followed."""
    path = urllib.parse.unquote(target.split("?")[0]).replace("\\", "/")
    path = "/".join(segment.split(";")[0] for segment in path.split("/"))
    return posixpath.normpath("/" + path.lstrip("/"))


class Tokens(AuthTest):
    def test_no_malicious_token_gets_through(self) -> None:
        weir, origin = self.guard(secrets(self))
        self.assertEqual(self.bearer(weir, hs256()).status, 200)
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)
        origin.requests.clear()
        corpus = malicious(self.signer)
        self.assertGreaterEqual(len(corpus), 80)
        before = weir.metrics()
        with weir.connect() as client:
            for what, token, reason in corpus:
                answer = client.ask(request("GET", "/", {"Authorization": f"Bearer {token}"}))
                after = weir.metrics()
                with self.subTest(what):
                    self.assert_refused(answer, 401, "unauthorized")
                    challenge = answer.get("www-authenticate") or ""
                    self.assertTrue(challenge.startswith('Bearer error="invalid_token"'), challenge)
                    self.assertEqual(changes(before, after), {reason: 1})
                before = after
        self.assertEqual(origin.requests, [])
        self.assertNotIn("eyJ", weir.output() + weir.errors())

    def test_no_way_to_write_the_header_lets_a_bad_token_in(self) -> None:
        weir, origin = self.guard(secrets(self))
        good, bad = hs256(), hs256(secret=b"x" * 32)
        heads = [
            f"Authorization: Bearer {good}\r\nAuthorization: Bearer {bad}\r\n",
            f"Authorization: Bearer {bad}\r\nAuthorization: Bearer {good}\r\n",
            f"Authorization: Bearer {good}\r\nauthorization: Bearer {good}\r\n",
            f"AUTHORIZATION: Bearer {bad}\r\n", f"Authorization: Bearer {bad}, Bearer {good}\r\n",
            f"Authorization: Bearer\r\nAuthorization: {good}\r\n", f"Authorization: Bearer{good}\r\n",
            f"Authorization: Basic {good}\r\n", f"Authorization: {good}\r\n", f"Authorisation: Bearer {good}\r\n",
            f"Proxy-Authorization: Bearer {good}\r\n", f"X-Authorization: Bearer {good}\r\n",
            f"Cookie: authorization=Bearer {good}\r\n", "Authorization: Bearer \t\r\n", "Authorization:\r\n",
            f"Authorization: Negotiate {good}\r\n", f"Authorization: Bearer {good} x\r\n",
            f"Authorization: Bearer {good};{bad}\r\n",
        ]
        for head in heads:
            with self.subTest(head[:60]), weir.connect() as client:
                answer = client.ask(f"GET / HTTP/1.1\r\nHost: test\r\n{head}\r\n")
                self.assert_refused(answer, 401, "unauthorized")
        for head in (f"Authorization : Bearer {good}\r\n", f"Authorization: Bearer\r\n {good}\r\n",
                     f"Authorization: Bearer {good}\0\r\n", f"\tAuthorization: Bearer {good}\r\n"):
            with self.subTest(head[:30]), weir.connect() as client:
                self.assertEqual(client.ask(f"GET / HTTP/1.1\r\nHost: test\r\n{head}\r\n").status, 400)
        self.assertEqual(origin.requests, [])
        for head in (f"authorization: bearer {good}\r\n", f"AUTHORIZATION:\tBEARER   {good}  \r\n"):
            with weir.connect() as client:
                self.assertEqual(client.ask(f"GET / HTTP/1.1\r\nHost: test\r\n{head}\r\n").status, 200)

    def test_any_variation_of_a_denied_request_is_denied(self) -> None:
        """No case, blank, order or copy of headers, nor one more header, lets a denied request in."""
        weir, origin = self.guard(secrets(self))
        draw = random.Random(7)
        bad = hs256(secret=b"x" * 32)
        fields = [("Authorization", f"Bearer {bad}"), ("X-User-Id", "admin"), ("X_User_Id", "admin"),
                  ("Cookie", f"token={hs256()}"), ("X-Forwarded-User", "admin"), ("X-Original-Authorization", "Bearer x")]
        with weir.connect() as client:
            for _ in range(300):
                chosen = [draw.choice(fields) for _ in range(draw.randint(0, 5))]
                lines = []
                for name, value in chosen:
                    name = "".join(draw.choice((c.upper(), c.lower())) for c in name)
                    lines.append(f"{name}:{' ' * draw.randint(0, 2)}{value}{' ' * draw.randint(0, 2)}\r\n")
                answer = client.ask(f"GET / HTTP/1.1\r\nHost: test\r\n{''.join(lines)}\r\n")
                self.assertEqual((answer.status, answer.error), (401, "unauthorized"), lines)
        self.assertEqual(origin.requests, [])

    def test_claims_become_headers_that_clients_cannot_set(self) -> None:
        weir, origin = self.guard(secrets(self), listener="auth: users, underscores: allow")
        token = hs256(payload=claims(roles=["a", "b"]))
        for spoof in ("X-User-Id", "x-user-id", "X-USER-ID", "X_User_Id", "x-user_id"):
            head = f"GET / HTTP/1.1\r\nHost: test\r\n{spoof}: admin\r\nX-Roles: root\r\nAuthorization: Bearer {token}\r\n\r\n"
            with self.subTest(spoof), weir.connect() as client:
                self.assertEqual(client.ask(head).status, 200)
                told = origin.requests[-1]
                self.assertEqual([v for n, v in told.headers if n.lower().replace("_", "-") == "x-user-id"], ["7"])
                self.assertEqual(told.values("x-roles"), ["a,b"])
        self.bearer(weir, hs256(payload=claims(roles=["a\r\nx-user-id: admin"])))
        self.assertEqual(origin.requests[-1].values("x-roles"), [])
        self.assertEqual(origin.requests[-1].values("x-user-id"), ["7"])

    def test_nor_behind_a_body(self) -> None:
        weir, origin = self.guard(secrets(self), listener="auth: users, underscores: allow")
        head = f"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer {hs256()}\r\n\r\n"
        with weir.connect() as client:
            answer = client.ask(head + "1\r\nx\r\n0\r\nX-User-Id: admin\r\nX-Sum: 1\r\nx_user_id: root\r\n\r\n", "POST")
        self.assertEqual(answer.status, 200)
        self.assertEqual(origin.requests[-1].trailers, [("X-Sum", "1")])

    def test_routes_that_ask_nobody_do_not_let_such_headers_through(self) -> None:
        weir, origin = self.guard(secrets(self), routes="{path: /open, auth: none, to: c}, {path: /*, to: c}")
        answer = weir.ask("/open", headers={"X-User-Id": "admin", "X-Other": "1"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(origin.requests[-1].values("x-user-id"), [])
        self.assertEqual(origin.requests[-1].values("x-other"), ["1"])
        self.assert_refused(weir.ask("/"), 401, "unauthorized")

    def test_what_is_missing_is_said_so(self) -> None:
        weir, _ = self.guard(secrets(self))
        answer = weir.ask("/")
        self.assert_refused(answer, 401, "unauthorized")
        self.assertEqual(answer.values("www-authenticate"), ["Bearer"])
        self.assertEqual(self.failures(weir, "missing"), 1)
        self.assertEqual(self.failures(weir, "signature"), 0)

    def test_a_token_ends_while_it_is_remembered(self) -> None:
        auth = f"{{type: jwt, secret: {{file: {self.keys('secret', SECRET)}}}, leeway: 0s}}"
        weir, _ = self.guard(auth)
        token = hs256(payload=claims(exp=time.time() + 1.5))
        self.assertEqual(self.bearer(weir, token).status, 200)
        self.assertEqual(self.bearer(weir, token).status, 200)
        deadline = time.monotonic() + 10
        while self.bearer(weir, token).status == 200:
            self.assertLess(time.monotonic(), deadline)
        self.assert_refused(self.bearer(weir, token), 401, "unauthorized")

    def test_keys_that_a_reload_takes_away_end_their_tokens(self) -> None:
        other = Signer("two")
        self.addCleanup(other.close)
        path = self.keys("turning", jwks(self.signer))
        weir, _ = self.guard(f"{{type: jwt, jwks: {path}}}")
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 200)
        self.assertEqual(self.bearer(weir, other.token()).status, 401)
        Path(path).write_text(jwks(other))
        weir.reload(weir.file.read_text())
        self.assertEqual(self.bearer(weir, self.signer.token()).status, 401)
        self.assertEqual(self.bearer(weir, other.token()).status, 200)

    def test_calls_of_grpc_are_told_in_their_words(self) -> None:
        weir, _ = self.guard(secrets(self), routes='{path: /*, to: c, require: \'claims.sub == "1"\'}')
        head = {"Content-Type": "application/grpc", "TE": "trailers"}
        answer = weir.ask("/s/M", method="POST", headers=head)
        self.assertEqual((answer.status, answer.get("grpc-status")), (200, "16"))
        answer = weir.ask("/s/M", method="POST", headers={**head, "Authorization": f"Bearer {hs256()}"})
        self.assertEqual((answer.status, answer.get("grpc-status")), (200, "7"))


class Rules(AuthTest):
    def test_a_rule_decides_over_claims(self) -> None:
        rule = '\'"admin" in claims.roles and not claims.banned == true\''
        weir, origin = self.guard(secrets(self), routes=f"{{path: /*, require: {rule}, to: c}}")
        for more, status in (({"roles": ["admin"], "banned": False}, 200), ({"roles": ["dev"], "banned": False}, 403),
                             ({"roles": ["admin"], "banned": True}, 403), ({"roles": ["admin"]}, 403),
                             ({"roles": "administrator", "banned": False}, 403), ({"banned": False}, 403),
                             ({"roles": {"admin": 1}, "banned": False}, 403), ({"roles": ["admin"], "banned": "no"}, 403)):
            with self.subTest(more):
                answer = self.bearer(weir, hs256(payload=claims(**more)))
                self.assertEqual(answer.status, status)
                if status == 403:
                    self.assertEqual(answer.error, "forbidden")
                    self.assertIn('error="insufficient_scope"', answer.get("www-authenticate") or "")
        self.assertEqual(len(origin.requests), 1)
        self.assertEqual(self.failures(weir, "claims"), 7)

    def test_no_spelling_of_a_path_is_beside_its_rule(self) -> None:
        routes = '{path: /admin/*, require: \'claims.sub == "root"\', to: c}, {path: /admin, respond: {status: 404}}, {path: /*, to: c}'
        weir, origin = self.guard(secrets(self), routes=routes)
        token = hs256()
        for target in paths():
            with self.subTest(target):
                answer = self.bearer(weir, token, target)
                reached = [told.target for told in origin.requests]
                origin.requests.clear()
                self.assertFalse([path for path in reached if as_read(path).startswith("/admin/")], reached)
                if answer.status == 200:
                    self.assertTrue(reached)
                else:
                    self.assertIn(answer.status, (400, 403, 404))
        self.assertEqual(self.bearer(weir, hs256(payload=claims(sub="root")), "/admin/x").status, 200)

    def test_parameters_of_segments_pass_where_they_are_beside_no_rule(self) -> None:
        routes = ('{path: /admin/*, require: \'claims.sub == "root"\', to: c}, {path: /cars, auth: none, to: c}, '
                  '{path: /cars/*, to: c}, {path: /*, to: c}')
        weir, origin = self.guard(secrets(self), routes=routes)
        token = hs256()
        for target in ("/a;x=1/b", "/cars/red;age=3", "/cars;color=red/x", "/x;/admin;a/y", "/cars/x%3By", "/a;b;c"):
            with self.subTest(target):
                self.assertEqual(self.bearer(weir, token, target).status, 200)
                self.assertEqual(origin.requests[-1].target, target)
        for target in ("/admin;x/y", "/admin;/y", "/;/admin/y", "/;x/;y/admin/y", "/admin%3Bx/y", "/admin;x;y/y;z", "/%61dmin;x/y"):
            with self.subTest(target):
                self.assert_refused(self.bearer(weir, token, target), 400, "bad_request")
        # Nobody is asked at /cars: what is more open than the route itself is no way around it.
        self.assertEqual(self.bearer(weir, token, "/cars;x").status, 200)

    def test_a_required_claim_is_another_matter_than_a_bad_token(self) -> None:
        auth = f"{{type: jwt, secret: {{file: {self.keys('secret', SECRET)}}}, require: {{scope: [write, admin]}}}}"
        weir, _ = self.guard(auth)
        self.assertEqual(self.bearer(weir, hs256(payload=claims(scope="read write"))).status, 200)
        answer = self.bearer(weir, hs256(payload=claims(scope="read writer")))
        self.assert_refused(answer, 403, "forbidden")
        self.assertIn("insufficient_scope", answer.get("www-authenticate") or "")

    def test_check_finds_what_cannot_be(self) -> None:
        origin = self.origin()
        weir, _ = self.guard(secrets(self))
        base = f"version: 1\nlisteners: [{{listen: ':0', auth: a, routes: [%s]}}]\nauth: {{a: %s}}\n" \
               f"clusters: {{c: {{endpoints: [{origin.address}]}}}}\n"
        short = self.keys("short", "0123456789")
        bad_keys = self.keys("bad-keys", "# x\nacme:plain\n")
        bad_users = self.keys("bad-users", "ann:$1$x$0000000000000000000000\n")
        good = f"{{type: jwt, secret: {{file: {self.keys('secret', SECRET)}}}}}"
        route = "{path: /*, to: c}"
        for what, text in (("W123", base % (route, f"{{type: jwt, secret: {{file: {short}}}}}")),
                           ("line 2", base % (route, f"{{type: api_key, keys: {{file: {bad_keys}}}}}")),
                           ("line 1", base % (route, f"{{type: basic, keys: {{file: {bad_users}}}}}")),
                           ("W119", base % ("{path: /*, to: c, require: 'claims.sub = 7'}", good)),
                           ("W110", base % ("{path: /*, to: c, auth: b}", good)),
                           ("W121", base % (route, "{type: jwt, jwks: '{\"keys\":[]}'}")),
                           ("W121", base % (route, "{type: jwt, jwks: /nowhere/jwks.json}")),
                           ("W114", base % (route, "{type: jwt}")), ("W114", base % (route, "{type: jwt, jwks: 'https://x/y'}")),
                           ("W105", base % (route, f"{{type: jwt, secret: {{file: {short}}}, algorithms: [none]}}")),
                           ("W115", base % (route, "{type: mtls, issuer: x}")),
                           ("W201", base % ("{path: /*, to: c, auth: none, require: 'has claims.sub'}", good))):
            with self.subTest(what):
                path = Path(self.keys("check.yaml", text))
                done = self.check(str(path))
                self.assertIn(what, done)
                self.assertNotIn("0123456789", done)
                self.assertNotIn("plain\n", done)

    def check(self, path: str) -> str:
        done = subprocess.run([BINARY, "check", path], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.stdout + done.stderr


class ApiKeys(AuthTest):
    def store(self) -> str:
        lines = [f"{name}:{hashlib.sha256(key).hexdigest()}{rest}" for name, key, rest in (
            ("acme", b"key-1", ""), ("acme", b"key-2", ""), ("old", b"key-3", " expires=2020-01-01"),
            ("shop", b"key-4", " expires=2099-01-01"))]
        return self.keys("keys", "# clients\n" + "\n".join(lines) + "\n")

    def test_a_key_is_somebodys_and_goes_no_further(self) -> None:
        auth = f"{{type: api_key, from: 'header:x-api-key', keys: {{file: {self.store()}}}, forward_claims: {{sub: x-client}}}}"
        weir, origin = self.guard(auth, routes="{path: /shop, require: 'principal == \"shop\"', to: c}, {path: /*, to: c}")
        for key, client in (("key-1", "acme"), ("key-2", "acme"), ("key-4", "shop")):
            answer = weir.ask("/", headers={"X-Api-Key": key, "X-Client": "admin"})
            self.assertEqual(answer.status, 200)
            self.assertEqual(origin.requests[-1].values("x-client"), [client])
            self.assertEqual(origin.requests[-1].values("x-api-key"), [])
        self.assertEqual(weir.ask("/shop", headers={"X-Api-Key": "key-4"}).status, 200)
        self.assert_refused(weir.ask("/shop", headers={"X-Api-Key": "key-1"}), 403, "forbidden")
        origin.requests.clear()
        for key, reason in (("key-3", "expired"), ("key-5", "unknown_key"), ("", "unknown_key"),
                            (hashlib.sha256(b"key-1").hexdigest(), "unknown_key"), ("key-1, key-2", "unknown_key")):
            with self.subTest(key):
                before = self.failures(weir, reason)
                self.assert_refused(weir.ask("/", headers={"X-Api-Key": key}), 401, "unauthorized")
                self.assertEqual(self.failures(weir, reason), before + 1)
        with weir.connect() as client_:
            answer = client_.ask("GET / HTTP/1.1\r\nHost: t\r\nX-Api-Key: key-1\r\nx-api-key: key-1\r\n\r\n")
            self.assert_refused(answer, 401, "unauthorized")
        self.assert_refused(weir.ask("/?x-api-key=key-1"), 401, "unauthorized")
        self.assertEqual(origin.requests, [])

    def test_any_of_several_ways_does(self) -> None:
        rest = f"  tokens: {secrets(self)}"
        auth = f"{{type: api_key, keys: {{file: {self.store()}}}}}"
        weir, _ = self.guard(auth, listener="auth: [users, tokens]", rest=rest)
        self.assertEqual(weir.ask("/", headers={"Authorization": "ApiKey key-1"}).status, 200)
        self.assertEqual(self.bearer(weir, hs256()).status, 200)
        answer = self.bearer(weir, "x")
        self.assert_refused(answer, 401, "unauthorized")
        self.assertEqual(len(answer.values("www-authenticate")), 2)
        self.assertEqual(weir.ask("/").status, 401)


class Places(AuthTest):
    """Credentials in the query and in cookies: they end here, and no log has them."""

    def key(self, place: str, routes: str = "", more: str = "") -> tuple[Weir, RawOrigin]:
        line = "".join(f"{name}:{hashlib.sha256(key).hexdigest()}\n" for name, key in (("acme", b"key-1"), ("odd", b"a+b c/=")))
        return self.guard(f"{{type: api_key, from: '{place}', keys: {{file: {self.keys('keys', line)}}}, forward_claims: {{sub: x-client}}}}",
                          routes=routes, rest=more)

    def test_a_key_in_the_query_goes_no_further(self) -> None:
        weir, origin = self.key("query:key")
        for target, told in (("/a?key=key-1", "/a"), ("/a?x=1&key=key-1&y=%20+", "/a?x=1&y=%20+"), ("/a?k%65y=key-1&x", "/a?x"),
                             ("/a?keys=2&key=key-1", "/a?keys=2")):
            with self.subTest(target):
                self.assertEqual(weir.ask(target).status, 200)
                self.assertEqual(origin.requests[-1].target, told)
                self.assertEqual(origin.requests[-1].values("x-client"), ["acme"])
        self.assertEqual(weir.ask("/?key=a%2Bb+c%2F%3d").status, 200)
        self.assertEqual(origin.requests[-1].values("x-client"), ["odd"])
        with H2Client(weir.port, reads_heads=True) as client:
            answer = client.ask([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"t"), (b":path", b"/h2?a=1&key=key-1")])
            assert isinstance(answer, Message)
            self.assertEqual((answer.status, origin.requests[-1].target), (200, "/h2?a=1"))
        origin.requests.clear()
        for target in ("/", "/?", "/?key", "/?key=", "/?key=key-2", "/?Key=key-1", "/?key=key-1&key=key-1", "/?key=key-1&k%65y=x",
                       "/?x=1;key=key-1", "/?x#key=key-1", "/key=key-1", "/?key%3Dkey-1", "/?%26key=key-1", "/?key[]=key-1", "/?key%00=key-1"):
            with self.subTest(target):
                self.assertIn(weir.ask(target).status, (400, 401))
        self.assertEqual(weir.ask("/", headers={"Key": "key-1", "Cookie": "key=key-1"}).status, 401)
        self.assertEqual(origin.requests, [])

    def test_nor_does_it_reach_a_log(self) -> None:
        weir, _ = self.key("query:key", routes="{path: /moved, redirect: 'https://other.test/there'}, {path: /*, to: c}",
                           more="access_log: {redact: [], fields: {k: 'query:key', c: 'cookie:key'}}")
        for target in ("/a?x=1&key=key-1", "/b?key=key-2", "/c?k%65y=key-3&key=key-4"):
            weir.ask(target, headers={"Cookie": "key=key-5"})
        answer = weir.ask("/moved?x=1&key=key-1")
        self.assertEqual((answer.status, answer.get("location")), (308, "https://other.test/there?x=1"))
        entries = eventually(lambda: len(weir.access_log()) == 4 and weir.access_log(), "access records")
        self.assertEqual(entries[0]["path"], "/a?x=1&key=***")
        self.assertEqual(entries[2]["path"], "/c?k%65y=***&key=***")
        told = weir.output() + weir.errors() + "".join(weir.admin(path)[1] for path in ("/api/v1/failures", "/metrics", "/api/v1/config"))
        self.assertNotRegex(told, "key-[1-5]")

    def test_a_key_in_a_cookie_goes_no_further(self) -> None:
        weir, origin = self.key("cookie:key")
        for cookie, told in (("key=key-1", []), ("a=1; key=key-1; b=2", ["a=1; b=2"]), ("a=1;key=key-1", ["a=1"])):
            with self.subTest(cookie):
                self.assertEqual(weir.ask("/", headers={"Cookie": cookie}).status, 200)
                self.assertEqual(origin.requests[-1].values("cookie"), told)
        with H2Client(weir.port, reads_heads=True) as client:
            answer = client.ask([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"t"), (b":path", b"/"), (b"cookie", b"a=1"),
                                 (b"cookie", b"key=key-1"), (b"cookie", b"b=2")])
            assert isinstance(answer, Message)
            self.assertEqual((answer.status, origin.requests[-1].values("cookie")), (200, ["a=1; b=2"]))
        origin.requests.clear()
        for cookie in ("", "key", "key=", "key=key-2", "Key=key-1", "key=key-1; key=key-1", "key=key-1,x", "xkey=key-1", "x=\"; key=key-2\""):
            with self.subTest(cookie):
                self.assert_refused(weir.ask("/", headers={"Cookie": cookie}), 401, "unauthorized")
        self.assert_refused(weir.ask("/?key=key-1", headers={"Key": "key-1"}), 401, "unauthorized")
        self.assertEqual(origin.requests, [])

    def test_a_token_may_be_in_the_query(self) -> None:
        weir, origin = self.guard(f"{{type: jwt, from: 'query:access_token', secret: {{file: {self.keys('secret', SECRET)}}}}}")
        self.assertEqual(weir.ask(f"/a?access_token={hs256()}&b=1").status, 200)
        self.assertEqual(origin.requests[-1].target, "/a?b=1")
        self.assert_refused(weir.ask(f"/a?access_token={hs256(secret=b'x' * 32)}"), 401, "unauthorized")
        self.assert_refused(self.bearer(weir, hs256()), 401, "unauthorized")
        self.assertNotIn("eyJ", weir.output() + weir.errors())


class Certificates(AuthTest):
    ca: Authority

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ca = Authority()
        cls.addClassCleanup(cls.ca.close)

    def told(self, weir: Weir, pair: Pair | None, target: str = "/") -> tuple[int, str | None]:
        with socket.create_connection(("127.0.0.1", weir.port), 10) as sock:
            connection = http.client.HTTPConnection("localhost", timeout=10)
            connection.sock = self.ca.client(pair).wrap_socket(sock, server_hostname="localhost")
            connection.request("GET", target, headers={"X-Who": "spiffe://shop/ns/root/sa/x"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, answer.getheader("weir-error")

    def test_who_a_certificate_is_of_decides(self) -> None:
        server = self.ca.issue("server", "DNS:localhost")
        web = self.ca.issue("web", "URI:spiffe://shop/ns/web/sa/front, DNS:front.shop.test")
        job = self.ca.issue("job", "URI:spiffe://shop/ns/jobs/sa/night")
        odd = self.ca.issue(r"spiffe:\/\/shop\/ns\/web\/sa\/front", "DNS:evil.test", stem="odd")
        tls = f", tls: {{{server.yaml}, client_ca: {self.ca.cert}, client_auth: optional}}"
        routes = ("{path: /san, require: 'san like \"*.shop.test\"', to: c}, {path: /cn, require: 'cn == \"web\"', to: c}, "
                  "{path: /sa, require: 'spiffe like \"spiffe://shop/ns/*/sa/front\"', to: c}, "
                  "{path: /jobs, auth: none, require: 'spiffe like \"spiffe://shop/ns/jobs/**\"', to: c}, {path: /*, to: c}")
        weir, origin = self.guard("{type: mtls, allow: ['spiffe://shop/ns/web/*'], forward_claims: {sub: x-who}}",
                                  routes=routes, tls=tls)
        self.assertEqual(self.told(weir, web), (200, None))
        self.assertEqual(origin.requests[-1].values("x-who"), ["spiffe://shop/ns/web/sa/front"])
        for path in ("/san", "/cn", "/sa"):
            self.assertEqual(self.told(weir, web, path), (200, None), path)
        self.assertEqual(self.told(weir, job), (403, "forbidden"))
        self.assertEqual(self.told(weir, odd), (403, "forbidden"))
        self.assertEqual(self.told(weir, None), (401, "unauthorized"))
        self.assertEqual(self.told(weir, job, "/jobs"), (200, None))
        self.assertEqual(origin.requests[-1].values("x-who"), [])
        self.assertEqual(self.told(weir, web, "/jobs"), (403, "forbidden"))
        self.assertEqual(self.told(weir, odd, "/jobs"), (403, "forbidden"))
        self.assertEqual(self.told(weir, None, "/jobs"), (403, "forbidden"))


if __name__ == "__main__":
    unittest.main()
