"""A real redis-server on a free port, and one that answers as a test wants."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable

NOT_HERE = "no redis-server here"
SERVER = shutil.which("redis-server")


def encode(*words: str | bytes) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Redis:
    """Started by start(); kept in memory only."""

    def __init__(self, port: int, *options: str) -> None:
        self.port = port
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="weir-redis-")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        assert SERVER
        self.process = subprocess.Popen(
            [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", self.folder, "--daemonize", "no", *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def is_listening(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def ask(self, *words: str, login: tuple[str, ...] = ()) -> bytes:
        """The first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
            if login:
                sock.sendall(encode("AUTH", *login))
                sock.recv(4096)
            sock.sendall(encode(*words))
            return sock.recv(65536)

    def calls(self, login: tuple[str, ...] = ()) -> int:
        """How often a script was run."""
        total = 0
        for line in self.ask("INFO", "commandstats", login=login).decode().splitlines():
            if line.startswith(("cmdstat_evalsha:", "cmdstat_eval:")):
                total += int(line.split("calls=")[1].split(",")[0])
        return total

    def signal(self, number: int) -> None:
        assert self.process
        os.kill(self.process.pid, number)

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class FakeRedis:
    """Loads scripts as a Redis does, and answers the n-th question with answer(n); None is silence."""

    def __init__(self, answer: Callable[[int], bytes | None]) -> None:
        self.answer = answer
        self.asked = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as lines:
            try:
                while line := lines.readline():
                    words = []
                    for _ in range(int(line[1:])):
                        size = int(lines.readline()[1:])
                        words.append(lines.read(size + 2)[:-2])
                    reply: bytes | None = b"$40\r\n" + b"a" * 40 + b"\r\n"
                    if words[0] not in (b"SCRIPT", b"AUTH"):
                        self.asked += 1
                        reply = self.answer(self.asked)
                    if reply == b"":
                        return
                    if reply is not None:
                        sock.sendall(reply)
            except OSError:
                return

    def close(self) -> None:
        self.listener.close()
