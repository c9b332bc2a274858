"""config/examples/api is run as its users would, with files, addresses and a Redis of theirs."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tempfile
import unittest
from pathlib import Path

from harness import Weir, WeirTest, eventually, free_port
from pki import Authority
from redis_bed import NOT_HERE, SERVER, Redis
from tokens import Signer, claims, jwks

EXAMPLE = Path(__file__).resolve().parents[2] / "config/examples/api/weir.yaml"
PARTNER = "a key of thirty-two random letters"


@unittest.skipUnless(SERVER, NOT_HERE)
class ApiExample(WeirTest):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="weir-api-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.authority = Authority()
        self.addCleanup(self.authority.close)
        pair = self.authority.issue("api.example.com")
        shutil.copy(pair.cert, self.folder / "tls.crt")
        shutil.copy(pair.key, self.folder / "tls.key")
        self.signer = Signer("one")
        self.addCleanup(self.signer.close)
        (self.folder / "jwks.json").write_text(jwks(self.signer))
        (self.folder / "keys").write_text(f"acme:{hashlib.sha256(PARTNER.encode()).hexdigest()}\n")
        self.redis = Redis(free_port())
        self.addCleanup(self.redis.close)
        self.redis.start()
        eventually(self.redis.is_listening, "redis listens")
        self.users, self.orders = self.origin(), self.origin()
        text = EXAMPLE.read_text()
        for name, here in (("listen: :8443", "listen: $LISTEN"), ("/etc/weir", str(self.folder)),
                           ("redis:6379", self.redis.address), ("users:8080", self.users.address),
                           ("orders:8080", self.orders.address)):
            self.assertIn(name, text)
            text = text.replace(name, here)
        self.weir_: Weir = self.weir(text)

    def ask(self, method: str, target: str, **headers: str) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", self.weir_.port, timeout=10,
                                                 context=self.authority.client())
        try:
            connection.request(method, target, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def test_asks_who_it_is_and_how_often(self) -> None:
        bearer = "Bearer " + self.signer.token(claims(iss="https://id.example.com/", aud="shop"))
        other = "Bearer " + self.signer.token(claims(iss="https://id.example.com/", aud="another"))
        for method, target, headers, status in (
                ("GET", "/orders/1", {"authorization": bearer}, 200), ("GET", "/orders/1", {}, 401),
                ("GET", "/orders/1", {"authorization": other}, 401),
                ("DELETE", "/orders/1", {"authorization": bearer}, 404),
                ("GET", "/partner/x", {"x_api_key": PARTNER}, 200), ("GET", "/partner/x", {"x_api_key": "a"}, 401),
                ("GET", "/partner/x", {"authorization": bearer}, 401),
                ("GET", "/else", {"authorization": bearer}, 404), ("GET", "/else", {}, 401)):
            with self.subTest(f"{method} {target} {sorted(headers)}"):
                self.assertEqual(self.ask(method, target, **headers), status)
        self.assertEqual([m.get("x-user-id") for m in self.orders.requests], ["7", None])
        self.assertIsNone(self.orders.requests[-1].get("x-api-key"))

    def test_logins_are_counted_in_redis(self) -> None:
        statuses = [self.ask("POST", "/login") for _ in range(12)]
        self.assertEqual((statuses[0], statuses[-1]), (200, 429))
        self.assertLessEqual(statuses.count(200), 11)
        self.assertGreater(self.redis.calls(), 0)
        self.assertEqual(len(self.users.requests), statuses.count(200))
        self.assertEqual(self.weir_.api("status")["only_here"],
                         [{"kind": "rate_limit", "name": "per-ip"}])


if __name__ == "__main__":
    unittest.main()
