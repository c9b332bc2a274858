"""Bytes on sockets: a buffered reader, HTTP/1 messages read strictly, a client that sends exact bytes."""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass, field

CRLF = b"\r\n"
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\.[01]")
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [\t -~\x80-\xff]*")
Headers = list[tuple[str, str]]


class Malformed(Exception):
    """What was read is no HTTP/1 message, or not a whole one."""


class Truncated(Malformed):
    """The connection ended inside a message."""


class Wire:
    """A socket with a buffer. Everything received is appended to `log`."""

    def __init__(self, sock: socket.socket, log: bytearray | None = None) -> None:
        self.sock = sock
        self.log = bytearray() if log is None else log
        self.buffer = bytearray()

    def fill(self) -> bool:
        """Reads once; False at the end of the connection."""
        data = self.sock.recv(65536)
        self.log += data
        self.buffer += data
        return bool(data)

    def take(self, size: int) -> bytes:
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            if not self.fill():
                raise Truncated(f"{size - len(self.buffer)} bytes of {size} are missing")
        return self.take(size)

    def line(self) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            if not self.fill():
                raise Truncated(f"no end of line after {bytes(self.buffer)!r}")
        line = self.take(end + 1)
        if not line.endswith(CRLF) or b"\r" in line[:-2]:
            raise Malformed(f"a line must end in CR LF: {line!r}")
        return line[:-2]

    def rest(self, limit: int = 64 << 20) -> bytes:
        """Everything until the peer closes; a reset counts as a close."""
        try:
            while self.fill():
                if len(self.buffer) > limit:
                    raise AssertionError(f"more than {limit} bytes and no end")
        except ConnectionResetError:
            pass
        return self.take(len(self.buffer))

    def at_end(self) -> bool:
        """True if the peer closed and nothing is left to read. Waits for one or the other."""
        try:
            return not self.buffer and not self.fill()
        except ConnectionResetError:
            return True


@dataclass
class Message:
    """A request or a response."""

    start: str
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    interim: list[Message] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.values(name)
        return ", ".join(values) if values else None

    @property
    def status(self) -> int:
        return int(self.start.split()[1])

    @property
    def method(self) -> str:
        return self.start.split()[0]

    @property
    def target(self) -> str:
        return self.start.split()[1]

    @property
    def error(self) -> str | None:
        """The reason word, if Weir itself answered."""
        return self.get("weir-error")


def read_fields(wire: Wire) -> Headers:
    fields: Headers = []
    while line := wire.line():
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name) or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise Malformed(f"no header field: {line!r}")
        fields.append((name.decode(), value.strip(b" \t").decode("latin-1")))
    return fields


def read_head(wire: Wire, pattern: re.Pattern[bytes]) -> Message | None:
    """None if the peer closed between messages."""
    if not wire.buffer and not wire.fill():
        return None
    line = wire.line()
    if not pattern.fullmatch(line):
        raise Malformed(f"no start line: {line!r}")
    message = Message(line.decode("latin-1"), read_fields(wire))
    lengths, codings = message.values("content-length"), message.values("transfer-encoding")
    if lengths and codings or len(lengths) > 1 or len(codings) > 1:
        raise Malformed(f"ambiguous framing: {message.headers}")
    if lengths and not re.fullmatch("[0-9]+", lengths[0]):
        raise Malformed(f"content-length: {lengths[0]!r}")
    if codings and codings[0].lower() != "chunked":
        raise Malformed(f"transfer-encoding: {codings[0]!r}")
    return message


def read_chunks(wire: Wire) -> tuple[bytes, Headers]:
    body = bytearray()
    while True:
        size = wire.line()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
            raise Malformed(f"chunk size: {size!r}")
        if int(size, 16) == 0:
            return bytes(body), read_fields(wire)
        body += wire.exactly(int(size, 16))
        if wire.exactly(2) != CRLF:
            raise Malformed("no CR LF after a chunk")


def read_body(wire: Wire, message: Message, until_close: bool = False) -> Message:
    if message.get("transfer-encoding"):
        message.body, message.trailers = read_chunks(wire)
    elif (length := message.get("content-length")) is not None:
        message.body = wire.exactly(int(length))
    elif until_close:
        while wire.fill():
            pass
        message.body = wire.take(len(wire.buffer))
    return message


def read_request(wire: Wire) -> Message | None:
    message = read_head(wire, REQUEST_LINE)
    return message and read_body(wire, message)


def read_response(wire: Wire, method: str = "GET") -> Message:
    """The final response, with the 1xx before it; a body cut short raises Truncated."""
    interim: list[Message] = []
    while True:
        message = read_head(wire, STATUS_LINE)
        if message is None:
            raise Truncated("the connection closed without an answer")
        if message.status >= 200 or message.status == 101:
            break
        interim.append(message)
    message.interim = interim
    if method == "HEAD" or message.status in (101, 204, 304):
        return message
    return read_body(wire, message, until_close=True)


def abort(sock: socket.socket) -> None:
    """Closes with a reset, also while another thread reads (which must let go of the socket first)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    finally:
        sock.close()


class RawClient:
    """A connection on which a test says every byte."""

    def __init__(self, port: int, timeout: float = 10, receive_buffer: int | None = None) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        self.sock.connect(("127.0.0.1", port))
        self.wire = Wire(self.sock)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def answer(self, method: str = "GET") -> Message:
        return read_response(self.wire, method)

    def ask(self, data: bytes | str, method: str = "GET") -> Message:
        self.send(data)
        return self.answer(method)

    def end_sending(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def is_closed(self) -> bool:
        """True if Weir closed the connection with nothing more sent; waits for it."""
        return self.wire.at_end()

    def abort(self) -> None:
        abort(self.sock)


def request(method: str = "GET", target: str = "/", headers: dict[str, str] | None = None,
            body: bytes = b"", host: str = "test") -> bytes:
    """A plain request; a body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def response(status: int = 200, body: bytes = b"ok", headers: dict[str, str] | None = None) -> bytes:
    """A plain response with its Content-Length."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + CRLF
