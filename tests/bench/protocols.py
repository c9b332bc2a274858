"""The same comparison for HTTP/2, TLS and opaque TCP: who is compared, and how each is told what to do.

A shape says what is spoken on both sides. Under mutual TLS the load goes through an nghttpx that has the client's
certificate, as h2load has none; it shares the load's core, and is no part of any figure.
"""
import contextlib
import functools
import re
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import envoy
import proxies
import rig

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
import pki  # noqa: E402  (the tests' own authority)

PORT = proxies.PROXY_PORT
H2_ORIGIN, TLS_ORIGIN = 9001, 9002
WRAPPER = 8081


@dataclass(frozen=True)
class Shape:
    down: str = "h2"  # h2, h1 or tcp
    up: str = "h1"
    tls: str = ""  # "", "client" (towards the client only) or "mutual" (both sides, with certificates)
    is_on: bool = False  # what a sidecar has on, else bare


H2_H1 = Shape()
GRPC = Shape(up="h2", is_on=True)
MUTUAL = Shape(up="h2", tls="mutual")
TLS_H1 = Shape(down="h1", tls="client")
TCP = Shape(down="tcp")
TCP_MEGABYTES = 16
KEPT_TLS = 2000  # idle connections


class Bed:
    """An authority, and an origin that speaks HTTP/2 in clear and under mutual TLS beside the bench's own."""

    def __init__(self, net, folder, cores):
        self.net, self.folder, self.cores = net, folder, cores
        self.stack = contextlib.ExitStack()
        self.authority = pki.Authority("bench")
        self.stack.callback(self.authority.close)
        self.authority.root.chmod(0o755)
        self.server = self.authority.issue("origin", f"DNS:origin, IP:{net.origin_address}, IP:{net.proxy_address}")
        self.client = self.authority.issue("client")
        for pair in (self.server, self.client):
            for path in (pair.cert, pair.key):
                Path(path).chmod(0o644)
            (folder / f"{Path(pair.cert).stem}.pem").write_text(Path(pair.cert).read_text() + Path(pair.key).read_text())
        self.start("origin", self.origin())

    def origin(self):
        config = self.folder / "origin-h2.conf"
        tls = (f"ssl_certificate {self.server.cert}; ssl_certificate_key {self.server.key};"
               f" ssl_client_certificate {self.authority.cert}; ssl_verify_client on;")
        answer = "location / { return 200 '" + "x" * 1024 + "'; }"
        listen = f"listen {self.net.origin_address}"
        head = proxies.nginx_head(self.folder).replace("WORKERS", "1").replace("nginx.pid", "origin-h2.pid")
        config.write_text(
            head + "access_log off; http2_max_concurrent_streams 1000;\n"
            + f"server {{ {listen}:{H2_ORIGIN} http2 backlog=8192; {answer} }}\n"
            + f"server {{ {listen}:{TLS_ORIGIN} ssl http2 backlog=8192; {tls} {answer} }} }}\n")
        return ["nginx", "-c", str(config)]

    def start(self, role, command):
        process = rig.Process(self.net, role, self.cores, command, self.folder / f"{Path(command[0]).name}-{role}.log")
        self.stack.callback(process.stop)
        return process

    @contextlib.contextmanager
    def wrapped(self, shape):
        """The URL of the load: the proxy's, or that of a wrapper that has a client certificate."""
        if shape.tls != "mutual":
            scheme = "https" if shape.tls else "http"
            yield f"{scheme}://{self.net.proxy_address}:{PORT}/1k"
            return
        wrapper = rig.Process(self.net, "load", self.cores, [
            "nghttpx", "--conf=/dev/null", f"-f127.0.0.1,{WRAPPER};no-tls",
            f"-b{self.net.proxy_address},{PORT};;proto=h2;tls", "--insecure", "--errorlog-file=/dev/null",
            f"--client-cert-file={self.client.cert}", f"--client-private-key-file={self.client.key}",
        ], self.folder / "wrapper.log")
        try:
            yield f"http://127.0.0.1:{WRAPPER}/1k"
        finally:
            wrapper.stop()

    def close(self):
        self.stack.close()


# ---- what each is told

def upstream_of(bed, shape):
    port = {"h1": proxies.ORIGIN_PORT, "h2": H2_ORIGIN}[shape.up]
    return bed.net.origin_address, TLS_ORIGIN if shape.tls == "mutual" else port


def weir(bed, binary, shape):
    address, port = upstream_of(bed, shape)
    ca, server, client = bed.authority.cert, bed.server, bed.client
    down = f", tls: {{{server.yaml}{f', client_ca: {ca}' if shape.tls == 'mutual' else ''}}}" if shape.tls else ""
    protocol = ", protocol: tcp" if shape.down == "tcp" else ""
    up = ", protocol: h2c" if shape.up == "h2" else ""
    if shape.tls == "mutual":
        up = f", protocol: h2, tls: {{{client.yaml}, ca: {ca}, server_name: origin}}"
    config = bed.folder / "weir.yaml"
    config.write_text(
        f"version: 1\nthreads: 1\nadmin: {{listen: 127.0.0.1:{proxies.ADMIN_PORT}}}\n"
        "telemetry: {listen: 127.0.0.1:19348}\n"
        + (f"access_log: {{to: {bed.folder}/weir-access.log, format: json}}\n" if shape.is_on
           else "access_log: off\ndefaults: {breaker: off, outlier: off, retry: off}\n")
        + f"listeners:\n  - {{listen: '{bed.net.proxy_address}:{PORT}', to: origin{down}{protocol}}}\n"
        + f"clusters:\n  origin: {{endpoints: ['{address}:{port}']{up}}}\n")
    return [str(binary), "run", str(config)]


