"""gRPC's own client and server in Python (grpcio, in build/tools/grpc), with messages that are plain bytes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

from origins import Peer
from wire import Message

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
TOOLS = Path(__file__).parents[2] / "build/tools"
sys.path.extend(str(path) for path in (TOOLS / "grpc").glob("lib/python3*/site-packages"))
try:
    import grpc
except ImportError:
    grpc = None  # type: ignore[assignment]
NOT_HERE = "grpcio is not here: ./dev test installs it"
SERVICE = "weir.test.Echo"


class Channel:
    """A client's connection, and calls by their shape. No proxy of the environment, no retries of its own."""

    def __init__(self, address: str, credentials: Any = None, options: list[tuple[str, Any]] | None = None) -> None:
        given = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0), ("grpc.max_receive_message_length", -1),
                 ("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1), *(options or [])]
        self.channel = (grpc.secure_channel(address, credentials, given) if credentials
                        else grpc.insecure_channel(address, given))

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def unary(self, method: str = "Unary") -> Any:
        return self.channel.unary_unary(f"/{SERVICE}/{method}")

    def split(self, method: str = "Split") -> Any:
        return self.channel.unary_stream(f"/{SERVICE}/{method}")

    def join(self, method: str = "Join") -> Any:
        return self.channel.stream_unary(f"/{SERVICE}/{method}")

    def chat(self, method: str = "Chat") -> Any:
        return self.channel.stream_stream(f"/{SERVICE}/{method}")

    def failure(self, method: str = "Unary", body: bytes = b"x", timeout: float | None = 20, **more: Any) -> Any:
        """The error of a call that must fail: code(), details(), trailing_metadata()."""
        try:
            got = self.unary(method)(body, timeout=timeout, **more)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"{method} did not fail: {got!r}")


def metadata(of: Any) -> dict[str, str]:
    return {key: value for key, value in (of or ())}


class Service:
    """A server on loopback. Each method does what its name says."""

    def __init__(self, credentials: Any = None, workers: int = 32) -> None:
        self.calls: list[str] = []
        self.metadata: list[dict[str, str]] = []
        self.remaining: list[float | None] = []
        self.ended = threading.Event()  # a Hang was left
        self.broken = False  # Unary is UNAVAILABLE
        self.server = grpc.server(futures.ThreadPoolExecutor(workers), options=[
            ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)])
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Hang": grpc.unary_unary_rpc_method_handler(self.hang),
            "Split": grpc.unary_stream_rpc_method_handler(self.split),
            "Break": grpc.unary_stream_rpc_method_handler(self.break_off),
            "Join": grpc.stream_unary_rpc_method_handler(self.join),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = (self.server.add_secure_port("127.0.0.1:0", credentials) if credentials
                     else self.server.add_insecure_port("127.0.0.1:0"))
        self.server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.stop(None).wait(5)

    def note(self, name: str, context: Any) -> None:
        self.metadata.append(metadata(context.invocation_metadata()))
        self.remaining.append(context.time_remaining())
        self.calls.append(name)

    def unary(self, request: bytes, context: Any) -> bytes:
        self.note("Unary", context)
        if self.broken:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        context.send_initial_metadata((("x-said", "so"), ("x-raw-bin", b"\x00\xff")))
        context.set_trailing_metadata((("x-last", "1"),))
        return request

    def fail(self, request: bytes, context: Any) -> bytes:
        """With the code and the words of the request: b"14 no"."""
        self.note("Fail", context)
        code, _, words = request.decode().partition(" ")
        context.set_trailing_metadata((("x-last", "1"),))
        context.abort(next(each for each in grpc.StatusCode if each.value[0] == int(code)), words)
        return b""

    def hang(self, _: bytes, context: Any) -> bytes:
        left = threading.Event()
        context.add_callback(left.set)
        self.note("Hang", context)
        left.wait(30)
        self.ended.set()
        return b""

    def split(self, request: bytes, context: Any) -> Iterator[bytes]:
        """So many messages of such a size: b"5 1000"."""
        self.note("Split", context)
        count, size = map(int, request.split())
        for number in range(count):
            yield bytes((number % 256,)) * size

    def break_off(self, request: bytes, context: Any) -> Iterator[bytes]:
        yield from self.split(request, context)
        context.abort(grpc.StatusCode.DATA_LOSS, "halfway")

    def join(self, requests: Iterator[bytes], context: Any) -> bytes:
        self.note("Join", context)
        return b"".join(requests)

    def chat(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        self.note("Chat", context)
        yield from requests


def message(body: bytes) -> bytes:
    """As a call carries it: not compressed, its length, itself."""
    return b"\x00" + len(body).to_bytes(4, "big") + body


def over_http1(peer: Peer, request: Message, status: bytes = b"grpc-status: 0\r\n") -> None:
    """An origin of HTTP/1.1 that answers what it was asked, with these trailers."""
    body = peer.read_body(request).body
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nX-Said: so\r\nTransfer-Encoding: chunked\r\n\r\n")
    if body:
        peer.send(b"%x\r\n%s\r\n" % (len(body), body))
    peer.send(b"0\r\n" + status + b"\r\n")
