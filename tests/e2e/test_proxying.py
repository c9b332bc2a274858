"""HTTP/1.1 and 1.0 through the real binary: messages arrive as they were sent, on connections that are kept."""

from __future__ import annotations

import subprocess
import threading
import unittest

from harness import SharedWeirTest, Weir, WeirTest, eventually, free_port
from origins import Peer, echo, fixed, raw
from wire import Message, RawClient, Truncated, chunk, request, response


class FourLines(WeirTest):
    def test_four_line_file_forwards(self) -> None:
        origin = self.origin()
        weir = self.weir(f"""\
            version: 1
            listeners:
              - listen: $LISTEN
                to: {origin.address}
            """)
        answer = weir.ask("/hello?x=1")
        self.assertEqual((answer.status, answer.body), (200, b"ok"))
        self.assertEqual(origin.targets(), ["/hello?x=1"])

    def test_curl_through_weir_to_nginx_gets_the_file(self) -> None:
        origin = self.nginx()
        content = bytes(range(256)) * 4096
        (origin.files / "data").write_bytes(content)
        weir = self.forward(origin.address)
        got = subprocess.run(["curl", "-sS", "--max-time", "10", f"http://127.0.0.1:{weir.port}/data"],
                             capture_output=True, check=True)
        self.assertEqual(got.stdout, content)


class FromTo(WeirTest):
    def test_from_to_needs_no_file(self) -> None:
        origin = self.origin()
        port = free_port()
        weir = Weir("", ["--from", f"127.0.0.1:{port}", "--to", origin.address])
        self.addCleanup(weir.stop)

        def answers() -> bool:
            self.assertIsNone(weir.process.poll(), weir.errors())
            try:
                with RawClient(port) as client:
                    return client.ask(request()).status == 200
            except OSError:
                return False

        eventually(answers, "an answer")
        self.assertEqual(origin.targets(), ["/"])


