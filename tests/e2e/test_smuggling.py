"""Request and response smuggling. A vector passes by what the origin received, byte for byte, not by Weir's word."""

from __future__ import annotations

import contextlib
import socket
import unittest

from harness import SharedWeirTest
from origins import Peer, echo, raw
from smuggling_vectors import VECTORS, Fate, Vector
from wire import Message, RawClient, Wire, chunk, request, response

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
AFTER = b"GET /after HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class Requests(SharedWeirTest):
    """Behind each refused vector another request lies in the same write: it must never arrive."""

    def setUp(self) -> None:
        super().setUp()
        self.whole: list[Message] = []  # requests that the origin received to the end
        self.origin_.answer = self.note

    def note(self, peer: Peer, message: Message) -> None:
        peer.read_body(message)
        self.whole.append(message)
        peer.send(response(200, b"ok"))

    def test_table_is_large_and_each_name_is_used_once(self) -> None:
        self.assertGreaterEqual(len(VECTORS), 120)
        self.assertEqual(len({vector.name for vector in VECTORS}), len(VECTORS))

    def test_every_vector(self) -> None:
        for number, vector in enumerate(VECTORS):
            with self.subTest(vector.name, data=vector.data[:200]):
                self.run_vector(number, vector)
        self.assertEqual(self.origin_.malformed, [])
        self.assertNotIn(b"\nGET /smuggled", b"\n" + self.stray_bytes())

    def run_vector(self, number: int, vector: Vector) -> None:
        self.whole.clear()
        bytes_before = len(self.origin_.received())
        harmless = vector.fate in (Fate.PASSED, Fate.SAFE)
        with self.weir_.connect(5) as client:
            with contextlib.suppress(OSError):  # refused while the bytes were on their way
                client.send(vector.data + (AFTER if harmless else SMUGGLED))
            answers = client.wire.rest()
        bytes_after = len(self.origin_.received())
        # One worker: when this one is answered, whatever the vector caused has been written before.
        self.assertEqual(self.weir_.ask(f"/sentinel-{number}").status, 200)
        self.assertEqual(self.whole.pop().target, f"/sentinel-{number}")
        seen = [(m.method, m.target, m.body) for m in self.whole]
        if vector.fate is Fate.REFUSED:
            self.assertEqual((seen, bytes_after), ([], bytes_before), "the origin received something")
            self.assert_one_refusal(answers, vector)
        elif vector.fate is Fate.CUT:
            self.assertEqual(seen, [])
            self.assert_one_refusal(answers, vector)
        elif vector.fate is Fate.PASSED or seen:
            self.assertEqual(seen, [vector.want] + ([] if vector.ends else [("GET", "/after", b"")]), answers[:300])
            self.assert_clean(self.whole[0])
        else:
            self.assert_one_refusal(answers, vector)

    def assert_one_refusal(self, answers: bytes, vector: Vector) -> None:
        """One answer of Weir's own, and then the end of the connection."""
        with wire_of(answers) as client:
            answer = client.answer()
            self.assertIn(answer.status, vector.status)
            self.assertIsNotNone(answer.error)
            self.assertEqual(client.wire.rest(), b"", "more than one answer")

    def assert_clean(self, message: Message) -> None:
        """What no origin may ever be sent (the strict reader of the origin has judged the framing)."""
        self.assertLessEqual(len(message.values("host")), 1)
        self.assertEqual([name for name, _ in message.headers + message.trailers if "_" in name], [])
        self.assertNotIn("evil", str(message.headers))
        forbidden = ("content-length", "transfer-encoding", "host", "authorization", "x-forwarded-for")
        self.assertEqual([name for name, _ in message.trailers if name.lower() in forbidden], [])
        self.assertNotIn("h2c", (message.get("upgrade") or "") + (message.get("http2-settings") or ""))

    def stray_bytes(self) -> bytes:
        """All the origin ever received, without the bodies that rightly look like a request."""
        body = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
        return self.origin_.received().replace(b"\r\n\r\n" + body, b"\r\n\r\n")


