#!/usr/bin/env python3
"""What endpoints of Kubernetes cost, with the release binary and the fake API server. Figures, no test.

    WEIR_BINARY=build/release/weir tests/bench/discovery.py [use | churn | memory | start]...

use     a slice event sent -> the first request that goes by it is sent (a goal: p50 0.5 ms, p99 2 ms)
churn   10 000 endpoints in 100 slices, 1 000 events a second: CPU by thread, latency of requests meanwhile
memory  resident size with one and with 1 000 endpoints (20 MiB)
start   exec to the first answered request, with a snapshot and its source away (50 ms)
"""
from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
os.environ.setdefault("WEIR_BINARY", str(ROOT / "build" / "release" / "weir"))

from harness import Weir, eventually  # noqa: E402
from kube_api import KubeApi, endpoint  # noqa: E402

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Pods:
    """All addresses of 127/8 on one port; each answers with the address it was asked at."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @staticmethod
    def _serve(sock: socket.socket) -> None:
        body = sock.getsockname()[0].encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        try:
            while sock.recv(65536):
                sock.sendall(answer)
        except OSError:
            pass


def ip(index: int) -> str:
    return f"127.1.{index // 250}.{1 + index % 250}"


def config(api: KubeApi) -> str:
    return ("version: 1\nthreads: 1\naccess_log: {to: off}\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
            f"    discovery: {{type: kubernetes, name: shop/orders, port: http, servers: [\"{api.address}\"]}}\n")


class Bed:
    def __init__(self, count: int, state: str = "") -> None:
        os.environ["WEIR_STATE_DIR"] = state
        self.api, self.pods = KubeApi(), Pods()
        for first in range(0, count, 100):
            self.put(first, range(first, min(first + 100, count)))
        self.weir = Weir(config(self.api))
        self.weir.wait_ready()
        eventually(lambda: self.weir.api("discovery")[0]["size"] == count, "the endpoints", 60)

    def put(self, name: int, indexes: range) -> None:
        self.api.put(f"orders-{name:05d}", [endpoint(ip(i), uid=f"9b1d6a52-0000-4000-8000-{i:012d}", zone="zone-a")
                                            for i in indexes], self.pods.port)

    def watch(self) -> socket.socket:
        """The connection over which Weir is told."""
        eventually(lambda: self.api.watching, "it watches")
        return next(iter(sock for sock in self.api.socks if sock.fileno() >= 0))

    def close(self) -> None:
        self.weir.stop()
        self.api.close()


def tell(watch: socket.socket, line: bytes) -> None:
    watch.sendall(b"%x\r\n%s\r\n" % (len(line), line))


def event(made: object, version: int) -> bytes:
    copied = copy.deepcopy(made)
    copied["metadata"]["resourceVersion"] = str(version)  # type: ignore[index]
    return json.dumps({"type": "MODIFIED", "object": copied}, separators=(",", ":")).encode() + b"\n"


def quantiles(name: str, seconds: list[float]) -> None:
    seconds.sort()
    of = {q: 1e3 * seconds[min(int(len(seconds) * q), len(seconds) - 1)] for q in (0.5, 0.99, 1)}
    print(f"{name}: p50 {of[0.5]:.2f} ms, p99 {of[0.99]:.2f} ms, most {of[1]:.2f} ms of {len(seconds)}")


def use() -> None:
    bed = Bed(1)
    watch, made = bed.watch(), bed.api.slices["orders-00000"]
    client = socket.create_connection(("127.0.0.1", bed.weir.port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    seconds = []
    for round_ in range(300):
        wanted = ip(round_ % 2 + 1)
        made["endpoints"][0]["addresses"] = [wanted]
        made["endpoints"][0]["targetRef"]["uid"] = f"uid-{round_}"
        line = event(made, 1000 + round_)
        time.sleep(0.03)  # past the time in which changes are gathered
        began = time.perf_counter()
        tell(watch, line)
        while True:
            sent = time.perf_counter()
            client.sendall(REQUEST)
            if client.recv(4096).endswith(wanted.encode()):
                break
        seconds.append(sent - began)
    quantiles("slice event -> request that uses it", seconds)
    bed.close()


def processor_time(weir: Weir) -> dict[str, float]:
    spent = {}
    for thread in weir.threads():
        folder = Path(f"/proc/{weir.process.pid}/task/{thread}")
        fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        name = (folder / "comm").read_text().strip()
        spent[name] = spent.get(name, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def churn(count: int = 10_000, rate: int = 1000, seconds: float = 5) -> None:
    bed = Bed(count)
    watch = bed.watch()
    latencies: list[float] = []
    stopping = threading.Event()

    def ask() -> None:
        client = socket.create_connection(("127.0.0.1", bed.weir.port))
        while not stopping.is_set():
            began = time.perf_counter()
            client.sendall(REQUEST)
            client.recv(4096)
            latencies.append(time.perf_counter() - began)
            time.sleep(0.002)

    lines = []
    for _, made in sorted(bed.api.slices.items()):
        for place in (1, 2):
            changed = copy.deepcopy(made)
            changed["endpoints"][place]["conditions"] = {"ready": False, "serving": True, "terminating": True}
            lines.append(event(changed, 5000))
    lines = lines[::2] + lines[1::2]
    threading.Thread(target=ask, daemon=True).start()
    time.sleep(3)
    quantiles("requests, nothing changes", latencies)
    latencies.clear()
    before, began, sent = processor_time(bed.weir), time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        tell(watch, lines[sent % len(lines)])
        sent += 1
        time.sleep(max(began + sent / rate - time.perf_counter(), 0))
    took = time.perf_counter() - began
    quantiles(f"requests, {sent / took:.0f} events a second of {len(lines[0])} bytes", latencies)
    after = processor_time(bed.weir)
    print("processors:", {name: round((spent - before.get(name, 0)) / took, 3) for name, spent in after.items()
                          if spent - before.get(name, 0) > 0.01})
    print("sets published:", bed.weir.api("discovery")[0]["updates"], f"resident: {bed.weir.rss_bytes() / 2**20:.1f} MiB")
    stopping.set()
    bed.close()


def memory() -> None:
    for count in (1, 1000):
        bed = Bed(count)
        print(f"resident with {count} endpoints: {bed.weir.rss_bytes() / 2**20:.1f} MiB")
        bed.close()


def start() -> None:
    with tempfile.TemporaryDirectory(prefix="weir-state-") as state:
        bed = Bed(10, state)
        eventually(lambda: Path(state, "discovery-c").exists(), "the snapshot")
        bed.api.stop()
        text, port = bed.weir.file.read_text(), bed.weir.port
        bed.weir.signal(15)
        bed.weir.process.wait()
        file = Path(state, "weir.yaml")
        file.write_text(text)
        seconds = []
        for _ in range(20):
            began = time.perf_counter()
            weir = subprocess.Popen([os.environ["WEIR_BINARY"], "run", str(file)], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", port)) as client:
                        client.sendall(REQUEST)
                        if client.recv(4096).startswith(b"HTTP/1.1 200"):
                            break
                except OSError:
                    time.sleep(0.0005)
            seconds.append(time.perf_counter() - began)
            weir.kill()
            weir.wait()
        quantiles("exec -> first answer by a snapshot", seconds)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["use", "churn", "memory", "start"]:
        {"use": use, "churn": churn, "memory": memory, "start": start}[name]()
