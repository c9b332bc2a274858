"""Metrics of a live Weir: what they cost, that promtool and Prometheus take them, that a reload changes them."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from harness import Metrics, Weir, WeirTest, eventually, free_port
from origins import fixed, reset

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def scrape(port: int, accept: str) -> tuple[str, str]:
    """Content type and page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/metrics", headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.getheader("Content-Type", ""), answer.read().decode()
    finally:
        connection.close()


def samples(page: str) -> list[str]:
    return [line for line in page.splitlines() if line and not line.startswith("#")]


def clusters(count: int) -> str:
    """One listener, so many clusters with a route and an endpoint each."""
    lines = ["version: 1", "listeners:", "  - listen: $LISTEN", "    name: in", "    routes:"]
    lines += [f"      - {{name: r{i}, path: /{i}/*, to: c{i}}}" for i in range(count)]
    lines += ["clusters:", *(f"  c{i}: {{endpoints: [\"127.0.0.1:{10000 + i}\"]}}" for i in range(count))]
    return "\n".join(lines) + "\n"


class Cost(WeirTest):
    def test_100_idle_clusters_cost_1500_series(self) -> None:
        weir = self.weir(clusters(100))
        page = scrape(weir.telemetry_port, TEXT)[1]
        of_one = [line for line in samples(page) if re.search(r'(cluster="c7"|route="r7")', line)]
        # States, which are always all there; what alerts start from at 0.
        names = sorted(re.sub(r"\{.*", "", line) for line in of_one)
        self.assertEqual(names, sorted(
            ["weir_breaker_state"] * 3 + ["weir_endpoints"] * 6 + ["weir_cluster_none_ready"]
            + ["weir_breaker_transitions_total"] * 2 + ["weir_requests_total"] * 2))
        self.assertLessEqual(len(of_one), 15, of_one)
        self.assertLessEqual(len(samples(page)), 1500)

    def test_an_active_cluster_has_its_alerts_counters_at_0(self) -> None:
        weir, _ = self.proxied()
        weir.ask()
        metrics = weir.metrics()
        for reason in ("breaker_open", "upstream_connect_refused", "upstream_timeout", "upstream_reset"):
            self.assertEqual(metrics.values("weir_requests_total", cluster="c", reason=reason), [0.0], reason)
        for name in ("weir_breaker_rejected_total", "weir_upstream_requests_active", "weir_upstream_requests_pending"):
            self.assertEqual(metrics.values(name, cluster="c"), [0.0], name)
        self.assertEqual(metrics.values("weir_retries_total", cluster="c"), [0.0, 0.0])
        self.assertEqual(len(metrics.values("weir_upstream_connections_active", cluster="c")), 1)

    def test_no_label_is_taken_from_a_request(self) -> None:
        weir, origin = self.proxied()
        weir.ask("/stranger", host="stranger.test", headers={"x-request-id": "stranger"})
        origin.answer = fixed(status=499)
        weir.ask()
        origin.answer = fixed(status=222)
        weir.ask()
        page = scrape(weir.telemetry_port, TEXT)[1]
        self.assertNotIn("stranger", page)
        self.assertEqual(Metrics(page).sum("weir_requests_total", code="_other"), 1)
        self.assertNotIn('code="222"', page)


class Configured(WeirTest):
    def config(self, address: str, telemetry: str) -> str:
        return (f"version: 1\nlisteners:\n  - {{listen: $LISTEN, to: c}}\nclusters:\n  c: {{endpoints: [{address}]}}\n"
                f"telemetry: {{listen: off{telemetry}}}\n")

    def test_buckets_change_with_a_reload(self) -> None:
        origin = self.origin()
        weir = self.weir(self.config(origin.address, ""))
        weir.ask()
        name = "weir_request_duration_seconds_bucket"
        self.assertEqual(len(weir.metrics().label(name, "le")), 15)
        weir.reload(self.config(origin.address, ", buckets: [10ms, 60s]"))
        weir.ask()
        metrics = weir.metrics()
        self.assertEqual(metrics.label(name, "le"), {"0.01", "60.0", "+Inf"})
        self.assertEqual(metrics.values(name, le="+Inf"), [1.0])
        self.assertEqual(metrics.label("weir_upstream_request_duration_seconds_bucket", "le"), {"0.01", "60.0", "+Inf"})
        self.assertEqual(metrics.sum("weir_requests_total"), 2)

    def test_the_cap_changes_with_a_reload(self) -> None:
        weir = self.weir(clusters(30))

        def counted() -> int:
            exempt = ("process_", "weir_metrics", "weir_config_info", "weir_build", "target_info")
            return sum(not line.startswith(exempt) for line in samples(weir.admin("/metrics")[1]))

        def dropped() -> float:
            return weir.metrics().sum("weir_metrics_series_dropped_total")

        every = counted()
        self.assertGreater(every, 400)
        self.assertEqual(dropped(), 0)
        telemetry = f"telemetry: {{listen: \"127.0.0.1:{weir.telemetry_port}\", max_series: 100}}\n"
        weir.reload(clusters(30) + telemetry)
        self.assertLessEqual(counted(), 100)
        self.assertGreater(dropped(), 0)
        weir.reload(clusters(30))
        # The first scrape takes the collectors' series in again, too.
        eventually(lambda: counted() == every, "all series again")

    def test_the_node_is_in_target_info(self) -> None:
        weir = self.weir(self.config(self.origin().address, "") + "node: {name: shop-1}\n")
        self.assertEqual(weir.metrics().values("target_info", node="shop-1"), [1.0])


