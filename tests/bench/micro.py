"""What the deciders cost: `./dev bench --micro` runs the Google Benchmarks of micro.cpp."""
import json
import subprocess
import sys
import time

# name, what, at most (ns, or times another one), the other one
GOALS = [
    ("one_machine", "acquire and complete, one machine", 50, None),
    ("one_machine/threads:8", "the same, 8 threads", 150, None),
    ("breaker_and_detector", "breaker and detector, with good headers", None, None),
    ("breaker_and_detector/threads:8", "the same, 8 threads", None, None),
    ("refusal", "refused by an open breaker", None, None),
    ("one_in_five_fails", "one answer in five is a failure", None, None),
    ("budget_original", "an original counted for the budget", None, None),
    ("budget_charge", "ten originals counted and one retry charged", None, None),
    ("sketch_add", "a latency added to a sketch", None, None),
    ("sketch_quantile", "a quantile read from a sketch", None, None),
    ("classify_status/200", "the verdict on a 200", None, None),
    ("classify_status/503", "the verdict on a 503", None, None),
    ("limit_of_a_million", "a rate limit of a million keys", 200, None),
    ("limit_of_a_million/threads:8", "the same, 8 threads", None, None),
    ("limit_of_one", "of a single key", None, None),
    ("limit_of_one/threads:8", "the same, 8 threads", None, None),
    ("limit_key", "the key of a client's address made and hashed", None, None),
    ("choose/3", "an endpoint chosen of 3, answered (p2c_ewma)", None, None),
    ("choose/1000", "of 1 000", 1.2, "choose/3"),
    ("choose/10000", "of 10 000", None, None),
    ("choose_flapping/30", "of 30, one leaving or returning each time", None, None),
    ("choose_flapping/10000", "of 10 000, likewise", None, None),
    ("jwt_cached", "a token that is remembered, through the filters of its route", 2000, None),
    ("jwt_es256", "one by ES256 that is not", 1.3, "es256_bare"),
    ("es256_bare", "its signature alone, by OpenSSL", None, None),
]


def measured(program, repetitions, seconds):
    """{name: ns of CPU}, medians."""
    done = subprocess.run(
        [str(program), "--benchmark_format=json", f"--benchmark_repetitions={repetitions}",
         f"--benchmark_min_time={seconds}", "--benchmark_report_aggregates_only=true", "--benchmark_enable_random_interleaving=true"],
        capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bench: {program} ended with {done.returncode}: {done.stderr[-300:]}")
    found = {}
    for entry in json.loads(done.stdout)["benchmarks"]:
        if entry["aggregate_name"] == "median":
            found[entry["run_name"]] = entry["cpu_time"]
    return found


def table(figures):
    lines = ["| what | ns | at most | met |", "|---|---|---|---|"]
    for name, what, limit, other in GOALS:
        if name not in figures:
            lines.append(f"| {what} | - | | |")
            continue
        value = figures[name]
        at_most, met = "", ""
        if other and other in figures:
            ratio = value / figures[other]
            at_most, met = f"{limit:g}x {other} ({ratio:.2f}x)", "yes" if ratio <= limit else "no"
        elif limit:
            at_most, met = f"{limit:g}", "yes" if value <= limit else "no"
        lines.append(f"| {what} | {value:.1f} | {at_most} | {met} |")
    return "\n".join(lines)


def run(options, facts):
    program = options.weir.resolve().parent / "weir_micro"
    if not program.exists():
        sys.exit(f"bench: {program} is not there: ninja -C {program.parent} weir_micro (libbenchmark-dev is needed)")
    figures = measured(program, 3 if options.quick else 5, 0.05 if options.quick else 0.3)
    text = table(figures) + f"\n\n- CPU time an operation, medians; {time.strftime('%Y-%m-%d')}; {facts['cpu']}\n"
    (options.out / "micro.md").write_text(text)
    (options.out / "micro.json").write_text(json.dumps({"facts": facts, "ns": figures}, indent=1))
    print(text)
    return 0