class Messages(SharedWeirTest):
    def test_keep_alive_serves_many_requests_on_one_connection_each_side(self) -> None:
        with self.weir_.connect() as client:
            client.ask(request(target="/first"))
            before = len(self.origin_.peers)
            for i in range(20):
                self.assertEqual(client.ask(request(target=f"/{i}")).status, 200)
        self.assertEqual(len(self.origin_.peers), before)
        self.assertEqual(self.origin_.targets(), ["/first"] + [f"/{i}" for i in range(20)])

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        with self.weir_.connect() as client:
            client.send(b"".join(request("POST", f"/{i}", body=b"body %d" % i) for i in range(3)))
            bodies = [client.answer().body for _ in range(3)]
        self.assertEqual(bodies, [b"body 0", b"body 1", b"body 2"])
        self.assertEqual(self.origin_.targets(), ["/0", "/1", "/2"])

    def test_a_request_may_arrive_byte_by_byte(self) -> None:
        with self.weir_.connect() as client:
            for byte in request("POST", "/slowly", body=b"abc"):
                client.send(bytes([byte]))
            self.assertEqual(client.answer().body, b"abc")

    def test_length_bodies_pass_both_ways(self) -> None:
        body = bytes(range(256)) * 700
        self.assertEqual(self.weir_.ask("/", "POST", body=body).body, body)
        self.assertEqual(self.last().get("content-length"), str(len(body)))

    def test_chunked_bodies_pass_both_ways(self) -> None:
        def chunked(peer: Peer, message: Message) -> None:
            peer.read_body(message)
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(message.body[:5]) +
                      chunk(message.body[5:]) + b"0\r\n\r\n")

        self.origin_.answer = chunked
        head = "POST /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
        with self.weir_.connect() as client:
            answer = client.ask(head.encode() + chunk(b"one") + chunk(b"two and three") + b"0\r\n\r\n")
        self.assertEqual(answer.body, b"onetwo and three")
        self.assertEqual(self.last().body, b"onetwo and three")

    def test_trailers_pass_both_ways(self) -> None:
        def with_trailers(peer: Peer, message: Message) -> None:
            peer.read_body(message)
            peer.send(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" +
                      chunk(b"down") + b"0\r\nX-Sum: 42\r\n\r\n")

        self.origin_.answer = with_trailers
        with self.weir_.connect() as client:
            answer = client.ask(b"POST /t HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n"
                                b"\r\n" + chunk(b"up") + b"0\r\nX-Up: 7\r\n\r\n")
        self.assertEqual(answer.trailers, [("X-Sum", "42")])
        self.assertEqual(self.last().trailers, [("X-Up", "7")])

    def test_head_has_the_length_and_no_body(self) -> None:
        self.origin_.answer = lambda peer, _: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with self.weir_.connect() as client:
            answer = client.ask(request("HEAD"), "HEAD")
            self.assertEqual((answer.status, answer.get("content-length")), (200, "1000"))
            self.origin_.answer = echo
            self.assertEqual(client.ask(request()).body, b"ok")

    def test_204_and_304_have_no_body_and_keep_the_connection(self) -> None:
        for status, head in ((204, b"HTTP/1.1 204 No Content\r\n\r\n"),
                             (304, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"a\"\r\n\r\n")):
            with self.subTest(status), self.weir_.connect() as client:
                self.origin_.answer = raw(head)
                self.assertEqual(client.ask(request()).status, status)
                self.origin_.answer = echo
                self.assertEqual(client.ask(request()).body, b"ok")

    def test_early_hints_pass_before_the_answer(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + response(200, b"final"))
        answer = self.weir_.ask()
        self.assertEqual([(m.status, m.get("link")) for m in answer.interim], [(103, "</a.css>")])
        self.assertEqual(answer.body, b"final")

    def test_expect_100_continue_gets_its_go_ahead_and_the_body_arrives(self) -> None:
        with self.weir_.connect() as client:
            client.send("POST /e HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            self.assertEqual(client.wire.line(), b"HTTP/1.1 100 Continue")
            while client.wire.line():
                pass
            self.assertEqual(client.ask("body").body, b"body")
        self.assertEqual(self.last().body, b"body")

    def test_an_early_answer_arrives_while_the_request_still_streams(self) -> None:
        self.origin_.answer = lambda peer, _: peer.send(response(403, b"no"))
        with self.weir_.connect() as client:
            client.send(f"POST /early HTTP/1.1\r\nHost: test\r\nContent-Length: {10 << 20}\r\n\r\n")
            client.send(b"x" * 1000)
            answer = client.answer()
        self.assertEqual((answer.status, answer.body, answer.error), (403, b"no", None))

    def test_a_client_that_ends_its_side_still_gets_the_answer(self) -> None:
        with self.weir_.connect() as client:
            client.send(request("POST", body=b"half"))
            client.end_sending()
            self.assertEqual(client.answer().body, b"half")

    def test_a_client_that_ends_its_side_after_a_pipeline_gets_all_answers(self) -> None:
        with self.weir_.connect() as client:
            client.send(request(target="/1") + request(target="/2") + request(target="/3"))
            client.end_sending()
            self.assertEqual([client.answer().body for _ in range(3)], [b"ok"] * 3)

    def test_http10_client_gets_plain_bytes_until_close(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                  chunk(b"one") + chunk(b"two") + b"0\r\n\r\n")
        with self.weir_.connect() as client:
            answer = client.ask("GET / HTTP/1.0\r\nHost: test\r\n\r\n")
            self.assertIsNone(answer.get("transfer-encoding"))
            self.assertEqual(answer.body, b"onetwo")
            self.assertTrue(client.is_closed())

    def test_http10_client_may_keep_its_connection(self) -> None:
        with self.weir_.connect() as client:
            for _ in range(3):
                answer = client.ask("GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n")
                self.assertEqual((answer.body, (answer.get("connection") or "").lower()), (b"ok", "keep-alive"))

    def test_http10_origin_ends_its_body_by_closing(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil close", close=True)
        with self.weir_.connect() as client:
            self.assertEqual(client.ask(request()).body, b"until close")
        self.origin_.answer = echo
        self.assertEqual(self.weir_.ask().body, b"ok")

    def test_connection_close_of_a_client_is_obeyed(self) -> None:
        with self.weir_.connect() as client:
            answer = client.ask(request(headers={"Connection": "close"}))
            self.assertEqual((answer.get("connection") or "").lower(), "close")
            self.assertTrue(client.is_closed())

    def test_connection_close_of_an_origin_is_obeyed(self) -> None:
        self.origin_.answer = fixed(headers={"Connection": "close"})
        with self.weir_.connect() as client:
            for _ in range(5):
                self.assertEqual(client.ask(request("POST", body=b"x")).status, 200)
            self.assertNotEqual((client.ask(request()).get("connection") or "").lower(), "close")

    def test_absolute_form_names_the_host(self) -> None:
        with self.weir_.connect() as client:
            answer = client.ask("GET http://shop.test/a?b=c HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        self.assertEqual(answer.status, 200)
        self.assertEqual((self.last().target, self.last().values("host")), ("/a?b=c", ["shop.test"]))

    def test_options_asterisk_passes(self) -> None:
        with self.weir_.connect() as client:
            self.assertEqual(client.ask("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n").status, 200)
        self.assertEqual(self.last().target, "*")

    def test_host_is_required_once_in_http11(self) -> None:
        for head in ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
            with self.subTest(head), self.weir_.connect() as client:
                self.assert_refused(client.ask(head), 400, "bad_request")
        self.assertEqual(self.origin_.targets(), [])

    def test_a_cut_length_body_never_looks_whole(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", close=True)
        with self.assertRaises((Truncated, ConnectionResetError)):
            self.weir_.ask()

    def test_a_cut_chunked_body_never_looks_whole(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"half"),
                                  close=True)
        with self.assertRaises((Truncated, ConnectionResetError)):
            self.weir_.ask()


class Tunnels(SharedWeirTest):
    """Connection: upgrade, as WebSocket uses it."""

    HEAD = request(target="/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    def shout(self, peer: Peer, _: Message) -> None:
        """Echoes in capitals; says bye when the client has ended its side."""
        peer.send(self.SWITCH + b"hello ")
        while peer.wire.buffer or peer.wire.fill():
            peer.send(peer.wire.take(len(peer.wire.buffer)).upper())
        peer.send(b" bye")
        peer.close()

    def test_bytes_pass_both_ways_and_each_side_ends_alone(self) -> None:
        self.origin_.answer = self.shout
        with self.weir_.connect() as client:
            answer = client.ask(self.HEAD)
            self.assertEqual((answer.status, (answer.get("upgrade") or "").lower()), (101, "websocket"))
            self.assertEqual(client.wire.exactly(6), b"hello ")
            client.send(b"ping\x00\xff")
            self.assertEqual(client.wire.exactly(6), b"PING\x00\xff")
            client.end_sending()
            self.assertEqual(client.wire.rest(), b" bye")
        self.assertIn("upgrade", (self.last().get("connection") or "").lower())

    def test_a_megabyte_passes_through_a_tunnel(self) -> None:
        self.origin_.answer = self.shout
        data = b"abcdefgh" * (1 << 17)
        with self.weir_.connect() as client:
            client.ask(self.HEAD)
            client.wire.exactly(6)

            def send() -> None:
                client.send(data)
                client.end_sending()

            sender = threading.Thread(target=send)
            sender.start()
            self.assertEqual(client.wire.rest(), data.upper() + b" bye")
            sender.join()

    def test_an_origin_that_declines_leaves_plain_http(self) -> None:
        self.origin_.answer = fixed(200, b"no upgrade")
        with self.weir_.connect() as client:
            self.assertEqual(client.ask(self.HEAD).body, b"no upgrade")
            self.assertEqual(client.ask(request(target="/next")).status, 200)
        declined = next(peer for peer in self.origin_.peers if b"GET /ws" in peer.received and peer.sent < 200)
        self.assertNotIn(b"GET /next", declined.received, "the connection of a declined upgrade was used again")

    def test_an_unasked_101_is_a_protocol_error(self) -> None:
        self.origin_.answer = raw(self.SWITCH)
        self.assert_refused(self.weir_.ask(), 502, "upstream_protocol")



if __name__ == "__main__":
    unittest.main()
