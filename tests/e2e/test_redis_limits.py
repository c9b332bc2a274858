"""Rate limits that are counted by a Redis: together by all who share it, and without it as configured."""

from __future__ import annotations

import threading
import unittest

from harness import Weir, WeirTest, eventually, free_port
from pki import Authority
from redis_bed import NOT_HERE, SERVER, Redis
from wire import Message, request

CONFIG = """\
version: 1
threads: THREADS
listeners:
  - listen: $LISTEN
    name: public
    trusted_proxies: [127.0.0.1]
    routes:
      - {path: /shared, rate_limit: shared, to: c}
      - {path: /strict, rate_limit: strict, to: c}
      - {path: /window, rate_limit: window, to: c}
      - {path: /many, rate_limit: many, to: c}
      - {path: /both, rate_limit: [strict, window], to: c}
      - {path: /few, rate_limit: few, to: c}
rate_limits:
  shared: {rate: 1/h, burst: 5, store: {redis: cache}, key: client_ip}
  strict: {rate: 1/h, burst: 5, store: {redis: cache}, key: client_ip, lease: false}
  window: {rate: 5/h, algorithm: sliding_window, store: {redis: cache}, key: client_ip}
  many: {rate: 100000/s, burst: 200000, store: {redis: cache}, key: global}
  few: {rate: 1/h, burst: 50, store: {redis: cache}, key: client_ip, max_keys: 4}
redis:
  cache: {address: "REDIS"MORE}
clusters:
  c: {endpoints: ["ORIGIN"]}
"""


@unittest.skipUnless(SERVER, NOT_HERE)
class RedisTest(WeirTest):
    def redis(self, *options: str, port: int = 0) -> Redis:
        redis = Redis(port or free_port(), *options)
        self.addCleanup(redis.close)
        redis.start()
        eventually(redis.is_listening, "redis listens")
        return redis

    def limited(self, address: str, more: str = "timeout: 5s", threads: int = 1,
                change: tuple[str, str] = ("", "")) -> Weir:
        config = CONFIG.replace("ORIGIN", self.origin().address).replace("REDIS", address)
        config = config.replace("MORE", more and ", " + more).replace("THREADS", str(threads))
        return self.weir(config.replace(*change) if change[0] else config)

    def statuses(self, weir: Weir, target: str, count: int) -> list[int]:
        with weir.connect() as client:
            return [client.ask(request("GET", target), "GET").status for _ in range(count)]

    def store_errors(self, weir: Weir, rule: str) -> float:
        return weir.metrics().sum("weir_rate_limited_total", rule=rule, result="store_error")


