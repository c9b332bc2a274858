"""What a reload keeps and what it must not touch: listeners, pools, breakers, ejections; reloads that fail."""

from __future__ import annotations

import signal
import socket
import unittest

from dns_server import DnsServer
from harness import Weir, WeirTest, eventually, forwarding, free_port
from load import Load
from origins import Peer, fixed, hang
from wire import Message, RawClient, request, response

CLOSING = request(headers={"connection": "close"})


def is_refused(port: int) -> bool:
    try:
        RawClient(port).sock.close()
        return False
    except ConnectionRefusedError:
        return True


class Listeners(WeirTest):
    def config(self, origin: str, *more: str) -> str:
        lines = [f"  - {{name: main, listen: $LISTEN, to: \"{origin}\"}}", *more]
        return "version: 1\nlisteners:\n" + "\n".join(lines) + "\n"

    def test_an_address_that_moves_to_another_listener_refuses_nobody(self) -> None:
        first, second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        port = free_port()

        def config(name: str, to: str) -> str:
            return self.config(first.address, f"  - {{name: {name}, listen: \"127.0.0.1:{port}\", to: \"{to}\"}}")

        weir = self.weir(config("a", first.address) + "threads: 2\n")
        with Load(port, make=lambda _: CLOSING) as load, Load(weir.port) as main:
            for name, origin in (("b", second), ("a", first), ("b", second)):
                load.wait_for(30)
                weir.reload(config(name, origin.address) + "threads: 2\n")
                with RawClient(port) as client:
                    self.assertEqual(client.ask(request()).body, b"second" if name == "b" else b"first")
            load.wait_for(30)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertEqual(main.failed(), [], main.summary())

    def test_a_listener_that_is_gone_lets_requests_finish_and_closes_idle_connections(self) -> None:
        def slow(peer: Peer, _: Message) -> None:
            peer.hang()
            peer.send(response(200, b"late"))

        origin = self.origin(fixed())
        port = free_port()
        extra = f"  - {{name: extra, listen: \"127.0.0.1:{port}\", to: \"{origin.address}\"}}"
        weir = self.weir(self.config(origin.address, extra))
        with Load(weir.port) as load, RawClient(port) as idle, RawClient(port) as busy:
            self.assertEqual(idle.ask(request()).status, 200)
            origin.answer = slow
            busy.send(request("GET", "/slow"))
            eventually(lambda: "/slow" in origin.targets(), "the request at the origin")
            origin.answer = fixed()
            weir.reload(self.config(origin.address))
            eventually(lambda: is_refused(port), "the listener is gone")
            self.assertTrue(idle.is_closed(), "the idle connection ends")
            origin.released.set()
            answer = busy.answer()
            self.assertEqual((answer.body, (answer.get("connection") or "").lower()), (b"late", "close"))
            self.assertTrue(busy.is_closed())
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())

    def test_come_and_go_under_load_and_the_kept_connections_feel_nothing(self) -> None:
        origin = self.origin()
        port = free_port()
        extra = f"  - {{listen: \"127.0.0.1:{port}\", to: \"{origin.address}\"}}"
        weir = self.weir(self.config(origin.address) + "threads: 2\n")
        files = weir.open_files()
        with weir.connect() as kept, Load(weir.port) as load:
            for _ in range(20):
                weir.reload(self.config(origin.address, extra) + "threads: 2\n")
                with RawClient(port) as client:
                    self.assertEqual(client.ask(request()).status, 200)
                weir.reload(self.config(origin.address) + "threads: 2\n")
                self.assertEqual(kept.ask(request()).status, 200)
            eventually(lambda: is_refused(port), "the listener is gone")
        self.assertEqual(load.failed(), [], load.summary())
        eventually(lambda: weir.open_files() <= files + 8, f"no socket stays: {files}, {weir.open_files()}")


