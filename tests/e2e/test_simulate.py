"""weir simulate: the shipped scenarios and what they show, and a recorded trace against the live machine."""
import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.request
from typing import Any, Callable

from harness import Weir, WeirTest, eventually
from origins import RawOrigin, fixed

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "config" / "simulate"


def simulate(*arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run([os.environ["WEIR_BINARY"], "simulate", *arguments], input=text, text=True,
                          capture_output=True, timeout=60, check=False)


class ShippedScenariosTest(unittest.TestCase):
    def play(self, name: str) -> dict[str, Any]:
        done = simulate(str(SCENARIOS / f"{name}.yaml"), "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {each["policy"]: each for each in json.loads(done.stdout)["policies"]}

    def test_there_are_eight(self) -> None:
        self.assertEqual(len(list(SCENARIOS.glob("*.yaml"))), 8)

    def test_a_dead_endpoint_costs_nobody_and_envoy_ejects_nothing_under_ten_hosts(self) -> None:
        of = self.play("dead_endpoint")
        self.assertEqual(of["weir"]["failed"], 0)
        self.assertLessEqual(of["weir"]["attempts_on_faulty"], 15)
        self.assertEqual(of["envoy"]["ejections"], 0)
        self.assertGreater(of["envoy"]["attempts_on_faulty"], 500)
        self.assertLess(of["weir"]["attempts_on_faulty"], of["linkerd"]["attempts_on_faulty"] + 10)

    def test_a_slow_endpoint_is_seen_by_the_balancer(self) -> None:
        of = self.play("slow_endpoint")
        self.assertLess(of["weir"]["p99_ms"], 15)
        self.assertGreater(of["round_robin"]["p99_ms"], 400)
        self.assertGreater(of["envoy"]["p99_ms"], 400)

    def test_random_failures_eject_nobody_and_are_not_multiplied(self) -> None:
        of = self.play("random_failures")["weir"]
        self.assertEqual((of["ejections"], of["openings"]), (0, 0))
        self.assertLess(of["attempts_a_request"], 1.25)

    def test_after_a_total_outage_users_are_back_soon_and_not_with_linkerd(self) -> None:
        of = self.play("total_outage")
        self.assertLessEqual(of["weir"]["unwell_s"], 1.5)
        self.assertGreaterEqual(of["linkerd"]["unwell_s"], 3)
        self.assertLess(of["weir"]["attempts_on_faulty"], 150)
        self.assertGreater(of["no_breaker"]["attempts_on_faulty"], 4000)
        self.assertGreater(of["weir"]["requests_saved"], 3500)

    def test_flapping_costs_less_than_one_in_two_hundred(self) -> None:
        of = self.play("flapping")
        self.assertGreater(of["weir"]["success_rate"], 0.995)
        self.assertLess(of["envoy"]["success_rate"], 0.95)

    def test_three_hops_do_not_multiply_retries(self) -> None:
        of = self.play("retry_storm")
        self.assertLess(of["weir"]["attempts_a_request"], 1.2)
        self.assertGreater(of["storm"]["attempts_a_request"], 4)

    def test_no_herd_keeps_a_recovering_service_down(self) -> None:
        of = self.play("thundering_herd")
        self.assertLessEqual(of["weir"]["unwell_s"], 2)
        self.assertGreater(of["no_breaker"]["unwell_s"], of["weir"]["unwell_s"])
        self.assertLess(of["weir"]["attempts_on_faulty"], of["envoy"]["attempts_on_faulty"] / 2)

    def test_a_lost_zone_is_nothing(self) -> None:
        of = self.play("lost_zone")["weir"]
        self.assertGreater(of["success_rate"], 0.9999)
        self.assertEqual(of["openings"], 0)


class CommandTest(unittest.TestCase):
    SHORT = "duration: 2s\narrivals: 100/s\nendpoints: 2\n"

    def test_a_seed_decides_everything(self) -> None:
        runs = {simulate("-", "-o", "json", "--seed", seed, text=self.SHORT).stdout for seed in "112"}
        self.assertEqual(len(runs), 2)

    def test_the_table_is_for_people(self) -> None:
        done = simulate("-", text=self.SHORT + "policies: [weir, envoy]\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("success rate", "ejections", "envoy", "load on each endpoint, weir", "endpoint-2"):
            self.assertIn(word, done.stdout)

    def test_a_report_is_one_file_and_plots_are_files(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            done = simulate(str(SCENARIOS / "dead_endpoint.yaml"), "--for", "12s", "--html", f"{folder}/r.html",
                            "--svg", folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            page = pathlib.Path(folder, "r.html").read_text(encoding="utf-8")
            self.assertIn("<svg", page)
            self.assertNotRegex(page, r"(src|href)=|@import|url\(")
            names = {path.name for path in pathlib.Path(folder).glob("*.svg")}
            self.assertIn("dead_endpoint-success.svg", names)
            self.assertIn("dead_endpoint-states-weir.svg", names)

    def test_what_is_wrong_is_said_as_for_a_configuration(self) -> None:
        done = simulate("-", text="duration: 5\narivals: 3/s\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("-:1:11: error[W103]", done.stderr)
        self.assertIn("did you mean 'arrivals'?", done.stderr)
        self.assertEqual(simulate().returncode, 2)
        self.assertEqual(simulate("/nowhere.yaml").returncode, 1)

    def test_the_configuration_decides(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("version: 1\nlisteners: [{listen: :8080, to: app}]\n"
                       "clusters: {app: {endpoints: [127.0.0.1:9], outlier: off, breaker: off, retry: off}}\n")
            file.flush()
            outage = self.SHORT + "faults: [{kind: refuse}]\n"
            done = simulate("-", "-f", file.name, "-o", "json", text=outage)
            self.assertEqual(done.returncode, 0, done.stderr)
            of = json.loads(done.stdout)["policies"][0]
            self.assertEqual((of["openings"], of["retries"], of["requests_saved"]), (0, 0, 0))
            self.assertGreater(json.loads(simulate("-", "-o", "json", text=outage).stdout)["policies"][0]["openings"], 0)


class KnobsTest(unittest.TestCase):
    """What the guide shows of each knob: the policy in front is better in that figure, by so much."""

    SHOWN = [("attempts", "weir", "no_retry", "failed", 1), ("compare", "mad", "off", "failed", 1.5),
             ("consecutive_for", "weir", "runs_of_five", "ejections", 2),
             ("failure_rate", "at_25", "at_50", "failed", 1.5),
             ("half_open_requests", "weir", "fifty_at_once", "attempts_on_faulty", 1.2),
             ("hedge_after", "hedge_30ms", "off", "p99_ms", 2),
             ("latency_factor", "p2c_ewma", "off", "p99_ms", 5),
             ("latency_factor", "factor_3x", "off", "attempts_on_faulty", 2),
             ("max_ejected", "weir", "at_most_10", "failed", 2), ("max_ejected", "all_but_one", "weir", "failed", 5),
             ("max_requests", "max_16", "weir", "failed", 3), ("max_requests", "adaptive", "weir", "failed", 3),
             ("open_for", "weir", "up_to_a_minute", "unwell_s", 3),
             ("slow_call", "slow_call", "weir", "attempts_on_faulty", 1.5),
             ("stall_after", "weir", "no_stall_rule", "failed", 10),
             ("throttle_rate", "weir", "off", "failed", 50),
             ("when_none_ready", "least_bad", "fail", "requests_saved", 1)]

    def test_each_does_what_its_picture_shows(self) -> None:
        scenarios = {path.stem: json.loads(simulate(str(path), "-o", "json").stdout)["policies"]
                     for path in sorted((SCENARIOS / "knobs").glob("*.yaml"))}
        self.assertEqual(set(scenarios), {name for name, *_ in self.SHOWN})
        for name, better, worse, figure, times in self.SHOWN:
            of = {policy["policy"]: policy[figure] for policy in scenarios[name]}
            with self.subTest(scenario=name, figure=figure):
                self.assertLess(of[better] * times, of[worse])


class LiveTest(WeirTest):
    """A recorded run, replayed, makes the transitions that the live machine made. A log has the last
    attempt of each request, so these are requests that are not sent again."""

    asked = 0
    WORDS = {"open": "ejected", "closed": "healthy"}

    def test_the_access_log_replayed_makes_the_same_transitions(self) -> None:
        broken, well = self.origin(fixed(503)), self.origin()
        weir = self.forward(broken.address, well.address,
                            cluster="retry: off\nlb: round_robin\nbreaker: off\n", rest="threads: 1\n")
        self.ask_until(weir, lambda: "ejected" in self.states(weir, broken.address))
        self.ask_until(weir, lambda: self.states(weir, broken.address).count("ejected") > 1)
        broken.answer = fixed(200)
        self.ask_until(weir, lambda: self.states(weir, broken.address)[-1] == "healthy")
        live = self.changes(weir, broken.address)
        self.assertGreaterEqual(len(live), 5)
        eventually(lambda: len(weir.access_log()) == self.asked, "all requests are in the log")
        log = "".join(json.dumps(line) + "\n" for line in weir.access_log())
        self.assertEqual(self.replayed(weir, broken, log), live)

    def test_exported_attempts_replayed_make_the_same_transitions(self) -> None:
        """Retries and probes that are sent again elsewhere are in it: each attempt is a line."""
        broken, well = self.origin(fixed(503)), self.origin()
        weir = self.forward(broken.address, well.address, cluster="lb: round_robin\nbreaker: off\n",
                            rest="threads: 1\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{weir.admin_port}/api/v1/trace-export?for=9s") as export:
            self.ask_until(weir, lambda: self.states(weir, broken.address).count("ejected") > 1, method="GET")
            broken.answer = fixed(200)
            self.ask_until(weir, lambda: self.states(weir, broken.address)[-1] == "healthy", method="GET")
            # The replay has a jitter of its own, and may be later: some that it can take for probes.
            until = time.monotonic() + 1
            self.ask_until(weir, lambda: time.monotonic() > until, method="GET")
            live = self.changes(weir, broken.address)
            text = export.read().decode()
        self.assertGreaterEqual(len(live), 5)
        self.assertIn('"attempt":2', text)
        self.assertEqual(self.replayed(weir, broken, text), live)
        # In shadow the same trace makes the same decisions: what enforce does, it would do.
        weir.file.write_text(weir.file.read_text().replace("breaker: off", "breaker: off\n    outlier: {mode: shadow}"))
        self.assertIn("mode: shadow", weir.file.read_text())
        self.assertEqual(self.replayed(weir, broken, text), live)

    def replayed(self, weir: Weir, broken: RawOrigin, trace: str) -> list[tuple[str, str]]:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "trace")
            file.write_text(trace, encoding="utf-8")
            done = simulate("--trace", str(file), "-f", str(weir.file), "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line for line in lines if line["endpoint"] != broken.address], [])
        return [(self.WORDS.get(line["to"], line["to"]), line["reason"]) for line in lines]

    def ask_until(self, weir: Weir, is_so: Callable[[], bool], method: str = "POST") -> None:
        def ask() -> bool:
            for _ in range(5):
                weir.ask(method=method)
                self.asked += 1
                time.sleep(0.02)
            return is_so()
        eventually(ask, "the endpoint changes its state", within=20)

    def changes(self, weir: Weir, address: str) -> list[tuple[str, str]]:
        return [(event["to"], event["reason"]) for event in weir.api("events")
                if event.get("endpoint") == address]

    def states(self, weir: Weir, address: str) -> list[str]:
        return [to for to, _ in self.changes(weir, address)]


if __name__ == "__main__":
    unittest.main()
