"""Asks the admin port, over TCP or a Unix socket: whole answers, and streams of events."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

JSON = "application/json"
YAML = "application/yaml"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float = 10) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def type(self) -> str:
        return self.headers.get_content_type()

    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def code(self) -> str:
        """The code of an error; every error has one, and a sentence."""
        error = self.json()["error"]
        assert error["message"], error
        return str(error["code"])

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:2000]!r}"


def ask(to: int | str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None,
        kind: str = JSON) -> Answer:
    """To a port of 127.0.0.1, or a Unix socket. A body that is no text is sent as JSON."""
    sent = dict(headers or {})
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    if body is not None and kind:
        sent.setdefault("Content-Type", kind)
    connection = (http.client.HTTPConnection("127.0.0.1", to, timeout=15) if isinstance(to, int)
                  else UnixConnection(to, 15))
    try:
        connection.request(method, path, body=body, headers=sent)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Events:
    """A stream of server-sent events, read one by one; comments are kept apart."""

    def __init__(self, port: int, path: str, headers: dict[str, str] | None = None) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream", **(headers or {})})
        self.answer = self.connection.getresponse()
        self.comments: list[str] = []

    def next(self) -> dict[str, str]:
        """The fields of the next event that has data."""
        fields: dict[str, str] = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                raise EOFError("the stream ended")
            line = line.rstrip("\n")
            if not line and "data" in fields:
                return fields
            if not line:
                fields = {}
            elif line.startswith(":"):
                self.comments.append(line)
            else:
                name, _, value = line.partition(": ")
                fields[name] = value

    def close(self) -> None:
        self.answer.close()
        self.connection.close()
