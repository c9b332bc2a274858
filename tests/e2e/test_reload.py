"""Reload and drain under constant load: nothing lost, nothing failed."""

from __future__ import annotations

import signal
import threading
import unittest

from harness import Weir, WeirTest, eventually, fetch, forwarding, free_port
from load import Load
from origins import Peer, RawOrigin, fixed, hang
from wire import Message, RawClient, chunk, request, response


def is_refused(port: int) -> bool:
    try:
        with RawClient(port):
            return False
    except ConnectionRefusedError:
        return True


class Reload(WeirTest):
    def test_under_load_nothing_fails_and_the_routes_change(self) -> None:
        first, second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        weir = self.forward(first.address)
        with Load(weir.port) as load:
            for origin in (second, first, second, first, second):
                load.wait_for(40)
                weir.reload(forwarding(origin.address))
                self.wait_for_use(origin)
            count = len(first.requests)
            load.wait_for(40)
            self.assertEqual(len(first.requests), count, "the old route is still used")
        self.assertEqual(load.failed(), [], load.summary())

    def wait_for_use(self, origin: RawOrigin) -> None:
        count = len(origin.requests)
        eventually(lambda: len(origin.requests) > count, "the new route is used")

    def test_signals_in_a_burst_end_in_the_last_file(self) -> None:
        first, second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        weir = self.forward(first.address)
        with Load(weir.port) as load:
            for i in range(20):
                weir.write(forwarding((first, second)[i % 2].address))
                weir.signal(signal.SIGHUP)
            eventually(lambda: weir.ask().body == b"second", "the last file")
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())

    def test_listeners_come_and_go_and_the_others_feel_nothing(self) -> None:
        origin = self.origin()
        extra = free_port()
        one = f"version: 1\nlisteners:\n  - {{listen: $LISTEN, to: {origin.address}}}\n"
        two = one + f"  - {{listen: \"127.0.0.1:{extra}\", to: {origin.address}}}\n"
        weir = self.weir(one)
        with weir.connect() as kept, Load(weir.port) as load:
            self.assertEqual(kept.ask(request()).status, 200)
            weir.reload(two)
            with RawClient(extra) as client:
                self.assertEqual(client.ask(request()).status, 200)
            weir.reload(one)
            eventually(lambda: is_refused(extra), "the listener is gone")
            load.wait_for(50)
            self.assertEqual(kept.ask(request()).status, 200, "a connection that was open")
        self.assertEqual(load.failed(), [], load.summary())

    def test_a_broken_file_keeps_the_old_one_and_says_so_loudly(self) -> None:
        weir, _ = self.proxied()
        with Load(weir.port) as load:
            weir.write(forwarding("127.0.0.1:1", cluster="tiemout: 5s"))
            weir.signal(signal.SIGHUP)
            eventually(lambda: weir.metrics().values("weir_config_last_reload_success") == [0.0], "the metric")
            load.wait_for(50)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertRegex(weir.errors(), r"weir\.yaml:\d+")
        self.assertIn("tiemout", weir.errors())
        self.assertIn("timeout", weir.errors(), "a suggestion")
        self.assertIn("tiemout", str(weir.api("status")["config"]["last_error"]))
        self.assertEqual(weir.admin("/readyz")[0], 200)
        self.assertEqual(weir.metrics().sum("weir_config_reloads_total", result="failure"), 1)

    def test_a_good_file_after_a_broken_one_heals(self) -> None:
        weir, origin = self.proxied()
        weir.write("version: 1\n\tlisteners: x\n")
        weir.signal(signal.SIGHUP)
        eventually(lambda: weir.metrics().values("weir_config_last_reload_success") == [0.0], "the metric")
        weir.reload(forwarding(origin.address))
        self.assertEqual(weir.metrics().values("weir_config_last_reload_success"), [1.0])
        self.assertEqual(weir.ask().status, 200)

    def test_a_request_in_flight_ends_under_the_configuration_it_began_with(self) -> None:
        def slow(peer: Peer, _: Message) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"first "))
            peer.hang()
            peer.send(chunk(b"last") + b"0\r\n\r\n")

        weir, origin = self.proxied(slow)
        other = self.origin(fixed(body=b"other"))
        with weir.connect() as client:
            client.send(request())
            eventually(lambda: origin.requests, "the request at the origin")
            weir.reload(forwarding(other.address))
            self.assertEqual(weir.ask().body, b"other")
            origin.released.set()
            self.assertEqual(client.answer().body, b"first last")

    def test_state_of_an_unchanged_cluster_survives(self) -> None:
        bad, good = self.origin(fixed(500)), self.origin()
        slow_return = "outlier: {eject_for: 60s, max_eject_for: 60s}"
        config = forwarding(bad.address, good.address, cluster=slow_return)
        weir = self.weir(config)
        with Load(weir.port) as load:
            eventually(lambda: weir.endpoint_state("c", bad.address) == "ejected", "ejected")
            load.wait_for(20)
            weir.reload(config + "\nlog: {level: warn}\n")
            mark = len(load.results)
            load.wait_for(100)
        self.assertEqual([r for r in load.results[mark:] if r.status != 200], [])
        self.assertEqual(weir.endpoint_state("c", bad.address), "ejected")


