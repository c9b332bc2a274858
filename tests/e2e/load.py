"""Constant load from threads, each with a keep-alive connection, and what came of every request."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from wire import Malformed, RawClient, request


@dataclass
class Result:
    at: float
    status: int  # 0: no whole answer
    error: str | None  # the reason word, or what happened to the connection
    digest: str  # SHA-256 of a whole body
    seconds: float


class Load:
    """`with Load(port) as load: ...` asks until the block ends; `load.results` is complete after it."""

    def __init__(self, port: int, threads: int = 4, make: Callable[[int], bytes] | None = None,
                 pause: float = 0.002, timeout: float = 10) -> None:
        self.port = port
        self.make = make or (lambda _: request())
        self.pause = pause
        self.timeout = timeout
        self.results: list[Result] = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(self.timeout + 5)

    def wait_for(self, count: int, within: float = 20) -> None:
        """Returns after `count` more results."""
        target, deadline = len(self.results) + count, time.monotonic() + within
        while len(self.results) < target:
            if time.monotonic() > deadline:
                raise AssertionError(f"{target - len(self.results)} of {count} requests are missing")
            time.sleep(0.005)

    def failed(self) -> list[Result]:
        return [result for result in self.results if result.status != 200]

    def summary(self) -> Counter[str]:
        return Counter(f"{result.status} {result.error or ''}".strip() for result in self.results)

    def _run(self) -> None:
        client: RawClient | None = None
        count = 0
        while not self.stopping.is_set():
            data = self.make(count)
            count += 1
            client = self._ask(client, data)
            self.stopping.wait(self.pause)
        if client:
            client.sock.close()

    def _ask(self, client: RawClient | None, data: bytes) -> RawClient | None:
        began = time.monotonic()
        method = data.split(b" ", 1)[0].decode()
        try:
            client = client or RawClient(self.port, self.timeout)
            answer = client.ask(data, method)
            digest = hashlib.sha256(answer.body).hexdigest()
            result = Result(began, answer.status, answer.error, digest, time.monotonic() - began)
            may_stay = (answer.get("connection") or "").lower() != "close"
        except (OSError, Malformed) as error:
            what = f"{type(error).__name__}: {error}"
            result = Result(began, 0, what, "", time.monotonic() - began)
            may_stay = False
        self.results.append(result)
        if may_stay:
            return client
        if client:
            client.sock.close()
        return None
