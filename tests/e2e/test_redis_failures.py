"""A Redis that counts rate limits and is down, slow, silent or wrong: as configured, and no request waits twice."""

from __future__ import annotations

import signal
import threading
import time
import unittest

from harness import eventually, free_port
from redis_bed import FakeRedis
from test_redis_limits import RedisTest
from wire import request


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

    def test_clients_that_leave_while_it_is_asked_once_more(self) -> None:
        for leaves in (1, 2, 3):
            with self.subTest(leaves):
                fake = FakeRedis(lambda number: b"*4\r\n:1\r\n:0\r\n:4\r\n:0\r\n" if number == 1 and first.wait(10) else None)
                self.addCleanup(fake.close)
                first = threading.Event()
                weir = self.limited(fake.address, "timeout: 1s")
                clients = [weir.connect() for _ in range(4)]
                for client in clients:
                    self.addCleanup(client.sock.close)
                    client.send(request("GET", "/shared"))
                eventually(lambda: weir.metrics().sum("weir_requests_active") == 4, "four wait for one question")
                first.set()
                self.assertEqual(clients[0].answer("GET").status, 200)
                eventually(lambda: fake.asked == 2, "it is asked for the rest")
                for client in clients[1:1 + leaves]:
                    client.abort()
                eventually(lambda: weir.metrics().sum("weir_requests_active") == 0, "nobody waits")
                self.assertEqual([client.answer("GET").status for client in clients[1 + leaves:]], [200] * (3 - leaves))
                eventually(lambda: "redis fails" in weir.errors(), "the question is late")

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