class Tools(WeirTest):
    def busy(self) -> Weir:
        """Traffic, errors, retries, an ejection and an open breaker, an unknown route."""
        good, bad = self.origin(), self.origin(fixed(status=500))
        weir = self.weir(
            "version: 1\nlisteners:\n  - name: in\n    listen: $LISTEN\n    routes:\n"
            "      - {name: good, path: /good, to: good}\n      - {name: bad, path: /bad, to: bad}\n"
            "      - {name: mixed, path: /mixed, to: mixed}\n"
            f"clusters:\n  good: {{endpoints: [{good.address}], metrics_per_endpoint: true}}\n"
            f"  bad:\n    endpoints: [{bad.address}]\n    breaker: {{consecutive_failures: 3, open_for: 1h}}\n"
            f"  mixed:\n    endpoints: [{good.address}, {bad.address}]\n    lb: round_robin\n"
            "    outlier: {consecutive_failures: 3, eject_for: 1h}\n")

        def is_ejected() -> bool:
            for path in ("/good", "/bad", "/mixed", "/nowhere"):
                weir.ask(path)
            metrics = weir.metrics()
            return (metrics.sum("weir_outlier_ejections_total", cluster="mixed") > 0
                    and metrics.sum("weir_breaker_rejected_total", cluster="bad") > 0)

        eventually(is_ejected, "an ejection and an open breaker", 30)
        good.answer = reset
        weir.ask("/good")
        return weir

    def test_promtool_has_nothing_to_say(self) -> None:
        weir = self.busy()
        page = scrape(weir.telemetry_port, TEXT)[1]
        self.assertIn("weir_outlier_ejections_total{", page)
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True,
                                 timeout=20)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))

    def test_both_formats_have_the_same_samples(self) -> None:
        weir = self.busy()
        kind, text = scrape(weir.telemetry_port, TEXT)
        self.assertTrue(kind.startswith("text/plain"), kind)
        kind, openmetrics = scrape(weir.telemetry_port, OPENMETRICS)
        self.assertTrue(kind.startswith("application/openmetrics-text"), kind)
        self.assertTrue(openmetrics.endswith("# EOF\n"))
        self.assertNotIn("_created", openmetrics)

        def identities(page: str) -> set[str]:
            return {line.rpartition(" ")[0] for line in samples(page)}

        self.assertEqual(identities(text), identities(openmetrics))
        self.assertIn("# TYPE weir_requests counter\n", openmetrics)
        self.assertIn("# TYPE weir_requests_total counter\n", text)
        for page in (text, openmetrics):
            self.assertIn('le="1.0"', page)
            self.assertNotIn('le="1"', page)

    def test_prometheus_scrapes_both_formats(self) -> None:
        weir = self.busy()
        weir_port = weir.telemetry_port

        # Prometheus asks for OpenMetrics; this one hands it the text format of the same Weir.
        class OldFormat(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 - the library's name
                page = scrape(weir_port, TEXT)[1].encode()
                self.send_response(200)
                self.send_header("Content-Type", TEXT)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: Any) -> None:
                pass

        old = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OldFormat)
        self.addCleanup(old.server_close)
        self.addCleanup(old.shutdown)
        threading.Thread(target=old.serve_forever, daemon=True).start()
        query = self.prometheus({"new": weir_port, "old": old.server_address[1]})

        for job in ("new", "old"):
            eventually(lambda job=job: query(f'up{{job="{job}"}}') == [1.0], f"a scrape by {job}", 30)
        requests = weir.metrics().sum("weir_requests_total", route="good", code="200")
        expected = {
            f'weir_requests_total{{route="good",code="200"}} == {requests}': 1,
            'weir_breaker_state{cluster="bad",state="open"} == 1': 1,
            'weir_endpoints{cluster="mixed",state="ejected"} == 1': 1,
            'weir_request_duration_seconds_bucket{route="good",cluster="good",le="1.0"} > 0': 1,
            'histogram_quantile(0.99, weir_request_duration_seconds_bucket{route="good",cluster="good"}) > 0': 1,
            "weir_config_last_reload_success == 1": 1,
            "process_resident_memory_bytes > 1e6": 1,
        }
        for expression, series in expected.items():
            for job in ("new", "old"):
                of_job = re.sub(r"(weir_\w+|process_\w+)(\{)?",
                                lambda m: f'{m[1]}{{job="{job}"' + ("," if m[2] else "}"), expression, count=1)
                with self.subTest(of_job):
                    eventually(lambda e=of_job, n=series: len(query(e)) == n, of_job, 20)
        # No series of one format is missing from the other.
        names = 'count by (__name__, le) ({job="%s", __name__=~"weir_.*"})'
        eventually(lambda: query(names % "new", key=True) == query(names % "old", key=True), "the same series", 20)

    def prometheus(self, ports: dict[str, int]) -> Any:
        """Debian's Prometheus on those ports; answers a function for instant queries."""
        self.assertTrue(shutil.which("prometheus"), "the package prometheus is not installed")
        root = Path(tempfile.mkdtemp(prefix="weir-prometheus-"))
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        jobs = [{"job_name": name, "scrape_interval": "250ms", "scrape_timeout": "250ms",
                 "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for name, port in ports.items()]
        (root / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs}))  # JSON is YAML
        port = free_port()
        log = (root / "log").open("wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            ["prometheus", f"--config.file={root}/prometheus.yml", f"--storage.tsdb.path={root}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, cwd=root)

        def stop() -> None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

        self.addCleanup(stop)

        def query(expression: str, key: bool = False) -> Any:
            url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    result = json.load(answer)["data"]["result"]
            except OSError:
                if process.poll() is not None:
                    raise AssertionError((root / "log").read_text()[-2000:]) from None
                return None
            if key:
                return {json.dumps(each["metric"], sort_keys=True): each["value"][1] for each in result}
            return [float(each["value"][1]) for each in result]

        return query


if __name__ == "__main__":
    unittest.main()
