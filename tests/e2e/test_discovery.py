"""Endpoints that come and go: from a watched file, and from DNS."""

from __future__ import annotations

import socket
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from dns_server import A, AAAA, DnsServer
from harness import Weir, WeirTest, eventually
from load import Load
from origins import RawOrigin, fixed


def addresses(weir: Weir) -> set[str]:
    return {e["address"] for e in weir.api("clusters/c/endpoints")}


class File(WeirTest):
    def setUp(self) -> None:
        root = TemporaryDirectory(prefix="weir-endpoints-")
        self.addCleanup(root.cleanup)
        self.path = Path(root.name) / "endpoints.yaml"
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        self.tell(self.first)
        self.weir_ = self.weir("version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\n"
                               f"clusters:\n  c: {{discovery: {{type: file, path: \"{self.path}\"}}}}\n")

    def tell(self, *origins: RawOrigin) -> None:
        """As tools do it: a new file, renamed over the old one."""
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text("".join(f"- {origin.address}\n" for origin in origins) or "[]\n")
        fresh.rename(self.path)

    def expect(self, *origins: RawOrigin) -> None:
        eventually(lambda: addresses(self.weir_) == {origin.address for origin in origins}, "the endpoints")

    def test_a_change_of_the_file_changes_the_endpoints_under_load(self) -> None:
        self.expect(self.first)
        with Load(self.weir_.port) as load:
            load.wait_for(20)
            self.tell(self.first, self.second)
            self.expect(self.first, self.second)
            eventually(lambda: self.second.requests, "the new one is used")
            self.tell(self.second)
            self.expect(self.second)
            load.wait_for(10)
            count = len(self.first.requests)
            load.wait_for(30)
            self.assertEqual(len(self.first.requests), count, "the removed one is still used")
        self.assertEqual(load.failed(), [], load.summary())

    def test_a_file_written_in_place_is_noticed(self) -> None:
        self.path.write_text(f"- {self.second.address}\n")
        self.expect(self.second)
        self.assertEqual(self.weir_.ask().body, b"second")

    def test_a_broken_file_keeps_the_last_good_set(self) -> None:
        self.path.write_text("endpoints: {what: is this\n")
        eventually(lambda: self.weir_.metrics().sum("weir_discovery_updates_total", cluster="c", result="failure"),
                   "a failure counted")
        self.assertEqual(self.weir_.ask().body, b"first")
        self.tell(self.second)
        self.expect(self.second)

    def test_a_missing_file_keeps_the_last_good_set(self) -> None:
        self.path.unlink()
        eventually(lambda: self.weir_.metrics().sum("weir_discovery_updates_total", cluster="c", result="failure"),
                   "a failure counted")
        self.assertEqual(self.weir_.ask().body, b"first")

    def test_one_bad_moment_empties_nothing(self) -> None:
        self.tell()
        with Load(self.weir_.port) as load:
            load.wait_for(200)
        self.assertEqual(load.failed(), [], load.summary())
        self.tell(self.first, self.second)
        self.expect(self.first, self.second)


class Dns(WeirTest):
    def setUp(self) -> None:
        self.server = DnsServer()
        self.addCleanup(self.server.close)
        self.service = self.origin()
        self.server.records["svc.test"] = ["127.0.0.1"]

    def start(self, more: str = "keep_last: true") -> Weir:
        return self.weir("version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
                         f"    discovery: {{type: dns, name: svc.test, port: {self.service.port}, "
                         f"servers: [\"{self.server.address}\"], {more}}}\n")

    def at(self, *hosts: str) -> set[str]:
        return {f"[{host}]:{self.service.port}" if ":" in host else f"{host}:{self.service.port}" for host in hosts}

    def test_a_name_is_resolved_and_used(self) -> None:
        weir = self.start()
        self.assertEqual(weir.ask().body, b"ok")
        self.assertEqual(addresses(weir), self.at("127.0.0.1"))

    def test_a_and_aaaa_are_both_asked_and_both_used(self) -> None:
        if not self.has_ipv6():
            self.skipTest("no IPv6 on loopback here")
        self.server.records["svc.test"] = ["127.0.0.1", "::1"]
        weir = self.start()
        eventually(lambda: addresses(weir) == self.at("127.0.0.1", "::1"), "both addresses")
        self.assertLessEqual({("svc.test", A), ("svc.test", AAAA)}, set(self.server.queries))

    def has_ipv6(self) -> bool:
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(("::1", 0))
                return True
        except OSError:
            return False

    def test_records_that_change_are_followed_by_their_ttl(self) -> None:
        weir = self.start()
        self.server.records["svc.test"] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        eventually(lambda: addresses(weir) == self.at("127.0.0.1", "127.0.0.2", "127.0.0.3"), "more addresses")
        self.server.records["svc.test"] = ["127.0.0.1"]
        eventually(lambda: addresses(weir) == self.at("127.0.0.1"), "fewer addresses")
        self.assertEqual(weir.ask().body, b"ok")

    def test_the_ttl_is_kept(self) -> None:
        self.server.ttl = 3600
        weir = self.start()
        count = len(self.server.queries)
        with Load(weir.port) as load:
            load.wait_for(200)
        self.assertEqual(len(self.server.queries), count)
        self.assertEqual(load.failed(), [], load.summary())

    def test_a_silent_server_leaves_the_last_answer_in_use(self) -> None:
        weir = self.start()
        self.assertEqual(weir.ask().status, 200)
        self.server.is_silent = True
        with Load(weir.port, pause=0.02) as load:
            eventually(lambda: weir.metrics().sum("weir_discovery_updates_total", cluster="c", result="failure"),
                       "a failure counted", 20)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())
        self.server.is_silent = False
        self.server.records["svc.test"] = ["127.0.0.1", "127.0.0.2"]
        eventually(lambda: addresses(weir) == self.at("127.0.0.1", "127.0.0.2"), "heard again", 20)

    def test_a_name_that_vanishes_is_believed_after_empty_hold(self) -> None:
        weir = self.start("empty_hold: 2s")
        self.assertEqual(weir.ask().status, 200)
        del self.server.records["svc.test"]
        count = len(self.server.queries)
        eventually(lambda: len(self.server.queries) > count + 1, "asked again")
        self.assertEqual(weir.ask().status, 200, "not at the first such answer")
        eventually(lambda: weir.ask().error == "no_healthy_endpoint", "believed", 20)
        self.server.records["svc.test"] = ["127.0.0.1"]
        eventually(lambda: weir.ask().status == 200, "healed", 20)

    def test_an_unknown_name_at_the_start_is_said_and_heals(self) -> None:
        del self.server.records["svc.test"]
        weir = self.start()
        answer = weir.ask()
        self.assertEqual(answer.status, 503)
        self.assertIn(answer.error, ("upstream_dns", "no_healthy_endpoint"))
        self.server.records["svc.test"] = ["127.0.0.1"]
        eventually(lambda: weir.ask().status == 200, "healed", 15)


if __name__ == "__main__":
    unittest.main()
