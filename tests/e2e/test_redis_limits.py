"""Rate limits that are counted by a Redis: together by all who share it, and without it as configured."""

from __future__ import annotations

import signal
import threading
import time
import unittest

from harness import Weir, WeirTest, eventually, free_port
from pki import Authority
from redis_bed import NOT_HERE, SERVER, FakeRedis, Redis
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


class Failing(RedisTest):
    def test_a_dead_one_is_not_waited_for_and_one_that_is_back_is_asked(self) -> None:
        redis = self.redis()
        weir = self.limited(redis.address)
        self.assertEqual(self.statuses(weir, "/strict", 2), [200, 200])
        redis.stop()
        self.assertEqual(self.statuses(weir, "/strict", 7), [200] * 5 + [429] * 2)  # this process counts
        self.assertEqual(self.store_errors(weir, "strict"), 7)
        redis.start()
        eventually(redis.is_listening, "redis listens")
        eventually(lambda: weir.ask("/strict").status == 200, "it is asked again")
        self.assertGreater(redis.calls(), 0)

    def test_one_that_hangs_costs_its_timeout_once(self) -> None:
        for target, rules in (("/strict", ("strict",)), ("/shared", ("shared",)), ("/both", ("strict", "window"))):
            with self.subTest(target):
                redis = self.redis()
                weir = self.limited(redis.address, "timeout: 1s")
                self.assertEqual(self.statuses(weir, target, 1), [200])
                redis.signal(signal.SIGSTOP)
                waits = []
                with weir.connect() as client:
                    for _ in range(20):
                        began = time.monotonic()
                        client.ask(request("GET", target), "GET")
                        waits.append(time.monotonic() - began)
                slow = [wait for wait in waits if wait > 0.9]
                self.assertEqual(len(slow), 1)
                self.assertLess(slow[0], 1.9)  # not for each of its rules
                self.assertEqual(self.store_errors(weir, rules[0]), 20)
                redis.signal(signal.SIGCONT)
                before = redis.calls()
                eventually(lambda w=weir, r=redis, b=before: w.ask("/many").status == 200  # type: ignore[misc]
                           and r.calls() > b, "it is asked again")

    def test_who_waited_for_one_question_does_not_wait_as_long_for_another(self) -> None:
        first = threading.Event()
        self.addCleanup(first.set)

        def answer(number: int) -> bytes | None:
            if number > 1:
                return None
            first.wait(10)
            return b"*4\r\n:1\r\n:0\r\n:4\r\n:0\r\n"  # one token, as was asked for

        fake = FakeRedis(answer)
        self.addCleanup(fake.close)
        weir = self.limited(fake.address, "timeout: 2s")
        clients = [weir.connect() for _ in range(3)]
        for client in clients:
            self.addCleanup(client.sock.close)
            client.send(request("GET", "/shared"))
        eventually(lambda: weir.metrics().sum("weir_requests_active") == 3, "three wait for one question")
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 1.2, "most of their time is over")
        first.set()
        self.assertEqual([client.answer("GET").status for client in clients], [200] * 3)
        self.assertEqual(fake.asked, 2)
        self.assertEqual(self.store_errors(weir, "shared"), 2)
        self.assertNotIn("redis fails", weir.errors())  # the second question is not late yet
        eventually(lambda: "redis fails" in weir.errors(), "it is late")

    def test_questions_beyond_the_keys_it_may_know_are_not_asked(self) -> None:
        fake = FakeRedis(lambda _: None)
        self.addCleanup(fake.close)
        weir = self.limited(fake.address, "timeout: 10s")
        waiting = [weir.connect() for _ in range(4)]
        for number, client in enumerate(waiting):
            self.addCleanup(client.sock.close)
            client.send(request("GET", "/few", {"X-Forwarded-For": f"192.0.2.{number}"}))
        eventually(lambda: weir.metrics().sum("weir_rate_limit_leased_keys", rule="few") == 4, "four wait")
        for number in range(4, 10):
            self.assertEqual(weir.ask("/few", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status, 200)
        self.assertEqual(self.store_errors(weir, "few"), 6)
        self.assertEqual(weir.metrics().sum("weir_rate_limit_leased_keys", rule="few"), 4)

    def test_on_store_failure_allows_or_denies(self) -> None:
        for word, expected in (("allow", [200] * 7), ("deny", [429] * 7)):
            weir = self.limited(f"127.0.0.1:{free_port()}", change=("lease: false", f"lease: false, on_store_failure: {word}"))
            self.assertEqual(self.statuses(weir, "/strict", 7), expected)
            self.assertEqual(self.store_errors(weir, "strict"), 7)
        answer = weir.ask("/strict")
        self.assert_refused(answer, 429, "rate_limited")
        self.assertEqual(answer.get("retry-after"), "1")

    def test_wrong_answers_are_none(self) -> None:
        fake = FakeRedis(lambda _: b"")
        self.addCleanup(fake.close)
        weir = self.limited(fake.address)
        wrong = (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n", b"*1\r\n:1\r\n", b"*4\r\n:1\r\n:0\r\n:0\r\n$1\r\nx\r\n",
                 b"*4\r\n:-1\r\n:0\r\n:0\r\n:0\r\n", b"-READONLY You can't write against a read only replica.\r\n",
                 b"$70000\r\n", b"*2000\r\n", b":1\r\n:2\r\n", b"")
        for number, bad in enumerate(wrong):
            with self.subTest(bad=bad):
                fake.answer = lambda _, bad=bad: bad  # type: ignore[misc]
                before = fake.asked
                eventually(lambda before=before: weir.ask("/many").status == 200  # type: ignore[misc]
                           and fake.asked > before, "it is asked")
                client = {"X-Forwarded-For": f"192.0.2.{number}"}
                for target in ("/strict", "/shared"):
                    answers = [weir.ask(target, headers=client).status for _ in range(6)]
                    self.assertEqual(answers, [200] * 5 + [429])  # this process counts

    def test_clients_that_leave_while_it_is_silent(self) -> None:
        fake = FakeRedis(lambda _: None)
        self.addCleanup(fake.close)
        weir = self.limited(fake.address, "timeout: 10s")
        for target in ("/strict", "/shared"):
            for _ in range(3):
                clients = [weir.connect() for _ in range(4)]
                for client in clients:
                    client.send(request("GET", target))
                eventually(lambda: weir.metrics().sum("weir_requests_active") == 4, "four wait")
                for client in clients:
                    client.abort()
                eventually(lambda: weir.metrics().sum("weir_requests_active") == 0, "they are gone")

    def test_a_drain_ends_while_requests_wait(self) -> None:
        fake = FakeRedis(lambda _: None)
        self.addCleanup(fake.close)
        weir = self.limited(fake.address, "timeout: 10s")
        with weir.connect() as one, weir.connect() as two:
            one.send(request("GET", "/strict"))
            two.send(request("GET", "/shared"))
            eventually(lambda: weir.metrics().sum("weir_requests_active") == 2, "two wait")
            weir.signal(signal.SIGTERM)
            weir.process.wait(15)

    def test_a_reload_takes_another_one(self) -> None:
        first, second = self.redis(), self.redis()
        weir = self.limited(first.address)
        self.assertEqual(self.statuses(weir, "/strict", 6), [200] * 5 + [429])
        weir.reload(weir.file.read_text().replace(first.address, second.address))
        self.assertEqual(self.statuses(weir, "/strict", 6), [200] * 5 + [429])
        self.assertEqual(self.store_errors(weir, "strict"), 0)


if __name__ == "__main__":
    unittest.main()
