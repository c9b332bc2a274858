"""Rate limits that a Redis counts, and logins whose check is dear: what they cost others.

Two Weirs share a Redis and a limit, as replicas do. Redis runs beside the proxy, on the core of the load.
"""
import crypt
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import proxies
import rig

LIMIT = 4000  # a second, and at once
OFFERED = 10_000  # requests/s, over both
TIMEOUT_MS = 20  # of redis{}, as is built in
REDIS_PORT = 16379
REPLICAS = 2
FLOOD = Path(__file__).with_name("logins.py")


def weir_config(net, index, lines):
    """`lines` belong to the listener and to the top, parted by a line of dashes."""
    listener, _, top = lines.partition("---\n")
    return (f"version: 1\nthreads: 1\nadmin: {{listen: 127.0.0.1:{proxies.ADMIN_PORT + 10 * index}}}\n"
            f"telemetry: {{listen: 127.0.0.1:{proxies.ADMIN_PORT + 10 * index + 1}}}\nlisteners:\n"
            f"  - listen: {net.proxy_address}:{proxies.PROXY_PORT + index}\n{listener}{top}"
            f"clusters:\n  origin: {{endpoints: [\"{net.origin_address}:{proxies.ORIGIN_PORT}\"]}}\n")


def shared(lease):
    return ("    rate_limit: shared\n    to: origin\n---\n"
            f"rate_limits:\n  shared: {{rate: {LIMIT}/s, burst: {LIMIT}, key: global, store: {{redis: cache}}, lease: {lease}}}\n"
            f"redis:\n  cache: {{address: \"127.0.0.1:{REDIS_PORT}\"}}\n")


