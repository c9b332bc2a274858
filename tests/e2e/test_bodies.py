"""Large bodies: whole, and in bounded memory whoever is slow."""

from __future__ import annotations

import hashlib
import threading
import unittest
from collections.abc import Callable

from harness import BARE, WeirTest, eventually
from origins import Peer
from wire import Message, Truncated, response

SIZE = 50 << 20
BLOCK = bytes(range(256)) * 256  # 64 KiB
BLOCKS = SIZE // len(BLOCK)
DIGEST = hashlib.sha256(BLOCK * BLOCKS).hexdigest()
ROOM = 20 << 20


def download(peer: Peer, request: Message) -> None:
    peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode())
    for _ in range(BLOCKS):
        peer.send(BLOCK)


def download_chunked(peer: Peer, request: Message) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(BLOCKS):
        peer.send(b"10000\r\n" + BLOCK + b"\r\n")
    peer.send(b"0\r\n\r\n")


def digest_of(peer: Peer, size: int) -> str:
    """Reads a body without keeping it."""
    digest = hashlib.sha256()
    while size:
        if not peer.wire.buffer and not peer.wire.fill():
            raise Truncated(f"{size} bytes are missing")
        data = peer.wire.take(min(size, len(peer.wire.buffer)))
        peer.received.clear()
        digest.update(data)
        size -= len(data)
    return digest.hexdigest()


class Sink:
    """Takes a PUT once it is allowed to and answers with its SHA-256."""

    def __init__(self) -> None:
        self.may_read = threading.Event()

    def __call__(self, peer: Peer, message: Message) -> None:
        self.may_read.wait(30)
        digest = digest_of(peer, int(message.get("content-length") or 0))
        message.headers = [("content-length", "0")]  # the body is read
        peer.send(response(200, digest.encode()))


class Bodies(WeirTest):
    def test_fifty_megabytes_down(self) -> None:
        for answer in (download, download_chunked):
            with self.subTest(answer.__name__):
                weir, _ = self.proxied(answer, BARE)
                self.assertEqual(hashlib.sha256(weir.ask(timeout=30).body).hexdigest(), DIGEST)

    def test_fifty_megabytes_up(self) -> None:
        sink = Sink()
        sink.may_read.set()
        weir, _ = self.proxied(sink, BARE)
        with weir.connect(30) as client:
            client.send(f"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {SIZE}\r\n\r\n")
            for _ in range(BLOCKS):
                client.send(BLOCK)
            self.assertEqual(client.answer().body.decode(), DIGEST)

    def test_a_slow_reader_holds_the_origin_back(self) -> None:
        weir, origin = self.proxied(download, BARE)
        with weir.connect(30, receive_buffer=65536) as client:
            before = weir.rss_bytes()
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            self.wait_for_stall(lambda: origin.peers[-1].sent if origin.peers else 0)
            self.assertLess(origin.peers[-1].sent, SIZE)
            self.assertLess(weir.rss_bytes() - before, ROOM)
            self.assertEqual(hashlib.sha256(client.answer().body).hexdigest(), DIGEST)
            self.assertLess(weir.rss_bytes() - before, ROOM)

    def test_a_slow_origin_holds_the_client_back(self) -> None:
        sink = Sink()
        weir, _ = self.proxied(sink, BARE)
        sent = 0
        with weir.connect(30) as client:
            before = weir.rss_bytes()

            def upload() -> None:
                nonlocal sent
                client.send(f"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {SIZE}\r\n\r\n")
                for _ in range(BLOCKS):
                    client.send(BLOCK)
                    sent += len(BLOCK)

            sender = threading.Thread(target=upload, daemon=True)
            sender.start()
            self.wait_for_stall(lambda: sent)
            self.assertLess(sent, SIZE)
            self.assertLess(weir.rss_bytes() - before, ROOM)
            sink.may_read.set()
            sender.join(30)
            self.assertEqual(client.answer().body.decode(), DIGEST)

    def test_a_flood_of_interim_answers_is_held_back(self) -> None:
        def flood(peer: Peer, request: Message) -> None:
            while peer.sent < SIZE:
                peer.send(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 1000)
            peer.hang()

        weir, origin = self.proxied(flood, BARE)
        with weir.connect(30, receive_buffer=65536) as client:  # and does not read
            before = weir.rss_bytes()
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            self.wait_for_stall(lambda: origin.peers[-1].sent if origin.peers else 0)
            self.assertLess(weir.rss_bytes() - before, ROOM)

    def test_many_downloads_at_once_are_whole(self) -> None:
        weir = self.forward(self.files())
        digests: list[str] = []

        def get() -> None:
            digests.append(hashlib.sha256(weir.ask("/data", timeout=30).body).hexdigest())

        threads = [threading.Thread(target=get) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
        self.assertEqual(digests, [hashlib.sha256(BLOCK * 64).hexdigest()] * 16)

    def files(self) -> str:
        origin = self.nginx()
        (origin.files / "data").write_bytes(BLOCK * 64)
        return origin.address

    def wait_for_stall(self, progress: Callable[[], int]) -> None:
        """Until bytes have flowed and then none did for many looks in a row."""
        last, same = -1, 0

        def is_stalled() -> bool:
            nonlocal last, same
            now = progress()
            same = same + 1 if now == last else 0
            last = now
            return now > 0 and same >= 40

        eventually(is_stalled, "back-pressure", 20)


if __name__ == "__main__":
    unittest.main()
