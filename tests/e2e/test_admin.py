"""What operators see and do over the admin port, with requests under way."""

from __future__ import annotations

import gzip
import threading
from urllib.parse import quote

from admin_api import YAML, Answer, Events, ask
from harness import SharedWeirTest, WeirTest, eventually, forwarding
from origins import Peer, RawOrigin, fixed
from wire import Message, response

ROUND_ROBIN = "lb: round_robin\n"


class Endpoints(WeirTest):
    def setUp(self) -> None:
        self.first, self.second = self.origin(), self.origin()
        self.weir_ = self.forward(self.first.address, self.second.address, cluster=ROUND_ROBIN,
                                  rest="threads: 2\n")

    def act(self, origin: RawOrigin, what: str, body: object = None) -> Answer:
        path = f"/api/v1/clusters/c/endpoints/{quote(origin.address, safe='')}/{what}"
        return ask(self.weir_.admin_port, "POST", path, body)

    def state(self, origin: RawOrigin) -> str:
        return self.weir_.endpoint_state("c", origin.address)

    def spread(self, times: int = 12) -> tuple[int, int]:
        """How many of so many requests each origin gets."""
        before = len(self.first.requests), len(self.second.requests)
        for _ in range(times):
            self.assertEqual(self.weir_.ask().status, 200)
        return len(self.first.requests) - before[0], len(self.second.requests) - before[1]

    def test_a_drained_endpoint_gets_nothing_from_any_worker(self) -> None:
        self.spread()
        answer = self.act(self.first, "drain", {"reason": "a deploy"})
        self.assertEqual(answer.status, 200, answer)
        shown = answer.json()
        self.assertEqual((shown["state"], shown["forced"]["reason"], shown["forced"]["until"]),
                         ("draining", "a deploy", None))
        self.assertEqual(self.spread(), (0, 12))
        self.assertEqual(self.weir_.metrics().sum("weir_endpoints", cluster="c", state="draining"), 1)
        endpoint = lambda: next(e for e in self.weir_.api("clusters/c/endpoints")  # noqa: E731
                                if e["address"] == self.first.address)
        eventually(lambda: endpoint()["connections"] == 0, "idle connections close")
        self.assertEqual(self.act(self.first, "undrain").json()["state"], "healthy")
        self.assertGreater(self.spread()[0], 0)

    def test_a_request_in_flight_finishes_at_a_drained_endpoint(self) -> None:
        release = threading.Event()

        def slow(peer: Peer, request: Message) -> None:
            release.wait(10)
            peer.send(response(200, b"done"))

        self.first.answer = self.second.answer = slow
        got: list[Message] = []
        client = threading.Thread(target=lambda: got.append(self.weir_.ask()))
        client.start()
        busy = eventually(lambda: next((o for o in (self.first, self.second) if o.requests), None), "a request")
        self.assertEqual(self.act(busy, "drain").json()["active"], 1)
        release.set()
        client.join(10)
        self.assertEqual((got[0].status, got[0].body), (200, b"done"))

    def test_a_drain_for_a_time_ends_by_itself(self) -> None:
        self.assertEqual(self.act(self.first, "drain", {"for": "1s"}).status, 200)
        eventually(lambda: self.state(self.first) == "healthy", "the drain ends")
        self.assertTrue([e for e in self.weir_.api("events") if e["kind"] == "drain" and e["to"] == "draining"])

    def test_an_ejected_endpoint_gets_nothing_and_comes_back_at_a_word(self) -> None:
        shown = self.act(self.first, "eject", {"for": "1h"}).json()
        self.assertEqual((shown["state"], shown["reason"], shown["forced"]["state"]), ("ejected", "forced", "ejected"))
        self.assertEqual(self.spread(), (0, 12))
        self.assertEqual(self.weir_.metrics().sum("weir_outlier_ejections_total", cluster="c", reason="forced"), 1)
        self.assertEqual(self.act(self.first, "uneject").json()["state"], "healthy")
        self.assertGreater(self.spread()[0], 0)

    def test_an_ejection_lasts_five_minutes_unless_said(self) -> None:
        shown = self.act(self.first, "eject").json()
        self.assertEqual(shown["forced"]["until"], shown["ejected_until"])
        self.assertIsNotNone(shown["ejected_until"])

    def test_an_ejection_ends_by_itself_in_half_open(self) -> None:
        self.act(self.first, "eject", {"for": "1s"})
        eventually(lambda: self.state(self.first) == "half_open", "on trial")
        self.spread()
        eventually(lambda: self.spread(2) and self.state(self.first) == "healthy", "back")

    def test_the_last_endpoint_stays_unless_forced(self) -> None:
        self.assertEqual(self.act(self.first, "drain").status, 200)
        for what in ("drain", "eject"):
            refused = self.act(self.second, what)
            self.assertEqual((refused.status, refused.code()), (409, "last_endpoint"))
        self.assertEqual(self.spread(), (0, 12))
        self.assertEqual(self.act(self.second, "eject", {"force": True}).status, 200)
        self.assert_refused(self.weir_.ask(), 503, "no_healthy_endpoint")

    def test_a_drain_lasts_over_a_reload(self) -> None:
        self.act(self.first, "drain")
        config = forwarding(self.first.address, self.second.address, cluster=ROUND_ROBIN + "timeout: 9s\n",
                            rest="threads: 2\n")
        self.weir_.reload(config)
        self.assertEqual(self.state(self.first), "draining")
        self.assertEqual(self.spread(), (0, 12))

    def test_errors_name_what_is_not_there(self) -> None:
        for path, code in (("clusters/none/endpoints/1.2.3.4:5/drain", "no_such_cluster"),
                           ("clusters/c/endpoints/1.2.3.4:5/drain", "no_such_endpoint"),
                           ("breakers/none/open", "no_such_breaker")):
            answer = ask(self.weir_.admin_port, "POST", f"/api/v1/{path}")
            self.assertEqual((answer.status, answer.code()), (404, code))

    def test_the_last_error_is_named(self) -> None:
        self.first.answer = self.second.answer = fixed(500)
        self.weir_.ask()
        self.assertIn("500", [e["last_error"] for e in self.weir_.api("clusters/c/endpoints")])


