"""Endpoints from the slices of Kubernetes: what its API says is followed, and what it fails to say loses nothing."""

from __future__ import annotations

import json
import os
import signal
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from dns_server import DnsServer
from harness import Weir, WeirTest, eventually
from kube_api import FORBIDDEN, KubeApi, endpoint
from load import Load
from origins import RawOrigin, fixed
from pki import Authority


class KubernetesTest(WeirTest):
    """Pods are 127.0.0.2, .3, ... on one port; each says its own address."""

    def setUp(self) -> None:
        root = TemporaryDirectory(prefix="weir-kube-")
        self.addCleanup(root.cleanup)
        self.root = Path(root.name)
        self.state = self.root / "state"
        self.api = self.start_api()
        self.pods: dict[str, RawOrigin] = {}
        first = self.pod("127.0.0.2")
        self.port = first.port
        for last in (3, 4):
            self.pod(f"127.0.0.{last}")

    def start_api(self, **more: Any) -> KubeApi:
        api = KubeApi(**more)
        self.addCleanup(api.close)
        return api

    def pod(self, ip: str) -> RawOrigin:
        origin = RawOrigin(fixed(body=ip.encode()), host=ip, port=next(iter(self.pods.values())).port if self.pods else 0)
        self.addCleanup(origin.close)
        self.pods[ip] = origin
        return origin

    def put(self, *ips: str | dict[str, Any], name: str = "orders-1", **more: Any) -> None:
        self.api.put(name, [endpoint(ip) if isinstance(ip, str) else ip for ip in ips], self.port, **more)

    def config(self, options: str = "", more: str = "", port: str = "http", server: str = "") -> str:
        return ("version: 1\nthreads: 1\nnode: {zone: zone-a}\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
                f"    discovery: {{type: kubernetes, name: shop/orders, port: {port},"
                f" servers: [\"{server or self.api.address}\"], empty_hold: 1s{more}, options: {{node: node-1{options}}}}}\n")

    def start(self, *arguments: Any, state: bool = False, env: dict[str, str] | None = None, **more: Any) -> Weir:
        values = {"WEIR_STATE_DIR": str(self.state) if state else "", "STATE_DIRECTORY": "",
                  "KUBERNETES_SERVICE_HOST": "", **(env or {})}
        with mock.patch.dict(os.environ, values):
            return self.weir(self.config(*arguments, **more))

    def end(self, weir: Weir, number: int = signal.SIGTERM) -> None:
        """Before the test does."""
        weir.signal(number)
        weir.process.wait(15)

    def states(self, weir: Weir) -> dict[str, str]:
        return {e["address"].rsplit(":", 1)[0]: e["state"] for e in weir.api("clusters/c/endpoints")}

    def expect(self, weir: Weir, *ips: str) -> None:
        eventually(lambda: set(self.states(weir)) == set(ips), f"the endpoints {ips}")

    def source(self, weir: Weir) -> dict[str, Any]:
        return next(s for s in weir.api("discovery") if s["cluster"] == "c")

    def reached(self, weir: Weir, count: int = 30) -> set[str]:
        """Who answers so many requests."""
        bodies = set()
        for _ in range(count):
            answer = weir.ask()
            self.assertEqual(answer.status, 200, answer)
            bodies.add(answer.body.decode())
        return bodies


