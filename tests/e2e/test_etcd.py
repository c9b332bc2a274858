"""Endpoints below a prefix of a real etcd: followed, kept while it is away, listed anew after a compaction."""

from __future__ import annotations

import os
import unittest
from typing import Any

from etcd_bed import ETCD, Between, Etcd, coded
from harness import Weir, WeirTest, eventually, free_port
from load import Load
from origins import RawOrigin, fixed

@unittest.skipUnless(ETCD, "no etcd here")
class EtcdTest(WeirTest):
    def setUp(self) -> None:
        self.etcd = Etcd()
        self.addCleanup(self.etcd.close)
        self.etcd.start()
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))

    def start(self, more: str = "", address: str = "") -> Weir:
        return self.weir("version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
                         f"    discovery: {{type: etcd, name: /services/orders, empty_hold: 1s{more},\n"
                         f"      servers: [\"{address or f'127.0.0.1:{self.etcd.port}'}\"]}}\n")

    def endpoints(self, weir: Weir) -> set[str]:
        return {e["address"] for e in weir.api("clusters/c/endpoints")}

    def expect(self, weir: Weir, *origins: RawOrigin, within: float = 15) -> None:
        eventually(lambda: self.endpoints(weir) == {origin.address for origin in origins}, "the endpoints", within)

    def source(self, weir: Weir) -> dict[str, Any]:
        return next(s for s in weir.api("discovery") if s["cluster"] == "c")


