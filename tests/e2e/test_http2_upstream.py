"""HTTP/2 to upstreams, in clear and over TLS: real servers, and both protocols on either side of Weir."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from h2wire import H2Origin, H2Served
from harness import BARE, Weir, WeirTest, eventually, forwarding, free_port
from origins import Peer, fixed
from pki import Authority, Pair, TlsOrigin
from wire import Message, request, response

NGINX = """
daemon off; master_process off; worker_processes 1; error_log {root}/error.log crit; pid {root}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests {requests}; client_max_body_size 200m;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{
    listen 127.0.0.1:{port} {listen}; {tls}
    location / {{ return 200 "$server_protocol $host $http_cookie"; }}
  }}
}}
"""


class Peers(WeirTest):
    ca: Authority
    pair: Pair

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ca = Authority("good")
        cls.addClassCleanup(cls.ca.close)
        cls.pair = cls.ca.issue("localhost")

    def served(self, *command: str, port: int) -> str:
        """A server as a process of its own; its address."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def is_listening() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return False
            return True

        eventually(is_listening, f"{command[0]} listens")
        return f"127.0.0.1:{port}"

    def nghttpd(self, *options: str, tls: bool = False) -> str:
        root = Path(tempfile.mkdtemp(prefix="weir-nghttpd-"))
        self.addCleanup(shutil.rmtree, root, True)
        (root / "small").write_bytes(b"small")
        (root / "large").write_bytes(b"0123456789" * 300_000)
        port = free_port()
        ends = (self.pair.key, self.pair.cert) if tls else ()
        return self.served("nghttpd", "--echo-upload", "-a", "127.0.0.1", "-d", str(root), *options,
                           *([] if tls else ["--no-tls"]), str(port), *ends, port=port)

    def nginx_h2(self, listen: str, requests: int = 1_000_000) -> str:
        root = Path(tempfile.mkdtemp(prefix="weir-nginx-"))
        self.addCleanup(shutil.rmtree, root, True)
        port = free_port()
        tls = f"ssl_certificate {self.pair.cert}; ssl_certificate_key {self.pair.key};" if "ssl" in listen else ""
        (root / "nginx.conf").write_text(NGINX.format(root=root, port=port, listen=listen, tls=tls,
                                                      requests=requests))
        return self.served("nginx", "-p", str(root), "-e", str(root / "error.log"), "-c", str(root / "nginx.conf"),
                           "-g", "user root;" if os.getuid() == 0 else "", port=port)

    def over_tls(self, address: str, protocol: str, more: str = "") -> Weir:
        tls = f"tls: {{ca: {self.ca.cert}, server_name: localhost}}\n"
        return self.forward(address, cluster=f"protocol: {protocol}\n{tls}{more}", rest="threads: 1\n")


def curl(port: int, path: str, *arguments: str, data: bytes | None = None) -> tuple[str, bytes]:
    """Heads (and trailers) and body of the answer."""
    with tempfile.TemporaryDirectory() as folder:
        heads = Path(folder) / "heads"
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "20", "-H", "Expect:", "-D", heads, *arguments,
             *(["--data-binary", "@-"] if data is not None else []), f"http://127.0.0.1:{port}{path}"],
            input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise AssertionError(f"curl: {done.returncode} {done.stderr!r}")
        return heads.read_text(), done.stdout


def echo_body(peer: Peer, message: Message) -> None:
    peer.read_body(message)
    peer.send(response(200, message.body))


CLIENTS = {"HTTP/1": "--http1.1", "HTTP/2": "--http2-prior-knowledge"}


class Combinations(Peers):
    """A client and an origin of either protocol."""

    def each(self, h1: str, h2: str) -> list[tuple[str, Weir, str]]:
        """Of each origin a Weir in front of it, with each client's flag."""
        weirs = [("HTTP/1", self.forward(h1, cluster=BARE)),
                 ("HTTP/2", self.forward(h2, cluster="protocol: h2c\n" + BARE))]
        return [(f"{client} to {origin}", weir, flag) for origin, weir in weirs for client, flag in CLIENTS.items()]

    def test_bodies_pass_in_both_directions(self) -> None:
        for name, weir, flag in self.each(self.origin(echo_body).address, self.nghttpd()):
            for size in (1, 1000, 65_536, 3_000_000):
                data = os.urandom(size)
                with self.subTest(name, size=size):
                    self.assertEqual(curl(weir.port, "/", flag, data=data)[1], data)
                    self.assertEqual(curl(weir.port, "/", flag, "-H", "Transfer-Encoding: chunked", data=data)[1],
                                     data)

    def test_answers_without_a_body_end(self) -> None:
        for name, weir, flag in self.each(self.origin(fixed(200, b"small")).address, self.nghttpd()):
            with self.subTest(name):
                self.assertIn("content-length: 5", curl(weir.port, "/small", flag, "-I")[0].lower())
                self.assertEqual(curl(weir.port, "/small", flag)[1], b"small")

    def test_a_client_of_http_1_0_that_names_no_host_is_served(self) -> None:
        weir = self.forward(self.nghttpd(), cluster="protocol: h2c\n")
        with weir.connect() as client:
            self.assertEqual(client.ask("GET /small HTTP/1.0\r\n\r\n").body, b"small")

    def test_trailers_of_the_answer_pass(self) -> None:
        weir = self.forward(self.nghttpd("--trailer=x-end: so", "--no-content-length"), cluster="protocol: h2c\n")
        for name, flag in CLIENTS.items():
            with self.subTest(name):
                heads, body = curl(weir.port, "/large", flag, "-H", "TE: trailers")
                self.assertIn("x-end: so", heads.lower())
                self.assertEqual(len(body), 3_000_000)

    def test_a_slow_reader_gets_everything_and_holds_up_nobody(self) -> None:
        weir = self.forward(self.nghttpd(), cluster="protocol: h2c\n", rest="threads: 1\n")
        with weir.connect(receive_buffer=4096) as slow:
            slow.send(request("GET", "/large"))
            for _ in range(20):
                self.assertEqual(curl(weir.port, "/small", "--http1.1")[1], b"small")
            answer = slow.answer()
        self.assertEqual(len(answer.body), 3_000_000)
        self.assertEqual(weir.metrics().sum("weir_upstream_connections_total", cluster="c"), 1)