def haproxy(bed, _, shape):
    address, port = upstream_of(bed, shape)
    bind = " proto h2" if shape.down == "h2" else ""
    if shape.tls:
        bind = f" ssl crt {bed.folder}/origin.pem alpn {'h2' if shape.down == 'h2' else 'http/1.1'}"
        bind += f" ca-file {bed.authority.cert} verify required" if shape.tls == "mutual" else ""
    server = " proto h2" if shape.up == "h2" else ""
    if shape.tls == "mutual":
        server = f" ssl crt {bed.folder}/client.pem ca-file {bed.authority.cert} verify required alpn h2"
    on = "  log global\n  option httplog\n  option forwardfor\n  retries 3\n  option redispatch\n" if shape.is_on else "  retries 0\n"
    check = " check inter 10s observe layer7 error-limit 5 on-error mark-down" if shape.is_on else ""
    config = bed.folder / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 15000\n  no strict-limits\n" + ("  log stdout format raw daemon\n" if shape.is_on else "")
        + f"defaults\n  mode {'tcp' if shape.down == 'tcp' else 'http'}\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1m\n"
        + f"{on}frontend in\n  bind {bed.net.proxy_address}:{PORT} backlog 8192{bind}\n  default_backend origin\n"
        + f"backend origin\n  server s {address}:{port}{server}{check}\n")
    return ["haproxy", "-db", "-f", str(config)]


def nginx(bed, _, shape):
    address, port = upstream_of(bed, shape)
    scheme = ("grpcs" if shape.tls == "mutual" else "grpc") if shape.up == "h2" else "http"
    forward = f"grpc_pass {scheme}://origin;" if shape.up == "h2" else \
        'proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";'
    listen = (" ssl" if shape.tls else "") + (" http2" if shape.down == "h2" else "")
    tls = (f"ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {bed.server.cert}; ssl_certificate_key {bed.server.key};"
           if shape.tls else "")
    if shape.tls == "mutual":
        tls += (f" ssl_client_certificate {bed.authority.cert}; ssl_verify_client on; grpc_ssl_certificate {bed.client.cert};"
                f" grpc_ssl_certificate_key {bed.client.key}; grpc_ssl_trusted_certificate {bed.authority.cert};"
                " grpc_ssl_verify on; grpc_ssl_name origin;")
    log = f"access_log {bed.folder}/nginx-access.log combined buffer=64k flush=1s;" if shape.is_on else "access_log off;"
    config = bed.folder / "nginx.conf"
    config.write_text(
        proxies.nginx_head(bed.folder).replace("WORKERS", "1")
        + f"{log} http2_max_concurrent_streams 1000;\n"
        + f"upstream origin {{ server {address}:{port}; keepalive 64; {proxies.IDLE} }}\n"
        + f"server {{ listen {bed.net.proxy_address}:{PORT}{listen} backlog=8192; {tls}\nlocation / {{ {forward} }} }} }}\n")
    return ["nginx", "-c", str(config)]


def nghttpx(bed, _, shape):
    address, port = upstream_of(bed, shape)
    up = ";proto=h2" if shape.up == "h2" else ""
    words = ["nghttpx", "--conf=/dev/null", "--workers=1", "--errorlog-file=/dev/null",
             f"-f{bed.net.proxy_address},{PORT}" + ("" if shape.tls else ";no-tls"),
             f"-b{address},{port};{up}" + (";tls;sni=origin" if shape.tls == "mutual" else ""),
             "--accesslog-file=" + (f"{bed.folder}/nghttpx-access.log" if shape.is_on else "/dev/null")]
    if shape.tls:
        words += ["--npn-list=h2" if shape.down == "h2" else "--npn-list=http/1.1"]
    if shape.tls == "mutual":
        words += ["--verify-client", f"--verify-client-cacert={bed.authority.cert}", f"--cacert={bed.authority.cert}",
                  f"--client-cert-file={bed.client.cert}", f"--client-private-key-file={bed.client.key}"]
    return [*words, *([bed.server.key, bed.server.cert] if shape.tls else [])]


def go_relay(bed, _, shape):
    """Go's io.Copy, which splices."""
    address, port = upstream_of(bed, shape)
    return [str(Path(__file__).parents[2] / "build/tools/relay"), f"{bed.net.proxy_address}:{PORT}", f"{address}:{port}"]


def envoy_command(bed, binary, shape):
    return envoy.command(binary, bed.folder, (bed.net.proxy_address, PORT), upstream_of(bed, shape), shape, bed)