def wire_of(data: bytes) -> RawClient:
    """Bytes that were read, to be read again as answers."""
    ours, theirs = socket.socketpair()
    theirs.sendall(data)
    theirs.close()
    client = RawClient.__new__(RawClient)
    client.sock, client.wire = ours, Wire(ours)
    return client


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_HEADS = {
    "CL and TE": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unequal CL": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "equal CL": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "list CL": OK + b"Content-Length: 2, 2\r\n\r\nab",
    "signed CL": OK + b"Content-Length: +2\r\n\r\nab",
    "empty CL": OK + b"Content-Length:\r\n\r\nab",
    "CL overflow": OK + b"Content-Length: 18446744073709551618\r\n\r\nab",
    "unknown TE": OK + b"Transfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    "chunked not last": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab",
    "bare LF in a field": OK + b"X: a\nContent-Length: 2\r\n\r\nab",
    "bare CR in a field": OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\nab",
    "space before colon": OK + b"Content-Length : 2\r\n\r\nab",
    "empty name": OK + b": x\r\nContent-Length: 2\r\n\r\nab",
    "NUL in a value": OK + b"X: a\x00\r\nContent-Length: 2\r\n\r\nab",
    "leading space": OK + b" X: a\r\nContent-Length: 2\r\n\r\nab",
    "folded": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nab",
    "two-digit status": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nab",
    "four-digit status": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nab",
    "status of letters": b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nab",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "other protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "40 KB field": OK + b"X: " + b"a" * 40960 + b"\r\nContent-Length: 2\r\n\r\nab",
    "300 fields": OK + b"".join(b"X%d: y\r\n" % i for i in range(300)) + b"Content-Length: 2\r\n\r\nab",
    "unasked 101": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}
BAD_BODIES = {
    "chunk size": b"5x\r\nabcde\r\n0\r\n\r\n", "chunk overflow": b"FFFFFFFFFFFFFFFFF\r\nab",
    "no end of chunk": b"2\r\nabc\r\n",
    "chunk LF": b"2\nab\n0\n\n", "negative chunk": b"-2\r\nab\r\n", "bad trailer": b"2\r\nab\r\n0\r\nX : a\r\n\r\n",
    "closed early": b"5\r\nab",
}


class Responses(SharedWeirTest):
    """What an origin says wrongly reaches no client, and its connection serves nobody else."""

    def assert_fresh_connection_next(self, before: int) -> None:
        """And starts the next case without old connections."""
        self.origin_.answer = echo
        self.assertEqual(self.weir_.ask("/next").body, b"ok")
        used = next(i for i, peer in enumerate(self.origin_.peers) if b"GET /next" in peer.received)
        self.assertGreaterEqual(used, before, "the connection was used again")
        self.origin_.refuse()
        self.origin_.accept_again()
        self.origin_.peers.clear()

    def test_bad_heads_are_answered_502_and_not_forwarded(self) -> None:
        for name, data in BAD_HEADS.items():
            with self.subTest(name):
                self.origin_.answer = raw(data)
                self.assert_refused(self.weir_.ask("/bad"), 502, "upstream_protocol")
                self.assert_fresh_connection_next(len(self.origin_.peers))

    def test_bad_bodies_never_look_whole(self) -> None:
        for name, body in BAD_BODIES.items():
            with self.subTest(name):
                self.origin_.answer = raw(CHUNKED + body, name == "closed early")
                with self.weir_.connect() as client:
                    client.send(request(target="/bad"))
                    answer = client.wire.rest()
                self.assertFalse(answer.endswith(b"0\r\n\r\n"), answer)
                self.assert_fresh_connection_next(len(self.origin_.peers))

    def test_bytes_after_an_answer_are_dropped_with_the_connection(self) -> None:
        poison = response(200, b"poison")
        for name, data, method in (
            ("after a length", response(200, b"good") + poison, "GET"),
            ("after chunks", CHUNKED + chunk(b"good") + b"0\r\n\r\n" + poison, "GET"),
            ("after 204", b"HTTP/1.1 204 No Content\r\n\r\n" + poison, "GET"),
            ("after 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\ngood" + poison, "GET"),
            ("after HEAD", response(200, b"good") + poison, "HEAD"),
        ):
            with self.subTest(name):
                self.origin_.answer = raw(data)
                answer = self.weir_.ask("/first", method)
                self.assertNotIn(b"poison", answer.body)
                self.assert_fresh_connection_next(len(self.origin_.peers))

    def test_an_answer_before_its_request_is_never_used(self) -> None:
        self.assertEqual(self.weir_.ask("/warm").body, b"ok")
        for peer in self.origin_.open_peers():
            peer.send(response(200, b"poison"))
        for _ in range(5):
            self.assertEqual(self.weir_.ask("/clean").body, b"ok")


if __name__ == "__main__":
    unittest.main()