class UnixEndpoint(WeirTest):
    def test_endpoints_on_unix_sockets_can_be_named(self) -> None:
        origin = self.origin()
        path = "/tmp/weir-no-such.sock"
        weir = self.weir("version: 1\nlisteners: [{listen: $LISTEN, to: c}]\nclusters:\n  c:\n"
                         f"    endpoints: [{origin.address}, \"unix:{path}\"]\n")
        for address in (quote(f"unix:{path}", safe=""), f"unix:{path}"):
            for what, state in (("drain", "draining"), ("undrain", "healthy")):
                answer = ask(weir.admin_port, "POST", f"/api/v1/clusters/c/endpoints/{address}/{what}")
                self.assertEqual((answer.status, answer.json().get("state")), (200, state), answer)


class Breakers(WeirTest):
    def setUp(self) -> None:
        self.weir_, self.origin_ = self.proxied(rest="threads: 2\n")

    def act(self, what: str, body: object = None) -> Answer:
        return ask(self.weir_.admin_port, "POST", f"/api/v1/breakers/c/{what}", body)

    def test_open_refuses_everything_and_is_visible_everywhere(self) -> None:
        shown = self.act("open", {"for": "1h", "reason": "a test"}).json()
        self.assertEqual((shown["state"], shown["reason"]), ("open", "forced"))
        self.assertEqual((shown["forced"]["state"], shown["forced"]["by"], shown["forced"]["reason"]),
                         ("open", "127.0.0.1", "a test"))
        self.assert_refused(self.weir_.ask(), 503, "breaker_open")
        metrics = self.weir_.metrics()
        self.assertEqual(metrics.sum("weir_breaker_state", cluster="c", state="open"), 1)
        self.assertEqual(metrics.sum("weir_breaker_transitions_total", cluster="c", to="open", reason="forced"), 1)
        event = self.weir_.api("events")[-1]
        self.assertEqual((event["kind"], event["to"], event["reason"]), ("breaker", "open", "forced"))
        self.assertIn("a test", event["detail"])
        self.assertEqual(self.weir_.api("breakers")[0]["history"][-1]["reason"], "forced")
        self.assertEqual(self.act("auto").json()["forced"], None)
        eventually(lambda: self.weir_.ask().status == 200 and self.weir_.breaker("c") == "closed", "closed again")

    def test_close_lets_everything_through(self) -> None:
        self.origin_.answer = fixed(500)
        self.act("close", {"for": "1h"})
        for _ in range(40):
            self.assertEqual(self.weir_.ask().status, 500)
        self.assertEqual(self.weir_.breaker("c"), "closed")

    def test_a_force_ends_by_itself(self) -> None:
        self.act("open", {"for": "1s"})
        eventually(lambda: self.weir_.api("breakers")[0]["forced"] is None, "its time is over")
        eventually(lambda: self.weir_.ask().status == 200, "served again")

    def test_a_force_is_a_day_at_most(self) -> None:
        self.assertEqual(self.act("open", {"for": "24h1s"}).status, 400)
        self.assertEqual(self.weir_.breaker("c"), "closed")


