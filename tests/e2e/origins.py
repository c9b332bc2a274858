"""Origins: one scripted in Python that logs every byte it receives, and a real nginx."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from wire import REQUEST_LINE, Malformed, Message, Truncated, Wire, abort, read_body, read_head, response


class Peer:
    """One connection an origin accepted. `received` is every byte that came."""

    def __init__(self, origin: RawOrigin, sock: socket.socket) -> None:
        self.origin = origin
        self.sock = sock
        self.received = bytearray()
        self.wire = Wire(sock, self.received)
        self.sent = 0
        self.is_open = True
        self.thread: threading.Thread | None = None

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = self.sock.send(view)
            self.sent += count
            view = view[count:]

    def read_body(self, message: Message) -> Message:
        return read_body(self.wire, message)

    def hang(self) -> None:
        """Says nothing until the test releases the origin."""
        self.origin.released.wait()

    def close(self) -> None:
        self.is_open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def reset(self) -> None:
        self.is_open = False
        abort(self.sock)

    def leave(self, rudely: bool) -> None:
        """From a test's thread: closes, or resets, and returns when that has been sent."""
        if rudely:
            self.reset()
        else:
            self.close()
        if self.thread:
            self.thread.join(5)


# Answers one request whose head was read; the body is read by the script, or after it.
Answer = Callable[[Peer, Message], None]


def echo(peer: Peer, request: Message) -> None:
    """200 with the request's body, or "ok"."""
    peer.read_body(request)
    peer.send(response(200, request.body or b"ok"))


def fixed(status: int = 200, body: bytes = b"ok", headers: dict[str, str] | None = None) -> Answer:
    def answer(peer: Peer, request: Message) -> None:
        peer.read_body(request)
        peer.send(response(status, body, headers))

    return answer


def raw(data: bytes, close: bool = False) -> Answer:
    """These bytes, whatever they are."""

    def answer(peer: Peer, request: Message) -> None:
        peer.read_body(request)
        peer.send(data)
        if close:
            peer.close()

    return answer


def hang(peer: Peer, _: Message) -> None:
    peer.hang()


def reset(peer: Peer, _: Message) -> None:
    peer.reset()


class RawOrigin:
    """A TCP server run by an `answer` that may be replaced at any time. Thread per connection."""

    def __init__(self, answer: Answer = echo, host: str = "127.0.0.1", port: int = 0) -> None:
        self.answer = answer
        self.host = host
        self.peers: list[Peer] = []
        self.requests: list[Message] = []
        self.malformed: list[str] = []
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, port), backlog=512)
        self.port: int = self.listener.getsockname()[1]
        self._start()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def received(self) -> bytes:
        """All bytes of all connections, in the order of the connections."""
        with self.lock:
            return b"".join(bytes(peer.received) for peer in self.peers)

    def targets(self) -> list[str]:
        with self.lock:
            return [message.target for message in self.requests]

    def open_peers(self) -> list[Peer]:
        with self.lock:
            return [peer for peer in self.peers if peer.is_open]

    def refuse(self) -> None:
        """From now on connections are refused and those that are open are reset."""
        self._stop_listening()
        for peer in self.open_peers():
            peer.leave(rudely=True)

    def accept_again(self) -> None:
        self.listener = socket.create_server((self.host, self.port), backlog=512)
        self._start()

    def close(self) -> None:
        self.released.set()
        self._stop_listening()
        for peer in self.open_peers():
            peer.close()

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(5)

    def _start(self) -> None:
        self.acceptor = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.acceptor.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(self, sock)
            peer.thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            with self.lock:
                self.peers.append(peer)
            peer.thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            while peer.is_open and (message := read_head(peer.wire, REQUEST_LINE)):
                with self.lock:
                    self.requests.append(message)
                self.answer(peer, message)
        except Truncated:
            pass  # the proxy gave up on this request
        except Malformed as error:
            self.malformed.append(str(error))
        except (OSError, ValueError):
            pass  # the peer, or the test, closed the connection
        finally:
            if peer.is_open:
                peer.close()


NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; error_log {root}/error.log crit; pid {root}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; default_type application/octet-stream; keepalive_requests 1000000;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi; client_max_body_size 200m;
  server {{
    listen 127.0.0.1:{port} backlog=512; root {root}/files;
    location /name {{ return 200 "{name}"; }}
    location /fail {{ return 500 "fail"; }}
    location /upload/ {{ dav_methods PUT; create_full_put_path on; }}
    location /slow/ {{ limit_rate 200k; alias {root}/files/; }}
  }}
}}
"""


class Nginx:
    """A real nginx that serves `files`; it can be killed, stopped and started again on its port."""

    def __init__(self, port: int, name: str = "nginx") -> None:
        self.port = port
        self.root = Path(tempfile.mkdtemp(prefix="weir-nginx-"))
        self.files = self.root / "files"
        self.files.mkdir()
        config = NGINX_CONFIG.format(root=self.root, port=port, name=name)
        (self.root / "nginx.conf").write_text(config)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ["nginx", "-p", str(self.root), "-e", str(self.root / "error.log"),
                   "-c", str(self.root / "nginx.conf"), "-g", "user root;" if os.getuid() == 0 else ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait(5)
            if self.process.stderr:
                self.process.stderr.close()
        self.process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)
