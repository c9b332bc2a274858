"""An API server of Kubernetes, as far as EndpointSlices go: lists, watches and their faults, in the words of the real one.

What it says is made of tests/recorded/kubernetes. It keeps a history of changes, so that a watch from a version gets what
came after it, and 410 where that is forgotten.
"""

from __future__ import annotations

import contextlib
import copy
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

RECORDED = Path(__file__).resolve().parent.parent / "recorded" / "kubernetes"


def recorded(name: str) -> list[Any]:
    return [json.loads(line) for line in (RECORDED / name).read_text().splitlines()]


def status_of(name: str) -> tuple[int, Any]:
    body = recorded(name)[0]
    return body["code"], body


FORBIDDEN = status_of("forbidden.json")
UNAUTHORIZED = status_of("unauthorized.json")
NO_WATCH_LIST = status_of("no_watch_list.json")
EXPIRED = recorded("expired.ndjson")[0]
_SLICE = recorded("initial.ndjson")[0]["object"]
_BOOKMARK = recorded("initial.ndjson")[-1]
_SERVICE = recorded("service.json")[0]


def endpoint(ip: str, uid: str = "", zone: str = "", ready: bool | None = True, serving: bool | None = True,
             terminating: bool | None = False, hints: dict[str, Any] | None = None) -> dict[str, Any]:
    """One of a slice; a condition that is None is left out, as old controllers do."""
    conditions = {"ready": ready, "serving": serving, "terminating": terminating}
    made: dict[str, Any] = {"addresses": [ip], "conditions": {k: v for k, v in conditions.items() if v is not None}}
    if hints:
        made["hints"] = hints
    made["targetRef"] = {"kind": "Pod", "namespace": "shop", "name": f"orders-{ip}", "uid": uid or f"uid-of-{ip}"}
    made["nodeName"] = "node-1"
    if zone:
        made["zone"] = zone
    return made


