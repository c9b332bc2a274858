"""Endpoints that register themselves over the admin API, and are there as long as their lease."""

from __future__ import annotations

import json
import os
import subprocess
import unittest
import urllib.parse
from http.client import HTTPConnection

from etcd_bed import ETCD, Etcd
from harness import BINARY, Weir, WeirTest, eventually, fetch
from load import Load
from origins import RawOrigin, fixed


def started(test: WeirTest, config: str) -> Weir:
    """Alive, not ready: that it is when somebody has registered, or ten seconds have passed."""
    weir = Weir(config)
    test.addCleanup(weir.stop)

    def is_alive() -> bool:
        try:
            return fetch(weir.admin_port, "GET", "/healthz")[0] == 200
        except OSError:
            return False

    eventually(is_alive, "alive")
    return weir


class Registry(WeirTest):
    def setUp(self) -> None:
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        self.weir_ = started(self, "version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n"
                                   "  c: {discovery: {type: registry, name: orders, empty_hold: 1s}}\n")

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        connection = HTTPConnection("127.0.0.1", self.weir_.admin_port, timeout=10)
        self.addCleanup(connection.close)
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, f"/api/v1/{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def put(self, origin: RawOrigin, **lease: object) -> None:
        status, answer = self.ask("PUT", f"registry/orders/{origin.address}", lease)
        self.assertEqual(status, 200, answer)

    def endpoints(self, weir: Weir | None = None) -> set[str]:
        return {e["address"] for e in (weir or self.weir_).api("clusters/c/endpoints")}

    def expect(self, *origins: RawOrigin) -> None:
        eventually(lambda: self.endpoints() == {origin.address for origin in origins}, "the endpoints")

    def test_what_registers_is_used_and_what_leaves_is_not(self) -> None:
        self.put(self.first, ttl="1m", weight=50, zone="north")
        self.expect(self.first)
        (endpoint,) = self.weir_.api("clusters/c/endpoints")
        self.assertEqual((endpoint["weight"], endpoint["zone"]), (50, "north"))
        with Load(self.weir_.port) as load:
            self.put(self.second)
            self.expect(self.first, self.second)
            eventually(lambda: self.second.requests, "the new one is used")
            self.assertEqual(self.ask("DELETE", f"registry/orders/{self.first.address}"), (200, {"done": True}))
            self.expect(self.second)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())
        (entry,) = self.ask("GET", "registry")[1]  # type: ignore[misc]
        self.assertEqual((entry["service"], entry["address"], entry["ttl"]), ("orders", self.second.address, "30s"))
        self.assertGreater(entry["expires"], entry["renewed"])

    def test_a_lease_without_heartbeats_runs_out(self) -> None:
        self.put(self.first, ttl="1m")
        self.put(self.second, ttl="1s")
        self.expect(self.first, self.second)
        self.expect(self.first)

    def test_heartbeats_keep_it(self) -> None:
        self.put(self.first, ttl="2s")
        since = self.ask("GET", "registry")[1][0]["since"]  # type: ignore[index]
        ends = set()
        while len(ends) < 20:
            self.put(self.first, ttl="2s")
            ends.add(self.ask("GET", "registry?service=orders")[1][0]["expires"])  # type: ignore[index]
        self.assertEqual(self.ask("GET", "registry")[1][0]["since"], since)  # type: ignore[index]
        source = next(s for s in self.weir_.api("discovery") if s["cluster"] == "c")
        self.assertEqual((source["type"], source["size"], source["updates"]), ("registry", 1, 1))

    def test_the_last_one_to_leave_is_held_for_a_moment(self) -> None:
        self.put(self.first)
        self.expect(self.first)
        self.ask("DELETE", f"registry/orders/{self.first.address}")
        self.assertEqual(self.weir_.ask().body, b"first")
        eventually(lambda: self.weir_.ask().error == "no_healthy_endpoint", "believed")
        self.put(self.second)
        eventually(lambda: self.weir_.ask().body == b"second", "another")

    def test_a_reload_keeps_what_has_registered(self) -> None:
        self.put(self.first)
        self.expect(self.first)
        self.weir_.write(self.weir_.file.read_text().replace("name: orders", "name: orders, keep_last: false"))
        eventually(lambda: self.weir_.api("status")["config"]["last_error"] is None and
                   any(s["updates"] for s in self.weir_.api("discovery")), "reloaded")
        self.assertEqual(self.weir_.ask().body, b"first")

    def test_what_makes_no_sense_is_refused(self) -> None:
        good = f"registry/orders/{self.first.address}"
        for path, body, code in (
                ("registry/orders/nonsense", {}, "bad_address"), ("registry/orders/:80", {}, "bad_address"),
                ("registry/orders/10.0.0.1:0", {}, "bad_address"), ("registry/a%20b/10.0.0.1:80", {}, "bad_service"),
                (f"registry/{'a' * 129}/10.0.0.1:80", {}, "bad_service"), (good, {"ttl": "5"}, "bad_request"),
                (good, {"ttl": "100ms"}, "bad_request"), (good, {"ttl": "25h"}, "bad_request"),
                (good, {"weight": 0}, "bad_request"), (good, {"weight": 65536}, "bad_request"),
                (good, {"weight": "1"}, "bad_request"), (good, {"zone": "z" * 129}, "bad_request"),
                (good, {"color": "red"}, "bad_request"), (good, [], "bad_request")):
            with self.subTest(path=path, body=body):
                status, answer = self.ask("PUT", path, body)
                self.assertEqual((status, answer["error"]["code"]), (400, code))  # type: ignore[index]
        status, answer = self.ask("DELETE", good)
        self.assertEqual((status, answer["error"]["code"]), (404, "not_registered"))  # type: ignore[index]
        self.assertEqual(self.ask("GET", "registry")[1], [])

    def test_ipv6_and_unix_addresses_register_too(self) -> None:
        for address in ("[::1]:80", "unix:/run/app.sock"):
            quoted = urllib.parse.quote(address, safe="")
            self.assertEqual(self.ask("PUT", f"registry/orders/{quoted}", {})[0], 200, address)
        self.assertEqual(self.endpoints(), {"[::1]:80", "unix:/run/app.sock"})

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "WEIR_ADMIN": str(self.weir_.admin_port)}
        return subprocess.run([BINARY, "registry", *words], capture_output=True, text=True, timeout=20, check=False,
                              env=environment)

    def test_the_command_line_does_the_same(self) -> None:
        done = self.cli("put", "orders", self.first.address, "--ttl", "1m", "--weight", "5", "--zone", "north")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.expect(self.first)
        self.assertRegex(self.cli().stdout, rf"orders\s+{self.first.address}\s+5\s+north")
        self.assertEqual(self.cli("remove", "orders", self.first.address).returncode, 0)
        self.assertIn("nothing has registered", self.cli().stdout)
        self.assertEqual(self.cli("remove", "orders", self.first.address).returncode, 1)
        self.assertNotEqual(self.cli("put", "orders").returncode, 0)

    def test_the_telemetry_port_knows_nothing_of_it(self) -> None:
        self.assertEqual(fetch(self.weir_.telemetry_port, "GET", "/api/v1/registry")[0], 404)