class Drain(WeirTest):
    def test_under_load_nothing_fails_until_the_load_goes_elsewhere(self) -> None:
        """As a balancer does it: it asks /readyz and stops sending when that says no."""
        weir, _ = self.proxied(rest="drain: 10s")
        with Load(weir.port) as load:
            load.wait_for(100)
            weir.signal(signal.SIGTERM)
            eventually(lambda: self.is_unready(weir), "unready")
            load.wait_for(30)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertEqual(weir.process.wait(10), 0)

    def is_unready(self, weir: Weir) -> bool:
        try:
            return fetch(weir.telemetry_port, "GET", "/readyz")[0] == 503
        except OSError:
            return weir.process.poll() is not None

    def test_answers_of_a_draining_process_close_the_connection(self) -> None:
        weir, origin = self.proxied(hang, rest="drain: 10s")
        with weir.connect() as client:
            client.send(request())
            eventually(lambda: origin.requests, "the request at the origin")
            weir.signal(signal.SIGTERM)
            eventually(lambda: self.is_unready(weir), "unready")
            origin.answer = fixed()
            origin.peers[0].send(response(200, b"late"))
            answer = client.answer()
            self.assertEqual((answer.body, (answer.get("connection") or "").lower()), (b"late", "close"))
            self.assertTrue(client.is_closed())
        self.assertEqual(weir.process.wait(10), 0)

    def test_a_long_download_is_finished(self) -> None:
        def slow(peer: Peer, _: Message) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            peer.hang()
            peer.send(b"final")

        weir, origin = self.proxied(slow, rest="drain: 20s")
        result: list[bytes] = []
        thread = threading.Thread(target=lambda: result.append(weir.ask(timeout=20).body))
        thread.start()
        eventually(lambda: origin.requests, "the request at the origin")
        weir.signal(signal.SIGTERM)
        eventually(lambda: is_refused(weir.port), "the listener closed")
        self.assertIsNone(weir.process.poll())
        origin.released.set()
        thread.join(10)
        self.assertEqual(result, [b"firstfinal"])
        self.assertEqual(weir.process.wait(10), 0)

    def test_the_drain_time_is_the_end_for_those_who_hang(self) -> None:
        weir, origin = self.proxied(hang, rest="drain: 1s")
        with weir.connect() as client:
            client.send(request())
            eventually(lambda: origin.requests, "the request at the origin")
            weir.signal(signal.SIGTERM)
            self.assertEqual(weir.process.wait(10), 0)

    def test_idle_connections_hold_nothing_up(self) -> None:
        weir, _ = self.proxied(rest="drain: 60s")
        with weir.connect() as used, weir.connect():
            used.ask(request())
            weir.signal(signal.SIGTERM)
            self.assertEqual(weir.process.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
