"""What a user may lose while upstreams fail: `./dev bench --faults`.

400 requests/s from a Poisson process, 10 % of them POST, users patient for 5 s; 10 s of fault. The
rig (faults.cpp) is origins and users; the proxies of a row run at the same time, each with a rig in
a network namespace of its own, all with the same seed. Weir has its defaults, HAProxy and nginx
what an expert gives them (faults_proxies.py).
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import faults_proxies
import rig

KINDS = ("weir", "haproxy", "nginx")
BEGIN = 1500  # ms until the first user: the proxy starts meanwhile
HERE = Path(__file__).parent


@dataclass
class Row:
    name: str
    title: str
    origins: int
    bad: tuple  # the first and the last origin that fails
    fault: str
    goals: list  # (figure, at most, words)
    seconds: float = 10  # of fault
    returns: str = "ok"
    extra: list = field(default_factory=list)
    is_busy: bool = False  # other processes want the cores, too


def lost(share):
    return ("lost_share", share, f"{share * 100:g} % lost")


def within(figure, ms, words):
    return (figure, ms, f"{words} within {ms / 1000:g} s")


USED = "used again"
BACK = "back"
NO_POST_TWICE = ("posts_twice", 0, "no POST twice")
ROWS = [
    Row("refuse-3", "one of three refuses", 3, (2, 2), "refuse",
        [lost(0), ("attempts_bad", 15, "15 attempts on it"), within("used_ms", 2500, USED)]),
    Row("refuse-2", "one of two refuses", 2, (1, 1), "refuse",
        [lost(0), ("attempts_bad", 15, "15 attempts on it"), within("used_ms", 2500, USED)]),
    Row("hang", "one of three hangs", 3, (2, 2), "hang",
        [lost(0.002), ("attempts_bad", 12, "12 attempts on it")]),
    Row("503", "three of ten answer 503, health check says 200", 10, (7, 9), "status 503 1", [lost(0.01)]),
    Row("slow", "one of ten is 500 ms slow", 10, (9, 9), "slow 500",
        [("p99_ms", 15, "p99 15 ms"), within("half_ms", 3000, BACK)]),
    Row("cut", "one of three cuts each body", 3, (2, 2), "cut", [lost(0.005)]),
    Row("reset", "one of three executes and resets", 3, (2, 2), "reset", [lost(0.003), NO_POST_TWICE]),
    Row("429", "one of three answers 429", 3, (2, 2), "status 429 1", [lost(0.02)]),
    Row("random", "20 % random 503 everywhere", 5, (0, 4), "status 503 0.2",
        [("ejections", 0, "nothing ejected"), ("amplification", 1.25, "amplification 1.25")]),
    Row("cold", "a cold endpoint returns", 3, (2, 2), "refuse",
        [("lost_after", 0, "0 errors"), ("after_p99_ms", 40, "p99 40 ms"), within("half_ms", 5000, BACK)],
        # Two threads; for 4 s after its start a request takes 30 ms falling to 5; 64 may wait.
        extra=["capacity 2 2 2 5 64 4000 30"]),
    Row("legacy-fail", "a single legacy service fails for 10 s", 1, (0, 0), "status 500 1",
        [("attempts_bad", 120, "120 attempts"), within("back_ms", 1500, BACK),
         ("refusal_p99_ms", 3, "refusals in 3 ms")]),
    Row("legacy-hang", "a single legacy service hangs for 10 s", 1, (0, 0), "hang",
        [("attempts_bad", 1000, "1 000 attempts")]),
    # Eight threads of 12 ms: 60 % busy with the users' rate.
    Row("legacy-stall", "a single legacy service stalls for 3 s under load", 1, (0, 0), "stall",
        [within("back_ms", 4000, BACK)], seconds=3, extra=["capacity 0 0 8 12"]),
    Row("outage", "total outage for 10 s", 3, (0, 2), "refuse",
        [("amplification", 0.015, "0.015 attempts a request"), within("back_ms", 1500, BACK),
         ("herd", 2, "no herd (2x the rate in 100 ms)")]),
    # On loopback, ahead of all others, a proxy sees each close within microseconds. Where it has to
    # wait for its core, as sidecars do, a request meets a connection that was closed meanwhile.
    Row("idle", "origin closes idle connections", 3, (0, 2), "idle 10", [lost(0.001), NO_POST_TWICE], is_busy=True),
]


class Namespace:
    """One network of its own with nothing but loopback; shaped as rig.Net so that rig.Process can use it."""

    def __init__(self, number):
        self.name = f"weirf{os.getpid()}-{number}"
        subprocess.run(["ip", "netns", "add", self.name], check=True, capture_output=True, text=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        self.names = {"all": self.name}

    def close(self):
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)


class Cell:
    """A row, a proxy, a seed."""

    def __init__(self, options, row, kind, seed, number):
        self.options, self.row, self.kind, self.seed = options, row, kind, seed
        self.folder = Path(tempfile.mkdtemp(prefix="weir-faults-"))
        self.folder.chmod(0o755)
        self.net = Namespace(number)
        self.proxy = self.rig = None

    def plan(self):
        row, options = self.row, self.options
        begin = BEGIN + options.warm * 1000
        fault = min(row.seconds, options.fault) * 1000
        lines = [
            "proxy 127.0.0.1 8080", f"origins {row.origins}", f"seed {self.seed}", f"begin {BEGIN}",
            f"until {begin + fault + options.after * 1000}", f"fault {begin} {begin + fault}",
            f"bad {row.bad[0]} {row.bad[1]}", *row.extra,
            f"at {begin} {row.bad[0]} {row.bad[1]} {row.fault}",
            f"at {begin + fault} {row.bad[0]} {row.bad[1]} {row.returns}",
        ]
        return "\n".join(lines) + "\n"

    def start(self):
        cores = os.sched_getaffinity(0)
        plan = self.folder / "plan"
        plan.write_text(self.plan())
        first = [] if self.row.is_busy else self.options.first
        script = [*first, "sh", "-c", f"exec {self.options.out}/faults-rig < {plan}"]
        self.rig = rig.Process(self.net, "all", cores, script, self.folder / "rig.json")
        targets = [f"127.0.1.{i + 1}:9000" for i in range(self.row.origins)]
        command = faults_proxies.command(self.kind, self.folder, self.options.weir, targets)
        self.proxy = rig.Process(self.net, "all", cores, [*first, *command], self.folder / f"{self.kind}.log")

    def report(self):
        """What the rig prints at the end of its plan; its origins stay until they are stopped."""
        printed = self.folder / "rig.json"
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                return json.loads(printed.read_text())
            except ValueError:
                if self.rig.child.poll() is not None:
                    break
                time.sleep(0.05)
        return None

    def finish(self):
        """The figures, or a sentence why there are none."""
        figures = self.report()
        if not figures:
            return f"{self.row.name} {self.kind}: the rig said {(self.folder / 'rig.json').read_text()[-300:]}"
        events = self.events() if self.kind == "weir" else {}
        self.proxy.stop()
        log = self.folder / f"{self.kind}.log"
        if figures["lost_before"]:
            said = log.read_text(errors="replace").splitlines()[-1:]
            return f"{self.row.name} {self.kind}: {figures['lost_before']} lost before the fault; {said}"
        figures["lost_share"] = figures["lost"] / figures["requests"]
        figures["ejections"] = self.ejections(log.read_text(errors="replace"), events)
        self.keep(figures, events)
        return figures

    def events(self):
        """Weir's own account of it, or why there is none."""
        found = {}
        for path in ("events", "clusters/origin/endpoints", "breakers", "failures"):
            try:
                url = f"http://127.0.0.1:9347/api/v1/{path}"
                with rig.Inside(self.net.name), urllib.request.urlopen(url, timeout=2) as answer:
                    found[path] = json.loads(answer.read())
            except (OSError, ValueError) as error:
                found[path] = str(error)
        return found

    def ejections(self, log, events):
        if self.kind == "haproxy":
            return len(re.findall(r"^Server \S+ is DOWN", log, re.MULTILINE))
        if self.kind == "nginx":
            return len(re.findall(r"upstream server temporarily disabled", log))
        return sum(1 for event in events["events"] if event.get("to") in ("ejected", "open"))

    def keep(self, figures, events):
        """What explains a row, under build/bench/faults/."""
        base = self.options.out / "faults" / f"{self.row.name}.{self.seed}.{self.kind}"
        base.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{base}.json").write_text(json.dumps({"figures": figures, "events": events}, indent=1))
        shutil.copyfile(self.folder / f"{self.kind}.log", f"{base}.log")

    def close(self):
        for process in (self.rig, self.proxy):
            if process:
                process.stop()
        self.net.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def run_row(options, row, kinds, seed):
    """The cells of a row at the same time: {kind: figures}, and sentences of trouble."""
    cells, found, trouble, others = [], {}, [], []
    try:
        if row.is_busy:
            others = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in os.sched_getaffinity(0)]
        for number, kind in enumerate(kinds):
            cells.append(Cell(options, row, kind, seed, number))
        for cell in cells:
            cell.start()
        for cell in cells:
            figures = cell.finish()
            if isinstance(figures, str):
                trouble.append(figures)
            else:
                found[cell.kind] = figures
    finally:
        for other in others:
            other.kill()
            other.wait()
        for cell in cells:
            cell.close()
    return found, trouble