class Streams(WeirTest):
    def setUp(self) -> None:
        self.weir_, _ = self.proxied()

    def test_events_come_as_they_happen_and_resume_after_the_last_one_seen(self) -> None:
        stream = Events(self.weir_.admin_port, "/api/v1/events")
        self.addCleanup(stream.close)
        self.assertEqual(stream.answer.headers["Content-Type"], "text/event-stream")
        ask(self.weir_.admin_port, "POST", "/api/v1/breakers/c/open")
        seen = stream.next()
        self.assertEqual(seen["event"], "breaker")
        self.assertIn('"to":"open"', seen["data"])
        stream.close()
        ask(self.weir_.admin_port, "POST", "/api/v1/breakers/c/auto")
        again = Events(self.weir_.admin_port, "/api/v1/events", {"Last-Event-ID": seen["id"]})
        self.addCleanup(again.close)
        missed = again.next()
        self.assertEqual(int(missed["id"]), int(seen["id"]) + 1)
        self.assertIn('"to":"half_open"', missed["data"])

    def test_the_numbers_of_status_come_again_and_again(self) -> None:
        stream = Events(self.weir_.admin_port, "/api/v1/stream?every=100ms")
        self.addCleanup(stream.close)
        for _ in range(3):
            event = stream.next()
            self.assertEqual(event["event"], "status")
            self.assertIn('"rps":', event["data"])
        for every in ("1ms", "2h", "x", "1"):
            self.assertEqual(ask(self.weir_.admin_port, "GET", f"/api/v1/stream?every={every}").status, 400, every)

    def test_there_are_sixteen_streams_at_most(self) -> None:
        streams = [Events(self.weir_.admin_port, "/api/v1/stream?every=1s") for _ in range(16)]
        for stream in streams:
            stream.next()
        refused = ask(self.weir_.admin_port, "GET", "/api/v1/stream")
        self.assertEqual((refused.status, refused.code()), (503, "overloaded"))
        self.assertEqual(self.weir_.api("status")["pid"], self.weir_.process.pid)
        for stream in streams:
            stream.close()

        def has_room() -> bool:
            try:
                one = Events(self.weir_.admin_port, "/api/v1/stream?every=100ms")
            except OSError:
                return False
            try:
                return one.answer.status == 200
            finally:
                one.close()

        eventually(has_room, "room for another stream")


