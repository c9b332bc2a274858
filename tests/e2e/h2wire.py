"""HTTP/2 by hand, for what no client would send. Fields go out literally; of what comes, only frames are read."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, CALM = 0, 1, 2, 7, 8, 11


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def integer(value: int) -> bytes:
    if value < 127:
        return bytes((value,))
    out, value = bytearray((127,)), value - 127
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes((*out, value))


def field(name: bytes, value: bytes) -> bytes:
    """Literal, never indexed, without Huffman's code."""
    return b"\x10" + integer(len(name)) + name + integer(len(value)) + value


def block(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(field(name, value) for name, value in fields)


def pseudo(method: str = "GET", path: str = "/", authority: str = "test") -> list[tuple[bytes, bytes]]:
    return [(b":method", method.encode()), (b":scheme", b"http"), (b":authority", authority.encode()),
            (b":path", path.encode())]


def head(stream: int, method: str = "GET", path: str = "/", more: list[tuple[bytes, bytes]] | None = None,
         ends: bool = True) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream,
                 block(pseudo(method, path) + (more or [])))


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of RST_STREAM and GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == RST_STREAM else self.payload[4:8], "big")

    @property
    def ends(self) -> bool:
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)


class H2Client:
    """A connection that has said its preface and settings."""

    def __init__(self, port: int, timeout: float = 10, window: int | None = None,
                 sock: socket.socket | None = None) -> None:
        self.sock = sock or socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frames: list[Frame] = []
        self.has_ended = False
        self.buffer = b""
        settings = b"" if window is None else b"\x00\x04" + window.to_bytes(4, "big")
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def __enter__(self) -> H2Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def flood(self, data: bytes) -> None:
        """As long as the other side takes it, and reads what it says meanwhile."""
        view = memoryview(data)
        self.sock.setblocking(False)
        with contextlib.suppress(OSError):
            while view and not self.has_ended:
                readable, writable, _ = select.select([self.sock], [self.sock], [], 10)
                if readable:
                    self.fill()
                if writable:
                    view = view[self.sock.send(view[:65536]):]
        self.sock.setblocking(True)
        self.sock.settimeout(10)

    def fill(self) -> None:
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        self.has_ended = self.has_ended or not data
        self.buffer += data
        while len(self.buffer) >= 9:
            end = 9 + int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < end:
                return
            came = Frame(self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big"), self.buffer[9:end])
            self.buffer = self.buffer[end:]
            self.frames.append(came)
            if came.kind == SETTINGS and not came.flags & ACK:
                with contextlib.suppress(OSError):
                    self.sock.send(frame(SETTINGS, ACK))

    def until(self, what: object) -> Frame:
        """The first frame, of those that came and those to come, of which it is true."""
        seen = 0
        while True:
            for each in self.frames[seen:]:
                if what(each):  # type: ignore[operator]
                    return each
            seen = len(self.frames)
            if self.has_ended:
                raise AssertionError(f"the connection ended, after {self.frames}")
            self.fill()

    def end_of(self, stream: int) -> Frame:
        return self.until(lambda f: f.stream == stream and (f.ends or f.kind == RST_STREAM))

    def goaway(self) -> Frame:
        return self.until(lambda f: f.kind == GOAWAY)

    def body(self, stream: int) -> bytes:
        return b"".join(f.payload for f in self.frames if f.stream == stream and f.kind == DATA)

    def is_good(self, stream: int) -> bool:
        """Its head begins with :status 200, as the static table has it."""
        heads = [f for f in self.frames if f.stream == stream and f.kind == HEADERS]
        return bool(heads) and b"\x88" in heads[0].payload[:4]

    def rest(self) -> None:
        while not self.has_ended:
            self.fill()


class H2Served:
    """A client's connection to H2Origin."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.bodies: dict[int, bytes] = {}
        self.heads: dict[int, bytes] = {}
        self.sock.sendall(frame(SETTINGS))

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def answer(self, stream: int, fields: list[tuple[bytes, bytes]], body: bytes = b"",
               trailers: list[tuple[bytes, bytes]] | None = None) -> None:
        ends = END_STREAM if not body and not trailers else 0
        self.send(frame(HEADERS, END_HEADERS | ends, stream, block([(b":status", b"200"), *fields])))
        if body:
            self.send(frame(DATA, 0 if trailers else END_STREAM, stream, body))
        if trailers:
            self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers)))

    def frames(self) -> Iterator[Frame]:
        """Reads until the client ends."""
        preface = True
        while data := self.sock.recv(1 << 16):
            self.buffer += data
            if preface and len(self.buffer) >= len(PREFACE):
                self.buffer, preface = self.buffer[len(PREFACE):], False
            while not preface and len(self.buffer) >= 9:
                end = 9 + int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < end:
                    break
                came = Frame(self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big"),
                             self.buffer[9:end])
                self.buffer = self.buffer[end:]
                yield came


class H2Origin:
    """A server in clear; `answer` is called when a request is whole, with its connection and stream."""

    def __init__(self, answer: Callable[[H2Served, int], None]) -> None:
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            served = H2Served(sock)
            for came in served.frames():
                if came.kind == SETTINGS and not came.flags & ACK:
                    served.send(frame(SETTINGS, ACK))
                elif came.kind == PING and not came.flags & ACK:
                    served.send(frame(PING, ACK, 0, came.payload))
                elif came.kind == HEADERS:
                    served.heads[came.stream] = came.payload
                elif came.kind == DATA:
                    served.bodies[came.stream] = served.bodies.get(came.stream, b"") + came.payload
                if came.ends:
                    self.answer(served, came.stream)

    def close(self) -> None:
        self.listener.close()
