"""A real etcd on free ports, asked by its JSON gateway, and a relay in front of it that can be cut."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from http.client import HTTPConnection
from typing import Any

from harness import eventually, free_port

ETCD = shutil.which("etcd")


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """One member on free ports, its data kept from one start to the next."""

    def __init__(self) -> None:
        self.port, self.peer_port = free_port(), free_port()
        self.folder = tempfile.mkdtemp(prefix="weir-etcd-")
        self.process: subprocess.Popen[bytes] | None = None
        self.token = ""

    def start(self) -> None:
        assert ETCD
        url, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer_port}"
        self.process = subprocess.Popen(
            [ETCD, "--data-dir", self.folder, "--listen-client-urls", url, "--advertise-client-urls", url,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.is_ready, "etcd is ready", 30)

    def is_ready(self) -> bool:
        try:
            return self.ask("/v3/kv/range", {"key": coded("x")})[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path: str, body: object) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Authorization": self.token} if self.token else {}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def must(self, path: str, body: object) -> Any:
        status, answer = self.ask(path, body)
        if status != 200:
            raise AssertionError(f"etcd answers {status} to {path}: {answer}")
        return answer

    def put(self, key: str, value: str, lease: str = "0") -> int:
        return int(self.must("/v3/kv/put", {"key": coded(key), "value": coded(value), "lease": lease})["header"]["revision"])

    def delete(self, key: str, end: str = "") -> None:
        self.must("/v3/kv/deleterange", {"key": coded(key), **({"range_end": coded(end)} if end else {})})


class Between:
    """A relay that can be cut, and that can be slow."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.is_slow = False
        self.is_cut = False
        self.connections = 0
        self.open: list[socket.socket] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            self.connections += 1
            try:
                upstream = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            self.open += [client, upstream]
            for source, sink in ((client, upstream), (upstream, client)):
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    def copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(7 if self.is_slow else 65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self) -> None:
        self.is_cut = True
        for each in self.open:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
        self.open.clear()

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.server.close()
        self.cut()
