"""Two ports, on purpose: each rule that keeps strangers from the admin port."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from admin_api import JSON, YAML, Answer, ask
from harness import BINARY, SharedWeirTest, Weir, WeirTest, eventually, forwarding, free_port

TOKEN = "a-token-that-nobody-guesses"


def raw(port: int, data: bytes, timeout: float = 20) -> bytes:
    """All that comes back until the other side has enough."""
    with socket.create_connection(("127.0.0.1", port), timeout) as client:
        client.sendall(data)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
        return received


class Rules(SharedWeirTest):
    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None,
            kind: str = JSON) -> Answer:
        return ask(self.weir_.admin_port, method, path, body, headers, kind)

    def state(self) -> tuple[object, ...]:
        endpoints = [(e["address"], e["state"], e["forced"]) for e in self.weir_.api("clusters/c/endpoints")]
        breakers = [(b["id"], b["state"], b["forced"]) for b in self.weir_.api("breakers")]
        status = self.weir_.api("status")
        return (endpoints, breakers, self.weir_.api("log"), status["config"], status["draining"],
                self.weir_.metrics().sum("weir_admin_mutations_total"))

    def test_1_another_bind_without_a_token_is_refused_with_its_place(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "weir.yaml"
            token = Path(folder) / "token"
            token.write_text(TOKEN)
            base = "version: 1\nlisteners: [{listen: \":8080\", to: \"127.0.0.1:1\"}]\n"
            for listen in (":9347", "0.0.0.0:9347", "10.0.0.1:9347", "\"[::]:9347\""):
                file.write_text(f"{base}admin: {{listen: {listen if '[' in listen else chr(34) + listen + chr(34)}}}\n")
                done = subprocess.run([BINARY, "check", str(file)], capture_output=True, text=True)
                self.assertEqual(done.returncode, 1, listen)
                self.assertIn("W150", done.stdout + done.stderr)
                file.write_text(file.read_text().replace("}\n", f", token: {{file: {token}}}}}\n"))
                done = subprocess.run([BINARY, "check", str(file)], capture_output=True, text=True)
                self.assertNotIn("W150", done.stdout + done.stderr, listen)

    def test_2_host_must_be_on_the_list_compared_as_an_address(self) -> None:
        for host, status in (("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:99", 200), ("[::1]", 200),
                             ("[::1]:9347", 200), ("[0:0::1]", 200), ("127.evil.com", 421),
                             ("127.0.0.1.evil.com", 421), ("localhost.evil.com", 421), ("evil.com:127", 421),
                             ("2130706433", 421), ("0.0.0.0", 421), ("127.1", 421), ("[::2]", 421)):
            with self.subTest(host):
                answer = self.ask("GET", "/api/v1/status", headers={"Host": host})
                self.assertEqual(answer.status, status, answer)
                if status == 421:
                    self.assertEqual(answer.code(), "misdirected")
        self.assertEqual(self.ask("GET", "/metrics", headers={"Host": "evil.example"}).status, 421)
        self.assertEqual(self.ask("GET", "/no/such/path", headers={"Host": "evil.example"}).status, 421)

    def test_3_another_origin_and_another_site_are_forbidden(self) -> None:
        own = f"127.0.0.1:{self.weir_.admin_port}"
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"https://{own}"},
                        {"Origin": f"http://{own}.evil"}, {"Origin": "http://localhost"},
                        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "Cross-Site"}):
            for method, path in (("GET", "/api/v1/status"), ("POST", "/api/v1/drain")):
                with self.subTest(f"{method} {headers}"):
                    self.assertEqual(self.ask(method, path, headers={"Host": own, **headers}).status, 403)
        same = {"Host": own, "Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}
        self.assertEqual(self.ask("GET", "/api/v1/status", headers=same).status, 200)
        self.assertFalse(self.weir_.api("status")["draining"])

    def test_3_no_preflight_is_granted(self) -> None:
        answer = self.ask("OPTIONS", "/api/v1/drain", headers={
            "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
        self.assertIn(answer.status, (403, 405))
        self.assertFalse([name for name in answer.headers if name.lower().startswith("access-control")])

    def test_4_get_never_changes_state(self) -> None:
        document = self.ask("GET", "/api/v1/openapi.json").json()
        before = self.state()
        for path, methods in document["paths"].items():
            place = (path.replace("{cluster}", "c").replace("{address}", self.origin_.address)
                     .replace("{id}", "c"))
            if place.endswith("/stream"):
                continue
            time = "100ms" if place.endswith("/trace-export") else "5m"
            for query in (f"?for={time}", f"?for={time}&force=true&level=debug&persist=1&path=threads"):
                status = self.ask("GET", place + query).status
                self.assertIn(status, (200, 400, 404) if "get" in methods else (405,), place)
        self.assertEqual(self.state(), before)

    def test_4_head_and_unknown_methods_change_nothing(self) -> None:
        before = self.state()
        for method in ("HEAD", "DELETE", "PATCH", "OPTIONS", "BREW"):
            for path in ("/api/v1/drain", "/api/v1/breakers/c/open", "/api/v1/config/reload"):
                self.assertEqual(self.ask(method, path).status, 405, (method, path))
        self.assertEqual(self.state(), before)

    def test_4_bodies_are_json_or_they_are_refused(self) -> None:
        before = self.state()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                     "application/yaml", "application/jsonp", ""):
            with self.subTest(kind):
                answer = self.ask("POST", "/api/v1/breakers/c/open", '{"for":"5m"}', kind=kind)
                self.assertEqual((answer.status, answer.code()), (415, "unsupported_media_type"))
        self.assertEqual(self.state()[:5], before[:5])

    def test_4_configurations_may_be_yaml_too(self) -> None:
        config = self.weir_.file.read_text()
        for kind in (YAML, f"{YAML}; charset=utf-8"):
            answer = self.ask("POST", "/api/v1/config/validate", config, kind=kind)
            self.assertEqual((answer.status, answer.json()["valid"]), (200, True), answer)
        self.assertEqual(self.ask("POST", "/api/v1/config/validate", config, kind="text/yaml").status, 415)

    def test_4_a_post_without_a_body_needs_no_type(self) -> None:
        self.assertEqual(self.ask("POST", "/api/v1/breakers/c/auto").status, 200)
        self.assertEqual(self.ask("POST", "/api/v1/breakers/c/auto", "", kind="").status, 200)

    def test_6_every_answer_forbids_a_browser_to_make_anything_of_it(self) -> None:
        for method, path, headers in (("GET", "/api/v1/status", {}), ("GET", "/metrics", {}), ("GET", "/healthz", {}),
                                      ("GET", "/nothing", {}), ("POST", "/api/v1/status", {}),
                                      ("GET", "/", {"Host": "evil.example"}), ("GET", "/api/v1/openapi.json", {})):
            with self.subTest(path):
                answer = self.ask(method, path, headers=headers)
                self.assertEqual(
                    answer.headers["Content-Security-Policy"],
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                    "img-src 'self' data:; frame-ancestors 'none'")
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(answer.headers["Cache-Control"], "no-store")
        broken = raw(self.weir_.admin_port, b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n")
        self.assertIn(b"400 ", broken.split(b"\r\n")[0])
        self.assertIn(b"X-Content-Type-Options: nosniff", broken)

    def test_9_bodies_above_64_kib_are_refused_configurations_above_4_mib(self) -> None:
        pad = " " * (65536 - 2)
        self.assertEqual(self.ask("POST", "/api/v1/breakers/c/auto", "{" + pad + "}").status, 200)
        self.assertEqual(self.ask("POST", "/api/v1/breakers/c/auto", "{" + pad + " }").status, 413)
        config = self.weir_.file.read_text()
        near = config + "#" * ((4 << 20) - len(config) - 1) + "\n"
        answer = self.ask("POST", "/api/v1/config/validate", near, kind=YAML)
        self.assertEqual((answer.status, answer.json()["valid"]), (200, True))
        port = self.weir_.admin_port
        head = b"POST /api/v1/config/validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/yaml\r\n"
        self.assertIn(b" 413 ", raw(port, head + b"Content-Length: 4194305\r\n\r\n").split(b"\r\n")[0])

    def test_9_the_slow_are_sent_away(self) -> None:
        """A head that never ends, and a body that never comes: 408, whoever asked."""
        answers: dict[str, bytes] = {}
        post = b"POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

        def slow(name: str, data: bytes) -> None:
            answers[name] = raw(self.weir_.admin_port, data, 40)

        threads = [threading.Thread(target=slow, args=case) for case in (
            ("head", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "), ("body", post + b"Content-Length: 9\r\n\r\n{"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in ("head", "body"):
            self.assertIn(b" 408 ", answers[name].split(b"\r\n")[0], name)
            self.assertIn(b'"error":{"code":"request_timeout"', answers[name])
        self.assertFalse(self.weir_.api("status")["draining"])

    def test_9_one_connection_more_than_64_is_refused_and_the_path_serves_on(self) -> None:
        clients = []
        try:
            for _ in range(64):
                client = socket.create_connection(("127.0.0.1", self.weir_.admin_port), 10)
                client.sendall(b"GET /heal")
                clients.append(client)

            def refused() -> bool:
                try:
                    return b" 503 " in raw(self.weir_.admin_port, b"").split(b"\r\n")[0]
                except OSError:
                    return False

            eventually(refused, "the 65th connection is refused")
            self.assertEqual(self.weir_.ask().status, 200)
            clients[0].sendall(b"thz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertIn(b" 200 ", clients[0].recv(65536).split(b"\r\n")[0])
        finally:
            for client in clients:
                client.close()
        eventually(lambda: self.ask("GET", "/healthz").status == 200, "room again")

    def test_9_a_connection_that_ended_holds_no_descriptor(self) -> None:
        """Whoever ends it, and though nobody comes after it."""
        clients = [socket.create_connection(("127.0.0.1", self.weir_.admin_port), 10) for _ in range(8)]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", client.recv(65536).split(b"\r\n")[0])
        files = self.weir_.open_files()
        for client in clients[:4]:  # Weir ends these
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertIn(b" 200 ", client.recv(65536).split(b"\r\n")[0])
        for client in clients:
            client.close()
        eventually(lambda: self.weir_.open_files() <= files - 8, f"{files} descriptors with 8 clients")

    def test_10_each_mutation_is_logged_with_who_and_counted(self) -> None:
        def counted(result: str) -> float:
            return self.weir_.metrics().sum("weir_admin_mutations_total", operation="breaker_open", result=result)

        ok, refused = counted("ok"), counted("refused")
        self.assertEqual(self.ask("POST", "/api/v1/breakers/c/open", {"for": "1m"}).status, 200)
        self.assertEqual(self.ask("POST", "/api/v1/breakers/c/auto").status, 200)
        self.assertEqual(self.ask("POST", "/api/v1/breakers/none/open").status, 404)
        self.assertEqual(self.ask("POST", "/api/v1/breakers/c/open", headers={"Host": "evil.example"}).status, 421)
        self.assertEqual((counted("ok"), counted("refused")), (ok + 1, refused + 2))
        lines = [line for line in self.weir_.errors().splitlines() if "admin mutation" in line]
        self.assertTrue([line for line in lines if "breaker_open" in line and "127.0.0.1" in line and "ok" in line])
        self.assertTrue([line for line in lines if "breaker_open" in line and "refused" in line])

    def test_the_telemetry_port_knows_nothing_of_all_this(self) -> None:
        port = self.weir_.telemetry_port
        for path in ("/healthz", "/readyz", "/startupz", "/metrics"):
            self.assertEqual(ask(port, "GET", path, headers={"Host": "10.1.2.3:9348"}).status, 200, path)
        before = self.state()
        document = self.ask("GET", "/api/v1/openapi.json").json()
        for path, methods in document["paths"].items():
            if path in ("/healthz", "/readyz", "/startupz", "/metrics"):
                continue
            for method in methods:
                self.assertEqual(ask(port, method.upper(), path).status, 404, path)
        self.assertEqual(self.state(), before)


class Token(WeirTest):
    def start(self, more: str = "") -> Weir:
        origin = self.origin()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.token = Path(folder.name) / "token"
        self.token.write_text(TOKEN + "\n")
        port = free_port()
        self.listen = f"127.0.0.1:{port}"
        admin = f"admin: {{listen: \"{self.listen}\", token: {{file: {self.token}}}{more}}}\n"
        weir = Weir(forwarding(origin.address, rest=f"threads: 1\n{admin}"))
        self.addCleanup(weir.stop)
        weir.admin_port = port
        weir.wait_ready()
        return weir

    def test_5_without_the_token_there_is_nothing_but_health(self) -> None:
        weir = self.start()
        for path in ("/", "/api/v1/status", "/metrics", "/api/v1/openapi.json", "/no/such/path"):
            answer = ask(weir.admin_port, "GET", path)
            self.assertEqual((answer.status, answer.code()), (401, "unauthorized"), path)
            self.assertEqual(answer.headers["WWW-Authenticate"], 'Bearer realm="weir"')
        for path in ("/healthz", "/readyz", "/startupz"):
            self.assertEqual(ask(weir.admin_port, "GET", path).status, 200, path)
        self.assertEqual(ask(weir.telemetry_port, "GET", "/metrics").status, 200)
        for given in ("Bearer " + TOKEN[:-1], "Bearer " + TOKEN + "x", "Bearer", "Basic " + TOKEN, TOKEN, "Bearer x"):
            self.assertEqual(ask(weir.admin_port, "POST", "/api/v1/drain", headers={"Authorization": given}).status,
                             401, given)
        right = {"Authorization": f"Bearer {TOKEN}"}
        self.assertEqual(ask(weir.admin_port, "GET", "/api/v1/status", headers=right).status, 200)
        self.assertFalse(ask(weir.admin_port, "GET", "/api/v1/status", headers=right).json()["draining"])

    def test_5_a_rotated_token_counts_after_the_reload(self) -> None:
        weir = self.start()
        self.token.write_text("another\n")
        weir.signal(1)
        new = {"Authorization": "Bearer another"}
        eventually(lambda: ask(weir.admin_port, "GET", "/api/v1/status", headers=new).status == 200, "the new token")
        old = {"Authorization": f"Bearer {TOKEN}"}
        self.assertEqual(ask(weir.admin_port, "GET", "/api/v1/status", headers=old).status, 401)

    def test_8_secrets_are_stars_in_every_dump(self) -> None:
        weir = self.start()
        right = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("config", "config?format=json&origin=1&defaults=1", "config?origin=1&defaults=1",
                     "config/explain?path=admin.token", "status", "events", "openapi.json"):
            answer = ask(weir.admin_port, "GET", f"/api/v1/{path}", headers=right)
            self.assertEqual(answer.status, 200, (path, answer))
            self.assertNotIn(TOKEN, answer.text(), path)
        self.assertIn("***", ask(weir.admin_port, "GET", "/api/v1/config", headers=right).text())
        self.assertNotIn(TOKEN, weir.errors())

    def test_2_hosts_can_be_named(self) -> None:
        weir = self.start(", hosts: [weir.internal]")
        right = {"Authorization": f"Bearer {TOKEN}"}
        for host, status in (("weir.internal", 200), ("weir.internal:1", 200), (self.listen, 200),
                             ("localhost", 421), ("x.weir.internal", 421)):
            headers = {"Host": host, **right}
            self.assertEqual(ask(weir.admin_port, "GET", "/api/v1/status", headers=headers).status, status, host)


class UnixSocket(WeirTest):
    def start(self) -> tuple[Weir, str]:
        origin = self.origin()
        folder = tempfile.TemporaryDirectory()
        os.chmod(folder.name, 0o755)
        self.addCleanup(folder.cleanup)
        path = f"{folder.name}/admin.sock"
        weir = Weir(forwarding(origin.address, rest=f"threads: 1\nadmin: {{listen: \"unix:{path}\"}}\n"))
        self.addCleanup(weir.stop)

        def is_ready() -> bool:
            try:
                return ask(path, "GET", "/readyz").status == 200
            except OSError:
                return False

        eventually(is_ready, f"ready; stderr:\n{weir.errors()}")
        return weir, path

    def test_1_any_host_will_do_and_the_file_is_for_owner_and_group(self) -> None:
        _, path = self.start()
        self.assertEqual(ask(path, "GET", "/api/v1/status", headers={"Host": "any.thing"}).status, 200)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)

    def test_3_another_origin_is_forbidden_there_too(self) -> None:
        _, path = self.start()
        self.assertEqual(ask(path, "GET", "/api/v1/status", headers={"Origin": "http://evil.example"}).status, 403)

    def test_10_mutations_are_logged_with_uid_and_pid(self) -> None:
        weir, path = self.start()
        self.assertEqual(ask(path, "POST", "/api/v1/breakers/c/open").status, 200)
        who = f"uid {os.getuid()} pid {os.getpid()}"
        self.assertTrue([line for line in weir.errors().splitlines() if "admin mutation" in line and who in line],
                        weir.errors())
        self.assertEqual(ask(path, "GET", "/api/v1/breakers").json()[0]["forced"]["by"], who)

    @unittest.skipUnless(os.getuid() == 0, "only root can become somebody else")
    def test_10_others_are_refused_even_if_the_file_lets_them_in(self) -> None:
        _, path = self.start()
        os.chmod(path, 0o666)

        def status(uid: int, groups: list[int]) -> str:
            """The status line that another user gets, in a child that becomes them."""
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.setgroups(groups)
                    os.setgid(uid)
                    os.setuid(uid)
                    with socket.socket(socket.AF_UNIX) as client:
                        client.settimeout(10)
                        client.connect(path)
                        client.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        os.write(writing, client.recv(4096).split(b"\r\n")[0])
                except OSError as error:
                    os.write(writing, str(error).encode())
                finally:
                    os._exit(0)
            os.close(writing)
            os.waitpid(child, 0)
            with os.fdopen(reading, "rb") as answer:
                return answer.read().decode()

        self.assertIn(" 200 ", status(0, []))
        self.assertIn(" 403 ", status(65534, []))
        self.assertIn(" 200 ", status(65534, [os.stat(path).st_gid]))
        os.chmod(path, 0o606)
        self.assertIn(" 403 ", status(65534, []))


if __name__ == "__main__":
    unittest.main()
