"""HTTP/2 by hand, for what no client would send. Fields go out literally; of what comes, only frames are read."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from wire import Headers, Message

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


# ---- HPACK as a peer writes it who may not remember anything: HEADER_TABLE_SIZE is 0

NAMES = (":authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status "
         "accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow "
         "authorization cache-control content-disposition content-encoding content-language content-length "
         "content-location content-range content-type cookie date etag expect expires from host if-match "
         "if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards "
         "proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie "
         "strict-transport-security transfer-encoding user-agent vary via www-authenticate").split()
STATUSES = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
# By the length of their codes, which are canonical: in order of length, then of the character.
BY_LENGTH = {5: "012aceiost", 6: " %-./3456789=A_bdfghlmnpru", 7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz", 8: "&*,;XZ",
             10: "!\"()?", 11: "'+|", 12: "#>", 13: "\0$@[]~", 14: "^}", 15: "<`{"}


@cache
def codes() -> dict[str, str]:
    made, code, before = {}, 0, 5
    for length, characters in BY_LENGTH.items():
        code <<= length - before
        before = length
        for character in characters:
            made[format(code, f"0{length}b")] = character
            code += 1
    return made


def from_huffman(data: bytes) -> str:
    bits, out, begin = "".join(format(byte, "08b") for byte in data), "", 0
    for end in range(1, len(bits) + 1):
        character = codes().get(bits[begin:end])
        if character is not None:
            out, begin = out + character, end
    if set(bits[begin:]) - {"1"} or len(bits) - begin > 7:
        raise AssertionError(f"no text of usual characters: {data!r}")
    return out


class HeadReader:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def integer(self, bits: int) -> int:
        most = (1 << bits) - 1
        value, self.data = self.data[0] & most, self.data[1:]
        if value < most:
            return value
        shift = 0
        while True:
            byte, self.data = self.data[0], self.data[1:]
            value += (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self) -> str:
        is_huffman = bool(self.data[0] & 128)
        size = self.integer(7)
        text, self.data = self.data[:size], self.data[size:]
        return from_huffman(text) if is_huffman else text.decode("latin-1")

    def fields(self) -> Headers:
        found: Headers = []
        while self.data:
            first = self.data[0]
            if first & 0xe0 == 0x20:  # the size of the table
                self.integer(5)
            elif first & 128:
                index = self.integer(7)
                found.append((NAMES[index - 1], STATUSES.get(index, "")))
            else:
                index = self.integer(6 if first & 64 else 4)
                name = NAMES[index - 1] if index else self.text()
                found.append((name, self.text()))
        return found


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
                 sock: socket.socket | None = None, reads_heads: bool = False) -> None:
        self.sock = sock or socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frames: list[Frame] = []
        self.has_ended = False
        self.buffer = b""
        settings = b"" if window is None else b"\x00\x04" + window.to_bytes(4, "big")
        if reads_heads:
            settings += b"\x00\x01" + bytes(4)
        self.next_stream = 1
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

    def ask(self, fields: list[tuple[bytes, bytes]], after: bytes = b"") -> Message | int:
        """One request, pseudo fields included, with what follows its head; the answer, or the code of a reset. Of a
        client that reads heads."""
        stream = self.next_stream
        self.next_stream += 2
        self.send(frame(HEADERS, END_HEADERS | (0 if after else END_STREAM), stream, block(fields)) +
                  after.replace(b"STREAM", stream.to_bytes(4, "big")))
        end = self.end_of(stream)
        if end.kind == RST_STREAM:
            return end.code
        heads = [f for f in self.frames if f.stream == stream and f.kind == HEADERS]
        told = HeadReader(heads[0].payload).fields()
        body = self.body(stream)
        self.frames = [f for f in self.frames if f.stream != stream]
        return Message(f"HTTP/2 {told[0][1]}", told[1:], body)

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