class Following(EtcdTest):
    def test_every_form_of_a_value_is_understood(self) -> None:
        prefix = "/services/orders/"
        self.etcd.put(prefix + "plain", "10.0.0.1:80")
        self.etcd.put(prefix + "whole", '{"address":"10.0.0.2:80","weight":5,"zone":"north"}')
        self.etcd.put(prefix + "grpc", '{"Op":0,"Addr":"10.0.0.3:80","Metadata":null}')
        self.etcd.put(prefix + "10.0.0.4:80", "")
        self.etcd.put(prefix + "[::1]:80", '{"weight":7}')
        self.etcd.put("/services/orders2/other", "10.0.0.9:80")
        weir = self.start()
        self.assertEqual(self.endpoints(weir), {f"10.0.0.{i}:80" for i in range(1, 5)} | {"[::1]:80"})
        by_address = {e["address"]: e for e in weir.api("clusters/c/endpoints")}
        self.assertEqual((by_address["10.0.0.2:80"]["weight"], by_address["10.0.0.2:80"]["zone"]), (5, "north"))
        self.assertEqual(by_address["[::1]:80"]["weight"], 7)
        source = self.source(weir)
        self.assertEqual((source["type"], source["size"], source["error"]), ("etcd", 5, None))

    def test_changes_are_followed_under_load(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        weir = self.start()
        self.expect(weir, self.first)
        with Load(weir.port) as load:
            self.etcd.put("/services/orders/2", self.second.address)
            self.expect(weir, self.first, self.second)
            self.etcd.delete("/services/orders/1")
            self.expect(weir, self.second)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())

    def test_a_lease_that_runs_out_takes_its_endpoint_along(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        lease = self.etcd.must("/v3/lease/grant", {"TTL": "2"})["ID"]
        self.etcd.put("/services/orders/2", self.second.address, lease)
        weir = self.start()
        self.expect(weir, self.first, self.second)
        self.expect(weir, self.first)

    def test_a_key_that_is_no_endpoint_is_left_out_and_said(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        self.etcd.put("/services/orders/2", "nonsense")
        weir = self.start()
        self.assertEqual(self.endpoints(weir), {self.first.address})
        self.assertIn("/services/orders/2: 'nonsense' is no address", self.source(weir)["error"])
        self.etcd.put("/services/orders/2", self.second.address)
        self.expect(weir, self.first, self.second)
        self.assertIsNone(self.source(weir)["error"])

    def test_nothing_but_nonsense_changes_nothing(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        weir = self.start()
        self.expect(weir, self.first)
        self.etcd.put("/services/orders/1", "nonsense")
        eventually(lambda: self.source(weir)["failures"], "a failure counted")
        self.assertEqual(weir.ask().body, b"first")

    def test_none_at_all_is_believed_after_a_while(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        weir = self.start()
        self.expect(weir, self.first)
        self.etcd.delete("/services/orders/1")
        self.expect(weir)
        self.etcd.put("/services/orders/1", self.second.address)
        self.expect(weir, self.second)

    def test_more_keys_than_a_page(self) -> None:
        def put(begin: int) -> None:
            operations = [{"requestPut": {"key": coded(f"/services/orders/{begin + i}"),
                                          "value": coded(f"10.1.{(begin + i) // 250}.{(begin + i) % 250 + 1}:80")}} for i in range(100)]
            self.etcd.must("/v3/kv/txn", {"success": operations})

        for begin in range(0, 4500, 100):
            put(begin)
        weir = self.start()
        eventually(lambda: self.source(weir)["size"] == 4500, "all of them")

    def test_a_user_logs_in_and_again_when_the_token_is_forgotten(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        for path, body in (("/v3/auth/user/add", {"name": "root", "password": "secret"}), ("/v3/auth/role/add", {"name": "root"}),
                           ("/v3/auth/user/grant", {"user": "root", "role": "root"}), ("/v3/auth/enable", {})):
            self.etcd.must(path, body)
        password = os.path.join(self.etcd.folder, "password")
        with open(password, "w", encoding="ascii") as out:
            out.write("secret\n")
        weir = self.start(f", options: {{user: root, password_file: {password}}}")
        self.expect(weir, self.first)
        stranger = self.start()
        self.assertIn("etcd answers", self.source(stranger)["error"])
        self.etcd.kill()
        self.etcd.process = None
        self.etcd.token = ""
        self.restart_with_auth()
        self.etcd.put("/services/orders/2", self.second.address)
        self.expect(weir, self.first, self.second, within=30)

    def restart_with_auth(self) -> None:
        def log_in() -> bool:
            try:
                status, answer = self.etcd.ask("/v3/auth/authenticate", {"name": "root", "password": "secret"})
            except OSError:
                return False
            self.etcd.token = answer.get("token", "") if status == 200 else ""
            return bool(self.etcd.token)

        ready, self.etcd.is_ready = self.etcd.is_ready, log_in  # type: ignore[method-assign]
        self.etcd.start()
        self.etcd.is_ready = ready  # type: ignore[method-assign]


class Trouble(EtcdTest):
    def test_etcd_killed_and_back(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        weir = self.start()
        self.expect(weir, self.first)
        with Load(weir.port, pause=0.01) as load:
            self.etcd.kill()
            eventually(lambda: self.source(weir)["error"], "said")
            self.etcd.start()
            self.etcd.put("/services/orders/2", self.second.address)
            self.expect(weir, self.first, self.second, within=30)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertIsNone(self.source(weir)["error"])
        self.assertGreater(weir.metrics().sum("weir_discovery_updates_total", cluster="c", type="etcd", result="failure"), 0)

    def test_what_changed_and_was_compacted_while_nobody_watched_is_listed_anew(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        between = Between(self.etcd.port)
        self.addCleanup(between.close)
        weir = self.start(address=f"127.0.0.1:{between.port}")
        self.expect(weir, self.first)
        between.cut()
        eventually(lambda: self.source(weir)["error"], "said")
        self.etcd.delete("/services/orders/1")
        revision = self.etcd.put("/services/orders/2", self.second.address)
        self.etcd.must("/v3/kv/compaction", {"revision": str(revision)})
        between.mend()
        self.expect(weir, self.second, within=30)

    def test_streams_that_are_cut_again_and_again_lose_nothing(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        between = Between(self.etcd.port)
        self.addCleanup(between.close)
        weir = self.start(address=f"127.0.0.1:{between.port}")
        self.expect(weir, self.first)
        with Load(weir.port, pause=0.01) as load:
            for _ in range(5):
                count = between.connections
                between.cut()
                between.mend()
                eventually(lambda c=count: between.connections > c, "asked again", 20)
            self.etcd.put("/services/orders/2", self.second.address)
            self.expect(weir, self.first, self.second, within=30)
        self.assertEqual(load.failed(), [], load.summary())

    def test_slow_bytes_are_waited_for(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        between = Between(self.etcd.port)
        between.is_slow = True
        self.addCleanup(between.close)
        weir = self.start(address=f"127.0.0.1:{between.port}")
        self.expect(weir, self.first, within=30)
        self.etcd.put("/services/orders/2", self.second.address)
        self.expect(weir, self.first, self.second, within=30)

    def test_one_of_two_members_that_is_dead_is_passed_over(self) -> None:
        self.etcd.put("/services/orders/1", self.first.address)
        weir = self.start(address=f"127.0.0.1:{free_port()}\", \"127.0.0.1:{self.etcd.port}")
        self.expect(weir, self.first)

    def test_an_etcd_that_is_none_is_said(self) -> None:
        stranger = self.origin(fixed(body=b"hello"))
        weir = self.weir("version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
                         f"    discovery: {{type: etcd, servers: [\"{stranger.address}\"]}}\n")
        eventually(lambda: "none of its messages" in str(self.source(weir)["error"]), "said")


if __name__ == "__main__":
    unittest.main()
