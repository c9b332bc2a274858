"""Services of Consul, asked for by blocking queries, of an agent that keeps their rules."""

from __future__ import annotations

import os
import unittest
from typing import Any

from consul_api import Consul, instance
from harness import Weir, WeirTest, eventually
from load import Load
from origins import RawOrigin, fixed


class ConsulTest(WeirTest):
    def setUp(self) -> None:
        self.consul = Consul()
        self.addCleanup(lambda: self.consul.close())
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))

    def of(self, origin: RawOrigin, **more: Any) -> dict[str, Any]:
        return instance("127.0.0.1", origin.port, **more)

    def start(self, options: str = "") -> Weir:
        return self.weir("version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
                         f"    discovery: {{type: consul, name: orders, empty_hold: 1s, servers: [\"127.0.0.1:{self.consul.port}\"],\n"
                         f"      options: {{{options}}}}}\n")

    def endpoints(self, weir: Weir) -> set[str]:
        return {e["address"] for e in weir.api("clusters/c/endpoints")}

    def expect(self, weir: Weir, *origins: RawOrigin) -> None:
        eventually(lambda: self.endpoints(weir) == {origin.address for origin in origins}, "the endpoints", 20)

    def source(self, weir: Weir) -> dict[str, Any]:
        return next(s for s in weir.api("discovery") if s["cluster"] == "c")

    def test_changes_are_followed_by_questions_that_wait(self) -> None:
        self.consul.set(self.of(self.first, weight=5, zone="north"))
        weir = self.start()
        self.expect(weir, self.first)
        (endpoint,) = weir.api("clusters/c/endpoints")
        self.assertEqual((endpoint["weight"], endpoint["zone"]), (5, "north"))
        eventually(lambda: len(self.consul.questions) == 2, "the question that waits")
        self.assertNotIn("index", self.consul.questions[0])
        self.assertEqual((self.consul.questions[1]["index"], self.consul.questions[1]["wait"]), ("101", "300000ms"))
        with Load(weir.port) as load:
            self.consul.set(self.of(self.first), self.of(self.second))
            self.expect(weir, self.first, self.second)
            self.consul.set(self.of(self.second))
            self.expect(weir, self.second)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertEqual(self.source(weir)["error"], None)

    def test_only_what_passes_its_checks_is_used_unless_more_is_asked_for(self) -> None:
        third = self.origin()
        self.consul.set(self.of(self.first), self.of(self.second, status="warning"), self.of(third, status="critical"))
        self.expect(self.start(), self.first)
        self.expect(self.start("health: warning"), self.first, self.second)
        self.expect(self.start("health: any"), self.first, self.second, third)

    def test_tag_and_datacenter_select(self) -> None:
        self.consul.set(self.of(self.first, tags=("blue",)), self.of(self.second, tags=("green",)))
        self.expect(self.start("tag: green"), self.second)
        self.expect(self.start("datacenter: dc2"))
        self.assertEqual({q.get("dc") for q in self.consul.questions}, {None, "dc2"})

    def test_the_address_of_the_node_serves_where_the_service_has_none(self) -> None:
        self.consul.set(instance("", self.first.port, node_address="127.0.0.1"))
        self.expect(self.start(), self.first)

    def test_an_instance_without_an_address_is_left_out_and_said(self) -> None:
        self.consul.set(self.of(self.first), instance("not.an.address", 80, name="odd"))
        weir = self.start()
        self.expect(weir, self.first)
        self.assertIn("'odd' has no address to call", self.source(weir)["error"])

    def test_an_index_that_goes_back_begins_from_the_start(self) -> None:
        self.consul.set(self.of(self.first))
        weir = self.start()
        self.expect(weir, self.first)
        eventually(lambda: len(self.consul.questions) == 2, "the question that waits")
        self.consul.begin_anew(self.of(self.second))
        self.expect(weir, self.second)
        eventually(lambda: len(self.consul.questions) >= 4, "asked from the start, then by index")
        self.assertNotIn("index", self.consul.questions[2])
        self.assertEqual(self.consul.questions[3]["index"], "3")

    def test_a_wait_that_ends_without_news_is_a_sign_of_life(self) -> None:
        self.consul.set(self.of(self.first))
        weir = self.start("wait: 1s")
        self.expect(weir, self.first)
        contact = self.source(weir)["last_contact"]
        eventually(lambda: self.source(weir)["last_contact"] > contact, "heard again")
        self.assertEqual((self.source(weir)["updates"], self.source(weir)["failures"]), (1, 0))

    def test_a_token_is_sent_and_its_lack_is_said(self) -> None:
        self.consul.token = "s3cret"
        self.consul.set(self.of(self.first))
        stranger = self.start()
        eventually(lambda: "403" in str(self.source(stranger)["error"]), "said")
        self.assertIn("service:read", self.source(stranger)["error"])
        path = os.path.join(stranger.root, "token")
        with open(path, "w", encoding="ascii") as out:
            out.write("s3cret\n")
        self.expect(self.start(f"token_file: {path}"), self.first)

    def test_an_agent_that_goes_away_takes_nobody_along(self) -> None:
        self.consul.set(self.of(self.first))
        weir = self.start()
        self.expect(weir, self.first)
        with Load(weir.port, pause=0.01) as load:
            self.consul.close()
            eventually(lambda: self.source(weir)["failures"], "a failure counted")
            self.assertTrue(self.source(weir)["error"])
            load.wait_for(20)
            self.consul = Consul(self.consul.port)
            self.consul.set(self.of(self.second))
            self.expect(weir, self.second)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertIsNone(self.source(weir)["error"])

    def test_answers_that_make_no_sense_change_nothing(self) -> None:
        self.consul.set(self.of(self.first))
        weir = self.start("wait: 1s")
        self.expect(weir, self.first)
        for status, body in ((500, b"rpc error: No cluster leader"), (200, b"{}"), (200, b"[{\"Service\": 7}]"), (200, b"garbage")):
            with self.subTest(body=body):
                count = self.source(weir)["failures"]
                self.consul.status, self.consul.answer = status, body
                with self.consul.changed:
                    self.consul.index += 1
                    self.consul.changed.notify_all()
                eventually(lambda c=count: self.source(weir)["failures"] > c, "counted", 20)
                self.assertEqual(weir.ask().body, b"first")
        self.consul.status, self.consul.answer = 200, None
        self.consul.set(self.of(self.second))
        self.expect(weir, self.second)

    def test_none_at_all_is_believed_after_a_while(self) -> None:
        self.consul.set(self.of(self.first))
        weir = self.start()
        self.expect(weir, self.first)
        self.consul.set()
        self.assertEqual(weir.ask().body, b"first")
        self.expect(weir)


if __name__ == "__main__":
    unittest.main()
