"""A cluster of Kubernetes in small: its API, and pods behind a Weir that follows it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from harness import Weir, WeirTest, eventually
from kube_api import KubeApi, endpoint
from origins import RawOrigin, fixed


class KubernetesTest(WeirTest):
    """Pods are 127.0.0.2, .3, ... on one port; each says its own address."""

    def setUp(self) -> None:
        root = TemporaryDirectory(prefix="weir-kube-")
        self.addCleanup(root.cleanup)
        self.root = Path(root.name)
        self.state = self.root / "state"
        self.api = self.start_api()
        self.pods: dict[str, RawOrigin] = {}
        first = self.pod("127.0.0.2")
        self.port = first.port
        for last in (3, 4):
            self.pod(f"127.0.0.{last}")

    def start_api(self, **more: Any) -> KubeApi:
        api = KubeApi(**more)
        self.addCleanup(api.close)
        return api

    def pod(self, ip: str) -> RawOrigin:
        origin = RawOrigin(fixed(body=ip.encode()), host=ip, port=next(iter(self.pods.values())).port if self.pods else 0)
        self.addCleanup(origin.close)
        self.pods[ip] = origin
        return origin

    def put(self, *ips: str | dict[str, Any], name: str = "orders-1", **more: Any) -> None:
        self.api.put(name, [endpoint(ip) if isinstance(ip, str) else ip for ip in ips], self.port, **more)

    def config(self, options: str = "", more: str = "", port: str = "http", server: str = "") -> str:
        return ("version: 1\nthreads: 1\nnode: {zone: zone-a}\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
                f"    discovery: {{type: kubernetes, name: shop/orders, port: {port},"
                f" servers: [\"{server or self.api.address}\"], empty_hold: 1s{more}, options: {{node: node-1{options}}}}}\n")

    def start(self, *arguments: Any, state: bool = False, env: dict[str, str] | None = None, **more: Any) -> Weir:
        values = {"WEIR_STATE_DIR": str(self.state) if state else "", "STATE_DIRECTORY": "",
                  "KUBERNETES_SERVICE_HOST": "", **(env or {})}
        with mock.patch.dict(os.environ, values):
            return self.weir(self.config(*arguments, **more))

    def end(self, weir: Weir, number: int = signal.SIGTERM) -> None:
        """Before the test does."""
        weir.signal(number)
        weir.process.wait(15)

    def states(self, weir: Weir) -> dict[str, str]:
        return {e["address"].rsplit(":", 1)[0]: e["state"] for e in weir.api("clusters/c/endpoints")}

    def expect(self, weir: Weir, *ips: str) -> None:
        eventually(lambda: set(self.states(weir)) == set(ips), f"the endpoints {ips}")

    def source(self, weir: Weir) -> dict[str, Any]:
        return next(s for s in weir.api("discovery") if s["cluster"] == "c")

    def source_or_none(self, weir: Weir) -> dict[str, Any]:
        try:
            return self.source(weir)
        except OSError:
            return {}

    def reached(self, weir: Weir, count: int = 30) -> set[str]:
        """Who answers so many requests."""
        bodies = set()
        for _ in range(count):
            answer = weir.ask()
            self.assertEqual(answer.status, 200, answer)
            bodies.add(answer.body.decode())
        return bodies