def together(runs):
    """Several seeds as one: medians of times, means of counts, the worst of what must not happen."""
    if not runs:
        return None
    merged = {}
    for key, value in runs[0].items():
        values = [run[key] for run in runs]
        if key in ("posts_twice", "herd", "ejections", "lost_after"):
            merged[key] = max(values)
        elif key.endswith("_ms"):
            merged[key] = -1 if -1 in values else rig.median(values)
        elif isinstance(value, (int, float)):
            merged[key] = sum(values) / len(values)
    return merged


def verdict(row, figures):
    """What is not met, in words; empty when all is."""
    missed = []
    for figure, at_most, words in row.goals:
        value = figures.get(figure)
        never = figure in ("used_ms", "half_ms", "back_ms") and value == -1
        if value is None or never or value > at_most + 1e-9:
            missed.append(words)
    return missed


def shown(value, form="{:.0f}"):
    return "-" if value is None or value == -1 else form.format(value)


COLUMNS = [
    ("lost %", lambda f: shown(f["lost_share"] * 100, "{:.2f}")),
    ("attempts on it", lambda f: shown(f["attempts_bad"])),
    ("attempts a request", lambda f: shown(f["amplification"], "{:.3f}")),
    ("p99 ms", lambda f: shown(f["p99_ms"], "{:.1f}")),
    ("refused in ms (p99)", lambda f: shown(f["refusal_p99_ms"], "{:.1f}")),
    ("used again s", lambda f: shown(None if f["used_ms"] == -1 else f["used_ms"] / 1000, "{:.2f}")),
    ("half its share s", lambda f: shown(None if f["half_ms"] == -1 else f["half_ms"] / 1000, "{:.2f}")),
    ("back s", lambda f: shown(None if f["back_ms"] == -1 else f["back_ms"] / 1000, "{:.2f}")),
    ("p99 after ms", lambda f: shown(f["after_p99_ms"], "{:.1f}")),
    ("POSTs twice", lambda f: shown(f["posts_twice"])),
    ("ejected", lambda f: shown(f["ejections"])),
]


