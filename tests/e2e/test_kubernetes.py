"""Endpoints from the slices of Kubernetes: what its API says is followed, by whatever a pod has."""

from __future__ import annotations

import time
import unittest
from typing import Any
from unittest import mock

from h2wire import H2Origin
from harness import Weir, eventually
from kube_api import endpoint
from kube_bed import KubernetesTest
from load import Load
from pki import Authority


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
        metrics = weir.metrics()
        labels = {"cluster": "c", "type": "kubernetes"}
        self.assertGreater(metrics.sum("weir_discovery_last_success_timestamp_seconds", **labels), time.time() - 60)
        self.assertGreaterEqual(metrics.sum("weir_discovery_updates_total", result="success", **labels), 5)
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

    def test_app_protocol_says_http2_without_asking(self) -> None:
        origin = H2Origin(lambda served, stream: served.answer(stream, [], b"by HTTP/2"))
        self.addCleanup(origin.close)
        self.api.put("orders-1", [endpoint("127.0.0.1")], origin.port, app_protocol="kubernetes.io/h2c")
        weir = self.start()
        self.expect(weir, "127.0.0.1")
        self.assertEqual(weir.ask().body, b"by HTTP/2")

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
        server = self.start_api(tls=other.server(other.issue("api", names="IP:127.0.0.1"))).address
        with mock.patch("harness.Weir.wait_ready"):
            stranger = self.start(f", ca_file: \"{authority.cert}\"", server=server)
        eventually(lambda: self.source_or_none(stranger).get("error"), "an error")
        self.assertIn("no TLS", self.source(stranger)["error"])

    def test_without_a_token_it_falls_back_to_dns_and_says_so(self) -> None:
        port = self.port
        weir = self.start(f", token_file: \"{self.root}/none\", cluster_domain: test", port=str(port))
        eventually(lambda: "falls back to DNS" in str(self.source(weir)["error"]), "it says so")
        self.assertIn(f"orders.shop.svc.test:{port}", self.source(weir)["error"])
        self.assertIn("falls back to DNS", weir.errors())


if __name__ == "__main__":
    unittest.main()
