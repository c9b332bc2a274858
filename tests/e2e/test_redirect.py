"""Two pods, each a network namespace with a Weir in it, whose traffic the kernel's rules send through them.

The tests need to be root, as the init container is that sets the rules of a pod."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import Any

from harness import BINARY, eventually
from pki import Authority

os.environ["PATH"] += ":/usr/sbin:/sbin"
UID = 2102
TOOLS = Path(__file__).resolve().parents[2] / "build/tools"
GRPC_CLIENT = TOOLS / "grpc-client"

# Greets before its client says anything, as MySQL and SMTP do; then echoes.
GREETER = """
import socket, sys, threading
def serve(sock):
    sock.sendall(b"220 ready\\r\\n")
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.close()
listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

# What came until the end, or for so long; says when the first byte was there.
READER = """
import socket, sys, time
began = time.monotonic()
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
if len(sys.argv) > 3:
    sock.sendall(sys.argv[3].encode())
try:
    got = sock.recv(100)
except ConnectionError:
    got = b"reset"
print(got.decode().strip())
"""

# Two requests on one connection, the second when it is told.
TWICE = """
import http.client, sys
there = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=10)
for path in "/first", "/second":
    there.request("GET", path)
    print(there.getresponse().read().decode(), flush=True)
    sys.stdin.readline()
"""

NGINX = """
daemon off; master_process off; worker_processes 1; error_log {root}/error.log crit; pid {root}/pid;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{ listen 8080; listen [::]:8080; location / {{ return 200 "nginx for $host xff=$http_x_forwarded_for"; }} }}
}}
"""


def run(*words: str) -> str:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}")
    return done.stdout