class Limits:
    """Cases of a Bench."""

    def __init__(self, bench):
        self.bench, self.net = bench, bench.net
        self.found = None

    # ---- processes

    def weir(self, index, lines):
        config = self.bench.folder / f"limits{index}.yaml"
        config.write_text(weir_config(self.net, index, lines))
        command = [str(self.bench.options.weir), "run", str(config)]
        return rig.Process(self.net, "proxy", self.bench.proxy_core, command, self.bench.folder / "weir.log")

    def redis(self):
        command = ["redis-server", "--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--dir", str(self.bench.folder)]
        process = rig.Process(self.net, "proxy", self.bench.other_cores, command, self.bench.folder / "redis.log")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                self.ask_redis("PING")
                return process
            except OSError:
                time.sleep(0.01)
        process.stop()
        raise TimeoutError("redis-server does not listen")

    def ask_redis(self, *words):
        with self.net.inside("proxy"):
            client = socket.socket()
        with client:
            client.settimeout(5)
            client.connect(("127.0.0.1", REDIS_PORT))
            client.sendall(" ".join(words).encode() + b"\r\n")
            return client.recv(65536).decode()

    def store_calls(self):
        calls = 0
        for line in self.ask_redis("INFO", "commandstats").splitlines():
            if line.startswith(("cmdstat_evalsha:", "cmdstat_eval:")):
                calls += int(line.split("calls=")[1].split(",")[0])
        return calls

    def counts(self, index):
        """Requests of a Weir so far: (admitted, all)."""
        with self.net.inside("proxy"):
            url = f"http://127.0.0.1:{proxies.ADMIN_PORT + 10 * index}/metrics"
            text = urllib.request.urlopen(url, timeout=5).read().decode()
        lines = [line for line in text.splitlines() if line.startswith("weir_requests_total{")]
        number = [(float(line.rpartition(" ")[2]), 'code="200"' in line) for line in lines]
        return sum(value for value, is_good in number if is_good), sum(value for value, _ in number)

    # ---- a Redis that is asked ahead

    def leases(self):
        """Store calls a hundred requests."""
        return {"weir": rig.median([run["calls"] for run in self.lease_runs()])}

    def admitted(self):
        """What two replicas admitted together, to what the limit admits in that time."""
        return {"weir": rig.median([run["admitted"] for run in self.lease_runs()])}

    def lease_runs(self):
        if self.found is None:
            load = self.bench.load_program()
            runs = [self.one_lease(load) for _ in range(self.bench.options.rounds)]
            self.found = [run for run in runs if run]
        return self.found

    def one_lease(self, load):
        seconds = self.bench.options.seconds
        processes = []
        try:
            processes.append(self.redis())
            for index in range(REPLICAS):
                processes.append(self.weir(index, shared("true")))
            for index in range(REPLICAS):
                rig.wait_for_200(self.net, self.net.proxy_address, proxies.PROXY_PORT + index)
            time.sleep(1.1)  # all of the burst is there again
            before = [self.counts(index) for index in range(REPLICAS)]
            calls = self.store_calls()
            loads = [rig.Process(self.net, "load", self.bench.other_cores,
                                 [str(load), self.net.proxy_address, str(proxies.PROXY_PORT + index),
                                  str(OFFERED // REPLICAS), str(seconds), "32"], self.bench.folder / f"load{index}.json")
                     for index in range(REPLICAS)]
            for each in loads:
                each.child.wait()
            after = [self.counts(index) for index in range(REPLICAS)]
            calls = self.store_calls() - calls
        except (OSError, TimeoutError) as error:
            return self.bench.fail(f"leases: {error}{self.bench.said('weir')}")
        finally:
            for process in processes:
                process.stop()
        admitted = sum(new[0] - old[0] for new, old in zip(after, before))
        requests = sum(new[1] - old[1] for new, old in zip(after, before))
        if requests < 0.95 * OFFERED * seconds:
            return self.bench.fail(f"leases: only {requests:.0f} of {OFFERED * seconds} requests were answered")
        promised = LIMIT * (seconds + 1)  # the burst, and what comes back
        print(f"  {requests:.0f} requests, {admitted:.0f} of at most {promised} admitted, {calls} store calls"
              f" (one for {requests / max(calls, 1):.0f})", flush=True)
        return {"calls": 100 * calls / requests, "admitted": admitted / promised}

    # ---- one that hangs

    def hanging(self):
        """Milliseconds that requests one after the other waited for a Redis that hangs, in all."""
        found = [self.one_hanging(lease) for lease in ("true", "false") for _ in range(self.bench.options.rounds)]
        found = [value for value in found if value is not None]
        return {"weir": max(found) if found else None}

    def one_hanging(self, lease):
        processes = []
        try:
            redis = self.redis()
            processes += [redis, self.weir(0, shared(lease))]
            rig.wait_for_200(self.net, self.net.proxy_address, proxies.PROXY_PORT)
            _, client = rig.ask(self.net, self.net.proxy_address, proxies.PROXY_PORT)
            usual = rig.median([self.timed(client) for _ in range(200)])
            redis.child.send_signal(19)  # SIGSTOP
            waits, end = [], time.monotonic() + self.bench.options.seconds
            while time.monotonic() < end:
                waits.append(self.timed(client))
            client.close()
        except (OSError, TimeoutError) as error:
            return self.bench.fail(f"hanging: {error}{self.bench.said('weir')}")
        finally:
            for process in processes:
                process.child.send_signal(18)  # SIGCONT
                process.stop()
        slow = [wait for wait in waits if wait > TIMEOUT_MS * 0.75]  # what is shorter is the machine's
        print(f"  lease: {lease}: {len(waits)} requests, {len(slow)} waited, the longest {max(waits):.1f} ms, usually {usual:.2f}", flush=True)
        return sum(slow)

    @staticmethod
    def timed(client):
        began = time.monotonic()
        client.sendall(b"GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n")
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = client.recv(65536)
            if not chunk:
                raise ConnectionError("closed before an answer")
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < length:
            body += client.recv(65536)
        return (time.monotonic() - began) * 1e3

    # ---- logins

    def logins(self):
        """p99 of another route while bad logins of bcrypt come, over that while they go elsewhere."""
        load = self.bench.load_program()
        attack = [sys.executable, str(FLOOD)]
        here = [*attack, self.net.proxy_address, str(proxies.PROXY_PORT)]
        found = self.bench.pairs(lambda _: self.one_flood(load, [*attack, "nowhere"]),
                                 lambda _: self.one_flood(load, here), ["weir"])
        elsewhere, under = found["weir"]
        if elsewhere and under:
            print(f"  p99 {elsewhere:.0f} us with them elsewhere, {under:.0f} us with them here", flush=True)
        return {"weir": under / elsewhere if elsewhere and under else None}

    def one_flood(self, load, attack):
        users = self.bench.folder / "users"
        hashed = crypt.crypt("right", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=2**10))
        users.write_text("".join(f"u{number}:{hashed}\n" for number in range(1000)))
        users.chmod(0o600)
        lines = ("    trusted_proxies: [10.77.0.0/16]\n    routes:\n      - {path: /private, auth: users, to: origin}\n"
                 "      - {path: /*, to: origin}\n---\n"
                 f"auth:\n  users: {{type: basic, keys: {{file: {users}}}}}\n")
        process, other = self.weir(0, lines), None
        out = self.bench.folder / "load.json"
        try:
            rig.wait_for_200(self.net, self.net.proxy_address, proxies.PROXY_PORT)
            other = rig.Process(self.net, "load", self.bench.other_cores, attack, self.bench.folder / "beside.log")
            time.sleep(0.5)
            words = [str(load), self.net.proxy_address, str(proxies.PROXY_PORT), "4000", str(self.bench.options.seconds), "64"]
            rig.Process(self.net, "load", self.bench.other_cores, words, out).child.wait()
            result = json.loads(out.read_text())
        except (OSError, TimeoutError, ValueError, subprocess.SubprocessError) as error:
            return self.bench.fail(f"logins: {error}{self.bench.said('weir')}")
        finally:
            if other:
                other.stop()
            process.stop()
        return result["p99_us"] if not result["errors"] else self.bench.fail(f"logins: {result['errors']} errors")
