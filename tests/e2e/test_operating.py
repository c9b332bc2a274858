"""What operators see and set: command line, readiness, metrics, access log, admin API, limits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import unittest
from pathlib import Path
from typing import Any

from harness import BINARY, SharedWeirTest, Weir, WeirTest, eventually, fetch
from origins import fixed, hang, reset
from wire import request

FIELDS = {"time", "listener", "route", "cluster", "endpoint", "method", "host", "path", "protocol", "status", "reason",
          "flags", "duration_ms", "upstream_ms", "request_bytes", "response_bytes", "attempts", "request_id",
          "trace_id", "client", "peer"}
STATES = {"weir_breaker_state": {"closed", "open", "half_open"},
          "weir_endpoints": {"healthy", "penalized", "half_open", "ejected", "unhealthy", "draining"}}
FROM_THE_START = (
    "weir_requests_total", "weir_requests_active", "weir_connections_active", "weir_connections_total",
    "weir_breaker_transitions_total", "weir_cluster_none_ready",
    "weir_config_last_reload_success", "weir_config_last_reload_success_timestamp_seconds",
    "weir_config_reloads_total", "weir_config_info", "weir_access_log_dropped_total", "weir_build_info",
    "process_cpu_seconds_total", "process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds")


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=20, input=text)


class CommandLine(WeirTest):
    def check(self, text: str) -> subprocess.CompletedProcess[str]:
        import tempfile

        with tempfile.TemporaryDirectory() as root:
            file = Path(root) / "weir.yaml"
            file.write_text(text)
            return run("check", str(file))

    def test_version(self) -> None:
        result = run("version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"\d+\.\d+\.\d+")

    def test_check_says_valid_by_exit_0(self) -> None:
        result = self.check("version: 1\nlisteners:\n  - listen: :8080\n    to: 127.0.0.1:9000\n")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_check_says_place_and_suggestion_by_exit_1(self) -> None:
        result = self.check("version: 1\nlisteners:\n  - listen: :8080\n    to: legcy\nclusters:\n  legacy:\n"
                            "    endpoints: [127.0.0.1:9000]\n    timeout: 5\n")
        self.assertEqual(result.returncode, 1)
        output = result.stdout + result.stderr
        self.assertRegex(output, r"weir\.yaml:4:9: error\[W110\]")
        self.assertIn("did you mean 'legacy'", output)
        self.assertRegex(output, r"weir\.yaml:8:14: error\[W103\]")

    def test_keys_of_later_features_are_refused(self) -> None:
        for key in ("rate_limit: x", "auth: users"):
            with self.subTest(key):
                result = self.check("version: 1\nlisteners:\n  - listen: :8080\n    to: 127.0.0.1:9000\n"
                                    f"    {key}\n")
                self.assertEqual(result.returncode, 1, result.stdout + result.stderr)

    def test_wrong_usage_is_exit_2(self) -> None:
        for arguments in (("check",), ("run", "--nonsense"), ("nonsense",)):
            with self.subTest(arguments):
                self.assertEqual(run(*arguments).returncode, 2)

    def test_run_of_an_invalid_file_is_exit_1_with_the_place(self) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as root:
            file = Path(root) / "weir.yaml"
            file.write_text("version: 1\nlisteners:\n  - listne: :8080\n")
            result = run("run", str(file))
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"weir\.yaml:3:5: error\[W101\]")

    def test_an_occupied_port_is_said_and_is_no_exit_0(self) -> None:
        origin = self.origin()
        weir = Weir(f"version: 1\nlisteners:\n  - {{listen: \"{origin.address}\", to: {origin.address}}}\n")
        weir.expected_exit = None
        self.addCleanup(self.ignore_exit, weir)
        self.assertNotEqual(weir.process.wait(10), 0)
        self.assertIn(str(origin.port), weir.errors())

    def ignore_exit(self, weir: Weir) -> None:
        weir.expected_exit = weir.process.poll()
        weir.stop()


class Metrics(WeirTest):
    def test_all_states_and_counters_exist_from_second_0(self) -> None:
        weir, _ = self.proxied()
        metrics = weir.metrics()
        for name, states in STATES.items():
            self.assertEqual(metrics.label(name, "state", cluster="c"), states)
        self.assertEqual(metrics.values("weir_breaker_state", cluster="c", state="closed", route="_all"), [1.0])
        self.assertEqual(metrics.values("weir_endpoints", cluster="c", state="healthy"), [1.0])
        missing = [name for name in FROM_THE_START if not metrics.values(name)]
        self.assertEqual(missing, [])
        self.assertEqual(metrics.values("weir_config_last_reload_success"), [1.0])

    def test_every_family_has_help_and_type(self) -> None:
        weir, _ = self.proxied()
        weir.ask()
        metrics = weir.metrics()
        for name in {name for name, _, _ in metrics.samples}:
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            self.assertTrue({name, base} & metrics.types.keys(), name)
            self.assertTrue({name, base} & metrics.helps.keys(), name)

    def test_histograms_are_cumulative_and_written_as_floats(self) -> None:
        weir, _ = self.proxied()
        for _ in range(10):
            weir.ask()
        for name in ("weir_request_duration_seconds", "weir_upstream_request_duration_seconds"):
            metrics = weir.metrics()
            counts = metrics.values(f"{name}_bucket", cluster="c")
            self.assertEqual(counts, sorted(counts))
            self.assertEqual((counts[-1], metrics.sum(f"{name}_count", cluster="c")), (10, 10))
            self.assertGreater(metrics.sum(f"{name}_sum", cluster="c"), 0)
            bounds = metrics.label(f"{name}_bucket", "le", cluster="c")
            self.assertIn("1.0", bounds)
            self.assertEqual(len(bounds), 15)

    def test_both_ports_have_the_same_families(self) -> None:
        weir, _ = self.proxied()
        weir.ask()
        from harness import Metrics as Scrape

        other = Scrape(fetch(weir.telemetry_port, "GET", "/metrics")[1])
        self.assertEqual(weir.metrics().types, other.types)

    def test_requests_and_bytes_are_counted_exactly(self) -> None:
        weir, _ = self.proxied()
        for _ in range(7):
            weir.ask(method="POST", body=b"x" * 100)
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_requests_total", cluster="c", code="200", outcome="ok", reason="none"), 7)
        self.assertGreaterEqual(metrics.sum("weir_request_bytes_total"), 700)
        self.assertGreaterEqual(metrics.sum("weir_response_bytes_total"), 700)


class AccessLog(SharedWeirTest):
    def entry(self, path: str) -> dict[str, Any]:
        return eventually(lambda: [e for e in self.weir_.access_log() if e["path"] == path], f"a line for {path}")[0]

    def test_each_line_is_json_with_all_fields(self) -> None:
        self.weir_.ask("/all?x=1", "POST", body=b"12345", headers={"x-request-id": "id-1"}, host="shop.test")
        entry = self.entry("/all?x=1")
        self.assertLessEqual(FIELDS, entry.keys())
        expected = {"method": "POST", "host": "shop.test", "status": 200, "reason": "none", "cluster": "c",
                    "endpoint": self.origin_.address, "request_id": "id-1", "attempts": 1, "request_bytes": 5}
        self.assertEqual({key: entry[key] for key in expected}, expected)
        self.assertTrue(entry["client"].startswith("127.0.0.1"))
        self.assertGreaterEqual(entry["response_bytes"], 5)

    def test_what_a_stranger_writes_cannot_break_a_line(self) -> None:
        self.weir_.ask("/q?\"%22\\{}'", headers={"x-request-id": "\"}"}, host="shop.test")
        self.assertEqual(self.entry("/q?\"%22\\{}'")["status"], 200)

    def test_one_reason_word_in_header_metric_and_log(self) -> None:
        self.origin_.answer = reset
        answer = self.weir_.ask("/reason")
        self.assertEqual(answer.error, "upstream_reset")
        self.assertEqual(self.entry("/reason")["reason"], answer.error)
        self.assertIn(answer.error, self.weir_.metrics().label("weir_requests_total", "reason"))

    def test_a_client_that_left_is_499(self) -> None:
        self.origin_.answer = hang
        client = self.weir_.connect()
        client.send(request(target="/left"))
        eventually(lambda: "/left" in self.origin_.targets(), "the request at the origin")
        client.abort()
        entry = self.entry("/left")
        self.assertEqual((entry["status"], entry["reason"]), (499, "client_closed"))

    def test_refused_bytes_are_logged_and_counted(self) -> None:
        before = self.weir_.metrics().sum("weir_protocol_refused_total")
        with self.weir_.connect() as client:
            client.ask("GET /refused HTTP/1.1\r\nHost: test\r\nX : y\r\n\r\n")
        eventually(lambda: any(e["reason"] == "bad_request" for e in self.weir_.access_log()), "a log line")
        self.assertEqual(self.weir_.metrics().sum("weir_protocol_refused_total"), before + 1)


class Admin(SharedWeirTest):
    def test_the_thread_of_operators_steps_back_for_workers(self) -> None:
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        nice = {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in self.weir_.threads()}
        self.assertEqual(nice.pop(self.weir_.process.pid), min(mine + 10, 19))
        self.assertEqual(set(nice.values()), {mine})

    def test_health_paths_on_both_ports(self) -> None:
        for port in (self.weir_.admin_port, self.weir_.telemetry_port):
            for path in ("/healthz", "/readyz", "/startupz", "/metrics"):
                self.assertEqual(fetch(port, "GET", path)[0], 200, (port, path))

    def test_the_telemetry_port_has_no_admin(self) -> None:
        for path in ("/", "/api/v1/status", "/api/v1/clusters", "/api/v1/breakers"):
            self.assertEqual(fetch(self.weir_.telemetry_port, "GET", path)[0], 404, path)

    def test_the_telemetry_port_answers_any_host(self) -> None:
        self.assertEqual(fetch(self.weir_.telemetry_port, "GET", "/metrics", {"Host": "10.1.2.3:9348"})[0], 200)

    def test_a_foreign_host_is_misdirected(self) -> None:
        for host in ("evil.example", "127.evil.com", "127.0.0.1.evil.com", "localhost.evil.com", "127.0.0.1@evil.com",
                     "evil.com:127", "2130706433", ""):
            with self.subTest(host):
                self.assertIn(self.weir_.admin("/api/v1/status", headers={"Host": host})[0], (400, 421))
        self.assertEqual(self.weir_.admin("/api/v1/status", headers={"Host": "evil.example"})[0], 421)

    def test_own_names_with_any_port_are_served(self) -> None:
        for host in ("localhost", "127.0.0.1", "localhost:1", "127.0.0.1:99", "[::1]:5", "LOCALHOST"):
            with self.subTest(host):
                self.assertEqual(self.weir_.admin("/api/v1/status", headers={"Host": host})[0], 200)

    def test_a_foreign_origin_is_forbidden(self) -> None:
        own = f"127.0.0.1:{self.weir_.admin_port}"
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"https://{own}"},
                        {"Origin": f"http://{own}.evil"}, {"Sec-Fetch-Site": "cross-site"}):
            with self.subTest(headers):
                self.assertEqual(self.weir_.admin("/api/v1/status", headers={"Host": own, **headers})[0], 403)
        same = {"Host": own, "Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}
        self.assertEqual(self.weir_.admin("/api/v1/status", headers=same)[0], 200)

    def test_nothing_is_changed_by_unknown_methods(self) -> None:
        self.assertIn(self.weir_.admin("/api/v1/status", "POST")[0], (404, 405))
        self.assertEqual(self.weir_.admin("/api/v1/nonsense")[0], 404)
        self.assertIn("error", json.loads(self.weir_.admin("/api/v1/nonsense")[1]))

    def test_status(self) -> None:
        status = self.weir_.api("status")
        self.assertLessEqual({"version", "uptime_s", "pid", "config", "listeners", "clusters", "process"},
                             status.keys())
        self.assertEqual(status["pid"], self.weir_.process.pid)
        self.assertIsNone(status["config"]["last_error"] or None)
        cluster = next(c for c in status["clusters"] if c["name"] == "c")
        self.assertEqual((cluster["breaker"], cluster["endpoints"]["healthy"]), ("closed", 1))

    def test_clusters_and_endpoints(self) -> None:
        self.weir_.ask()
        self.assertEqual([c["name"] for c in self.weir_.api("clusters")], ["c"])
        endpoint = self.weir_.api("clusters/c/endpoints")[0]
        self.assertEqual((endpoint["address"], endpoint["state"]), (self.origin_.address, "healthy"))
        self.assertGreaterEqual(endpoint["requests"], 1)
        self.assertEqual(self.weir_.admin("/api/v1/clusters/none/endpoints")[0], 404)


class Limits(WeirTest):
    def test_max_requests_is_exact_and_named(self) -> None:
        weir, origin = self.proxied(hang, "limits: {max_requests: 3}")
        clients = [weir.connect() for _ in range(3)]
        for client in clients:
            client.send(request())
        eventually(lambda: len(origin.requests) == 3, "three in flight")
        answer = weir.ask()
        self.assert_refused(answer, 503, "limit_exceeded")
        self.assertIsNotNone(answer.get("retry-after"))
        self.assertEqual(weir.metrics().sum("weir_limit_rejected_total", cluster="c", limit="max_requests"), 1)
        self.assertEqual(weir.breaker("c"), "closed")
        for client in clients:
            client.abort()
        origin.answer = fixed()
        eventually(lambda: weir.ask().status == 200, "room again")

    def test_max_connections_queues_and_the_queue_has_a_limit(self) -> None:
        weir, origin = self.proxied(hang, "limits: {max_connections: 2, max_pending: 1, queue_timeout: 300ms}",
                                    rest="threads: 1")
        clients = [weir.connect() for _ in range(2)]
        for client in clients:
            client.send(request())
        eventually(lambda: len(origin.requests) == 2, "two in flight")
        with weir.connect() as queued:
            queued.send(request(target="/queued"))
            eventually(lambda: weir.metrics().sum("weir_upstream_requests_pending", cluster="c") == 1, "one queued")
            self.assert_refused(weir.ask(), 503, "queue_full")
            self.assert_refused(queued.answer(), 503, "queue_timeout")
        self.assertEqual(len(origin.peers), 2)
        for client in clients:
            client.abort()

    def test_a_queued_request_goes_when_a_connection_is_free(self) -> None:
        weir, origin = self.proxied(hang, "limits: {max_connections: 1, queue_timeout: 5s}", rest="threads: 1")
        with weir.connect() as first, weir.connect() as second:
            first.send(request(target="/first"))
            eventually(lambda: origin.requests, "the first at the origin")
            second.send(request(target="/second"))
            eventually(lambda: weir.metrics().sum("weir_upstream_requests_pending", cluster="c") == 1, "queued")
            origin.answer = fixed(body=b"done")
            origin.peers[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self.assertEqual(first.answer().body, b"ok")
            origin.released.set()
            self.assertEqual(second.answer().body, b"done")

    def test_connections_above_the_limit_are_not_served(self) -> None:
        weir, _ = self.proxied(rest="limits: {connections: 4}")
        clients = [weir.connect() for _ in range(4)]
        for client in clients:
            self.assertEqual(client.ask(request()).status, 200)
        self.assertEqual(weir.metrics().sum("weir_connections_active"), 4)
        with weir.connect(1) as fifth:
            try:
                fifth.send(request())
                self.assertNotIn(b" 200 ", fifth.wire.rest()[:20])
            except OSError:
                pass  # refused or left waiting: not served either way
        eventually(lambda: weir.metrics().sum("weir_protocol_refused_total", reason="overloaded") == 1, "counted")
        for client in clients:
            client.sock.close()

        def is_served() -> bool:
            try:
                return weir.ask(timeout=1).status == 200
            except Exception:  # noqa: BLE001 - not yet
                return False

        eventually(is_served, "room again")

    def test_body_limit_is_413(self) -> None:
        weir, origin = self.proxied(rest="limits: {body: 1KiB}")
        self.assert_refused(weir.ask(method="POST", body=b"x" * 1025), 413, "body_too_large")
        self.assertEqual(origin.requests, [])
        self.assertEqual(weir.ask(method="POST", body=b"x" * 1024).status, 200)

    def test_requests_per_connection(self) -> None:
        weir, _ = self.proxied(rest="limits: {requests_per_connection: 2}")
        with weir.connect() as client:
            self.assertEqual(client.ask(request()).status, 200)
            self.assertEqual((client.ask(request()).get("connection") or "").lower(), "close")
            self.assertTrue(client.is_closed())


if __name__ == "__main__":
    unittest.main()