@unittest.skipUnless(ETCD, "no etcd here")
class Shared(WeirTest):
    """Two Weirs, one registry."""

    def setUp(self) -> None:
        self.etcd = Etcd()
        self.addCleanup(self.etcd.close)
        self.etcd.start()
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        self.here, self.there = self.start(), self.start()

    def start(self) -> Weir:
        return started(self, "version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n"
                             "  c: {discovery: {type: registry, name: orders, empty_hold: 1s, "
                             f"servers: [\"127.0.0.1:{self.etcd.port}\"]}}}}\n")

    def ask(self, weir: Weir, method: str, origin: RawOrigin, **lease: object) -> int:
        connection = HTTPConnection("127.0.0.1", weir.admin_port, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, f"/api/v1/registry/orders/{origin.address}", json.dumps(lease) if lease else None,
                           {"Content-Type": "application/json"} if lease else {})
        return connection.getresponse().status

    def expect(self, weir: Weir, *origins: RawOrigin, within: float = 15) -> None:
        eventually(lambda: {e["address"] for e in weir.api("clusters/c/endpoints")} == {o.address for o in origins},
                   "the endpoints", within)

    def test_what_registers_at_one_is_known_to_the_other(self) -> None:
        self.assertEqual(self.ask(self.here, "PUT", self.first, ttl="1m", weight=7, zone="north"), 200)
        self.expect(self.there, self.first)
        (endpoint,) = self.there.api("clusters/c/endpoints")
        self.assertEqual((endpoint["weight"], endpoint["zone"]), (7, "north"))
        self.assertEqual([e["remote"] for e in self.here.api("registry")], [False])
        self.assertEqual([e["remote"] for e in self.there.api("registry")], [True])
        self.assertEqual(self.ask(self.there, "PUT", self.second, ttl="1m"), 200)
        self.expect(self.here, self.first, self.second)
        self.assertEqual(self.there.ask().status, 200)

    def test_what_leaves_at_either_leaves_both(self) -> None:
        for origin in (self.first, self.second):
            self.ask(self.here, "PUT", origin, ttl="1m")
        self.expect(self.there, self.first, self.second)
        self.assertEqual(self.ask(self.there, "DELETE", self.first), 200)
        self.expect(self.here, self.second)
        self.expect(self.there, self.second)

    def test_a_lease_that_runs_out_runs_out_everywhere(self) -> None:
        self.ask(self.here, "PUT", self.first, ttl="1m")
        self.ask(self.here, "PUT", self.second, ttl="5s")
        self.expect(self.there, self.first, self.second)
        self.expect(self.here, self.first)
        self.expect(self.there, self.first)

    def test_a_weir_that_dies_takes_its_registrations_along_when_their_leases_end(self) -> None:
        self.ask(self.there, "PUT", self.first, ttl="1m")
        self.ask(self.here, "PUT", self.second, ttl="5s")
        self.expect(self.there, self.first, self.second)
        self.here.expected_exit = -9
        self.here.process.kill()
        self.expect(self.there, self.first, within=30)

    def test_heartbeats_may_come_to_either(self) -> None:
        self.ask(self.here, "PUT", self.first, ttl="2s")
        self.expect(self.there, self.first)
        with Load(self.there.port, pause=0.01) as load:
            for turn in range(12):
                weir = self.there if turn % 2 == 0 else self.here
                self.assertEqual(self.ask(weir, "PUT", self.first, ttl="2s"), 200)
                load.wait_for(30)
            self.expect(self.here, self.first)
            self.expect(self.there, self.first)
        self.assertEqual(load.failed(), [], load.summary())

    def test_etcd_away_is_said_and_what_registers_meanwhile_is_shared_later(self) -> None:
        self.ask(self.here, "PUT", self.first, ttl="1m")
        self.expect(self.there, self.first)
        self.etcd.kill()

        def error(weir: Weir) -> object:
            return next(s for s in weir.api("discovery") if s["cluster"] == "c")["error"]

        eventually(lambda: error(self.here), "said")
        self.ask(self.here, "PUT", self.second, ttl="1m")
        self.expect(self.here, self.first, self.second)
        self.assertEqual(self.there.ask().body, b"first")
        self.etcd.start()
        self.expect(self.there, self.first, self.second, within=40)
        eventually(lambda: error(self.here) is None, "well again", 20)


if __name__ == "__main__":
    unittest.main()
