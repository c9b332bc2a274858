"""WebSocket over HTTP/2 (RFC 8441) and HTTP/1, each way, with real peers: websockets (Python) and nghttpx."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc_bed  # noqa: F401: the path of the tools' packages
from harness import BARE, Weir, WeirTest, eventually, fetch, free_port
from h2wire import END_HEADERS, HEADERS, H2Client, block, frame, pseudo

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect
    from websockets.sync.server import ServerConnection, serve
except ImportError:
    connect = None  # type: ignore[assignment]

QUIET = logging.getLogger("websockets.quiet")
QUIET.disabled = True
LARGE = bytes(range(256)) * 12_000


def echo(link: Any) -> None:
    """Says its path and subprotocol, then echoes; "bye" makes it close with 4001."""
    link.send(f"{link.request.path} {link.subprotocol}")
    for message in link:
        if message == "bye":
            link.close(4001, "as asked")
            return
        link.send(message)


@unittest.skipIf(connect is None, "websockets is not here: ./dev test installs it")
@unittest.skipIf(shutil.which("nghttpx") is None, "nghttpx is not here: ./dev test installs it")
class WebSockets(WeirTest):
    def server(self, **more: Any) -> str:
        server = serve(echo, "127.0.0.1", 0, max_size=None, logger=QUIET, **more,
                       select_subprotocol=lambda _, offered: "chat" if "chat" in offered else None)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return f"127.0.0.1:{server.socket.getsockname()[1]}"

    def nghttpx(self, backend: str, options: str = "") -> str:
        """Between both protocols: its backend speaks HTTP/2 with `proto=h2`, whoever comes chooses."""
        root = Path(tempfile.mkdtemp(prefix="weir-nghttpx-"))
        self.addCleanup(shutil.rmtree, root, True)
        port = free_port()
        process = subprocess.Popen(
            ["nghttpx", "--conf=/dev/null", "--workers=1", f"--errorlog-file={root}/errors",
             "--accesslog-file=/dev/null", f"-f127.0.0.1,{port};no-tls", f"-b{backend.replace(':', ',')};;{options}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def is_listening() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return False
            return True

        eventually(is_listening, "nghttpx listens")
        return f"127.0.0.1:{port}"

    def bed(self, client_is_h2: bool, upstream_is_h2: bool, lines: str = "") -> tuple[str, Weir]:
        """Where a client of HTTP/1 connects, and Weir behind it with HTTP/2 where that is said."""
        upstream = self.server()
        if upstream_is_h2:
            upstream = self.nghttpx(upstream)
            lines += "protocol: h2c\n"
        weir = self.forward(upstream, cluster=BARE + lines, rest="threads: 1\ndrain: 20s\naccess_log: {format: json}\n")
        return self.front(weir) if client_is_h2 else f"127.0.0.1:{weir.port}", weir

    def front(self, weir: Weir) -> str:
        """Speaks HTTP/2 to Weir; it refuses a WebSocket until it knows that Weir takes them."""
        address = self.nghttpx(f"127.0.0.1:{weir.port}", "proto=h2")
        before = weir.metrics().sum("weir_requests_total")
        fetch(int(address.split(":")[1]), "GET", "/")
        eventually(lambda: weir.metrics().sum("weir_requests_total") > before, "it has a connection")
        return address

    def each_way(self, check: Callable[[str, Weir, bool], None]) -> None:
        """check(address, weir, whether Weir's client speaks HTTP/2)."""
        for client_is_h2 in (False, True):
            for upstream_is_h2 in (False, True):
                with self.subTest(client_is_h2=client_is_h2, upstream_is_h2=upstream_is_h2):
                    check(*self.bed(client_is_h2, upstream_is_h2), client_is_h2)

    def test_messages_pass_each_way(self) -> None:
        def check(address: str, weir: Weir, client_is_h2: bool) -> None:
            with connect(f"ws://{address}/chat?room=1", subprotocols=["chat"], max_size=None) as link:
                self.assertEqual(link.recv(10), "/chat?room=1 chat")
                link.send("hello")
                self.assertEqual(link.recv(10), "hello")
                link.send(LARGE)
                self.assertEqual(link.recv(20), LARGE)
                self.assertTrue(link.ping().wait(10))
                link.send("bye")
                with self.assertRaises(ConnectionClosed) as closed:
                    link.recv(10)
                self.assertEqual((closed.exception.rcvd.code, closed.exception.rcvd.reason), (4001, "as asked"))
            record = eventually(lambda: [r for r in weir.access_log() if "upgraded" in r["flags"]], "an access record")[0]
            self.assertEqual(record["status"], 200 if client_is_h2 else 101, record)
            self.assertEqual(record["protocol"], "HTTP/2" if client_is_h2 else "HTTP/1.1")
            self.assertGreater(record["response_bytes"], 10_000)  # compressed
            self.assertEqual(weir.metrics().sum("weir_requests_total", outcome="failure"), 0)
            self.assertEqual(weir.metrics().sum("weir_requests_active"), 0)

        self.each_way(check)

    def test_without_compression_every_byte_is_seen(self) -> None:
        def check(address: str, weir: Weir, client_is_h2: bool) -> None:
            with connect(f"ws://{address}/", compression=None, max_size=None) as link:
                self.assertEqual(link.recv(10), "/ None")
                for size in (1, 125, 126, 65535, 65536, 1_000_000):
                    link.send(LARGE[:size])
                    self.assertEqual(link.recv(10), LARGE[:size])
            record = eventually(lambda: [r for r in weir.access_log() if "upgraded" in r["flags"]], "an access record")[0]
            self.assertGreater(record["request_bytes"], 1_100_000)
            self.assertGreater(record["response_bytes"], 1_100_000)

        self.each_way(check)

    def test_many_share_a_connection(self) -> None:
        address, weir = self.bed(True, True)
        links = [connect(f"ws://{address}/{i}", compression=None) for i in range(20)]
        for i, link in enumerate(links):
            self.assertEqual(link.recv(10), f"/{i} None")
            link.send(str(i))
        for i, link in enumerate(links):
            self.assertEqual(link.recv(10), str(i))
        self.assertEqual(weir.metrics().sum("weir_requests_active"), 20)
        self.assertEqual(weir.metrics().sum("weir_upstream_connections_active"), 1)
        for link in links:
            link.close()
        eventually(lambda: weir.metrics().sum("weir_requests_active") == 0, "all end")

    def test_a_client_that_is_gone_is_gone_for_the_server(self) -> None:
        def check(address: str, weir: Weir, client_is_h2: bool) -> None:
            link = connect(f"ws://{address}/", compression=None)
            self.assertEqual(link.recv(10), "/ None")
            link.socket.shutdown(socket.SHUT_RDWR)
            eventually(lambda: weir.metrics().sum("weir_requests_active") == 0, "it ends")
            link.close()

        self.each_way(check)

    def test_it_goes_on_through_a_drain(self) -> None:
        def check(address: str, weir: Weir, client_is_h2: bool) -> None:
            with connect(f"ws://{address}/", compression=None) as link:
                self.assertEqual(link.recv(10), "/ None")
                weir.signal(signal.SIGTERM)
                link.send("still here")
                self.assertEqual(link.recv(10), "still here")
            self.assertEqual(weir.process.wait(15), 0)

        self.each_way(check)

    def test_a_refusal_of_the_server_passes(self) -> None:
        def refuse(link: ServerConnection, _: Any) -> Any:
            return link.respond(403, "not you\n")

        server = self.server(process_request=refuse)
        for upstream in (server, self.nghttpx(server)):
            lines = "" if upstream == server else "protocol: h2c\n"
            weir = self.forward(upstream, cluster=BARE + lines)
            for address in (f"127.0.0.1:{weir.port}", self.front(weir)):
                with self.subTest(lines=lines, address=address), self.assertRaises(InvalidStatus) as refused:
                    connect(f"ws://{address}/")
                self.assertEqual(refused.exception.response.status_code, 403)

    def test_an_upstream_of_http2_that_knows_none_is_refused(self) -> None:
        port = free_port()
        root = Path(tempfile.mkdtemp(prefix="weir-nghttpd-"))
        self.addCleanup(shutil.rmtree, root, True)
        (root / "index.html").write_text("here")
        process = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", str(root), "--no-tls", str(port)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        weir = self.forward(f"127.0.0.1:{port}", cluster=BARE + "protocol: h2c\n")
        eventually(lambda: weir.ask("/").status == 200, "nghttpd answers")
        with self.assertRaises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{weir.port}/")
        answer = refused.exception.response
        self.assertEqual((answer.status_code, answer.headers["weir-error"]), (502, "upstream_protocol"))
        self.assertEqual(weir.metrics().sum("weir_requests_total", reason="upstream_protocol"), 1)

    def test_what_is_no_websocket_is_refused(self) -> None:
        weir = self.forward(self.server(), cluster=BARE)

        def ask(**changes: bytes) -> bytes:
            fields = [*pseudo("CONNECT", "/chat"), (b":protocol", changes.get("protocol", b"websocket")),
                      *((b"content-length", length) for length in filter(None, [changes.get("length")]))]
            with H2Client(weir.port) as client:
                client.send(frame(HEADERS, END_HEADERS, 1, block(fields)))
                head = client.until(lambda f: f.stream == 1 and f.kind == HEADERS)
                return head.payload

        self.assertEqual(ask(protocol=b"connect-udp")[:1], b"\x8c")  # 400, as the static table has it
        self.assertEqual(ask(length=b"0")[:1], b"\x8c")
        # Without a version the server itself refuses.
        self.assertNotIn(b"\x88", ask()[:1])


if __name__ == "__main__":
    unittest.main()
