"""Services found by SRV: a real dnsmasq, and a name server that misbehaves."""

from __future__ import annotations

import shutil
import socket
import subprocess
import unittest

from dns_server import NXDOMAIN, SERVFAIL, DnsServer
from harness import Weir, WeirTest, eventually, free_port
from load import Load
from origins import RawOrigin, fixed

DNSMASQ = shutil.which("dnsmasq") or shutil.which("/usr/sbin/dnsmasq")
SERVICE = "_http._tcp.svc.test"


def addresses(weir: Weir) -> set[str]:
    return {e["address"] for e in weir.api("clusters/c/endpoints")}


def source(weir: Weir) -> dict[str, object]:
    return next(s for s in weir.api("discovery") if s["cluster"] == "c")


def configuration(server: str, more: str = "") -> str:
    return ("version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n    lb: round_robin\n"
            f"    discovery: {{type: dns-srv, name: {SERVICE}, servers: [\"{server}\"]{more}}}\n")


class Dnsmasq:
    """Serves the records it was started with."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *records: str) -> None:
        self.stop()
        assert DNSMASQ
        self.process = subprocess.Popen(
            [DNSMASQ, "--no-daemon", "--conf-file=/dev/null", f"--port={self.port}", "--listen-address=127.0.0.1",
             "--bind-interfaces", "--no-resolv", "--no-hosts", "--no-poll", "--local=/test/", "--local-ttl=1", "--user=",
             "--pid-file=", *records], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.is_listening, "dnsmasq listens")

    def is_listening(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@unittest.skipUnless(DNSMASQ, "no dnsmasq here")
class RealServer(WeirTest):
    def setUp(self) -> None:
        self.server = Dnsmasq()
        self.addCleanup(self.server.stop)
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))

    def records(self, *origins: RawOrigin, priority: int = 0) -> list[str]:
        return ["--host-record=a.test,127.0.0.1",
                *(f"--srv-host={SERVICE},a.test,{origin.port},{priority},10" for origin in origins)]

    def start(self) -> Weir:
        return self.weir(configuration(f"127.0.0.1:{self.server.port}"))

    def test_targets_are_found_and_followed(self) -> None:
        self.server.start(*self.records(self.first))
        weir = self.start()
        self.assertEqual(addresses(weir), {self.first.address})
        self.assertEqual(weir.ask().body, b"first")
        self.assertEqual((source(weir)["type"], source(weir)["error"]), ("dns-srv", None))
        with Load(weir.port) as load:
            self.server.start(*self.records(self.first, self.second))
            eventually(lambda: addresses(weir) == {self.first.address, self.second.address}, "both", 20)
            self.server.start(*self.records(self.second))
            eventually(lambda: addresses(weir) == {self.second.address}, "the second", 20)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())

    def test_the_lower_priority_number_comes_first_and_the_other_when_that_is_gone(self) -> None:
        self.server.start(*self.records(self.first, priority=1), *self.records(self.second, priority=2)[1:])
        weir = self.start()
        self.assertEqual({weir.ask().body for _ in range(20)}, {b"first"})
        self.server.start(*self.records(self.second, priority=2))
        eventually(lambda: weir.ask().body == b"second", "the other", 20)

    def test_an_answer_too_long_for_udp_is_had_by_tcp(self) -> None:
        count = 60
        names = [f"--host-record=a-rather-long-name-of-a-target-{i}.test,127.0.0.{i + 1}" for i in range(count)]
        hosts = [f"--srv-host={SERVICE},a-rather-long-name-of-a-target-{i}.test,80,0,1" for i in range(count)]
        self.server.start(*names, *hosts)
        weir = self.start()
        eventually(lambda: len(addresses(weir)) == count, "all of them")

    def test_a_server_that_is_gone_leaves_the_last_answer_in_use(self) -> None:
        self.server.start(*self.records(self.first))
        weir = self.start()
        self.assertEqual(weir.ask().body, b"first")
        self.server.stop()
        eventually(lambda: source(weir)["failures"], "a failure counted", 30)
        self.assertEqual(weir.ask().body, b"first")
        self.assertTrue(source(weir)["error"])
        self.assertGreater(weir.metrics().sum("weir_discovery_updates_total", cluster="c", type="dns-srv",
                                              result="failure"), 0)
        self.server.start(*self.records(self.second))
        eventually(lambda: weir.ask().body == b"second", "heard again", 20)


class Faults(WeirTest):
    """A server that says what the test wants, a name each time."""

    def setUp(self) -> None:
        self.server = DnsServer()
        self.addCleanup(self.server.close)
        self.service = self.origin()
        self.tell()

    def tell(self) -> None:
        self.server.rcode = 0
        self.server.srv[SERVICE] = [(0, 0, self.service.port, "a.test")]
        self.server.records["a.test"] = ["127.0.0.1"]

    def start(self, more: str = "") -> Weir:
        return self.weir(configuration(self.server.address, more))

    def expect_kept(self, weir: Weir) -> None:
        with Load(weir.port, pause=0.02) as load:
            eventually(lambda: source(weir)["failures"], "a failure counted", 25)
            load.wait_for(10)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertTrue(source(weir)["error"])

    def test_what_the_server_cannot_say_changes_nothing(self) -> None:
        for rcode in (SERVFAIL, 5):
            with self.subTest(rcode=rcode):
                self.tell()
                weir = self.start()
                self.assertEqual(weir.ask().status, 200)
                self.server.rcode = rcode
                self.expect_kept(weir)

    def test_garbage_changes_nothing(self) -> None:
        weir = self.start()
        self.assertEqual(weir.ask().status, 200)
        self.server.is_garbled = True
        self.expect_kept(weir)
        self.server.is_garbled = False
        eventually(lambda: source(weir)["error"] is None, "heard again", 30)

    def test_a_name_that_vanishes_is_believed_after_empty_hold(self) -> None:
        weir = self.start(", empty_hold: 2s")
        self.assertEqual(weir.ask().status, 200)
        self.server.rcode = NXDOMAIN
        eventually(lambda: self.server.queries.clear() or True, "forgotten")
        eventually(lambda: self.server.queries, "asked again")
        self.assertEqual(weir.ask().status, 200, "not at the first such answer")
        eventually(lambda: weir.ask().error == "no_healthy_endpoint", "believed", 20)
        self.tell()
        eventually(lambda: weir.ask().status == 200, "healed", 20)

    def test_the_target_dot_is_nobody(self) -> None:
        self.server.srv[SERVICE] = [(0, 0, 0, "")]
        weir = self.start()
        self.assertEqual(weir.ask().error, "no_healthy_endpoint")
        self.assertEqual((source(weir)["answered"], source(weir)["error"]), (True, None))
        self.tell()
        eventually(lambda: weir.ask().status == 200, "there", 20)

    def test_a_target_whose_name_does_not_resolve_takes_nobody_along(self) -> None:
        weir = self.start(", empty_hold: 30s")
        self.assertEqual(weir.ask().status, 200)
        self.server.srv[SERVICE] = [(0, 0, self.service.port, "nowhere.test")]
        self.server.queries.clear()
        eventually(lambda: any(name == "nowhere.test" for name, _ in self.server.queries), "asked for")
        self.assertEqual(weir.ask().status, 200)
        self.server.records["nowhere.test"] = ["127.0.0.2"]
        eventually(lambda: addresses(weir) == {f"127.0.0.2:{self.service.port}"}, "the new one", 20)

    def test_flapping_between_an_answer_and_none_loses_nothing(self) -> None:
        weir = self.start()
        with Load(weir.port, pause=0.02) as load:
            for turn in range(4):
                self.server.rcode = NXDOMAIN if turn % 2 == 0 else 0
                self.server.queries.clear()
                eventually(lambda: any(name == SERVICE for name, _ in self.server.queries), "asked again", 10)
            load.wait_for(10)
        self.assertEqual(load.failed(), [], load.summary())

    def test_what_came_along_is_not_asked_for(self) -> None:
        self.server.has_additional = True
        weir = self.start()
        self.assertEqual(weir.ask().status, 200)
        self.assertNotIn("a.test", {name for name, _ in self.server.queries})


if __name__ == "__main__":
    unittest.main()
