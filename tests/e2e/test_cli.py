"""Verbs that ask a running Weir, through the real binary: what they print, -o json, exit codes, who answers."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest
from pathlib import Path
from typing import Any

from harness import BINARY, SharedWeirTest, Weir, WeirTest, eventually, forwarding, free_port

VOLATILE = re.compile(r'"(uptime_s|rss_bytes|peak_rss_bytes|virtual_bytes|heap_\w+|mapped_bytes|cpu_seconds|fds|'
                      r'threads|rps|error_rate|p50_ms|p99_ms|age_s|effective_weight|ewma_ms|connections|'
                      r'sequence)":[^,}\]]*')


def stable(text: str) -> str:
    """Without what changes from one moment to the next."""
    return VOLATILE.sub(r'"\1":0', text)


def clean_environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items()
            if key not in ("WEIR_ADMIN", "WEIR_TOKEN", "COLUMNS", "NO_COLOR")}
    return {**kept, **more}


def ask(admin: str | int, *arguments: str, text: str = "", timeout: float = 20,
        **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=timeout, input=text,
                          env=clean_environment(WEIR_ADMIN=str(admin), **environment))


def on_terminal(columns: int, admin: str | int, *arguments: str, until: bytes = b"",
                **environment: str) -> tuple[int, str]:
    """Runs on a terminal of that width; sends Ctrl-C once `until` was seen twice."""
    child, parent = pty.fork()
    if child == 0:
        os.execve(BINARY, [BINARY, *arguments], clean_environment(WEIR_ADMIN=str(admin), TERM="xterm", **environment))
    fcntl.ioctl(parent, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    seen = b""
    deadline = time.monotonic() + 15
    is_interrupted = False
    while time.monotonic() < deadline:
        if not select.select([parent], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(parent, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
        if until and not is_interrupted and seen.count(until) >= 2:
            is_interrupted = True
            os.write(parent, b"\x03")
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(parent)
    return os.waitstatus_to_exitcode(status), seen.decode().replace("\r\n", "\n")


class Reading(SharedWeirTest):
    cluster = "breaker: {consecutive_for: 0s}\n"

    def cli(self, *arguments: str, **environment: str) -> str:
        result = ask(self.weir_.admin_port, *arguments, **environment)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def test_json_is_what_the_api_answers(self) -> None:
        self.weir_.ask()
        verbs = {"status": "status", "get listeners": "listeners", "get routes": "routes",
                 "get clusters": "clusters", "get clusters c": "clusters/c", "get breakers": "breakers",
                 "get discovery": "discovery", "get certs": "certs", "certs": "certs", "get log": "log", "get memory": "memory",
                 "get ratelimits": "ratelimits", "breakers": "breakers",
                 "discovery": "discovery", "endpoints c": "clusters/c/endpoints", "log": "log",
                 "events -n 5": "events?n=5", "get config": "config?format=json",
                 "config dump": "config?format=json",
                 "route GET http://shop/a?x=1 -H a:b": "route?method=GET&host=shop&path=/a%3Fx%3D1&header=a:b"}
        for verb, path in verbs.items():
            with self.subTest(verb):
                status, body = self.weir_.admin(f"/api/v1/{path}")
                self.assertEqual(status, 200, body)
                json.loads(body)
                self.assertEqual(stable(self.cli(*verb.split(), "-o", "json")), stable(body))

    def test_json_of_several_answers_is_one_document(self) -> None:
        everything = json.loads(self.cli("endpoints", "-o", "json"))
        self.assertEqual([e["address"] for e in everything["c"]], [self.origin_.address])
        breaker = json.loads(self.cli("breaker", "c", "-o", "json"))
        self.assertEqual((breaker["id"], breaker["state"]), ("c", "closed"))

    def test_tables_say_what_the_api_says(self) -> None:
        origin = self.origin_.address
        for verb, words in {"status": ("ready", "LISTENER", self.weir_.root.name, "CLUSTER", "closed", "1/1"),
                            "get listeners": (f"127.0.0.1:{self.weir_.port}",),
                            "get routes": ("LISTENER", "MATCH", " c\n"),
                            "get clusters": ("c ", "ok", "closed"),
                            "get clusters c": ("breaker.open_for", "built-in", "weir.yaml:", "1/1 healthy"),
                            "endpoints": (origin, "healthy", "REQUESTS"),
                            "endpoints c": (origin, "healthy"),
                            "breakers": ("c ", "closed", "enforce"),
                            "breaker c": ("state", "closed"),
                            "discovery": ("static", "ENDPOINTS"),
                            "log": ("level", "info"),
                            "get log": ("level", "info"),
                            "get memory": ("rss", "MiB"),
                            "get ratelimits": ("no rate limits",),
                            "get config": ("version: 1", "clusters:", origin),
                            "route GET http://shop/a": ("GET shop/a", origin, "healthy", "yes"),
                            "route get /a": ("GET ",)}.items():
            with self.subTest(verb):
                text = self.cli(*verb.split())
                for word in words:
                    self.assertIn(word, text)
                self.assertNotIn("\x1b", text)

    def test_a_route_says_why_earlier_ones_do_not_take_it(self) -> None:
        weir = self.weir(f"""
            version: 1
            listeners:
              - name: in
                listen: $LISTEN
                routes:
                  - {{name: writes, path: /a/, method: POST, to: "{self.origin_.address}"}}
                  - {{name: tenants, path: /a/, header: {{x-tenant: blue}}, to: "{self.origin_.address}"}}
                  - {{name: rest, host: shop, to: "{self.origin_.address}"}}
            """)
        text = ask(weir.admin_port, "route", "GET", "http://shop/a/1", "-H", "x-tenant: red").stdout
        self.assertRegex(text, r"route +rest")
        self.assertRegex(text, r"writes +in +.*GET")
        self.assertRegex(text, r"tenants +in +.*x-tenant")
        blue = ask(weir.admin_port, "route", "GET", "http://shop/a/1", "-H", "x-tenant: blue").stdout
        self.assertRegex(blue, r"route +tenants")
        self.assertIn("none takes it: 404 no_route", ask(weir.admin_port, "route", "GET", "http://other/b").stdout)
        self.assertEqual(ask(weir.admin_port, "route", "GET", "/", "--listener", "none").returncode, 1)

    def test_config_of_the_running_weir(self) -> None:
        dump = self.cli("config", "dump", "--origin", "--defaults")
        self.assertIn("# built-in", dump)
        self.assertIn("weir.yaml:", dump)
        explained = self.cli("config", "explain", "clusters.c.timeout.connect")
        self.assertRegex(explained, r"clusters\.c\.timeout\.connect = \w+   built-in")
        self.assertEqual(ask(self.weir_.admin_port, "config", "explain", "clusters.c.timeout.conect").returncode, 1)

    def test_the_environment_or_a_flag_names_the_port(self) -> None:
        port = self.weir_.admin_port
        for form in (f"127.0.0.1:{port}", f"localhost:{port}", f":{port}", str(port), f"http://127.0.0.1:{port}/"):
            self.assertEqual(ask(form, "status").returncode, 0, form)
        self.assertEqual(ask(free_port(), "status", "--admin", str(port)).returncode, 0, "the flag is stronger")

    def test_widths(self) -> None:
        wide = self.cli("status")
        for width in (40, 60, 80, 120, 200):
            with self.subTest(width):
                for verb in ("status", "endpoints", "breakers", "get routes", "discovery"):
                    text = self.cli(*verb.split(), COLUMNS=str(width))
                    self.assertLessEqual(max(len(line) for line in text.splitlines()), width, text)
                code, text = on_terminal(width, self.weir_.admin_port, "endpoints")
                self.assertEqual(code, 0, text)
                lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
                self.assertLessEqual(max(len(line) for line in lines), width, text)
        self.assertIn("P99", wide)

    def test_colour_only_on_a_terminal_and_without_no_color(self) -> None:
        self.assertIn("\x1b[32mhealthy\x1b[0m", on_terminal(120, self.weir_.admin_port, "endpoints")[1])
        self.assertNotIn("\x1b", on_terminal(120, self.weir_.admin_port, "endpoints", NO_COLOR="1")[1])

    def test_watching_redraws_until_ctrl_c_and_gives_the_screen_back(self) -> None:
        code, text = on_terminal(100, self.weir_.admin_port, "status", "-w", until=b"\x1b[H")
        self.assertEqual(code, 0, text)
        self.assertTrue(text.startswith("\x1b[?1049h"), text[:20])
        self.assertTrue(text.rstrip("^C").endswith("\x1b[?1049l"), text[-20:])

    def test_watching_into_a_pipe_is_a_snapshot_a_second(self) -> None:
        for arguments, mark in ((("status", "-w"), "weir "), (("breakers", "-w", "-o", "json"), "[{")):
            process = subprocess.Popen([BINARY, *arguments], stdout=subprocess.PIPE, text=True,
                                       env=clean_environment(WEIR_ADMIN=str(self.weir_.admin_port)))
            assert process.stdout
            snapshots = 0
            for line in process.stdout:
                self.assertNotIn("\x1b", line)
                snapshots += line.startswith(mark)
                if snapshots == 2:
                    break
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(10), 0)
            process.stdout.close()


class Steering(WeirTest):
    def cli(self, weir: Weir, *arguments: str) -> str:
        result = ask(weir.admin_port, *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def test_an_endpoint_is_drained_and_ejected_and_brought_back(self) -> None:
        first, second = self.origin(), self.origin()
        weir = self.forward(first.address, second.address)
        text = self.cli(weir, "endpoints", "c", "drain", first.address, "--for", "5m", "--reason", "disk full")
        self.assertRegex(text, rf"{first.address} +draining +by hand: .*disk full")
        self.assertEqual(weir.endpoint_state("c", first.address), "draining")
        self.assertIn("1 draining", self.cli(weir, "status"))
        refused = ask(weir.admin_port, "endpoints", "c", "eject", second.address)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("last_endpoint", refused.stderr)
        self.assertIn("--force", refused.stderr)
        self.cli(weir, "endpoints", "c", "undrain", first.address)
        self.assertEqual(weir.endpoint_state("c", first.address), "healthy")
        answer = json.loads(self.cli(weir, "endpoints", "c", "eject", second.address, "-o", "json"))
        self.assertEqual((answer["address"], answer["state"]), (second.address, "ejected"))
        self.cli(weir, "endpoints", "c", "uneject", second.address)
        self.assertNotEqual(weir.endpoint_state("c", second.address), "ejected")

    def test_a_breaker_is_forced_and_freed(self) -> None:
        weir, _ = self.proxied()
        text = self.cli(weir, "breaker", "c", "open", "--for", "10m", "--reason", "maintenance")
        self.assertRegex(text, r"state +open")
        self.assertIn("maintenance", text)
        self.assertEqual(weir.breaker("c"), "open")
        self.assert_refused(weir.ask(), 503, "breaker_open")
        self.assertIn("by hand: open", self.cli(weir, "breakers"))
        self.cli(weir, "breaker", "c", "close")
        self.assertEqual(weir.ask().status, 200)
        self.cli(weir, "breaker", "c", "auto")
        self.assertEqual(weir.breaker("c"), "closed")

    def test_who_is_not_there_is_said(self) -> None:
        weir, _ = self.proxied()
        for arguments in (("get", "clusters", "none"), ("endpoints", "none"), ("breaker", "none"),
                          ("breaker", "none", "open"), ("endpoints", "c", "drain", "10.0.0.1:1"),
                          ("endpoints", "none", "eject", "10.0.0.1:1")):
            with self.subTest(arguments):
                result = ask(weir.admin_port, *arguments)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertRegex(result.stderr, r"weir: .*(none|10\.0\.0\.1:1)")
                self.assertIn("  help: weir ", result.stderr)

    def test_the_log_is_turned_up_for_a_time(self) -> None:
        weir, _ = self.proxied()
        text = self.cli(weir, "log", "debug", "--module", "upstream=trace", "--for", "5m")
        self.assertRegex(text, r"level +debug\nupstream +trace\nends +in (5m00s|4m5\ds), then as configured\n")
        self.assertEqual(weir.api("log")["modules"], {"upstream": "trace"})
        self.assertRegex(self.cli(weir, "log", "reset"), r"level +info\n$")
        self.assertEqual(ask(weir.admin_port, "log", "--module", "nonsense=debug").returncode, 1)
        self.cli(weir, "log", "reopen")

    def test_drain_is_told_by_readiness(self) -> None:
        weir, _ = self.proxied()
        self.assertEqual(self.cli(weir, "status", "--ready"), "ready\n")
        self.assertIn("draining", self.cli(weir, "drain"))
        result = ask(weir.admin_port, "status", "--ready")
        self.assertEqual(result.returncode, 1)
        self.assertIn("draining", result.stdout)
        self.assertIn("draining", self.cli(weir, "status"))
        self.assertEqual(weir.ask().status, 200, "it serves on")

    def test_drain_and_exit(self) -> None:
        weir, _ = self.proxied()
        self.cli(weir, "drain", "--exit")
        self.assertEqual(weir.process.wait(15), 0)

    def test_readiness_is_waited_for(self) -> None:
        port = free_port()
        started = subprocess.Popen([BINARY, "status", "--ready", "--wait", "15s"], stdout=subprocess.PIPE, text=True,
                                   env=clean_environment(WEIR_ADMIN=str(port)))
        weir = Weir(forwarding(self.origin().address) + f"\nadmin: {{listen: \"127.0.0.1:{port}\"}}\n")
        self.addCleanup(weir.stop)
        self.assertEqual(started.wait(20), 0)
        assert started.stdout
        self.assertEqual(started.stdout.read(), "ready\n")
        started.stdout.close()
        nobody = ask(free_port(), "status", "--ready", "--wait", "300ms")
        self.assertEqual(nobody.returncode, 3)
        self.assertIn("no Weir answers", nobody.stderr)

    def test_events_as_they_come(self) -> None:
        weir, _ = self.proxied()
        self.cli(weir, "breaker", "c", "open")
        self.assertRegex(self.cli(weir, "events", "-n", "1"),
                         r"^\d\d:\d\d:\d\d\.\d{3}  breaker +c  closed → open  \(.*\)\n$")
        for more, expected in (((), "→ closed"), (("-o", "json"), '"to":"closed"')):
            process = subprocess.Popen([BINARY, "events", "-f", "-n", "1", *more], stdout=subprocess.PIPE, text=True,
                                       env=clean_environment(WEIR_ADMIN=str(weir.admin_port)))
            assert process.stdout
            self.assertIn("open", process.stdout.readline())
            self.cli(weir, "breaker", "c", "close")
            line = process.stdout.readline()
            self.assertIn(expected, line)
            if more:
                self.assertEqual(json.loads(line)["kind"], "breaker")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(10), 0)
            process.stdout.close()
            self.cli(weir, "breaker", "c", "open")

    def test_following_ends_with_the_weir(self) -> None:
        weir, _ = self.proxied()
        process = subprocess.Popen([BINARY, "events", "-f", "-n", "1"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   env=clean_environment(WEIR_ADMIN=str(weir.admin_port)))
        assert process.stdout
        self.cli(weir, "breaker", "c", "open")
        process.stdout.readline()
        self.cli(weir, "drain", "--exit")
        _, errors = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 3, errors)
        self.assertEqual(weir.process.wait(15), 0)


class Configuring(WeirTest):
    def test_reload_apply_and_difference(self) -> None:
        origin = self.origin()
        weir = self.forward(origin.address)
        port = weir.admin_port
        before = weir.api("status")["config"]["hash"]
        self.assertIn("nothing was changed", ask(port, "reload").stdout)
        text = weir.file.read_text().replace("  c:\n", "  c:\n    timeout: 7s\n", 1)
        fresh = weir.root / "other.yaml"
        fresh.write_text(text)
        difference = ask(port, "check", str(fresh), "--diff")
        self.assertEqual(difference.returncode, 0, difference.stderr)
        self.assertRegex(difference.stdout, r"(?m)^[~+] clusters\.c\.timeout\.request: .*7s$")
        stale = ask(port, "config", "apply", str(fresh), "--if-match", "0123")
        self.assertEqual(stale.returncode, 1)
        self.assertIn("other_config", stale.stderr)
        applied = ask(port, "config", "apply", str(fresh), "--if-match", before)
        self.assertEqual(applied.returncode, 0, applied.stderr)
        self.assertIn("clusters.c.timeout.request", applied.stdout)
        self.assertNotEqual(weir.api("status")["config"]["hash"], before)
        self.assertIn("7s", ask(port, "config", "explain", "clusters.c.timeout.request").stdout)
        self.assertEqual(ask(port, "check", str(fresh), "--diff").stdout, "no difference\n")
        back = ask(port, "reload")
        self.assertIn("1 key changed", back.stdout)
        self.assertEqual(weir.api("status")["config"]["hash"], before, "the file was not written")
        kept = ask(port, "config", "apply", "-", "--persist", text=text)
        self.assertEqual(kept.returncode, 0, kept.stderr)
        self.assertEqual(weir.file.read_text(), text)

    def test_what_is_wrong_is_said_and_nothing_changes(self) -> None:
        origin = self.origin()
        weir = self.forward(origin.address)
        before = weir.api("status")["config"]["hash"]
        text = weir.file.read_text().replace("  c:\n", "  c:\n    timeot: 7s\n    lb: fastest\n", 1)
        bad = weir.root / "bad.yaml"
        bad.write_text(text)
        for arguments in (("config", "apply", str(bad)), ("check", str(bad), "--diff")):
            with self.subTest(arguments):
                result = ask(weir.admin_port, *arguments)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertRegex(result.stderr, r":\d+:\d+: error\[W101\]: .*timeot")
                self.assertIn("lb", result.stderr, "all of it in one run")
        self.assertEqual(weir.api("status")["config"]["hash"], before)
        self.assertEqual(ask(weir.admin_port, "config", "apply", "/nonexistent.yaml").returncode, 1)


class Reaching(WeirTest):
    def test_nobody_there_is_exit_3_with_the_place_and_advice(self) -> None:
        port = free_port()
        for verb in (("status",), ("breakers",), ("drain",), ("reload",), ("events", "-f"), ("config", "dump"),
                     ("status", "--ready"), ("get", "clusters"), ("endpoints", "c", "drain", "a:1")):
            with self.subTest(verb):
                result = ask(port, *verb)
                self.assertEqual((result.returncode, result.stdout), (3, ""))
                for word in (f"127.0.0.1:{port} (connection refused)", "weir run", "--admin", "kubectl exec"):
                    self.assertIn(word, result.stderr)
        missing = ask("/nonexistent/admin.sock", "status")
        self.assertEqual(missing.returncode, 3)
        self.assertIn("unix:/nonexistent/admin.sock (no such socket)", missing.stderr)

    def serve(self, answer: bytes | None) -> int:
        """Something else that listens; None takes connections and never answers."""
        listener = socket.create_server(("127.0.0.1", 0))
        held: list[socket.socket] = []

        def run() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                held.append(client)
                if answer is not None:
                    client.recv(65536)
                    client.sendall(answer)
                    client.close()

        thread = threading.Thread(target=run)
        thread.start()

        def stop() -> None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
            for client in held:
                client.close()

        self.addCleanup(stop)
        return int(listener.getsockname()[1])

    def test_a_stranger_is_not_taken_for_weir(self) -> None:
        page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
        for answer, word in ((page, "text/html"), (b"SSH-2.0-OpenSSH_9.2\r\n", "not with HTTP"), (b"", "closed")):
            with self.subTest(word):
                result = ask(self.serve(answer), "status")
                self.assertEqual((result.returncode, result.stdout), (3, ""))
                self.assertIn("but not as Weir", result.stderr)
                self.assertIn(word, result.stderr)
                self.assertEqual(ask(self.serve(answer), "status", "--ready").returncode, 3)

    def test_silence_is_a_timeout(self) -> None:
        result = ask(self.serve(None), "status", "--timeout", "200ms")
        self.assertEqual(result.returncode, 3)
        self.assertIn("does not answer", result.stderr)
        self.assertIn("--timeout", result.stderr)

    def test_the_data_port_is_not_the_admin_port(self) -> None:
        weir, _ = self.proxied()
        self.assertEqual(ask(weir.port, "status").returncode, 3)
        telemetry = ask(weir.telemetry_port, "status")
        self.assertEqual(telemetry.returncode, 1)
        self.assertIn("telemetry port", telemetry.stderr)
        self.assertEqual(ask(weir.telemetry_port, "status", "--ready").returncode, 0)

    def test_a_unix_socket_and_a_token(self) -> None:
        origin = self.origin()
        with tempfile.TemporaryDirectory() as root:
            path = f"{root}/admin.sock"
            token = Path(root) / "token"
            token.write_text("s3cret\n")
            weir = Weir(forwarding(origin.address) +
                        f"\nadmin: {{listen: \"unix:{path}\", token: {{file: {token}}}}}\n")
            self.addCleanup(weir.stop)
            eventually(lambda: ask(path, "status", "--ready").returncode == 0, "ready, which needs no token")
            bare = ask(path, "status")
            self.assertEqual((bare.returncode, bare.stdout), (1, ""))
            for word in ("--token-file", "WEIR_TOKEN"):
                self.assertIn(word, bare.stderr)
            self.assertEqual(ask(path, "status", WEIR_TOKEN="wrong").returncode, 1)
            for form in (path, f"unix:{path}"):
                self.assertEqual(ask(form, "status", WEIR_TOKEN="s3cret").returncode, 0)
            self.assertEqual(ask(path, "breaker", "c", "open", "--token-file", str(token)).returncode, 0)
            self.assertEqual(ask(path, "status", "--token-file", f"{root}/none").returncode, 1)
            followed = ask(path, "events", "-f")
            self.assertEqual(followed.returncode, 1)
            self.assertIn("--token-file", followed.stderr)

    def test_wrong_use_is_exit_2(self) -> None:
        for arguments in (("status", "--admin", "https://x"), ("status", "--admin", "a b"), ("get", "nonsense"),
                          ("breaker", "c", "half"), ("endpoints", "c", "drain"), ("log", "loud"),
                          ("breaker", "c", "open", "--for", "soon"), ("status", "-o", "xml"), ("config", "apply")):
            with self.subTest(arguments):
                result = ask(free_port(), *arguments)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertTrue(result.stderr)

    def test_help_groups_the_verbs(self) -> None:
        text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, timeout=20).stdout
        groups = re.findall(r"(?m)^([A-Z][^:\n]*):$", text)
        self.assertEqual([g for g in groups if g != "Options"],
                         ["Run", "Kubernetes", "Ask a running Weir", "Configuration", "Documents"])


if __name__ == "__main__":
    unittest.main()
