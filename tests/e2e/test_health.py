"""Active health checks, as origins and clients see them, and the probes that need no traffic."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import unittest

from harness import Weir, WeirTest, eventually
from load import Load
from origins import Answer, Peer, RawOrigin, echo, fixed, hang, raw
from wire import Message, response

# Late only if the machine is: what is late by intention hangs for ever.
QUICK = "interval: 500ms, timeout: 490ms"


def health(rest: str = "", path: str = "/health") -> str:
    return f"health: {{path: {path}, {QUICK}{', ' + rest if rest else ''}}}\n"


def answering(check: Answer, others: Answer = echo) -> Answer:
    """Another answer to health checks than to all else."""

    def answer(peer: Peer, message: Message) -> None:
        (check if message.target.startswith("/health") else others)(peer, message)

    return answer


def checks_of(origin: RawOrigin) -> list[Message]:
    return [message for message in list(origin.requests) if message.target.startswith("/health")]


def requests_of(origin: RawOrigin) -> int:
    return sum(1 for target in origin.targets() if not target.startswith("/health"))


class Health(WeirTest):
    def pair(self, first: Answer, second: Answer, cluster: str) -> tuple[Weir, RawOrigin, RawOrigin]:
        one, two = self.origin(first), self.origin(second)
        return self.forward(one.address, two.address, cluster=cluster), one, two

    def state(self, weir: Weir, origin: RawOrigin, state: str, within: float = 10) -> None:
        eventually(lambda: weir.endpoint_state("c", origin.address) == state, state, within)

    def endpoint(self, weir: Weir, origin: RawOrigin) -> dict[str, object]:
        endpoints = weir.api("clusters/c/endpoints")
        return next(e for e in endpoints if e["address"] == origin.address)

    def checked(self, weir: Weir, origin: RawOrigin) -> dict[str, object]:
        eventually(lambda: self.endpoint(weir, origin)["health"], "checked")
        return self.endpoint(weir, origin)["health"]  # type: ignore[return-value]

    def test_nothing_is_checked_unless_it_is_asked_for(self) -> None:
        weir, origin = self.proxied()
        self.assertEqual(weir.ask().status, 200)
        self.assertEqual(origin.targets(), ["/"])
        self.assertIsNone(self.endpoint(weir, origin)["health"])
        self.assertEqual(weir.metrics().values("weir_health_checks_total"), [])

    def test_a_check_is_a_request_of_its_own(self) -> None:
        weir, origin = self.proxied(cluster=health(path='"/health?deep=1"'))
        self.checked(weir, origin)
        check = checks_of(origin)[0]
        self.assertEqual((check.method, check.target), ("GET", "/health?deep=1"))
        self.assertEqual(check.get("host"), origin.address)
        self.assertEqual(check.get("user-agent"), "weir-health")
        for _ in range(3):
            self.assertEqual(weir.ask().status, 200)
        self.assertEqual(self.endpoint(weir, origin)["requests"], 3)  # checks are none
        self.assertEqual(weir.metrics().sum("weir_requests_total"), 3)

    def test_only_expected_codes_pass(self) -> None:
        weir, one, two = self.pair(answering(fixed(301)), answering(fixed(204)),
                                   health('expect: "204,300-302"'))
        self.assertEqual([self.checked(weir, o)["result"] for o in (one, two)], ["success", "success"])
        one.answer = answering(fixed(200))
        self.state(weir, one, "unhealthy")
        endpoint = self.endpoint(weir, one)
        self.assertEqual(endpoint["reason"], "health")
        self.assertEqual(endpoint["health"]["detail"], "status 200")  # type: ignore[index]
        count = requests_of(one)
        for _ in range(20):
            self.assertEqual(weir.ask().status, 200)
        self.assertEqual(requests_of(one), count)
        metrics = weir.metrics()
        self.assertEqual(metrics.values("weir_endpoints", cluster="c", state="unhealthy"), [1])
        self.assertGreaterEqual(metrics.sum("weir_health_checks_total", cluster="c", result="failure"), 3)
        self.assertGreaterEqual(metrics.sum("weir_health_checks_total", cluster="c", result="success"), 2)
        event = next(e for e in weir.api("events") if e["kind"] == "health")
        self.assertEqual((event["to"], event["reason"], event["endpoint"]), ("unhealthy", "health", one.address))
        one.answer = answering(fixed(302))
        self.state(weir, one, "healthy")
        eventually(lambda: weir.ask().status == 200 and requests_of(one) > count, "used again")

    def test_a_connection_is_enough_for_tcp(self) -> None:
        weir, one, two = self.pair(hang, echo, f"health: {{type: tcp, {QUICK}}}\n")
        self.assertEqual(self.checked(weir, one)["detail"], "connected")
        two.refuse()
        self.state(weir, two, "unhealthy")
        self.assertEqual(self.checked(weir, two)["detail"], "connection refused")
        two.accept_again()
        self.state(weir, two, "healthy")

    def test_two_of_three_failing_checks_change_nothing(self) -> None:
        counted = 0

        def flapping(peer: Peer, message: Message) -> None:
            nonlocal counted
            counted += 1
            fixed(200 if counted % 3 == 1 else 503)(peer, message)

        weir, _, _ = self.pair(answering(flapping), echo, health())
        eventually(lambda: counted >= 9, "nine checks")
        self.assertEqual([e for e in weir.api("events") if e["kind"] == "health"], [])

    def test_a_renamed_health_page_is_no_outage(self) -> None:
        weir, one, two = self.pair(echo, echo, health())
        with Load(weir.port) as load:
            load.wait_for(50)
            one.answer = two.answer = answering(fixed(404))
            eventually(lambda: weir.metrics().values("weir_cluster_health_ignored", cluster="c") == [2], "ignored")
            load.wait_for(100)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertTrue(self.checked(weir, one)["ignored"])
        self.assertEqual(weir.endpoint_state("c", one.address), "healthy")
        self.assertIn("health checks are ignored", weir.errors())
        one.answer = two.answer = echo
        eventually(lambda: weir.metrics().values("weir_cluster_health_ignored", cluster="c") == [0], "acted on")

    def test_checks_are_believed_where_nobody_has_answered_well(self) -> None:
        weir, one, two = self.pair(fixed(503), fixed(503), health())
        for origin in (one, two):
            self.state(weir, origin, "unhealthy")
        self.assertEqual(weir.metrics().values("weir_cluster_health_ignored", cluster="c"), [0])

    def test_a_shallow_200_does_not_return_a_failing_endpoint(self) -> None:
        weir, bad, good = self.pair(answering(echo, fixed(500)), echo, health())
        with Load(weir.port) as load:
            eventually(lambda: weir.endpoint_state("c", bad.address) == "ejected", "ejected")
            seen = len(checks_of(bad))
            asked = requests_of(bad)
            eventually(lambda: len(checks_of(bad)) >= seen + 6, "six more checks", 20)
            # Three seconds: a probe each 1 to 1.95 s, and never more than one.
            self.assertLessEqual(requests_of(bad) - asked, 6)
            self.assertNotEqual(weir.endpoint_state("c", bad.address), "healthy")
        self.assertGreater(requests_of(good), 0)

    def test_slow_broken_and_huge_answers_fail_alone(self) -> None:
        huge = raw(b"HTTP/1.1 200" + b"x" * 300_000)
        endless = raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000)
        interim = b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n"
        flood = raw(interim * 20_000)
        bad = [self.origin(answering(a)) for a in
               (hang, raw(b"SSH-2.0-OpenSSH_9.2\r\n", True), raw(b"", True), huge, flood)]
        good = [self.origin(answering(a)) for a in
                (endless, raw(interim + response(200)), raw(b"HTTP/1.0 200\r\n\r\n", True), fixed(299), echo)]
        weir = self.forward(*(o.address for o in bad + good), cluster=health())
        for origin in bad:
            self.state(weir, origin, "unhealthy")
        self.assertEqual(self.checked(weir, bad[0])["result"], "timeout")
        for origin in bad[1:]:
            self.assertEqual(self.checked(weir, origin)["result"], "failure")
        for origin in good:
            self.assertEqual(self.checked(weir, origin)["result"], "success")
            self.assertEqual(weir.endpoint_state("c", origin.address), "healthy")

    def test_a_reload_keeps_what_is_known(self) -> None:
        one, two = self.origin(answering(fixed(503))), self.origin()
        config = "version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
        config += f"    endpoints: ['{one.address}', '{two.address}']\n    "
        slow = "health: {path: /health, interval: 1h, timeout: 5s"
        weir = self.weir(config + health())
        self.state(weir, one, "unhealthy")
        # Other endpoints with the same addresses, other rules, then both: nobody forgets.
        for cluster in (f"{health()}    outlier: {{window: 7s}}\n", f"{slow}}}\n    outlier: {{window: 7s}}\n",
                        f"{slow}, healthy_after: 9}}\n"):
            weir.reload(config + cluster)
            self.assertEqual(weir.endpoint_state("c", one.address), "unhealthy", cluster)
            self.assertEqual(weir.endpoint_state("c", two.address), "healthy", cluster)
        weir.reload(config + "health: off\n")
        self.assertEqual(weir.endpoint_state("c", one.address), "healthy")
        count = len(checks_of(two))
        weir.reload(config + f"{slow}}}\n")
        eventually(lambda: len(checks_of(two)) > count, "checked at once")

    def test_no_more_than_64_checks_are_under_way(self) -> None:
        listener = socket.create_server(("0.0.0.0", 0), backlog=512)
        self.addCleanup(listener.close)
        open_: list[socket.socket] = []
        most = accepted = 0
        is_over = threading.Event()

        def hold() -> None:
            nonlocal most, accepted
            listener.settimeout(0.02)
            while not is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    open_.append(sock)
                    accepted += 1
                for sock in list(open_):
                    with contextlib.suppress(BlockingIOError):
                        if not sock.recv(4096):
                            open_.remove(sock)
                            sock.close()
                most = max(most, len(open_))

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)
        self.addCleanup(is_over.set)
        port = listener.getsockname()[1]
        addresses = [f"127.0.1.{i}:{port}" for i in range(1, 151)]
        weir = self.forward(*addresses, cluster="health: {path: /health, interval: 2s, timeout: 1500ms}\n")
        eventually(lambda: accepted >= 150, "all were asked", 30)
        self.assertLessEqual(most, 64)
        self.assertGreater(most, 32)
        eventually(lambda: weir.metrics().sum("weir_health_checks_total", result="timeout") >= 64, "timed out", 20)


class Probes(WeirTest):
    """What returns an endpoint that nobody asks for."""

    def eject(self, weir: Weir, bad: RawOrigin) -> None:
        with Load(weir.port):
            eventually(lambda: weir.endpoint_state("c", bad.address) != "healthy", "ejected")

    def test_a_handshake_returns_a_killed_endpoint_without_traffic(self) -> None:
        bad, good = self.origin(), self.origin()
        weir = self.forward(bad.address, good.address)
        self.assertEqual(weir.ask().status, 200)
        bad.refuse()
        self.eject(weir, bad)
        count = len(bad.requests)
        bad.accept_again()
        eventually(lambda: weir.endpoint_state("c", bad.address) == "healthy", "back", 15)
        self.assertEqual(len(bad.requests), count)

    def test_no_handshake_returns_an_endpoint_that_answers_badly(self) -> None:
        bad, good = self.origin(fixed(500)), self.origin()
        weir = self.forward(bad.address, good.address)
        self.eject(weir, bad)
        accepted = len(bad.peers)
        until = time.monotonic() + 4  # two probes' time
        eventually(lambda: time.monotonic() > until, "four seconds")
        self.assertNotEqual(weir.endpoint_state("c", bad.address), "healthy")
        self.assertEqual(len(bad.peers), accepted)

    def test_a_check_is_the_probe_when_nobody_comes(self) -> None:
        bad, good = self.origin(answering(echo, fixed(500))), self.origin()
        weir = self.forward(bad.address, good.address,
                            cluster="health: {path: /health, interval: 1h, timeout: 5s}\n")
        eventually(lambda: len(checks_of(bad)) == 1, "the first check")
        self.eject(weir, bad)
        bad.answer = echo
        eventually(lambda: len(checks_of(bad)) == 2, "the probe")
        # It was one good probe of two, and no check is the last: one request is, once the check is over.
        eventually(lambda: weir.endpoint_state("c", bad.address) == "half_open", "on trial")

        def is_back() -> bool:
            self.assertEqual(weir.ask().status, 200)
            return weir.endpoint_state("c", bad.address) == "healthy"

        eventually(is_back, "back")
        self.assertEqual(len(checks_of(bad)), 2)


class NoneReady(WeirTest):
    def nobody(self, choice: str) -> Weir:
        """Two endpoints that fail their checks and have never answered anybody."""
        origins = [self.origin(answering(fixed(503))) for _ in range(2)]
        weir = self.forward(*(o.address for o in origins), cluster=health() + choice)
        for origin in origins:
            eventually(lambda: weir.endpoint_state("c", origin.address) == "unhealthy", "unhealthy")
        self.assertEqual(weir.metrics().values("weir_cluster_none_ready", cluster="c"), [1])
        return weir

    def test_the_least_bad_serves_and_says_so(self) -> None:
        answer = (weir := self.nobody("")).ask()
        self.assertEqual((answer.status, answer.get("x-weir-none-ready")), (200, "least_bad"))
        record = eventually(lambda: weir.access_log(), "logged")[0]
        self.assertIn("none_ready", record["flags"])
        # It has answered well, and its checks alone would leave nobody.
        eventually(lambda: weir.metrics().values("weir_cluster_none_ready", cluster="c") == [0], "ready")
        self.assertIsNone(weir.ask().get("x-weir-none-ready"))

    def test_all_serve_and_say_so(self) -> None:
        answer = self.nobody("lb: {when_none_ready: all}\n").ask()
        self.assertEqual((answer.status, answer.get("x-weir-none-ready")), (200, "all"))

    def test_none_serves_where_it_shall_fail(self) -> None:
        weir = self.nobody("lb: {when_none_ready: fail}\n")
        self.assert_refused(weir.ask(), 503, "no_healthy_endpoint")


if __name__ == "__main__":
    unittest.main()