class Pod:
    """A network namespace, and what runs in it."""

    def __init__(self, test: unittest.TestCase, name: str) -> None:
        self.name = f"weir-{name}-{os.getpid()}"
        self.root = Path(tempfile.mkdtemp(prefix=f"weir-{name}-"))
        self.root.chmod(0o755)
        self.processes: list[subprocess.Popen[bytes]] = []
        run("ip", "netns", "add", self.name)
        test.addCleanup(self.close)
        self.run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(15)
        run("ip", "netns", "del", self.name)
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *words: str) -> str:
        return run("ip", "netns", "exec", self.name, *words)

    def spawn(self, *words: str, out: str = "") -> subprocess.Popen[bytes]:
        with (self.root / (out or "out")).open("wb") as output, (self.root / "err").open("ab") as errors:
            process = subprocess.Popen(["ip", "netns", "exec", self.name, *words], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=errors)
        self.processes.append(process)
        return process

    def nginx(self) -> None:
        (self.root / "nginx.conf").write_text(NGINX.format(root=self.root))
        self.spawn("nginx", "-p", str(self.root), "-c", str(self.root / "nginx.conf"))
        eventually(lambda: self.curl("http://127.0.0.1:8080/", check=False).startswith("nginx"), "nginx")

    def greeter(self, port: int) -> None:
        self.spawn(sys.executable, "-c", GREETER, str(port))
        eventually(lambda: self.can_connect(port), "the greeter")

    def can_connect(self, port: int) -> bool:
        done = subprocess.run(["ip", "netns", "exec", self.name, sys.executable, "-c", READER, "127.0.0.1", str(port)],
                              capture_output=True, text=True, timeout=20)
        return done.returncode == 0

    def write(self, config: str) -> Path:
        file = self.root / "weir.yaml"
        fresh = self.root / "fresh.yaml"
        fresh.write_text(textwrap.dedent(config) + "\ndrain: 1s\n")
        fresh.rename(file)
        return file

    def weir(self, config: str, uid: int = UID) -> None:
        file = self.write(config)
        self.spawn("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", BINARY, "run", str(file),
                   out="log")
        eventually(lambda: self.curl("http://127.0.0.1:9348/readyz", "-o", "/dev/null", "-w", "%{http_code}",
                                     check=False) == "200", f"Weir; {(self.root / 'err').read_text()}")

    def curl(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(["ip", "netns", "exec", self.name, "curl", "-sS", "--max-time", "10", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"curl {' '.join(words)}: {done.stderr}; {(self.root / 'err').read_text()[-2000:]}")
        return done.stdout

    def say(self, host: str, port: int, text: str = "") -> str:
        return self.run(sys.executable, "-c", READER, host, str(port), *([text] if text else [])).strip()

    def records(self) -> list[dict[str, Any]]:
        lines = (self.root / "log").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def record(self, **expected: object) -> dict[str, Any]:
        """The newest record that has these values."""
        def found() -> dict[str, Any] | None:
            matching = [r for r in self.records() if expected.items() <= r.items()]
            return matching[-1] if matching else None

        return eventually(found, f"{expected} among {self.records()[-5:]}")  # type: ignore[return-value]

    def metric(self, name: str) -> float:
        lines = self.curl("http://127.0.0.1:9347/metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((name + " ", name + "{", name + ",")))

    def redirect(self, *words: str) -> str:
        return self.run(BINARY, "redirect", *words)


class RedirectTest(unittest.TestCase):
    def setUp(self) -> None:
        self.assertTrue(BINARY, "WEIR_BINARY names no binary")
        self.assertEqual(os.geteuid(), 0, "this test makes network namespaces: run it as root")
        self.client, self.server = Pod(self, "client"), Pod(self, "server")
        run("ip", "link", "add", "pod0", "netns", self.client.name, "type", "veth",
            "peer", "name", "pod0", "netns", self.server.name)
        for pod, number in ((self.client, 1), (self.server, 2)):
            pod.run("ip", "addr", "add", f"10.77.0.{number}/24", "dev", "pod0")
            pod.run("ip", "-6", "addr", "add", f"fd77::{number}/64", "dev", "pod0", "nodad")
            pod.run("ip", "link", "set", "pod0", "up")
            pod.run("ip", "route", "add", "default", "dev", "pod0")


OUTBOUND = """\
    version: 1
    threads: 1
    listeners:
      - name: out
        mode: outbound
        listen: ["127.0.0.1:15001", "[::1]:15001"]
        transparent: true
        routes:
          - {name: orders, host: [orders, orders.shop], to: orders}
    clusters:
      orders: {endpoints: ["10.77.0.2:8080"]}
    """
INBOUND = """\
    version: 1
    threads: 1
    listeners:
      - {name: in, mode: inbound, listen: ":15006", transparent: true, to: "127.0.0.1:8080"}
    """


class Pods(RedirectTest):
    def test_both_directions(self) -> None:
        client, server = self.client, self.server
        server.nginx()
        server.greeter(3306)
        server.weir(INBOUND)
        client.weir(OUTBOUND)
        server.redirect("apply", "--outbound-port", "0", "--skip-inbound-ports", "3306,9999,9")
        client.redirect("apply", "--inbound-port", "0")

        # By address: a cluster has an endpoint there, of either family it is passed through to.
        self.assertIn("nginx for 10.77.0.2", client.curl("http://10.77.0.2:8080/a"))
        client.record(path="/a", route="orders", cluster="orders")
        server.record(path="/a", listener="in", client="10.77.0.1")
        self.assertIn("nginx for [fd77::2]", client.curl("http://[fd77::2]:8080/six"))
        client.record(path="/six", route="passthrough", cluster="passthrough", endpoint="[fd77::2]:8080")
        server.record(path="/six", client="fd77::1")

        # By host, whatever the address.
        self.assertIn("nginx for orders.shop", client.curl("-H", "Host: orders.shop", "http://10.77.0.2:9999/b"))
        client.record(path="/b", route="orders")

        # A server that speaks first; the second time nobody waits for the client.
        self.assertEqual(client.say("10.77.0.2", 3306), "220 ready")
        client.record(protocol="TCP", endpoint="10.77.0.2:3306", reason="none")
        self.assertEqual(client.say("10.77.0.2", 3306), "220 ready")
        self.assertEqual(client.say("fd77::2", 3306), "220 ready")

        # An address that refuses has a breaker of its own.
        def is_open() -> bool:
            client.curl("http://10.77.0.2:9/", check=False)
            return any(r["reason"] == "breaker_open" for r in client.records())

        eventually(is_open, "the breaker of the address opens")
        self.assertIn("nginx", client.curl("http://[fd77::2]:8080/"))
        self.assertGreaterEqual(client.metric("weir_passthrough_addresses"), 3)

        # Weir's own port, asked directly: there is nowhere to go, and no loop.
        answer = client.curl("-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:15001/")
        self.assertEqual(answer, "404")
        self.assertIn(client.say("127.0.0.1", 15001, "\x01\x02"), ("", "reset"))
        client.record(protocol="TCP", reason="misdirected")

        # What is local stays so, and what Weir itself sends is not sent to it again.
        self.assertIn("nginx", server.curl("http://127.0.0.1:8080/local"))
        self.assertFalse([r for r in server.records() if r["path"] == "/local"])

        client.redirect("clean")
        before = len(client.records())
        self.assertIn("nginx", client.curl("http://10.77.0.2:8080/direct"))
        self.assertEqual(len(client.records()), before)

    def test_what_no_cluster_names_may_be_denied(self) -> None:
        client, server = self.client, self.server
        server.nginx()
        server.greeter(3306)
        client.weir(OUTBOUND.replace("transparent: true", "transparent: true\n        passthrough: deny"))
        client.redirect("apply", "--inbound-port", "0")
        self.assertIn("nginx", client.curl("http://10.77.0.2:8080/"))
        self.assertEqual(client.curl("-o", "/dev/null", "-w", "%{http_code}", "http://[fd77::2]:8080/"), "404")
        self.assertIn(client.say("10.77.0.2", 3306, "\x01\x02"), ("", "reset"))
        client.record(protocol="TCP", reason="no_route")

    def test_a_connection_goes_where_the_endpoints_are_now(self) -> None:
        client, server = self.client, self.server
        server.nginx()
        endpoints = client.root / "endpoints"
        endpoints.write_text("- 10.77.0.2:8080\n")
        client.weir(OUTBOUND.replace('endpoints: ["10.77.0.2:8080"]', f'discovery: {{type: file, path: "{endpoints}"}}'))
        client.redirect("apply", "--inbound-port", "0")
        talk = subprocess.Popen(["ip", "netns", "exec", client.name, sys.executable, "-c", TWICE, "10.77.0.2", "8080"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(talk.communicate)
        assert talk.stdin and talk.stdout
        self.assertIn("nginx", talk.stdout.readline())
        client.record(path="/first", cluster="orders")
        fresh = endpoints.with_suffix(".fresh")
        fresh.write_text("- 10.77.0.2:1\n")
        fresh.rename(endpoints)
        eventually(lambda: '"10.77.0.2:1"' in client.curl("http://127.0.0.1:9347/api/v1/clusters/orders/endpoints"),
                   "the new endpoint")
        talk.stdin.write("\n")
        talk.stdin.flush()
        self.assertIn("nginx", talk.stdout.readline())
        client.record(path="/second", cluster="passthrough")

    def test_our_own_connections_that_come_back_are_refused(self) -> None:
        self.server.nginx()
        self.client.weir(OUTBOUND, uid=UID + 1)  # not the one whose connections the rules let go
        self.client.redirect("apply", "--inbound-port", "0")
        for url in ("http://10.77.0.2:8080/", "http://[fd77::2]:8080/"):
            self.assertIn(self.client.curl("-o", "/dev/null", "-w", "%{http_code}", url), ("502", "503"))
        refused = self.client.metric('weir_protocol_refused_total{listener="out",reason="misdirected"')
        self.assertGreater(refused, 0)
        self.assertLess(refused, 20)  # the tries of two requests

    def identities(self) -> dict[str, str]:
        """Of two members of a mesh, readable for Weir's user."""
        ca = Authority("mesh")
        self.addCleanup(ca.close)
        ca.root.chmod(0o755)
        identities = {}
        for name in ("front", "orders"):
            pair = ca.issue(name, f"URI:spiffe://shop/{name}")
            os.chmod(pair.key, 0o644)
            identities[name] = f"\nidentity: {{{pair.yaml}, ca: {ca.cert}}}\n"
        return identities

    @unittest.skipUnless(GRPC_CLIENT.exists(), "grpc-go's client is not here: ./dev test builds it")
    def test_grpc_over_mutual_tls_between(self) -> None:
        client, server = self.client, self.server
        identities = self.identities()
        server.spawn(str(TOOLS / "grpc-server"), "-port=7070")
        server.weir(textwrap.dedent(INBOUND).replace("127.0.0.1:8080", "app").replace(
            "transparent: true", "transparent: true, tls: mesh")
            + "clusters: {app: {endpoints: ['127.0.0.1:7070'], protocol: h2c}}\n" + identities["orders"])
        client.weir(textwrap.dedent(OUTBOUND).replace('"10.77.0.2:8080"]', '"10.77.0.2:7070"], tls: mesh, protocol: h2')
                    + identities["front"])
        server.redirect("apply", "--outbound-port", "0")
        client.redirect("apply", "--inbound-port", "0")
        for case in ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong"):
            with self.subTest(case):
                client.run(str(GRPC_CLIENT), "-server_host=10.77.0.2", "-server_port=7070", f"-test_case={case}")
        server.record(protocol="HTTP/2", peer="spiffe://shop/front")
        client.record(protocol="HTTP/2", cluster="orders", reason="none")

    def test_mutual_tls_between(self) -> None:
        client, server = self.client, self.server
        identities = self.identities()
        server.nginx()
        server.weir(textwrap.dedent(INBOUND).replace("transparent: true", "transparent: true, tls: mesh")
                    + identities["orders"])
        client.weir(textwrap.dedent(OUTBOUND).replace('"10.77.0.2:8080"]', '"10.77.0.2:8080"], tls: mesh')
                    + identities["front"])
        server.redirect("apply", "--outbound-port", "0")
        client.redirect("apply", "--inbound-port", "0")
        self.assertIn("nginx for orders", client.curl("-H", "Host: orders", "http://10.77.0.2/x"))
        server.record(path="/x", peer="spiffe://shop/front")

    def test_tproxy(self) -> None:
        server = self.server
        server.nginx()
        server.weir(INBOUND, uid=0)
        server.run("ip", "rule", "add", "fwmark", "1", "lookup", "100")
        server.run("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100")
        (server.root / "rules").write_text("""
            table ip t {
              chain c {
                type filter hook prerouting priority mangle;
                iifname "pod0" tcp dport 8000-8999 meta mark set 1 tproxy to :15006 accept
              }
            }
            """)
        server.run("nft", "-f", str(server.root / "rules"))
        self.assertIn("nginx", self.client.curl("http://10.77.0.2:8080/t"))
        self.assertIn("nginx", self.client.curl("http://10.77.0.2:8999/u"))
        server.record(path="/u", listener="in", client="10.77.0.1")


class Rules(RedirectTest):
    def test_apply_show_clean(self) -> None:
        pod = self.client
        for tool, other in (("nft", "iptables"), ("iptables", "nft")):
            with self.subTest(tool):
                self.assertEqual(pod.redirect("show"), "nothing is redirected\n")
                pod.redirect("clean")
                pod.redirect("apply", "--tool", tool, "--skip-outbound-ports", "22,5000-5010")
                once = pod.redirect("show")
                self.assertIn("15001", once)
                self.assertIn("2102", once)
                pod.redirect("apply", "--tool", tool, "--skip-outbound-ports", "22,5000-5010")
                self.assertEqual(pod.redirect("show"), once)
                pod.redirect("apply", "--tool", other)  # the rules of one tool take the place of the other's
                pod.redirect("apply", "--tool", tool, "--skip-outbound-ports", "22,5000-5010")
                self.assertEqual(pod.redirect("show"), once)
                pod.redirect("clean")
                self.assertEqual(pod.redirect("show"), "nothing is redirected\n")
                self.assertNotIn("WEIR", pod.run("iptables", "-t", "nat", "-S"))
                self.assertNotIn("weir", pod.run("nft", "list", "tables"))

    def test_wrong_lists_of_ports_are_refused(self) -> None:
        done = subprocess.run([BINARY, "redirect", "apply", "--print", "--skip-inbound-ports", "22;23"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is no list of ports", done.stderr)


if __name__ == "__main__":
    unittest.main()