class Counting(RedisTest):
    def test_all_who_share_it_count_together(self) -> None:
        redis = self.redis()
        first, second = self.limited(redis.address), self.limited(redis.address)
        for target in ("/shared", "/strict", "/window"):
            with self.subTest(target):
                self.assertEqual(self.statuses(first, target, 3), [200] * 3)
                self.assertEqual(self.statuses(second, target, 4), [200, 200, 429, 429])
                self.assertEqual(self.statuses(first, target, 2), [429] * 2)
        self.assertEqual(self.store_errors(first, "shared") + self.store_errors(second, "strict"), 0)

    def test_a_refusal_says_when_to_come_again(self) -> None:
        weir = self.limited(self.redis().address)
        answers: dict[str, list[Message]] = {}
        for target in ("/shared", "/strict"):
            answers[target] = [weir.ask(target) for _ in range(6)]
            self.assertEqual([answer.status for answer in answers[target]], [200] * 5 + [429])
            left = [answer.get("ratelimit") or "" for answer in answers[target]]
            for index, text in enumerate(left[:5]):
                self.assertRegex(text, f";r={4 - index};t=")
            self.assertIn(int(answers[target][5].get("retry-after") or 0), range(3590, 3601))
            self.assertEqual(answers[target][5].get("ratelimit-policy"), f'"{target[1:]}";q=5;w=18000')

    def test_each_key_has_its_own_and_expires(self) -> None:
        redis = self.redis()
        weir = self.limited(redis.address)
        for ip in ("192.0.2.1", "192.0.2.2"):
            answers = [weir.ask("/strict", headers={"X-Forwarded-For": ip}).status for _ in range(6)]
            self.assertEqual(answers, [200] * 5 + [429])
        self.assertIn(b"weir:strict:192.0.2.1|9", redis.ask("KEYS", "*"))
        life = int(redis.ask("PTTL", "weir:strict:192.0.2.1|9")[1:])
        self.assertGreater(life, 4 * 3600 * 1000)

    def test_a_lease_saves_questions(self) -> None:
        redis = self.redis()
        weir = self.limited(redis.address)
        count = 2000
        statuses: list[int] = []

        def ask() -> None:
            statuses.extend(self.statuses(weir, "/many", count // 4))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * count)
        self.assertLess(redis.calls(), count / 5)

    def test_two_shared_rules_of_a_route_both_count(self) -> None:
        weir = self.limited(self.redis().address)
        self.assertEqual(self.statuses(weir, "/window", 3), [200] * 3)
        self.assertEqual(self.statuses(weir, "/both", 4), [200, 200, 429, 429])

    def test_scripts_that_were_flushed_are_sent_again(self) -> None:
        redis = self.redis()
        weir = self.limited(redis.address)
        self.assertEqual(self.statuses(weir, "/strict", 2), [200, 200])
        redis.ask("SCRIPT", "FLUSH")
        self.assertEqual(self.statuses(weir, "/strict", 4), [200, 200, 200, 429])
        self.assertEqual(self.store_errors(weir, "strict"), 0)

    def test_requests_of_many_threads_at_once(self) -> None:
        weir = self.limited(self.redis().address, threads=2)
        statuses: list[int] = []

        def ask(target: str) -> None:
            for _ in range(3):
                statuses.extend(self.statuses(weir, target, 5))

        threads = [threading.Thread(target=ask, args=(target,)) for target in ("/strict", "/shared") * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((statuses.count(200), statuses.count(429)), (10, 110))


class LoggingIn(RedisTest):
    def test_by_password_and_by_user(self) -> None:
        redis = self.redis("--requirepass", "sesame", "--user", "weir", "on", ">open", "~weir:*", "+@all")
        weir = self.limited(redis.address)
        path = weir.root / "password"
        path.write_text("sesame")
        by_password = self.limited(redis.address, f"timeout: 5s, password: {{file: {path}}}")
        self.assertEqual(self.statuses(by_password, "/strict", 6), [200] * 5 + [429])
        self.assertEqual(self.store_errors(by_password, "strict"), 0)
        path.write_text("open")
        by_user = self.limited(redis.address, f"timeout: 5s, user: weir, password: {{file: {path}}}")
        self.assertEqual(self.statuses(by_user, "/strict", 1), [429])
        self.assertEqual(self.store_errors(by_user, "strict"), 0)

    def test_without_the_password_it_is_as_if_it_were_down(self) -> None:
        weir = self.limited(self.redis("--requirepass", "sesame").address)
        self.assertEqual(self.statuses(weir, "/strict", 6), [200] * 5 + [429])  # counted here
        self.assertEqual(self.store_errors(weir, "strict"), 6)
        self.assertIn("NOAUTH", weir.errors())

    def test_over_tls(self) -> None:
        authority = Authority()
        self.addCleanup(authority.close)
        pair = authority.issue("cache", "DNS:cache.test")
        port = free_port()
        self.redis("--port", "0", "--tls-port", str(port), "--tls-cert-file", pair.cert,
                           "--tls-key-file", pair.key, "--tls-ca-cert-file", authority.cert, "--tls-auth-clients", "no",
                           port=port)
        weir = self.limited(f"127.0.0.1:{port}", f"timeout: 5s, tls: {{ca: {authority.cert}, server_name: cache.test}}")
        self.assertEqual(self.statuses(weir, "/strict", 6), [200] * 5 + [429])
        self.assertEqual(self.store_errors(weir, "strict"), 0)
        other = self.limited(f"127.0.0.1:{port}", f"timeout: 5s, tls: {{ca: {authority.cert}, server_name: other.test}}")
        self.assertEqual(self.statuses(other, "/shared", 1), [200])
        self.assertEqual(self.store_errors(other, "shared"), 1)

    def test_by_name(self) -> None:
        redis = self.redis()
        weir = self.limited(redis.address.replace("127.0.0.1", "localhost"))
        eventually(lambda: weir.ask("/many").status == 200 and redis.calls() > 0, "its name was resolved")


if __name__ == "__main__":
    unittest.main()