class State(WeirTest):
    def test_an_open_breaker_stays_open_when_other_keys_change(self) -> None:
        keys = "breaker: {open_for: 60s, max_open_for: 60s}\nretry: off\n"
        weir, origin = self.proxied(fixed(503), cluster=keys)
        with Load(weir.port):
            eventually(lambda: weir.breaker("c") == "open", "open")
        before = next(b for b in weir.api("breakers") if b["cluster"] == "c")
        origin.answer = fixed()
        weir.reload(forwarding(origin.address, cluster=keys + "timeout: 7s\nlimits: {max_requests: 50}\n"))
        self.assert_refused(weir.ask(), 503, "breaker_open")
        after = next(b for b in weir.api("breakers") if b["cluster"] == "c")
        self.assertEqual((after["state"], after["opens_total"]), ("open", before["opens_total"]))
        weir.reload(forwarding(origin.address, cluster="breaker: {consecutive_failures: 9}\n"))
        self.assertEqual(weir.ask().status, 200, "another breaker has seen nothing yet")

    def test_an_ejected_endpoint_stays_out_when_other_keys_change(self) -> None:
        bad, good = self.origin(fixed(500)), self.origin()
        keys = "outlier: {eject_for: 60s, max_eject_for: 60s}\n"
        weir = self.forward(bad.address, good.address, cluster=keys)
        with Load(weir.port) as load:
            eventually(lambda: weir.endpoint_state("c", bad.address) == "ejected", "ejected")
            load.wait_for(20)
            third = self.origin()
            weir.reload(forwarding(bad.address, good.address, third.address, cluster=keys + "timeout: 7s\n"))
            self.assertEqual(weir.endpoint_state("c", bad.address), "ejected")
            mark = len(load.results)
            load.wait_for(100)
            eventually(lambda: third.requests, "the new endpoint is used")
        self.assertEqual([r for r in load.results[mark:] if r.status != 200], [])

    def test_pooled_connections_stay_with_their_endpoint(self) -> None:
        weir, origin = self.proxied(fixed(), rest="threads: 1\n")
        with weir.connect() as client:
            for timeout in ("5s", "6s", "7s"):
                self.assertEqual(client.ask(request()).status, 200)
                weir.reload(forwarding(origin.address, cluster=f"timeout: {timeout}\n", rest="threads: 1\n"))
            self.assertEqual(client.ask(request()).status, 200)
        self.assertEqual(len(origin.peers), 1)

    def test_a_request_that_waits_for_a_connection_gets_it_from_the_reloaded_cluster(self) -> None:
        keys = "limits: {max_connections: 1, queue_timeout: 20s}\nretry: off\n"
        weir, origin = self.proxied(hang, cluster=keys, rest="threads: 1\n")
        with weir.connect() as first, weir.connect() as second:
            first.send(request())
            eventually(lambda: origin.requests, "the request at the origin")
            second.send(request())
            eventually(lambda: weir.metrics().sum("weir_upstream_requests_pending", cluster="c") == 1, "it waits")
            origin.answer = fixed(body=b"second")
            weir.reload(forwarding(origin.address, cluster=keys + "timeout: 30s\n", rest="threads: 1\n"))
            origin.peers[0].send(response(200, b"first"))
            self.assertEqual(first.answer().body, b"first")
            origin.released.set()
            self.assertEqual(second.answer().body, b"second")

    def test_another_source_of_endpoints_takes_over_without_a_gap(self) -> None:
        first, second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        weir = self.forward(first.address)
        file = weir.root / "endpoints.yaml"
        text = forwarding(first.address).replace(f"endpoints: [{first.address}]", f"discovery: {{type: file, path: {file}}}")
        with Load(weir.port) as load:
            load.wait_for(20)
            weir.reload(text)
            load.wait_for(20)
            self.assertEqual(weir.ask().body, b"first", "the file is not there yet")
            fresh = weir.root / "fresh-endpoints.yaml"
            fresh.write_text(f"[\"{second.address}\"]\n")
            fresh.rename(file)
            eventually(lambda: weir.ask().body == b"second", "the file's endpoint")
        self.assertEqual(load.failed(), [], load.summary())