class Rates(WeirTest):
    def test_status_has_the_rates_of_its_clusters(self) -> None:
        weir, _ = self.proxied()
        summary = lambda: weir.api("status")["clusters"][0]  # noqa: E731
        self.assertEqual((summary()["rps"], summary()["p99_ms"]), (0, None))

        def has_rates() -> bool:
            weir.ask()
            shown = summary()
            return shown["rps"] > 0 and shown["p50_ms"] is not None and shown["error_rate"] == 0

        eventually(has_rates, "rates")


class Configuration(WeirTest):
    def setUp(self) -> None:
        self.origin_ = self.origin()
        self.weir_ = self.forward(self.origin_.address, cluster="timeout: 7s\n")
        self.port = self.weir_.admin_port

    def dump(self, query: str = "") -> Answer:
        return ask(self.port, "GET", f"/api/v1/config{query}")

    def test_the_dump_has_its_hash_as_etag_and_loads_again(self) -> None:
        answer = self.dump()
        self.assertEqual(answer.type, YAML)
        self.assertEqual(answer.headers["ETag"], f'"{self.weir_.api("status")["config"]["hash"]}"')
        checked = ask(self.port, "POST", "/api/v1/config/validate", answer.text(), kind=YAML).json()
        self.assertEqual((checked["valid"], checked["diff"]), (True, []), checked)

    def test_json_has_every_key_with_its_origin(self) -> None:
        settings = {s["path"]: s for s in self.dump("?format=json&origin=1&defaults=1").json()["settings"]}
        timeout = settings["clusters.c.timeout.request"]
        self.assertEqual(timeout["value"], "7s")
        self.assertTrue(timeout["origin"]["file"].endswith("weir.yaml"))
        self.assertEqual(settings["clusters.c.timeout.connect"]["origin"], "built-in")
        self.assertEqual(self.dump("?format=xml").status, 400)

    def test_explain_says_value_origin_and_what_it_hides(self) -> None:
        shown = ask(self.port, "GET", "/api/v1/config/explain?path=clusters.c.timeout.request").json()
        self.assertEqual((shown["value"], shown["chain"][-1]["origin"]), ("7s", "built-in"))
        missing = ask(self.port, "GET", "/api/v1/config/explain?path=clusters.c.timeout.requst")
        self.assertEqual((missing.status, missing.code()), (404, "no_such_key"))
        self.assertEqual(ask(self.port, "GET", "/api/v1/config/explain").status, 400)

    def test_a_cluster_shows_its_effective_settings(self) -> None:
        shown = self.weir_.api("clusters/c")
        paths = {s["path"]: s for s in shown["settings"]}
        self.assertEqual(paths["clusters.c.timeout.request"]["value"], "7s")
        self.assertEqual(shown["policy"]["timeout"]["request"], "7s")

    def test_validate_says_what_is_wrong_and_what_would_change(self) -> None:
        text = self.weir_.file.read_text()
        changed = ask(self.port, "POST", "/api/v1/config/validate", text.replace("7s", "8s"), kind=YAML).json()
        self.assertEqual((changed["valid"], changed["errors"]), (True, []))
        self.assertIn({"path": "clusters.c.timeout.request", "from": "7s", "to": "8s"}, changed["diff"])
        broken = ask(self.port, "POST", "/api/v1/config/validate", text.replace("timeout", "timout"), kind=YAML).json()
        self.assertFalse(broken["valid"])
        self.assertEqual(broken["errors"][0]["code"], "W101")
        self.assertGreater(broken["errors"][0]["line"], 1)
        self.assertEqual(self.weir_.api("clusters/c")["policy"]["timeout"]["request"], "7s")

    def test_put_replaces_what_runs_if_it_is_what_was_meant(self) -> None:
        text = self.weir_.file.read_text().replace("7s", "8s")
        stale = ask(self.port, "PUT", "/api/v1/config", text, {"If-Match": '"0000"'}, YAML)
        self.assertEqual((stale.status, stale.code()), (412, "other_config"))
        etag = self.dump().headers["ETag"]
        done = ask(self.port, "PUT", "/api/v1/config", text, {"If-Match": etag}, YAML)
        self.assertEqual(done.status, 200, done)
        self.assertIn("clusters.c.timeout.request", done.json()["changed"])
        self.assertEqual(done.json()["hash"], self.weir_.api("status")["config"]["hash"])
        self.assertEqual(self.weir_.api("clusters/c")["policy"]["timeout"]["request"], "8s")
        self.assertIn("7s", self.weir_.file.read_text(), "in memory only")
        again = ask(self.port, "PUT", "/api/v1/config?persist=1", text, kind=YAML)
        self.assertEqual(again.status, 200, again)
        self.assertIn("8s", self.weir_.file.read_text())

    def test_a_refused_one_names_the_place_and_changes_nothing(self) -> None:
        before = self.weir_.api("status")["config"]["hash"]
        refused = ask(self.port, "PUT", "/api/v1/config", "version: 1\nlistners: []\n", kind=YAML)
        self.assertEqual(refused.status, 422)
        error = refused.json()["error"]
        self.assertEqual((error["code"], error["line"]), ("W101", 2))
        self.assertTrue(refused.json()["errors"])
        self.assertEqual(self.weir_.api("status")["config"]["hash"], before)
        self.assertEqual(self.weir_.ask().status, 200)

    def test_reload_reads_the_file(self) -> None:
        done = ask(self.port, "POST", "/api/v1/config/reload").json()
        self.assertEqual(done["changed"], [])
        self.weir_.file.write_text(self.weir_.file.read_text().replace("7s", "9s"))
        eventually(lambda: ask(self.port, "POST", "/api/v1/config/reload").status == 200 and
                   self.weir_.api("clusters/c")["policy"]["timeout"]["request"] == "9s", "the new timeout")


