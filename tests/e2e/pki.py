"""Authorities and certificates for tests, made by openssl; and an origin under TLS."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[ca]
default_ca = it
[it]
dir = {root}
new_certs_dir = {root}
database = {root}/index
serial = {root}/serial
certificate = {root}/ca.crt
private_key = {root}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
"""


def run(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(arguments)}: {done.stderr}")


class Pair:
    """A certificate and its key."""

    def __init__(self, cert: Path, key: Path) -> None:
        self.cert, self.key = str(cert), str(key)

    @property
    def yaml(self) -> str:
        return f"cert: {self.cert}, key: {self.key}"


class Authority:
    def __init__(self, name: str = "test") -> None:
        self.root = Path(tempfile.mkdtemp(prefix="weir-pki-"))
        self.cert = str(self.root / "ca.crt")
        self.crl = str(self.root / "ca.crl")
        (self.root / "index").write_text("")
        (self.root / "serial").write_text("1000\n")
        (self.root / "ca.cnf").write_text(CONFIG.format(root=self.root))
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name} authority", "-keyout", str(self.root / "ca.key"), "-out", self.cert)

    def issue(self, name: str, names: str = "", ends: str = "", key: str = "ec", stem: str = "") -> Pair:
        """`names`: "DNS:a, URI:spiffe://x/y", DNS:name and 127.0.0.1 unless given; `ends`: 20200101000000Z."""
        stem = stem or name
        at, request = self.root / stem, str(self.root / f"{stem}.csr")
        kind = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}.get(key, ["-newkey", key])
        run("req", "-new", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", f"{at}.key", "-out", request)
        extensions = self.root / f"{stem}.ext"
        extensions.write_text(f"subjectAltName = {names or f'DNS:{name}, IP:127.0.0.1'}\n")
        dates = ["-startdate", "20190101000000Z", "-enddate", ends] if ends else []
        run("ca", "-batch", "-config", str(self.root / "ca.cnf"), "-extfile", str(extensions), "-notext", *dates,
            "-in", request, "-out", f"{at}.crt")
        return Pair(Path(f"{at}.crt"), Path(f"{at}.key"))

    def revoke(self, *pairs: Pair) -> str:
        for pair in pairs:
            run("ca", "-config", str(self.root / "ca.cnf"), "-revoke", pair.cert)
        run("ca", "-config", str(self.root / "ca.cnf"), "-gencrl", "-out", self.crl)
        return self.crl

    def client(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A client's context that trusts this authority."""
        context = ssl.create_default_context(cafile=self.cert)
        if pair:
            context.load_cert_chain(pair.cert, pair.key)
        return context

    def server(self, pair: Pair, clients: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        if clients:
            context.load_verify_locations(self.cert)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: TlsOrigin

    def setup(self) -> None:
        self.request.settimeout(10)
        self.request.do_handshake()
        self.origin.resumed.append(self.request.session_reused)
        self.origin.asked_names.append(getattr(self.request, "asked_name", None))
        super().setup()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        peer = self.request.getpeercert() or {}
        self.origin.peers.append(peer)
        self.origin.headers.append(dict(self.headers.items()))
        body = body or b"ok"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/close":
            self.close_connection = True

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


class TlsOrigin:
    """An HTTP/1.1 server under TLS; says of each connection whether it was resumed, and who asked."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.resumed: list[bool] = []
        self.peers: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.asked_names: list[str | None] = []
        self.context = context

        def note_name(sock: ssl.SSLSocket, name: str, _: ssl.SSLContext) -> None:
            sock.asked_name = name  # type: ignore[attr-defined]

        context.sni_callback = note_name
        origin = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):  # type: ignore[no-untyped-def]
                sock, address = super().get_request()
                return origin.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address

            def handle_error(self, *_: object) -> None:
                pass

        handler = type("BoundHandler", (Handler,), {"origin": self})
        self.server = Server(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.server.shutdown()
            self.server.server_close()