class Multiplexing(Peers):
    def h2load(self, weir: Weir, requests: int, clients: int, streams: int, *options: str) -> str:
        done = subprocess.run(["h2load", "-n", str(requests), "-c", str(clients), "-m", str(streams), *options,
                               f"http://127.0.0.1:{weir.port}/small"], capture_output=True, text=True, timeout=50,
                              check=False)
        return done.stdout

    def test_a_limit_of_streams_is_respected(self) -> None:
        weir = self.forward(self.nghttpd("-m", "5"), cluster="protocol: h2c\nlimits: {max_connections: 4}\n",
                            rest="threads: 1\n")
        self.assertIn("2000 succeeded", self.h2load(weir, 2000, 4, 25))
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_upstream_connections_total", cluster="c"), 4)
        self.assertEqual(metrics.sum("weir_retries_total", cluster="c"), 0)

    def test_clients_of_http_1_share_a_connection(self) -> None:
        weir = self.forward(self.nghttpd(), cluster="protocol: h2c\n", rest="threads: 1\n")
        self.assertIn("2000 succeeded", self.h2load(weir, 2000, 50, 1, "--h1"))
        self.assertEqual(weir.metrics().sum("weir_upstream_connections_total", cluster="c"), 1)

    def test_an_origin_that_says_goaway_again_and_again_loses_nothing(self) -> None:
        weir = self.forward(self.nginx_h2("http2", requests=100), cluster="protocol: h2c\n", rest="threads: 1\n")
        self.assertIn("2000 succeeded", self.h2load(weir, 2000, 10, 5))
        self.assertGreaterEqual(weir.metrics().sum("weir_upstream_connections_total", cluster="c"), 20)


class OverTls(Peers):
    def ask(self, weir: Weir, *arguments: str) -> str:
        return curl(weir.port, "/", "--http1.1", *arguments)[1].decode()

    def test_alpn_decides_and_the_configuration_may(self) -> None:
        address = self.nginx_h2("ssl http2")
        for protocol, spoken in (("auto", "HTTP/2.0"), ("h2", "HTTP/2.0"), ("http1", "HTTP/1.1")):
            with self.subTest(protocol):
                weir = self.over_tls(address, protocol)
                self.assertEqual(self.ask(weir, "-H", "Host: shop", "-H", "Cookie: a=b"), f"{spoken} shop a=b")

    def test_an_origin_of_http_1_is_spoken_to_as_such(self) -> None:
        origin = TlsOrigin(self.ca.server(self.pair))
        self.addCleanup(origin.close)
        weir = self.over_tls(origin.address, "auto")
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: weir.ask().status, range(60)))
        self.assertEqual(answers, [200] * 60)

    def test_http_2_required_and_not_spoken_is_refused(self) -> None:
        origin = TlsOrigin(self.ca.server(self.pair))
        self.addCleanup(origin.close)
        weir = self.over_tls(origin.address, "h2", "retry: off\n")
        self.assert_refused(weir.ask(), 503, "upstream_tls")

    def test_an_upgrade_goes_by_http_1(self) -> None:
        weir = self.over_tls(self.nginx_h2("ssl http2"), "auto")
        self.assertTrue(self.ask(weir).startswith("HTTP/2.0"))
        upgrade = ("-H", "Connection: upgrade", "-H", "Upgrade: websocket")
        self.assertTrue(self.ask(weir, *upgrade).startswith("HTTP/1.1"))
        self.assertTrue(self.ask(weir).startswith("HTTP/2.0"))

    def test_a_server_that_learns_http_2_is_spoken_to_so(self) -> None:
        origin = TlsOrigin(self.ca.server(self.pair))
        port = origin.port
        weir = self.over_tls(origin.address, "auto", "retry: 2\n")
        self.assertEqual(weir.ask("/close").status, 200)
        origin.close()
        root = Path(tempfile.mkdtemp(prefix="weir-nghttpd-"))
        self.addCleanup(shutil.rmtree, root, True)
        (root / "small").write_bytes(b"small")
        self.served("nghttpd", "-a", "127.0.0.1", "-d", str(root), str(port), self.pair.key, self.pair.cert, port=port)
        eventually(lambda: weir.ask("/small").body == b"small", "an answer over HTTP/2")