class KubeApi:
    """`put` and `remove` slices of service shop/orders; attributes make it fail."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.tls = tls
        self.slices: dict[str, Any] = {}
        self.version = 640
        self.history: list[tuple[int, str, Any]] = []
        self.forgotten = 640  # versions up to this one are too old to watch from
        self.token = ""  # expected; empty: anyone may ask
        self.refusal: tuple[int, Any] | None = None  # of everything about slices
        self.knows_watch_list = True
        self.expires_by_status = False  # 410 as the status, not in the stream
        self.garbage = b""  # said on each watch in place of its next event
        self.cuts_after = -1  # bytes of a watch's body, then a reset
        self.is_slow = False  # a byte at a time
        self.is_silent = False  # answers nothing at all
        self.tells_bookmarks = True
        self.page = 0  # items of a page of a list; 0: all
        self.requests: list[str] = []  # targets
        self.tokens: set[str] = set()  # that were shown
        self.condition = threading.Condition()
        self.watching = 0  # watches that wait for news
        self.socks: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self.closing = False
        self._start()

    # ---- what a test says

    @property
    def address(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def put(self, name: str, endpoints: list[dict[str, Any]] | None, port: int | None = 8080,
            port_name: str = "http", app_protocol: str = "") -> None:
        made = copy.deepcopy(_SLICE)
        made["metadata"]["name"] = name
        made["endpoints"] = endpoints
        made["ports"] = None
        if port is not None:
            made["ports"] = [{"name": port_name, "port": port, "protocol": "TCP"}]
        if port is not None and app_protocol:
            made["ports"][0]["appProtocol"] = app_protocol
        self._change("MODIFIED" if name in self.slices else "ADDED", name, made)

    def remove(self, name: str) -> None:
        self._change("DELETED", name, self.slices[name])

    def bookmark(self) -> None:
        """Tells every watch the version."""
        with self.condition:
            self.version += 1
            self.history.append((self.version, "BOOKMARK", None))
            self.condition.notify_all()

    def forget(self) -> None:
        """As after a restart with compaction: every watch must begin anew."""
        with self.condition:
            self.version += 10
            self.forgotten = self.version
            self.history.clear()

    def cut(self) -> None:
        """Resets every connection."""
        with self.condition:
            socks = list(self.socks)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Away: connections are reset, new ones refused. start_again() comes back with what it knew."""
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(5)
        with self.condition:
            self.condition.notify_all()
        self.cut()

    def start_again(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.closing = False
        self._start()

    def close(self) -> None:
        if not self.closing:
            self.stop()

    def count(self, part: str) -> int:
        """Requests whose target has that in it."""
        with self.condition:
            return sum(part in target for target in self.requests)

    # ---- how it answers

    def _change(self, kind: str, name: str, made: Any) -> None:
        with self.condition:
            self.version += 1
            made = copy.deepcopy(made)
            made["metadata"]["resourceVersion"] = str(self.version)
            if kind == "DELETED":
                del self.slices[name]
            else:
                self.slices[name] = made
            self.history.append((self.version, kind, made))
            self.condition.notify_all()

    def _start(self) -> None:
        self.acceptor = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.acceptor.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, EOFError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with self.condition:
                self.socks.add(sock)
            wire = sock.makefile("rb")
            while self._answer(sock, wire):
                pass
        with self.condition:
            self.socks.discard(sock)
        with contextlib.suppress(OSError):
            sock.close()

    def _answer(self, sock: socket.socket, wire: Any) -> bool:
        line = wire.readline().decode()
        if not line:
            return False
        target = line.split(" ")[1]
        token = ""
        while (header := wire.readline().decode().strip()):
            name, _, value = header.partition(":")
            if name.lower() == "authorization":
                token = value.strip().removeprefix("Bearer ")
        with self.condition:
            self.requests.append(target)
            self.tokens.add(token)
        if self.is_silent:
            while not self.closing:
                time.sleep(0.02)
            return False
        parts, query = urlsplit(target), parse_qs(urlsplit(target).query)
        if self.token and token != self.token:
            return self._say(sock, *UNAUTHORIZED)
        if parts.path == "/api/v1/namespaces/shop/services/orders":
            return self._say(sock, 200, _SERVICE)
        if parts.path != "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices":
            return self._say(sock, 404, {"kind": "Status", "code": 404, "message": "the server could not find it"})
        if query.get("labelSelector") != ["kubernetes.io/service-name=orders"]:
            return self._say(sock, 400, {"kind": "Status", "code": 400, "message": "another selector"})
        if self.refusal:
            return self._say(sock, *self.refusal)
        if "watch" not in query:
            return self._list(sock, query)
        return self._watch(sock, query)

    def _say(self, sock: socket.socket, status: int, body: Any) -> bool:
        data = json.dumps(body, separators=(",", ":")).encode() + b"\n"
        head = f"HTTP/1.1 {status} X\r\nAudit-Id: 1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        sock.sendall(head.encode() + data)
        return True

    def _list(self, sock: socket.socket, query: dict[str, list[str]]) -> bool:
        with self.condition:
            items = [copy.deepcopy(made) for _, made in sorted(self.slices.items())]
            version = self.version
        for item in items:
            del item["kind"], item["apiVersion"]
        begin = int(query.get("continue", ["0"])[0])
        size = self.page or len(items) or 1
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if begin + size < len(items):
            metadata["continue"] = str(begin + size)
        return self._say(sock, 200, {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
                                     "metadata": metadata, "items": items[begin:begin + size]})

    def _watch(self, sock: socket.socket, query: dict[str, list[str]]) -> bool:
        is_initial = "sendInitialEvents" in query
        if is_initial and not self.knows_watch_list:
            return self._say(sock, *NO_WATCH_LIST)
        seen = int(query.get("resourceVersion", ["0"])[0])
        is_expired = not is_initial and seen < self.forgotten
        if is_expired and self.expires_by_status:
            return self._say(sock, 410, EXPIRED["object"])
        stream = _Stream(self, sock)
        if is_expired:
            stream.event(EXPIRED)
            stream.end()
            return True
        if is_initial:
            with self.condition:
                items, seen = list(self.slices.values()), self.version
            for item in items:
                stream.event({"type": "ADDED", "object": item})
            if self.tells_bookmarks:
                stream.event(self._bookmark(seen, is_end=True))
        with self.condition:
            self.watching += 1
        try:
            self._follow(stream, seen, time.monotonic() + float(query["timeoutSeconds"][0]))
        finally:
            with self.condition:
                self.watching -= 1
        stream.end()
        return True

    def _bookmark(self, version: int, is_end: bool) -> Any:
        made = copy.deepcopy(_BOOKMARK)
        made["object"]["metadata"]["resourceVersion"] = str(version)
        if not is_end:
            del made["object"]["metadata"]["annotations"]
        return made

    def _follow(self, stream: _Stream, seen: int, until: float) -> None:
        while time.monotonic() < until and not self.closing:
            with self.condition:
                news = [each for each in self.history if each[0] > seen]
                if not news:
                    self.condition.wait(0.1)
                    continue
            for version, kind, made in news:
                seen = version
                if self.garbage:
                    stream.send(self.garbage)
                    return
                stream.event(self._bookmark(version, is_end=False) if kind == "BOOKMARK"
                             else {"type": kind, "object": made})


class _Stream:
    """The body of a watch: a chunk an event."""

    def __init__(self, api: KubeApi, sock: socket.socket) -> None:
        self.api = api
        self.sock = sock
        self.sent = 0
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")

    def event(self, event: Any) -> None:
        self.send(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def send(self, data: bytes) -> None:
        chunk = b"%x\r\n%s\r\n" % (len(data), data)
        limit = self.api.cuts_after
        if limit >= 0 and self.sent + len(chunk) > limit:
            self.sock.sendall(chunk[: max(limit - self.sent, 0)])
            raise EOFError
        self.sent += len(chunk)
        if not self.api.is_slow:
            self.sock.sendall(chunk)
            return
        for i in range(len(chunk)):
            self.sock.sendall(chunk[i : i + 1])

    def end(self) -> None:
        self.sock.sendall(b"0\r\n\r\n")


def until(check: Callable[[], bool], within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