class Slices(KubernetesTest):
    def test_requests_reach_what_the_api_says_as_it_changes(self) -> None:
        self.put("127.0.0.2")
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        self.assertEqual(self.reached(weir, 3), {"127.0.0.2"})
        with Load(weir.port) as load:
            load.wait_for(20)
            self.put("127.0.0.2", "127.0.0.3")
            self.expect(weir, "127.0.0.2", "127.0.0.3")
            eventually(lambda: self.pods["127.0.0.3"].requests, "the new one is used")
            self.put("127.0.0.4", name="orders-2")
            self.expect(weir, "127.0.0.2", "127.0.0.3", "127.0.0.4")
            self.put("127.0.0.3")
            self.expect(weir, "127.0.0.3", "127.0.0.4")
            load.wait_for(20)
            gone = len(self.pods["127.0.0.2"].requests)
            self.api.remove("orders-2")
            self.expect(weir, "127.0.0.3")
            load.wait_for(30)
            self.assertEqual(len(self.pods["127.0.0.2"].requests), gone, "the removed one is still used")
        self.assertEqual(load.failed(), [], load.summary())
        source = self.source(weir)
        self.assertEqual((source["type"], source["error"], source["size"], source["snapshot"]), ("kubernetes", None, 1, False))
        self.assertLess(source["age_s"], 60)
        self.assertEqual(self.api.count("sendInitialEvents"), 1)

    def test_an_endpoint_in_two_slices_is_one(self) -> None:
        self.put("127.0.0.2", "127.0.0.3")
        self.put("127.0.0.3", "127.0.0.4", name="orders-2")
        weir = self.start()
        self.assertEqual(sorted(e["address"] for e in weir.api("clusters/c/endpoints")),
                         sorted(f"127.0.0.{n}:{self.port}" for n in (2, 3, 4)))
        self.put("127.0.0.2")
        self.expect(weir, "127.0.0.2", "127.0.0.3", "127.0.0.4")

    def test_a_terminating_endpoint_gets_requests_only_while_nobody_serves(self) -> None:
        leaving = endpoint("127.0.0.3", ready=False, serving=True, terminating=True)
        self.put("127.0.0.2", leaving, endpoint("127.0.0.4", ready=False, serving=False, terminating=True))
        weir = self.start()
        eventually(lambda: self.states(weir) == {"127.0.0.2": "healthy", "127.0.0.3": "terminating"}, "the states")
        self.assertEqual(self.reached(weir), {"127.0.0.2"})
        self.put(leaving)
        self.expect(weir, "127.0.0.3")
        self.assertEqual(self.reached(weir, 3), {"127.0.0.3"})

    def test_conditions_that_are_not_said_mean_ready(self) -> None:
        self.put(endpoint("127.0.0.2", ready=None, serving=None, terminating=None), endpoint("127.0.0.3", ready=False))
        weir = self.start()
        self.expect(weir, "127.0.0.2")

    def test_hints_put_the_own_zone_first_and_the_others_behind_it(self) -> None:
        hints = {zone: {"forZones": [{"name": zone}]} for zone in ("zone-a", "zone-b")}
        self.put(endpoint("127.0.0.2", zone="zone-a", hints=hints["zone-a"]),
                 endpoint("127.0.0.3", zone="zone-b", hints=hints["zone-b"]))
        weir = self.start()
        eventually(lambda: self.states(weir) == {"127.0.0.2": "healthy", "127.0.0.3": "standby"}, "the states")
        self.assertEqual({e["zone"] for e in weir.api("clusters/c/endpoints")}, {"zone-a", "zone-b"})
        self.assertEqual(self.reached(weir), {"127.0.0.2"})
        self.pods["127.0.0.2"].refuse()
        eventually(lambda: weir.ask().body == b"127.0.0.3", "the other zone helps out")
        self.pods["127.0.0.2"].accept_again()
        eventually(lambda: self.reached(weir, 10) == {"127.0.0.2"}, "the own zone alone again", 20)
        # One without a hint: they are not heeded.
        self.put(endpoint("127.0.0.2", zone="zone-a", hints=hints["zone-a"]), endpoint("127.0.0.3", zone="zone-b"))
        eventually(lambda: set(self.states(weir).values()) == {"healthy"}, "both are used")

    def test_another_pod_at_the_address_is_another_endpoint(self) -> None:
        self.put(endpoint("127.0.0.2", uid="a"), "127.0.0.3")
        weir = self.start()
        self.expect(weir, "127.0.0.2", "127.0.0.3")
        name = f"127.0.0.2:{self.port}"
        weir.admin(f"/api/v1/clusters/c/endpoints/{name}/drain", "POST")
        eventually(lambda: weir.endpoint_state("c", name) == "draining", "the order")
        self.put(endpoint("127.0.0.2", uid="a"), "127.0.0.3", "127.0.0.4")
        self.expect(weir, "127.0.0.2", "127.0.0.3", "127.0.0.4")
        self.assertEqual(weir.endpoint_state("c", name), "draining")
        self.put(endpoint("127.0.0.2", uid="b"), "127.0.0.3")
        eventually(lambda: weir.endpoint_state("c", name) == "healthy", "a new endpoint, of which nothing is known")

    def test_a_slice_without_ports_is_not_a_service_without_endpoints(self) -> None:
        self.put("127.0.0.2")
        self.api.put("orders-2", None, None)
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        self.api.put("orders-1", None, None)
        # Held for empty_hold, then believed.
        self.assertEqual(weir.ask().status, 200)
        eventually(lambda: not self.states(weir), "nobody")
        self.assert_refused(weir.ask(), 503, "no_healthy_endpoint")

    def test_a_number_is_the_port_of_the_service_or_of_the_pods(self) -> None:
        self.put("127.0.0.2")
        weir = self.start(port="80")
        self.expect(weir, "127.0.0.2")
        self.assertEqual(weir.api("clusters/c/endpoints")[0]["address"], f"127.0.0.2:{self.port}")
        other = self.start(port=str(self.port))
        self.expect(other, "127.0.0.2")

    def test_a_port_that_no_slice_has_is_said(self) -> None:
        self.put("127.0.0.2")
        with mock.patch("harness.Weir.wait_ready"):
            weir = self.start(port="grpc")
        eventually(lambda: self.source_or_none(weir).get("error"), "an error")
        self.assertIn("orders.shop.svc has no port 'grpc': http " + str(self.port), self.source(weir)["error"])

    def source_or_none(self, weir: Weir) -> dict[str, Any]:
        try:
            return self.source(weir)
        except OSError:
            return {}

    def test_many_pages_of_a_list(self) -> None:
        self.api.knows_watch_list = False
        self.api.page = 1
        for n in (2, 3, 4):
            self.put(f"127.0.0.{n}", name=f"orders-{n}")
        weir = self.start()
        self.expect(weir, "127.0.0.2", "127.0.0.3", "127.0.0.4")
        self.assertGreaterEqual(self.api.count("continue="), 2)
        self.put("127.0.0.2", name="orders-3")
        self.expect(weir, "127.0.0.2", "127.0.0.4")


class Faults(KubernetesTest):
    """Whatever the source does, requests go on to the set that was known."""

    def setUp(self) -> None:
        super().setUp()
        self.put("127.0.0.2")

    def errors(self, weir: Weir) -> float:
        return weir.metrics().sum("weir_discovery_updates_total", cluster="c", type="kubernetes", result="failure")

    def proves_alive(self, weir: Weir) -> None:
        """A change gets through, both ways."""
        self.put("127.0.0.2", "127.0.0.3")
        self.expect(weir, "127.0.0.2", "127.0.0.3")
        self.put("127.0.0.2")
        self.expect(weir, "127.0.0.2")

    def test_a_version_too_old_is_listed_anew(self) -> None:
        for by_status in (False, True):
            with self.subTest(by_status=by_status):
                self.api.expires_by_status = by_status
                weir = self.start()
                self.expect(weir, "127.0.0.2")
                before = self.api.count("sendInitialEvents")
                with Load(weir.port) as load:
                    self.api.forget()
                    self.api.cut()
                    eventually(lambda n=before: self.api.count("sendInitialEvents") > n, "all was asked for anew")
                    self.proves_alive(weir)
                self.assertEqual(load.failed(), [], load.summary())

    def test_away_and_back(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        with Load(weir.port) as load:
            self.api.stop()
            eventually(lambda: self.source(weir)["error"], "an error")
            eventually(lambda: self.errors(weir) >= 2, "failures are counted")
            load.wait_for(50)
            self.assertEqual(set(self.states(weir)), {"127.0.0.2"})
            self.api.start_again()
            self.proves_alive(weir)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertIsNone(self.source(weir)["error"])

    def test_every_cut_of_a_watch(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        for limit in (0, 1, 2, 40, 700, 1400):
            self.api.cuts_after = limit
            self.api.cut()
            self.put("127.0.0.2", "127.0.0.3")
            self.assertEqual(weir.ask().status, 200)
        self.api.cuts_after = -1
        self.proves_alive(weir)

    def test_garbage(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        for garbage in (b"{}\n", b"\x00\xff\n", b"[" * 1000 + b"\n", b'{"type":"ADDED","object":[]}\n',
                        b'{"type":"ADDED","object":{"metadata":{}}}\n', b'{"type":"NEW","object":{}}\n'):
            eventually(lambda: self.api.watching, "it watches")
            failures = self.errors(weir)
            self.api.garbage = garbage
            self.put("127.0.0.4")
            eventually(lambda n=failures: self.errors(weir) > n, f"{garbage[:40]!r} is a failure")
            self.assertNotIn("127.0.0.3", self.states(weir))
            self.assertEqual(weir.ask().status, 200)
            self.api.garbage = b""
            self.put("127.0.0.2")
            self.expect(weir, "127.0.0.2")

    def test_slow_bytes(self) -> None:
        self.api.is_slow = True
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        self.proves_alive(weir)

    def test_silence_is_not_taken_for_life(self) -> None:
        weir = self.start(", watch_timeout: 2s")
        self.expect(weir, "127.0.0.2")
        watches = self.api.count("resourceVersion=6")
        eventually(lambda: self.api.count("resourceVersion=6") > watches + 1, "renewed")
        self.assertEqual(self.errors(weir), 0)
        self.api.is_silent = True
        self.api.cut()
        self.assertEqual(weir.ask().status, 200)
        self.api.is_silent = False
        self.api.stop()
        self.api.start_again()
        self.proves_alive(weir)

    def test_an_old_server_that_ignores_the_question(self) -> None:
        self.api.tells_bookmarks = False
        weir = self.start(", watch_timeout: 2s")
        eventually(lambda: self.api.count("limit="), "it lists instead")
        self.proves_alive(weir)

    def test_flapping(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        with Load(weir.port) as load:
            for _ in range(5):
                self.api.stop()
                self.api.start_again()
                self.api.cut()
            self.proves_alive(weir)
        self.assertEqual(load.failed(), [], load.summary())

    def test_forbidden_names_the_rule_that_is_missing(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        self.api.refusal = FORBIDDEN
        self.api.cut()
        eventually(lambda: "may not watch" in str(self.source(weir)["error"]), "the error")
        error = self.source(weir)["error"]
        self.assertIn("resources: [endpointslices], verbs: [get, list, watch]", error)
        self.assertIn('User "system:serviceaccount:shop:default" cannot watch', error)
        self.assertEqual(weir.ask().status, 200)
        self.api.refusal = None
        self.proves_alive(weir)

    def test_a_token_is_replaced_while_it_is_used(self) -> None:
        token = self.root / "token"
        token.write_text("first\n")
        self.api.token = "first"
        weir = self.start(f", token_file: \"{token}\"")
        self.expect(weir, "127.0.0.2")
        self.api.token = "second"
        self.api.cut()
        eventually(lambda: "does not accept the token" in str(self.source(weir)["error"]), "refused")
        self.assertNotIn("first", self.source(weir)["error"])
        fresh = self.root / "token.fresh"
        fresh.write_text("second\n")
        fresh.rename(token)
        self.proves_alive(weir)
        self.assertEqual(self.api.tokens, {"first", "second"})
        self.assertNotIn("first", weir.errors())


class Pod(KubernetesTest):
    """As in a pod: TLS with the cluster's authority, address from the environment, or nothing of it."""

    def test_tls_by_the_authority_of_the_file(self) -> None:
        authority = Authority("cluster")
        pair = authority.issue("api", names="IP:127.0.0.1")
        self.api = self.start_api(tls=authority.server(pair))
        self.put("127.0.0.2")
        weir = self.start(f", ca_file: \"{authority.cert}\"")
        self.expect(weir, "127.0.0.2")
        other = Authority("another")
        stranger = self.start(f", ca_file: \"{authority.cert}\"", server=self.start_api(
            tls=other.server(other.issue("api", names="IP:127.0.0.1"))).address)
        eventually(lambda: self.source(stranger)["error"], "an error")
        self.assertIn("no TLS", self.source(stranger)["error"])

    def test_without_a_token_it_falls_back_to_dns_and_says_so(self) -> None:
        port = self.port
        weir = self.start(f", token_file: \"{self.root}/none\", cluster_domain: test", port=str(port))
        eventually(lambda: "falls back to DNS" in str(self.source(weir)["error"]), "it says so")
        self.assertIn(f"orders.shop.svc.test:{port}", self.source(weir)["error"])
        self.assertIn("falls back to DNS", weir.errors())


class Snapshots(KubernetesTest):
    def setUp(self) -> None:
        super().setUp()
        self.put("127.0.0.2", "127.0.0.3")

    def file(self) -> Path:
        return self.state / "discovery-c"

    def saved(self) -> Weir:
        weir = self.start(state=True)
        self.expect(weir, "127.0.0.2", "127.0.0.3")
        eventually(lambda: self.file().exists() and b"127.0.0.3" in self.file().read_bytes(), "the snapshot")
        return weir

    def test_the_last_good_set_survives_a_kill_with_the_source_away(self) -> None:
        weir = self.saved()
        weir.expected_exit = -signal.SIGKILL
        self.end(weir, signal.SIGKILL)
        self.api.stop()
        again = self.start(state=True)
        self.assertEqual(self.reached(again, 20), {"127.0.0.2", "127.0.0.3"})
        source = self.source(again)
        self.assertTrue(source["snapshot"])
        self.assertLess(source["age_s"], 60)
        eventually(lambda: self.source(again)["error"], "that the source is away is said")
        self.api.start_again()
        self.put("127.0.0.4")
        self.expect(again, "127.0.0.4")
        self.assertFalse(self.source(again)["snapshot"])

    def test_one_that_is_too_old_is_not_used(self) -> None:
        self.end(self.saved())
        text = self.file().read_text()
        self.api.stop()
        with mock.patch("harness.Weir.wait_ready"):
            weir = self.start(more=", keep_last_max_age: 1s", state=True)
            eventually(lambda: "too old to be used" in weir.errors() or self.is_used(weir), "it is looked at", 10)
        self.assertEqual(self.file().read_text(), text)

    def is_used(self, weir: Weir) -> bool:
        return "until their source answers" in weir.errors()

    def test_one_that_is_damaged_is_refused(self) -> None:
        self.end(self.saved())
        whole = self.file().read_bytes()
        for damaged in (b"", whole[:-1], whole[: len(whole) // 2], b"x" + whole, whole.replace(b"127.0.0.2", b"127.0.0.9"),
                        b"weir-discovery 1 0 cbf29ce484222325\n", os.urandom(2000)):
            self.file().write_bytes(damaged)
            weir = self.start(state=True)
            self.expect(weir, "127.0.0.2", "127.0.0.3")
            self.assertIn("snapshot of endpoints refused", weir.errors())
            self.end(weir)

    def test_nothing_is_written_where_nothing_is_named(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2", "127.0.0.3")
        self.end(weir)
        self.assertFalse(self.state.exists())


if __name__ == "__main__":
    unittest.main()
