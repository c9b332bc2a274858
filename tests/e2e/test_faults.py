"""Real faults of real origins: what clients see, that no broken body passes for whole, and that the breaker and
the ejection come and go by themselves."""

from __future__ import annotations

import hashlib
import signal
import threading
import unittest

from harness import BARE, Weir, WeirTest, eventually, free_port
from load import Load
from origins import Answer, Peer, RawOrigin, echo, fixed, hang, reset
from wire import Malformed, Message, request, response

BODY = bytes(range(256)) * 2048  # 512 KiB
DIGEST = hashlib.sha256(BODY).hexdigest()


def named(name: str, status: int = 200) -> Answer:
    return fixed(status, name.encode())


class Pairs(WeirTest):
    """Two endpoints, one of which goes wrong: the other carries the load."""

    def pair(self, first: Answer = echo, second: Answer = echo, cluster: str = "") -> tuple[Weir, RawOrigin, RawOrigin]:
        bad, good = self.origin(first), self.origin(second)
        return self.forward(bad.address, good.address, cluster=cluster), bad, good

    def assert_all_well(self, load: Load) -> None:
        self.assertEqual(load.failed(), [], load.summary())

    def test_a_refusing_endpoint_costs_no_client_an_error(self) -> None:
        weir, bad, _ = self.pair(named("bad"), named("good"))
        with Load(weir.port) as load:
            load.wait_for(100)
            bad.refuse()
            eventually(lambda: weir.endpoint_state("c", bad.address) == "ejected", "ejected")
            load.wait_for(300)
            bad.accept_again()
            eventually(lambda: weir.endpoint_state("c", bad.address) == "healthy", "back", 15)
            count = len(bad.requests)
            eventually(lambda: len(bad.requests) > count, "used again")
        self.assert_all_well(load)
        self.assertEqual(weir.breaker("c"), "closed")
        self.assertGreaterEqual(weir.metrics().sum("weir_outlier_ejections_total", cluster="c"), 1)

    def test_a_killed_nginx_under_load_costs_no_reader_an_error(self) -> None:
        bad, good = self.nginx("bad"), self.nginx("good")
        weir = self.forward(bad.address, good.address, cluster="retry: {on: [connect, reused, 503, reset]}")
        with Load(weir.port, make=lambda _: request(target="/name")) as load:
            load.wait_for(200)
            bad.kill()
            load.wait_for(300)
            self.start_nginx(bad)
            eventually(lambda: weir.endpoint_state("c", bad.address) == "healthy", "back", 15)
        self.assert_all_well(load)

    def test_an_endpoint_answering_500_is_ejected_and_returns(self) -> None:
        weir, bad, _ = self.pair(named("bad", 500), named("good"))
        with Load(weir.port) as load:
            eventually(lambda: weir.endpoint_state("c", bad.address) == "ejected", "ejected")
            bad.answer = named("well")
            eventually(lambda: weir.endpoint_state("c", bad.address) == "healthy", "back", 15)
            self.assertEqual(weir.breaker("c"), "closed")
            mark = len(load.results)
            load.wait_for(200)
        self.assertEqual([r for r in load.results[mark + 8:] if r.status != 200], [])
        self.assertLess(len(load.failed()), 60, load.summary())

    def test_an_ejected_endpoint_that_stays_bad_is_left_alone(self) -> None:
        weir, bad, _ = self.pair(named("bad", 500), named("good"), "outlier: {eject_for: 30s, max_eject_for: 30s}")
        with Load(weir.port) as load:
            eventually(lambda: weir.endpoint_state("c", bad.address) == "ejected", "ejected")
            load.wait_for(20)
            count = len(bad.requests)
            mark = len(load.results)
            load.wait_for(300)
        self.assertEqual(len(bad.requests), count)
        self.assertEqual([r for r in load.results[mark:] if r.status != 200], [])

    def test_a_connect_failure_goes_to_the_other_endpoint_also_for_post(self) -> None:
        weir, bad, good = self.pair(cluster="lb: round_robin\noutlier: off\n"
                                    "retry: {budget: 100%, budget_min: 100/s}")
        bad.refuse()
        for i in range(10):
            self.assertEqual(weir.ask(f"/{i}", "POST", body=b"once").status, 200)
        self.assertEqual(sorted(good.targets()), sorted(f"/{i}" for i in range(10)))

    def test_a_503_is_retried_for_get_and_not_for_post(self) -> None:
        weir, bad, good = self.pair(named("bad", 503), named("good"), "lb: random\noutlier: off\nbreaker: off\n"
                                    "retry: {budget: 100%, budget_min: 100/s}")
        self.assertEqual({weir.ask("/get").body for _ in range(20)}, {b"good"})
        self.assertGreater(bad.targets().count("/get"), 0)
        posts = [weir.ask("/post", "POST", body=b"x").status for _ in range(20)]
        self.assertEqual(set(posts), {200, 503})
        self.assertEqual(bad.targets().count("/post") + good.targets().count("/post"), 20)

    def test_an_executed_post_is_never_sent_twice(self) -> None:
        executed: list[str] = []

        def execute_and_reset(peer: Peer, message: Message) -> None:
            peer.read_body(message)
            executed.append(message.target)
            if message.target.startswith("/post"):
                peer.reset()
            else:
                peer.send(response())

        weir, _, _ = self.pair(execute_and_reset, execute_and_reset, "outlier: off\nbreaker: off")
        for i in range(20):
            weir.ask(f"/get-{i}")  # leaves a connection to be used again
            self.assert_refused(weir.ask(f"/post-{i}", "POST", body=b"pay"), 502, "upstream_reset")
        posts = [target for target in executed if target.startswith("/post")]
        self.assertEqual(posts, [f"/post-{i}" for i in range(20)])

    def test_idle_connections_closed_by_the_origin_fail_nothing_and_eject_nobody(self) -> None:
        weir, bad, good = self.pair()
        for round_ in range(10):
            threads = [threading.Thread(target=weir.ask, args=(f"/{round_}",)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for peer in bad.open_peers() + good.open_peers():
                peer.leave(rudely=False)
            for i in range(8):
                self.assertEqual(weir.ask(f"/{i}", "POST", body=b"x").status, 200)
        self.assertEqual(weir.metrics().sum("weir_outlier_ejections_total", cluster="c"), 0)
        self.assertEqual(weir.breaker("c"), "closed")


class Legacy(WeirTest):
    """One service alone: its breaker protects it, and lets go by itself."""

    def fails_then_recovers(self, fault: Answer, reason: str, status: int) -> None:
        weir, origin = self.proxied(named("well"))
        with Load(weir.port) as load:
            load.wait_for(50)
            origin.answer = fault
            eventually(lambda: weir.breaker("c") != "closed", "open", 10)
            retry_after = eventually(lambda: self.refusal(weir), "a refusal with retry-after")
            self.assertGreaterEqual(int(str(retry_after)), 1)
            mark = len(load.results)
            load.wait_for(200)
            refused = [r for r in load.results[mark:] if r.error == "breaker_open"]
            self.assertGreater(len(refused), 150, load.summary())
            origin.answer = named("well")
            eventually(lambda: weir.breaker("c") == "closed", "closed again", 5)
            mark = len(load.results)
            load.wait_for(100)
        self.assertEqual([r for r in load.results[mark + 8:] if r.status != 200], [])
        self.assertLessEqual({r.error for r in load.results if r.status == status} - {None}, {reason, "breaker_open"})
        metrics = weir.metrics()
        self.assertGreater(metrics.sum("weir_breaker_rejected_total", cluster="c"), 100)
        self.assertGreaterEqual(metrics.sum("weir_breaker_transitions_total", cluster="c", to="open"), 1)
        history = next(b["history"] for b in weir.api("breakers") if b["cluster"] == "c")
        self.assertIn(("closed", "open"), [(entry["from"], entry["to"]) for entry in history])

    def refusal(self, weir: Weir) -> str | None:
        """The retry-after of a refusal by the breaker."""
        answer = weir.ask()
        if answer.error != "breaker_open":
            return None
        self.assertEqual(answer.status, 503)
        return answer.get("retry-after")

    def test_500s_open_the_breaker_and_it_closes_again(self) -> None:
        self.fails_then_recovers(named("bad", 500), "none", 500)

    def test_resets_open_the_breaker_and_it_closes_again(self) -> None:
        self.fails_then_recovers(reset, "upstream_reset", 502)

    def test_a_dead_service_opens_the_breaker_and_its_return_closes_it(self) -> None:
        origin = self.nginx("well")
        weir = self.forward(origin.address)
        with Load(weir.port, make=lambda _: request(target="/name")) as load:
            load.wait_for(50)
            origin.kill()
            eventually(lambda: weir.breaker("c") != "closed", "open")
            load.wait_for(100)
            self.start_nginx(origin)
            eventually(lambda: weir.breaker("c") == "closed", "closed again", 5)
            mark = len(load.results)
            load.wait_for(100)
        self.assertEqual([r for r in load.results[mark + 8:] if r.status != 200], [])
        reasons = {r.error for r in load.failed()}
        self.assertLessEqual(reasons, {"upstream_connect_refused", "upstream_reset", "breaker_open"}, load.summary())

    def test_a_stopped_service_times_out_and_opens_the_breaker(self) -> None:
        origin = self.nginx("well")
        weir = self.forward(origin.address, cluster="timeout: 300ms")
        with Load(weir.port, make=lambda _: request(target="/name")) as load:
            load.wait_for(50)
            origin.signal(signal.SIGSTOP)
            eventually(lambda: weir.breaker("c") != "closed", "open")
            load.wait_for(20)
            origin.signal(signal.SIGCONT)
            eventually(lambda: weir.breaker("c") == "closed", "closed again", 5)
            mark = len(load.results)
            load.wait_for(100)
        self.assertEqual([r for r in load.results[mark + 8:] if r.status != 200], [])
        self.assertLessEqual({r.error for r in load.failed()}, {"upstream_timeout", "breaker_open"}, load.summary())
        self.assertLess(max(r.seconds for r in load.results), 2)

    def test_a_flapping_service_never_hangs_a_client_and_ends_closed(self) -> None:
        weir, origin = self.proxied(named("well"))
        with Load(weir.port) as load:
            for _ in range(4):
                load.wait_for(40)
                origin.refuse()
                load.wait_for(40)
                origin.accept_again()
            eventually(lambda: weir.breaker("c") == "closed", "closed again", 5)
            mark = len(load.results)
            load.wait_for(50)
        self.assertEqual([r for r in load.results[mark + 8:] if r.status != 200], [])
        self.assertLess(max(r.seconds for r in load.results), 3)
        self.assertEqual([r for r in load.results if r.status == 0], [])

    def test_shadow_reports_and_refuses_nothing(self) -> None:
        weir, _ = self.proxied(named("bad", 500), "breaker: {mode: shadow}")
        with Load(weir.port) as load:
            eventually(lambda: weir.metrics().sum("weir_shadow_total", cluster="c"), "a decision in the shadow")
            load.wait_for(50)
        self.assertEqual(load.summary().keys(), {"500"})

    def test_404s_open_nothing(self) -> None:
        weir, _ = self.proxied(named("gone", 404))
        with Load(weir.port) as load:
            load.wait_for(300)
        self.assertEqual(load.summary().keys(), {"404"})
        self.assertEqual(weir.breaker("c"), "closed")


class WholeBodies(WeirTest):
    """A body that was cut, by whomever and wherever, is never taken for whole."""

    def assert_whole_or_failed(self, load: Load) -> None:
        wrong = [r for r in load.results if r.status == 200 and r.digest != DIGEST]
        self.assertEqual(wrong, [])
        self.assertGreater(sum(r.status == 200 for r in load.results), 0, load.summary())

    def test_resets_in_the_middle_of_bodies(self) -> None:
        turn = iter(range(1 << 30))

        def sometimes(peer: Peer, _: Message) -> None:
            data = response(200, BODY)
            number = next(turn)
            if number % 3 == 0:
                peer.send(data[: 1000 + number * 7919 % (len(data) - 1000)])
                peer.reset() if number % 2 else peer.close()
            else:
                peer.send(data)

        weir, _ = self.proxied(sometimes, BARE)
        with Load(weir.port) as load:
            load.wait_for(150)
        self.assert_whole_or_failed(load)
        self.assertGreater(sum(r.status == 0 for r in load.results), 10, load.summary())

    def test_nginx_killed_in_the_middle_of_bodies(self) -> None:
        first, second = self.nginx("a"), self.nginx("b")
        for origin in (first, second):
            (origin.files / "data").write_bytes(BODY)
        weir = self.forward(first.address, second.address)
        with Load(weir.port, make=lambda _: request(target="/data")) as load:
            for origin in (first, second, first):
                load.wait_for(60)
                origin.kill()
                load.wait_for(30)
                self.start_nginx(origin)
        self.assert_whole_or_failed(load)

    def test_uploads_are_whole_at_the_origin_or_fail(self) -> None:
        origin = self.nginx()
        weir = self.forward(origin.address, cluster=BARE)
        puts = [(f"/upload/{i}", hashlib.sha256(b"%d" % i).digest() * 4096) for i in range(60)]
        done: list[str] = []

        def upload(part: list[tuple[str, bytes]]) -> None:
            for target, body in part:
                try:
                    if weir.ask(target, "PUT", body=body).status in (201, 204):
                        done.append(target)
                except (OSError, Malformed):
                    pass  # said to have failed: nothing is claimed

        threads = [threading.Thread(target=upload, args=(puts[i::3],)) for i in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(done) >= 10, "uploads")
        origin.kill()
        self.start_nginx(origin)
        for thread in threads:
            thread.join(30)
        self.assertGreater(len(done), 10)
        for target, body in puts:
            if target in done:
                self.assertEqual((origin.files / target[1:]).read_bytes(), body)


class Slow(WeirTest):
    def test_one_hanging_endpoint_does_not_hold_the_other(self) -> None:
        bad, good = self.origin(hang), self.origin(named("good"))
        weir = self.forward(bad.address, good.address, cluster="timeout: {response_header: 300ms, request: 2s}\n"
                            "retry: {on: [connect, reused, 503, timeout]}")
        with Load(weir.port) as load:
            eventually(lambda: weir.endpoint_state("c", bad.address) == "ejected", "ejected")
            load.wait_for(200)
        self.assertEqual(load.failed(), [], load.summary())

    def test_a_slow_body_arrives_whole(self) -> None:
        origin = self.nginx()
        content = BODY[:300_000]
        (origin.files / "data").write_bytes(content)
        weir = self.forward(origin.address)
        self.assertEqual(weir.ask("/slow/data").body, content)

    def test_an_address_nobody_listens_on_is_refused_at_once(self) -> None:
        weir = self.forward(f"127.0.0.1:{free_port()}", cluster=BARE)
        self.assert_refused(weir.ask(), 503, "upstream_connect_refused")


if __name__ == "__main__":
    unittest.main()