SHORT = {
    "lost_share": lambda v: f"{v * 100:.2f} %", "lost_after": lambda v: f"{v:.0f} lost",
    "attempts_bad": lambda v: f"{v:.0f} attempts", "posts_twice": lambda v: f"{v:.0f} POSTs twice",
    "amplification": lambda v: f"{v:.3f} a request", "ejections": lambda v: f"{v:.0f} ejected",
    "herd": lambda v: f"{v:.1f}x at once", "p99_ms": lambda v: f"p99 {v:.1f} ms",
    "after_p99_ms": lambda v: f"p99 {v:.1f} ms", "refusal_p99_ms": lambda v: f"refused in {v:.1f} ms",
}


def in_short(row, figures):
    """The figures that the goals of the row are about."""
    words = []
    for figure, _, _ in row.goals:
        value = figures.get(figure)
        if figure in SHORT:
            words.append("-" if value is None or value == -1 else SHORT[figure](value))
        else:
            words.append("not back" if value is None or value == -1 else f"{value / 1000:.1f} s")
    return ", ".join(words)


def summary(results):
    """The table for people: what the goals are about, and nothing else."""
    lines = ["| fault | at most | Weir | HAProxy | nginx | met |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        found = results.get(row.name)
        if not found:
            continue
        cells = [in_short(row, found[kind]) if kind in found else "-" for kind in KINDS]
        ours = found.get("weir")
        met = "-" if not ours else "no" if verdict(row, ours) else "yes"
        lines.append("| " + " | ".join([row.title, "; ".join(words for _, _, words in row.goals), *cells, met]) + " |")
    return "\n".join(lines)


def table(results):
    titles = [title for title, _ in COLUMNS]
    lines = ["| fault | proxy | " + " | ".join(titles) + " | goal | met |", "|---" * (len(titles) + 4) + "|"]
    for row in ROWS:
        for kind in KINDS:
            figures = results.get(row.name, {}).get(kind)
            if not figures:
                continue
            missed = verdict(row, figures)
            goal = "; ".join(words for _, _, words in row.goals)
            met = ("yes" if not missed else "no: " + "; ".join(missed))
            cells = [row.title, kind, *[cell(figures) for _, cell in COLUMNS], goal, met]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def prepare(options):
    if os.geteuid() != 0:
        sys.exit("bench: --faults makes network namespaces and counts refused connects: run it as root")
    options.out = options.out.resolve()
    options.weir = options.weir.resolve()
    try:
        Namespace("try").close()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        sys.exit(f"bench: network namespaces are not permitted here ({error})")
    subprocess.run(["g++", "-std=c++20", "-O2", str(HERE / "faults.cpp"), "-o", str(options.out / "faults-rig")], check=True)
    # Ahead of whatever else the machine does: latencies are in the goals.
    ahead = ["chrt", "--rr", "1"]
    options.first = ahead if subprocess.run([*ahead, "true"], capture_output=True).returncode == 0 else []
    options.warm, options.fault, options.after = (3, 6, 7) if options.quick else (5, 10, 10)


def run(options, facts):
    """`bench.py --faults`; the exit code counts rig trouble, not goals."""
    prepare(options)
    rows = [row for row in ROWS if not options.only or row.name in options.only]
    kinds = [kind for kind in KINDS if not options.proxy or kind in options.proxy]
    results, trouble, began = {}, [], time.monotonic()
    for row in rows:
        runs = {kind: [] for kind in kinds}
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            found, sentences = run_row(options, row, kinds, seed)
            trouble += sentences
            for kind, figures in found.items():
                runs[kind].append(figures)
        results[row.name] = {kind: together(runs[kind]) for kind in kinds if runs[kind]}
        tell(row, results[row.name])
    notes = [
        f"{options.seeds} seed(s), {options.fault} s of fault after {options.warm} s, {options.after} s of recovery; "
        f"{time.strftime('%Y-%m-%d')}; {time.monotonic() - began:.0f} s in all.",
        "A user is lost who gets anything but the whole 200 within 5 s. Attempts are requests read by the bad endpoints "
        "or connects refused there (HAProxy's checks count); used again: its first good answer; half its share: over a "
        "second; back: 99 % of a second's users are served within 1 s.",
        "; ".join(f"{key}: {value}" for key, value in facts.items()), *trouble,
    ]
    text = summary(results) + "\n\n" + table(results) + "\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"
    (options.out / "faults.md").write_text(text)
    (options.out / "faults.json").write_text(json.dumps({"facts": facts, "results": results, "notes": notes}, indent=1))
    print("\n" + summary(results) + "\n")
    met = sum(1 for row in rows if results[row.name].get("weir") and not verdict(row, results[row.name]["weir"]))
    print(f"bench: {met} of {len(rows)} rows met by Weir, {len(trouble)} troubles, {options.out / 'faults.md'}")
    return 1 if trouble else 0


def tell(row, results):
    print(f"{row.title}:", flush=True)
    for kind, figures in results.items():
        cells = ", ".join(f"{title} {cell(figures)}" for title, cell in COLUMNS if cell(figures) != "-")
        missed = verdict(row, figures)
        print(f"  {kind:8}{cells}  {'MET' if not missed else 'NOT MET: ' + '; '.join(missed)}", flush=True)