class NewCluster(WeirTest):
    def test_requests_wait_for_the_first_answer_of_its_source(self) -> None:
        first, second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        server = DnsServer()
        self.addCleanup(server.close)
        server.records["svc.test"] = ["127.0.0.1"]
        server.is_silent = True
        weir = self.forward(first.address)
        port = second.address.rsplit(":", 1)[1]
        dns = (f"version: 1\nlisteners:\n  - {{listen: $LISTEN, to: d}}\nclusters:\n  d:\n"
               f"    discovery: {{type: dns, name: svc.test, port: {port}, servers: [\"{server.address}\"]}}\n"
               "    limits: {queue_timeout: 20s}\n")
        with Load(weir.port) as load:
            load.wait_for(20)
            weir.reload(dns)
            eventually(lambda: weir.metrics().sum("weir_upstream_requests_pending", cluster="d") == 4, "all wait")
            server.is_silent = False
            eventually(lambda: second.requests, "the new cluster is used")
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())


class Failing(WeirTest):
    def refused(self, weir: Weir, config: str) -> str:
        """Tries that configuration, which must change nothing; returns last_error."""
        hash_before = weir.api("status")["config"]["hash"]
        failures = weir.metrics().sum("weir_config_reloads_total", result="failure")
        weir.write(config)
        weir.signal(signal.SIGHUP)
        eventually(lambda: weir.metrics().sum("weir_config_reloads_total", result="failure") > failures, "refused")
        state = weir.api("status")["config"]
        self.assertEqual(state["hash"], hash_before)
        self.assertEqual(weir.metrics().values("weir_config_last_reload_success"), [0.0])
        self.assertEqual(weir.ask().status, 200)
        self.assertIn("configuration refused", weir.errors())
        return str(state["last_error"])

    def test_a_port_in_use(self) -> None:
        weir, origin = self.proxied()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            free = free_port()
            config = forwarding(origin.address).replace(
                "clusters:", f"  - {{listen: \"127.0.0.1:{free}\", to: c}}\n  - {{listen: \"{address}\", to: c}}\nclusters:")
            self.assertEqual(self.refused(weir, config), f"cannot listen on {address}: the address is in use")
            self.assertTrue(is_refused(free), "no other listener came either")
        weir.reload(config)
        with RawClient(free) as client:
            self.assertEqual(client.ask(request()).status, 200)

    def test_a_log_that_cannot_be_opened(self) -> None:
        weir, origin = self.proxied()
        no_folder, good = weir.file / "x.log", weir.root / "log"
        for rest in (f"log: {{to: {no_folder}}}\n",
                     f"log: {{to: {good}}}\naccess_log: {{to: {no_folder}}}\n"):
            self.assertIn(str(no_folder), self.refused(weir, forwarding(origin.address, rest=rest)))
        weir.reload(forwarding(origin.address))

    def test_all_problems_in_one_run(self) -> None:
        weir, origin = self.proxied()
        error = self.refused(weir, forwarding(origin.address, cluster="timeout: 5\nlb: round_robbin\n"))
        self.assertRegex(error, r"weir\.yaml:\d+:\d+: error\[W10\d\].* \(and 1 more\)")


class Live(WeirTest):
    def test_logs_and_limits_follow_a_reload(self) -> None:
        weir, origin = self.proxied()
        log, access = weir.root / "weir.log", weir.root / "access.log"
        weir.reload(forwarding(origin.address, rest=f"""
            log: {{to: {log}, format: text, level: debug}}
            access_log: {{to: {access}, format: text}}
            limits: {{connections: 1}}
            """))
        with weir.connect() as client:
            self.assertEqual(client.ask(request("GET", "/in-the-file")).status, 200)
            eventually(lambda: "/in-the-file" in access.read_text(), "the access log")
            with weir.connect() as second:
                self.assertTrue(second.is_closed(), "limits.connections")
        weir.reload(forwarding(origin.address, rest="access_log: off\n"))
        self.assertIn("configuration in force", log.read_text())
        self.assertNotIn("/in-the-file", weir.output())

    def test_keys_that_need_a_restart_are_named(self) -> None:
        weir, origin = self.proxied(rest="threads: 1\n")
        weir.reload(forwarding(origin.address, rest=f"""
            threads: 2
            admin: {{listen: "127.0.0.1:{free_port()}"}}
            """))
        self.assertIn('"keys":"threads, admin.listen"', weir.errors())
        self.assertEqual(weir.api("status")["config"]["last_error"], None)


if __name__ == "__main__":
    unittest.main()