COMMANDS = {"weir": weir, "haproxy": haproxy, "nginx": nginx, "nghttpx": nghttpx, "go": go_relay, "envoy": envoy_command}
HTTP = ("weir", "haproxy", "nginx", "nghttpx")


# ---- figures

def h2load(net, cores, url, seconds):
    """Eight connections with eight streams each: (requests, error sentence or None)."""
    done = rig.run(net, "load", cores, ["h2load", "-t1", "-c8", "-m8", f"-D{seconds}", "--connection-active-timeout=60s", url])
    counts = re.search(r"requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    if not counts or not int(counts[2]):
        return 0, (done.stdout + done.stderr)[-300:]
    good = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    if int(counts[3]) or int(counts[4]) or int(good[3]) or int(good[4]):
        return 0, f"{counts[0]}; {good[0]}"
    return int(counts[2]), None


def full_handshakes(net, cores, url, seconds):
    """One connection after the other, none resumed, a request each: (requests, error sentence or None)."""
    address, path = re.fullmatch(r"https://([^/]+)(/.*)", url).groups()
    done = rig.run(net, "load", cores, ["openssl", "s_time", "-new", "-tls1_3", "-connect", address, "-www", path, "-time", str(seconds)])
    count = re.search(r"(\d+) connections in \d+ real seconds", done.stdout)
    return (int(count[1]), None) if count and int(count[1]) else (0, (done.stdout + done.stderr)[-300:])


class Protocols:
    """Cases of a Bench; it owns the bed and makes it when it is first asked for."""

    def __init__(self, bench):
        self.bench, self.bed = bench, None

    def close(self):
        if self.bed:
            self.bed.close()

    def start(self, kind, shape):
        if not self.bed:
            self.bed = Bed(self.bench.net, self.bench.folder, self.bench.other_cores)
        binary = self.bench.envoy if kind == "envoy" else self.bench.options.weir
        command = COMMANDS[kind](self.bed, binary, shape)
        return rig.Process(self.bench.net, "proxy", self.bench.proxy_core, command, self.bench.folder / f"{kind}.log")

    def cost(self, kind, shape, load):
        """CPU microseconds a request; `load` is called with the URL and seconds."""
        bench = self.bench
        process = self.start(kind, shape)
        try:
            with self.bed.wrapped(shape) as url:
                rig.wait_for_curl(bench.net, url, h2=shape.down == "h2")
                load(url, 1)
                before = process.cpu_seconds()
                requests, error = load(url, bench.options.seconds)
                spent = process.cpu_seconds() - before
        except (OSError, TimeoutError, subprocess.SubprocessError) as error:
            return bench.fail(f"{kind} {shape}: {error}{bench.said(kind)}")
        finally:
            process.stop()
        if error or not requests:
            return bench.fail(f"{kind} {shape}: {error}")
        return spent / requests * 1e6

    def compare(self, shape, load, kinds=HTTP):
        """`load` takes the net, the cores, the URL and seconds."""
        bench = self.bench
        told = functools.partial(load, bench.net, bench.other_cores)
        if bench.envoy and shape.down != "tcp":
            kinds = (*kinds, "envoy")
        return bench.rounds(lambda kind: self.cost(kind, shape, told), kinds)

    def h2_h1(self):
        return self.compare(H2_H1, h2load)

    def grpc(self):
        return self.compare(GRPC, h2load)

    def mutual(self):
        return self.compare(MUTUAL, h2load)

    def tls_h1(self):
        return self.compare(TLS_H1, rig.wrk, ("weir", "haproxy", "nginx"))

    def handshake(self):
        return self.compare(TLS_H1, full_handshakes, ("weir", "haproxy", "nginx"))

    def tcp(self):
        """Microseconds a MB, of 16 MB answers on eight connections."""
        def load(net, cores, url, seconds):
            return rig.wrk(net, cores, url.replace("/1k", "/16m"), seconds, connections=8)
        found = self.compare(TCP, load, ("weir", "haproxy", "go"))
        return {kind: each / TCP_MEGABYTES if each else None for kind, each in found.items()}

    def idle_tls(self):
        """KiB a connection under TLS, after each carried one request."""
        return self.bench.rounds(self.one_idle_tls, ("weir", "haproxy", "nginx"))

    def one_idle_tls(self, kind):
        bench, clients = self.bench, []
        process = self.start(kind, TLS_H1)
        try:
            rig.wait_for_curl(bench.net, f"https://{bench.net.proxy_address}:{PORT}/1k", h2=False)
            context = ssl.create_default_context(cafile=self.bed.authority.cert)
            context.check_hostname = False
            before = process.pss_bytes()
            for _ in range(KEPT_TLS):
                clients.append(rig.ask(bench.net, bench.net.proxy_address, PORT, context=context)[1])
            return (process.pss_bytes() - before) / KEPT_TLS / 1024
        except (OSError, TimeoutError, AttributeError) as error:
            return bench.fail(f"{kind} idle TLS connections: {error} after {len(clients)}{bench.said(kind)}")
        finally:
            process.stop()
            for client in clients:
                client.close()