class Process(WeirTest):
    def test_log_levels_change_for_a_time(self) -> None:
        weir, _ = self.proxied()
        port = weir.admin_port
        self.assertEqual(weir.api("log"), {"level": "info", "modules": {}, "until": None})
        put = ask(port, "PUT", "/api/v1/log", {"level": "debug", "modules": {"upstream": "trace"}, "for": "1s"})
        shown = put.json()
        self.assertEqual((shown["level"], shown["modules"]), ("debug", {"upstream": "trace"}))
        self.assertIsNotNone(shown["until"])
        self.assertIn("admin request", weir.errors(), "debug lines are written")
        eventually(lambda: weir.api("log") == {"level": "info", "modules": {}, "until": None}, "as configured")
        for body in ({"level": "loud"}, {"modules": {"nonsense": "debug"}}, {"modules": {"http": 1}}, {"levle": "info"}):
            self.assertEqual(ask(port, "PUT", "/api/v1/log", body).status, 400, body)
        ask(port, "PUT", "/api/v1/log", {"level": "error"})
        self.assertEqual(weir.api("log")["level"], "error")
        ask(port, "PUT", "/api/v1/log", {})
        self.assertEqual(weir.api("log")["level"], "info")

    def test_drain_makes_it_unready_and_it_serves_on(self) -> None:
        weir, _ = self.proxied()
        self.assertEqual(ask(weir.admin_port, "POST", "/api/v1/drain").json(),
                         {"ready": False, "draining": True, "waiting": []})
        self.assertEqual(ask(weir.telemetry_port, "GET", "/readyz").status, 503)
        self.assertEqual(weir.ask().status, 200)
        self.assertIsNone(weir.process.poll())

    def test_shutdown_ends_it_with_0(self) -> None:
        weir, _ = self.proxied()
        self.assertEqual(ask(weir.admin_port, "POST", "/api/v1/shutdown").status, 200)
        self.assertEqual(weir.process.wait(15), 0)

    def test_logs_are_opened_again(self) -> None:
        origin = self.origin()
        weir = self.forward(origin.address)
        config = forwarding(origin.address, rest=f"access_log: {{to: {weir.root}/access.log, format: json}}\n")
        weir.reload(config)
        file = weir.root / "access.log"
        eventually(lambda: weir.ask().status == 200 and file.exists() and file.stat().st_size > 0, "a record")
        file.rename(weir.root / "access.log.1")
        self.assertEqual(ask(weir.admin_port, "POST", "/api/v1/log/reopen").json(), {"done": True})
        eventually(lambda: weir.ask().status == 200 and file.exists() and file.stat().st_size > 0, "a new file")


