"""An agent of Consul as far as a service's health goes: /v1/health/service/NAME with blocking queries, by their rules.

The index is that of the last change, and never 0; a question with the index that is known waits for another one, for `wait` and up to a
sixteenth more; `passing`, `tag`, `dc` and `filter` select; a token is asked for where one is set. begin_anew() is a restored snapshot: the
index goes back.
"""

from __future__ import annotations

import json
import random
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DURATION = re.compile(r"(\d+)(ms|s|m)")
SCALE = {"ms": 0.001, "s": 1, "m": 60}


def instance(address: str, port: int, *, name: str = "", status: str = "passing", tags: tuple[str, ...] = (), weight: int = 1,
             node_address: str = "10.9.9.9", zone: str = "") -> dict[str, Any]:
    name = name or f"orders-{address}-{port}"
    return {"Node": {"ID": f"node-of-{name}", "Node": f"n-{name}", "Address": node_address, "Datacenter": "dc1", "Meta": {}},
            "Service": {"ID": name, "Service": "orders", "Tags": list(tags), "Address": address, "Port": port,
                        "Meta": {"zone": zone} if zone else {}, "Weights": {"Passing": weight, "Warning": 1}},
            "Checks": [{"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": f"service:{name}", "Status": status}]}


class Consul:
    def __init__(self, port: int = 0) -> None:
        self.changed = threading.Condition()
        self.index = 100
        self.instances: list[dict[str, Any]] = []
        self.token = ""
        self.questions: list[dict[str, str]] = []
        self.answer: bytes | None = None  # in place of what is true
        self.status = 200
        consul = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:  # noqa: N802
                consul.serve(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.is_closing = False
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.is_closing = True
        with self.changed:
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def set(self, *instances: dict[str, Any]) -> None:
        with self.changed:
            self.instances = list(instances)
            self.index += 1
            self.changed.notify_all()

    def begin_anew(self, *instances: dict[str, Any]) -> None:
        with self.changed:
            self.instances = list(instances)
            self.index = 3
            self.changed.notify_all()

    def selected(self, query: dict[str, str]) -> list[dict[str, Any]]:
        def is_wanted(each: dict[str, Any]) -> bool:
            states = {check["Status"] for check in each["Checks"]}
            if "passing" in query and states != {"passing"}:
                return False
            if "Checks.Status != critical" in query.get("filter", "") and "critical" in states:
                return False
            if query.get("dc", "dc1") != "dc1":
                return False
            return "tag" not in query or query["tag"] in each["Service"]["Tags"]

        return [each for each in self.instances if is_wanted(each)]

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.questions.append({"path": url.path, **query})
        if self.token and handler.headers["X-Consul-Token"] != self.token:
            return self.send(handler, 403, b"Permission denied: token lacks service:read", 0)
        with self.changed:
            known = int(query.get("index", "0"))
            if known > 0 and known == self.index:
                amount, unit = DURATION.fullmatch(query.get("wait", "5m")).groups()  # type: ignore[union-attr]
                wait = int(amount) * SCALE[unit]
                self.changed.wait_for(lambda: self.index != known or self.is_closing, wait + random.uniform(0, wait / 16))
            index = self.index
            body = json.dumps(self.selected(query)).encode()
        if url.path != "/v1/health/service/orders":
            body = b"[]"
        if self.is_closing:
            handler.close_connection = True
            return None
        return self.send(handler, self.status, self.answer if self.answer is not None else body, index)

    @staticmethod
    def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, index: int) -> None:
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body)))
            if index:
                handler.send_header("X-Consul-Index", str(index))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass
