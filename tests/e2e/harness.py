"""Runs the real binary (WEIR_BINARY) with a configuration and looks at it from outside."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from origins import Answer, Nginx, RawOrigin, echo
from wire import Message, RawClient, request

BINARY = os.environ.get("WEIR_BINARY", "")
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|assertion failed", re.I)
T = TypeVar("T")


_given_ports: set[int] = set()


def free_port() -> int:
    """A port to listen on later. Never one given before, nor one the kernel gives to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(10240, 32768)
        if port in _given_ports:
            continue
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port


def eventually(check: Callable[[], T], what: str, within: float = 10) -> T:
    """Asks until the answer is true; fails with `what` at the deadline."""
    deadline = time.monotonic() + within
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what} (last: {value!r})")
        time.sleep(0.01)


SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One scrape. Any line that is no text format 0.0.4 is an error."""

    def __init__(self, text: str) -> None:
        self.samples: list[tuple[str, dict[str, str], float]] = []
        self.types: dict[str, str] = {}
        self.helps: dict[str, str] = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.types[name] = kind
            elif line.startswith("# HELP "):
                self.helps[line.split(" ")[2]] = line
            elif line and not line.startswith("#"):
                match = SAMPLE.fullmatch(line)
                if not match:
                    raise ValueError(f"no metric line: {line!r}")
                labels = dict(LABEL.findall(match[2] or ""))
                self.samples.append((match[1], labels, float(match[3])))

    def values(self, name: str, **labels: str) -> list[float]:
        return [value for sample, given, value in self.samples
                if sample == name and labels.items() <= given.items()]

    def sum(self, name: str, **labels: str) -> float:
        return sum(self.values(name, **labels))

    def label(self, name: str, key: str, **labels: str) -> set[str]:
        return {given[key] for sample, given, _ in self.samples
                if sample == name and key in given and labels.items() <= given.items()}


def fetch(port: int, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Weir:
    """A running proxy. `$LISTEN` in the configuration is the address of `port`."""

    def __init__(self, config: str, arguments: list[str] | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="weir-e2e-"))
        self.file = self.root / "weir.yaml"
        self.port, self.admin_port, self.telemetry_port = free_port(), free_port(), free_port()
        self.expected_exit: int | None = 0
        self.stdout = (self.root / "stdout").open("wb")
        self.stderr = (self.root / "stderr").open("wb")
        self.write(config)
        self.process = subprocess.Popen([BINARY, "run", *(arguments or [str(self.file)])],
                                        stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=self.stderr)

    def write(self, config: str) -> None:
        """Writes the configuration as a rename, the ports of this process filled in."""
        text = textwrap.dedent(config).replace("$LISTEN", f"127.0.0.1:{self.port}")
        if "\nadmin:" not in text:
            text += f"\nadmin: {{listen: \"127.0.0.1:{self.admin_port}\"}}\n"
        if "\ntelemetry:" not in text:
            text += f"\ntelemetry: {{listen: \"127.0.0.1:{self.telemetry_port}\"}}\n"
        if "\ndrain:" not in text:
            text += "\ndrain: 3s\n"
        fresh = self.root / "fresh.yaml"
        fresh.write_text(text)
        fresh.rename(self.file)

    def errors(self) -> str:
        return (self.root / "stderr").read_text(errors="replace")

    def output(self) -> str:
        return (self.root / "stdout").read_text(errors="replace")

    def access_log(self) -> list[dict[str, Any]]:
        lines = self.output().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def wait_ready(self) -> None:
        def is_ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"weir ended with {self.process.returncode}:\n{self.errors()}")
            try:
                return fetch(self.admin_port, "GET", "/readyz")[0] == 200
            except OSError:
                return False

        # A source that does not answer is waited for ten seconds.
        eventually(is_ready, "ready", 20)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def reload(self, config: str) -> None:
        """A reload that must succeed; returns when the new configuration serves."""
        before = self.metrics().sum("weir_config_reloads_total", result="success")
        self.write(config)
        self.signal(signal.SIGHUP)
        eventually(lambda: self.metrics().sum("weir_config_reloads_total", result="success") > before,
                   f"reload; stderr:\n{self.errors()}")

    def admin(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
        return fetch(self.admin_port, method, path, headers)

    def api(self, path: str) -> Any:
        status, body = self.admin(f"/api/v1/{path}")
        if status != 200:
            raise AssertionError(f"GET /api/v1/{path}: {status} {body}")
        return json.loads(body)

    def metrics(self) -> Metrics:
        return Metrics(self.admin("/metrics")[1])

    def breaker(self, cluster: str) -> str:
        """The state in which the cluster's breaker is."""
        return str(next(b["state"] for b in self.api("breakers") if b["cluster"] == cluster))

    def endpoint_state(self, cluster: str, address: str) -> str:
        endpoints = self.api(f"clusters/{cluster}/endpoints")
        return str(next(e["state"] for e in endpoints if e["address"] == address))

    def connect(self, timeout: float = 10, receive_buffer: int | None = None) -> RawClient:
        return RawClient(self.port, timeout, receive_buffer)

    def ask(self, target: str = "/", method: str = "GET", headers: dict[str, str] | None = None,
            body: bytes = b"", host: str = "test", timeout: float = 10) -> Message:
        """One request on a connection of its own."""
        with self.connect(timeout) as client:
            return client.ask(request(method, target, headers, body, host), method)

    def rss_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]

    def threads(self) -> list[int]:
        return [int(name) for name in os.listdir(f"/proc/{self.process.pid}/task")]

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self) -> None:
        """SIGTERM, exit 0 and no sanitizer report; called by the cleanup of each test."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.stdout.close()
        self.stderr.close()
        errors = self.errors()
        shutil.rmtree(self.root, ignore_errors=True)
        if code != self.expected_exit or SANITIZER.search(errors):
            raise AssertionError(f"weir ended with {code}:\n{errors[-8000:]}")


class WeirTest(unittest.TestCase):
    """Starts what a test needs and ends it with the test."""

    @classmethod
    def setUpClass(cls) -> None:
        if not BINARY:
            raise AssertionError("WEIR_BINARY names no binary")

    def origin(self, answer: Answer = echo) -> RawOrigin:
        origin = RawOrigin(answer)
        self.addCleanup(origin.close)
        return origin

    def nginx(self, name: str = "nginx") -> Nginx:
        origin = Nginx(free_port(), name)
        self.addCleanup(origin.close)
        self.start_nginx(origin)
        return origin

    def start_nginx(self, origin: Nginx) -> None:
        origin.start()
        eventually(origin.is_listening, "nginx listens")

    def weir(self, config: str) -> Weir:
        weir = Weir(config)
        self.addCleanup(weir.stop)
        weir.wait_ready()
        return weir

    def forward(self, *addresses: str, cluster: str = "", rest: str = "") -> Weir:
        """A listener in front of one cluster `c`; `cluster` holds more keys of it, `rest` more of the file."""
        return self.weir(forwarding(*addresses, cluster=cluster, rest=rest))

    def proxied(self, answer: Answer = echo, cluster: str = "", rest: str = "") -> tuple[Weir, RawOrigin]:
        """A scripted origin and Weir in front of it."""
        origin = self.origin(answer)
        return self.forward(origin.address, cluster=cluster, rest=rest), origin

    def assert_refused(self, answer: Message, status: int, reason: str) -> None:
        self.assertEqual((answer.status, answer.error), (status, reason), answer)


# Nothing between the bytes of one request and its fate: for tests of framing and timeouts.
BARE = "breaker: off\noutlier: off\nretry: off\n"


class SharedWeirTest(WeirTest):
    """One Weir, one worker and one origin for all tests of a class; each test sets the origin's answer."""

    weir_: Weir
    origin_: RawOrigin
    cluster = BARE
    rest = "threads: 1\n"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.origin_ = RawOrigin()
        cls.addClassCleanup(cls.origin_.close)
        cls.weir_ = Weir(cls.configuration(cls.origin_.address))
        cls.addClassCleanup(cls.weir_.stop)
        cls.weir_.wait_ready()

    @classmethod
    def configuration(cls, address: str) -> str:
        return forwarding(address, cluster=cls.cluster, rest=cls.rest)

    def setUp(self) -> None:
        self.origin_.answer = echo
        self.origin_.requests.clear()

    def last(self) -> Message:
        """The newest request the origin read."""
        return self.origin_.requests[-1]


def forwarding(*addresses: str, cluster: str = "", rest: str = "") -> str:
    config = "version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
    config += f"    endpoints: [{', '.join(addresses)}]\n"
    return config + textwrap.indent(textwrap.dedent(cluster), "    ") + "\n" + textwrap.dedent(rest)