class Formats(SharedWeirTest):
    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return ask(self.weir_.admin_port, "GET", path, headers=headers)

    def test_metrics_come_in_the_format_asked_for_and_packed(self) -> None:
        plain = self.get("/metrics")
        self.assertEqual(plain.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        accept = {"Accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.1"}
        openmetrics = self.get("/metrics", accept)
        self.assertEqual(openmetrics.headers["Content-Type"],
                         "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertTrue(openmetrics.text().endswith("# EOF\n"))
        for headers in ({}, accept):
            packed = self.get("/metrics", {"Accept-Encoding": "gzip", **headers})
            self.assertEqual(packed.headers["Content-Encoding"], "gzip")
            self.assertIn(b"weir_build_info", gzip.decompress(packed.body))
        self.assertIsNone(plain.headers["Content-Encoding"])

    def test_route_tells_who_would_take_a_request(self) -> None:
        shown = self.get("/api/v1/route?host=shop&path=/a/../b&method=GET").json()
        self.assertEqual((shown["action"], shown["path"], shown["targets"][0]["cluster"]), ("forward", "/b", "c"))
        self.assertEqual(shown["targets"][0]["endpoints"][0]["address"], self.origin_.address)
        self.assertEqual(self.get("/api/v1/route?path=/a%252fb").status, 400)


class Routes(WeirTest):
    def test_route_tells_why_not_each_earlier_one(self) -> None:
        origin = self.origin()
        weir = self.weir(f"""
            version: 1
            listeners:
              - name: in
                listen: $LISTEN
                routes:
                  - {{name: hosts, host: shop.example, to: c}}
                  - {{name: posts, path: /orders/, method: POST, to: c}}
                  - {{name: betas, path: /orders/, header: {{x-beta: "1"}}, to: c}}
                  - {{name: gone, path: /gone, respond: {{status: 410}}}}
                  - {{name: rest, path: /orders/, to: c, rewrite: {{path: /v2/*}}}}
            clusters: {{c: {{endpoints: [{origin.address}]}}}}
        """)

        def route(query: str) -> Answer:
            return ask(weir.admin_port, "GET", f"/api/v1/route?{query}")

        shown = route("host=other&path=/orders/1&method=GET").json()
        self.assertEqual((shown["listener"], shown["route"], shown["forwarded_path"]), ("in", "rest", "/v2/1"))
        self.assertEqual([miss["route"] for miss in shown["misses"]], ["hosts", "posts", "betas", "gone"])
        self.assertEqual(len({miss["why"] for miss in shown["misses"]}), 4)
        self.assertEqual(route("path=/orders/1&header=x-beta:%201").json()["route"], "betas")
        gone = route("path=/gone").json()
        self.assertEqual((gone["action"], gone["status"]), ("respond", 410))
        nothing = route("path=/none").json()
        self.assertEqual((nothing["action"], nothing["route"], nothing["status"]), ("none", None, 404))
        self.assertEqual(len(nothing["misses"]), 5)
        self.assertEqual(route("listener=none").status, 404)


if __name__ == "__main__":
    import unittest

    unittest.main()
