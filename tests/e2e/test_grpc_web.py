"""gRPC-Web from a browser's side, to a real server of gRPC."""

from __future__ import annotations

import base64
import threading
import unittest

import grpc_bed
from grpc_bed import SERVICE, Service, grpc, message
from harness import BARE, Weir, WeirTest
from origins import fixed
from wire import Message, request

WEB = "application/grpc-web+proto"
TEXT = "application/grpc-web-text+proto"


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Flag and payload of each."""
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        if len(body) < 5 + size:
            raise AssertionError(f"a frame of {size} is cut short: {body!r}")
        found.append((body[0], body[5:5 + size]))
        body = body[5 + size:]
    return found


def fields(trailers: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in trailers.decode().removesuffix("\r\n").split("\r\n"))
    return {name: value.strip() for name, _, value in lines}


def decoded(text: bytes) -> bytes:
    """Of base64 in pieces, each with its padding."""
    return b"".join(base64.b64decode(text[at:at + 4]) for at in range(0, len(text), 4))


@unittest.skipIf(grpc is None, grpc_bed.NOT_HERE)
class Web(WeirTest):
    def setUp(self) -> None:
        self.service = Service()
        self.addCleanup(self.service.close)
        self.weir_ = self.forward(self.service.address, cluster="protocol: h2c\nretry: off\n")

    def call(self, method: str, body: bytes, kind: str = WEB, weir: Weir | None = None) -> Message:
        fields = {"content-type": kind, "accept": kind, "x-grpc-web": "1", "x-user-agent": "grpc-web-javascript/0.1"}
        with (weir or self.weir_).connect() as client:
            return client.ask(request("POST", f"/{SERVICE}/{method}", fields, body), "POST")

    def test_a_call(self) -> None:
        answer = self.call("Unary", message(b"hello"))
        self.assertEqual((answer.status, answer.get("content-type"), answer.get("x-said")),
                         (200, "application/grpc-web", "so"))
        (first, body), (last, trailers) = frames(answer.body)
        self.assertEqual((first, body, last), (0, b"hello", 0x80))
        said = fields(trailers)
        self.assertEqual((said["grpc-status"], said["x-last"]), ("0", "1"))
        self.assertEqual(answer.trailers, [])

    def test_a_call_in_text(self) -> None:
        answer = self.call("Unary", base64.b64encode(message(b"hello")), TEXT)
        self.assertEqual(answer.get("content-type"), "application/grpc-web-text")
        self.assertEqual([flag for flag, _ in frames(decoded(answer.body))], [0, 0x80])
        self.assertEqual(frames(decoded(answer.body))[0][1], b"hello")

    def test_large_messages(self) -> None:
        for size in (0, 65_536, 3_000_000):
            for kind in (WEB, TEXT):
                with self.subTest(size=size, kind=kind):
                    body = message(b"x" * size)
                    answer = self.call("Unary", base64.b64encode(body) if kind == TEXT else body, kind)
                    got = decoded(answer.body) if kind == TEXT else answer.body
                    self.assertEqual(frames(got)[0], (0, b"x" * size))

    def test_a_stream(self) -> None:
        for kind in (WEB, TEXT):
            body = message(b"50 1000")
            answer = self.call("Split", base64.b64encode(body) if kind == TEXT else body, kind)
            got = frames(decoded(answer.body) if kind == TEXT else answer.body)
            self.assertEqual([flag for flag, _ in got], [0] * 50 + [0x80])

    def test_messages_come_as_they_are_said(self) -> None:
        said = threading.Event()

        def two(_: bytes, context: object) -> object:
            yield b"first"
            said.wait(10)
            yield b"second"
        self.service.split = two  # type: ignore[method-assign, assignment]
        handlers = {"Two": grpc.unary_stream_rpc_method_handler(two)}
        more = grpc.method_handlers_generic_handler("weir.test.More", handlers)
        self.service.server.add_generic_rpc_handlers((more,))
        with self.weir_.connect() as client:
            client.sock.sendall(request("POST", "/weir.test.More/Two", {"content-type": WEB}, message(b"")))
            got = b""
            while b"first" not in got:
                got += client.sock.recv(4096)
            self.assertNotIn(b"second", got)
            said.set()
            while b"\r\n0\r\n" not in got:
                got += client.sock.recv(4096)
        self.assertIn(b"second", got)

    def test_an_error(self) -> None:
        answer = self.call("Fail", message(b"9 not so"))
        said = dict(answer.headers)
        if not answer.get("grpc-status"):  # a head came before: then it is in the last frame
            (flag, trailers), = frames(answer.body)
            self.assertEqual(flag, 0x80)
            said = fields(trailers)
        self.assertEqual((said["grpc-status"], said["grpc-message"]), ("9", "not so"))

    def test_broken_text_is_refused(self) -> None:
        answer = self.call("Unary", b"!!!!", TEXT)
        self.assertEqual((answer.get("grpc-status"), answer.error), ("13", "bad_request"))
        answer = self.call("Unary", base64.b64encode(message(b"hello"))[:-2], TEXT)
        self.assertEqual((answer.get("grpc-status"), answer.error), ("13", "bad_request"))

    def test_a_server_of_grpc_web_gets_it_as_it_is(self) -> None:
        origin = self.origin(fixed(200, b"as it is", {"content-type": TEXT}))
        weir = self.forward(origin.address, cluster=BARE)
        answer = self.call("Unary", b"AAAA", TEXT, weir)
        self.assertEqual((answer.body, answer.get("content-type")), (b"as it is", TEXT))
        self.assertEqual(origin.requests[-1].get("content-type"), TEXT)

    def test_through_two(self) -> None:
        first = self.forward(f"127.0.0.1:{self.weir_.port}", cluster="protocol: h2c\n")
        answer = self.call("Unary", message(b"hello"), WEB, first)
        self.assertEqual([flag for flag, _ in frames(answer.body)], [0, 0x80])


if __name__ == "__main__":
    unittest.main()