class TwoWeirs(Peers):
    """A hop between them in HTTP/2, for an application that knows nothing of it."""

    def test_a_drain_of_the_second_loses_nothing(self) -> None:
        origin = self.origin(fixed(200, b"ok"))
        second = self.forward(origin.address, rest="threads: 1\n")
        first = self.forward(f"127.0.0.1:{second.port}", cluster="protocol: h2c\n", rest="threads: 1\n")
        failed: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                status = first.ask().status
                if status != 200:
                    failed.append(status)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(origin.requests) > 50, "requests")
        for _ in range(3):
            second.admin("/api/v1/drain", "POST")
            seen = len(origin.requests)
            eventually(lambda seen=seen: len(origin.requests) > seen + 50, "requests while it drains")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertTrue(any(line["protocol"] == "HTTP/2" for line in second.access_log()))

    def test_a_mesh_speaks_http_2(self) -> None:
        identity = f"identity: {{{self.pair.yaml}, ca: {self.ca.cert}}}\n"
        origin = self.origin(echo_body)
        second = self.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - {{name: in, mode: inbound, listen: $LISTEN, to: "{origin.address}", tls: mesh}}
            """ + identity)
        first = self.forward(f"127.0.0.1:{second.port}", cluster="tls: mesh\n", rest="threads: 1\n" + identity)
        data = os.urandom(200_000)
        self.assertEqual(curl(first.port, "/", "--http1.1", data=data)[1], data)
        self.assertEqual(curl(first.port, "/", "--http2-prior-knowledge", data=data)[1], data)
        eventually(lambda: second.access_log(), "an access record")
        self.assertEqual({line["protocol"] for line in second.access_log()}, {"HTTP/2"})

    def test_a_reset_second_comes_back(self) -> None:
        second = self.forward(self.origin(fixed(200, b"ok")).address, rest="threads: 1\n")
        first = self.forward(f"127.0.0.1:{second.port}", cluster="protocol: h2c\n", rest="threads: 1\n")
        self.assertEqual(first.ask().status, 200)
        second.expected_exit = -signal.SIGKILL
        second.process.kill()
        second.process.wait()
        self.assertEqual(first.ask().error, "upstream_connect_refused")


SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


class HealthChecks(Peers):
    def test_a_check_by_http_goes_by_http_2(self) -> None:
        address = self.nghttpd()
        health = "health: {path: /small, interval: 1s, timeout: 900ms}\n"
        weir = self.forward(address, cluster="protocol: h2c\n" + health)
        eventually(lambda: weir.metrics().sum("weir_health_checks_total", result="success") >= 3, "checks that pass")
        self.assertEqual(weir.metrics().sum("weir_health_checks_total", result="failure"), 0)
        weir.reload(forwarding(address, cluster="protocol: h2c\n" + health.replace("small", "none")))
        eventually(lambda: weir.metrics().sum("weir_health_checks_total", result="failure") >= 1, "one that fails")

    def test_a_check_by_http_follows_alpn(self) -> None:
        weir = self.over_tls(self.nghttpd(tls=True), "auto", "health: {path: /small, interval: 1s, timeout: 900ms}\n")
        eventually(lambda: weir.metrics().sum("weir_health_checks_total", result="success") >= 2, "checks that pass")

    def test_a_check_by_grpc_asks_for_the_service(self) -> None:
        status = [SERVING]
        asked: list[bytes] = []

        def answer(served: H2Served, stream: int) -> None:
            asked.append(served.bodies[stream])
            served.answer(stream, [(b"content-type", b"application/grpc")],
                          b"\0\0\0\0" + bytes((len(status[0]),)) + status[0], [(b"grpc-status", b"0")])

        origin = H2Origin(answer)
        self.addCleanup(origin.close)
        weir = self.forward(origin.address, cluster="""\
            protocol: h2c
            health: {type: grpc, path: /shop.Orders, interval: 1s, timeout: 900ms, unhealthy_after: 2}
            """)
        eventually(lambda: weir.metrics().sum("weir_health_checks_total", result="success") >= 2, "checks that pass")
        self.assertEqual(asked[0], b"\0\0\0\0\x0d\x0a\x0bshop.Orders")
        status[0] = NOT_SERVING
        eventually(lambda: weir.endpoint_state("c", origin.address) == "unhealthy", "unhealthy")


if __name__ == "__main__":
    unittest.main()
