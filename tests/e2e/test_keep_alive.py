"""Idle connections: the race with an origin that closes them, and their sharing between workers."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import socket
import sys
import unittest
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

from harness import Weir, WeirTest

IS_FULL = os.environ.get("WEIR_FULL") == "1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class ClosingOrigin(asyncio.Protocol):
    """Answers each request and closes a connection that was idle for `idle` seconds."""

    executed: Counter[bytes] = Counter()
    opened = 0
    active = 0
    most_active = 0
    idle: float | None = None
    delay = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.input = b""
        self.timer: asyncio.TimerHandle | None = None
        self.waits = 0
        ClosingOrigin.opened += 1

    def connection_lost(self, exc: Exception | None) -> None:
        ClosingOrigin.active -= self.waits
        self.waits = 0
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self.timer:
            self.timer.cancel()
        self.input += data
        while b"\r\n\r\n" in self.input:
            head, self.input = self.input.split(b"\r\n\r\n", 1)
            self.executed[b" ".join(head.split(b" ", 2)[:2])] += 1
            self.waits += 1
            ClosingOrigin.active += 1
            ClosingOrigin.most_active = max(ClosingOrigin.most_active, ClosingOrigin.active)
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.answer)
            else:
                self.answer()

    def answer(self) -> None:
        if not self.waits:
            return
        self.waits -= 1
        ClosingOrigin.active -= 1
        self.transport.write(ANSWER)
        if self.idle:
            self.timer = asyncio.get_running_loop().call_later(self.idle, self.transport.close)


def serve(listener: socket.socket, control: Connection, idle: float | None, delay: float) -> None:
    """A process of its own: serves until something comes by `control`, then tells what it has seen."""
    ClosingOrigin.idle = idle
    ClosingOrigin.delay = delay

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(ClosingOrigin, sock=listener)
        ended = asyncio.Event()
        loop.add_reader(control.fileno(), ended.set)
        await ended.wait()
        server.close()

    asyncio.run(run())
    control.send((dict(ClosingOrigin.executed), ClosingOrigin.opened, ClosingOrigin.most_active))


class OriginProcess:
    def __init__(self, idle: float | None = None, delay: float = 0.0) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.control, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(listener, other, idle, delay), daemon=True)
        self.process.start()
        listener.close()
        self.is_over = False

    def end(self) -> tuple[dict[bytes, int], int, int]:
        """Executed requests by name, connections accepted, most requests at once."""
        self.is_over = True
        self.control.send("end")
        seen = self.control.recv()
        self.process.join(10)
        return seen  # type: ignore[no-any-return]

    def close(self) -> None:
        if not self.is_over:
            self.end()


async def ask(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], method: str, path: str) -> int:
    reader, writer = streams
    length = "Content-Length: 0\r\n" if method == "POST" else ""
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: test\r\n{length}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    size = int(head.split("content-length:")[1].split("\r\n")[0])
    await reader.readexactly(size)
    return int(head.split(" ", 2)[1])


class KeepAliveRace(WeirTest):
    """An origin that closes idle connections after 200 ms, and 200 clients who ask just as often."""

    def storm(self, weir: Weir, requests: int, seed: int) -> Counter[tuple[str, int]]:
        chance = random.Random(seed)
        results: Counter[tuple[str, int]] = Counter()

        async def client(number: int) -> None:
            streams = await asyncio.open_connection("127.0.0.1", weir.port)
            for turn in range(requests // 200):
                method = chance.choice(["GET", "POST"])
                results[method, await ask(streams, method, f"/{number}-{turn}")] += 1
                await asyncio.sleep(0.2 + chance.uniform(-0.02, 0.02))
            streams[1].close()

        async def run() -> None:
            await asyncio.gather(*(client(number) for number in range(200)))

        asyncio.run(run())
        return results

    def test_no_idempotent_request_fails_and_no_post_runs_twice(self) -> None:
        requests = 20_000 if IS_FULL else 4_000
        origin = OriginProcess(idle=0.2)
        self.addCleanup(origin.close)
        weir = self.forward(origin.address, rest="threads: 1")
        results = self.storm(weir, requests, seed=5)
        metrics = weir.metrics()
        executed, opened, _ = origin.end()
        self.assertEqual(sum(results.values()), requests)
        self.assertEqual({status for method, status in results if method == "GET"}, {200}, results)
        twice = [name for name, count in executed.items() if name.startswith(b"POST") and count > 1]
        self.assertEqual(twice, [])
        self.assertLessEqual({status for method, status in results if method == "POST"}, {200, 502}, results)
        failed = results["POST", 502]
        posts = sum(count for (method, _), count in results.items() if method == "POST")
        stale = {result: metrics.sum("weir_upstream_stale_reuse_total", result=result)
                 for result in ("success", "failure")}
        print(f"{failed} of {posts} POST failed; stale {stale}; {opened} connections", file=sys.stderr)
        self.assertLessEqual(stale["failure"], failed)
        self.assertLessEqual(failed, posts * 0.01, "but those that the origin may have read")
        self.assertEqual(metrics.sum("weir_outlier_ejections_total"), 0)


class SharedConnections(WeirTest):
    """limits.max_connections of an endpoint is the process's, whoever of the workers needs one."""

    def test_the_limit_is_exact_and_no_worker_starves(self) -> None:
        origin = OriginProcess(delay=0.002)
        self.addCleanup(origin.close)
        weir = self.forward(origin.address, rest="threads: 4",
                            cluster="limits: {max_connections: 3, max_connecting: 3, queue_timeout: 9s}")
        results: Counter[int] = Counter()

        async def client(number: int) -> None:
            streams = await asyncio.open_connection("127.0.0.1", weir.port)
            for turn in range(20):
                results[await ask(streams, "GET", f"/{number}-{turn}")] += 1
            streams[1].close()

        async def run() -> None:
            await asyncio.gather(*(client(number) for number in range(40)))

        asyncio.run(run())
        _, _, most = origin.end()
        self.assertEqual(results, {200: 800})
        self.assertLessEqual(most, 3)

    def test_an_idle_worker_gives_up_a_connection(self) -> None:
        origin = OriginProcess()
        self.addCleanup(origin.close)
        weir = self.forward(origin.address, rest="threads: 4",
                            cluster="limits: {max_connections: 1, max_connecting: 1, queue_timeout: 9s}")
        # One after the other, so that the one connection is idle on some worker when another needs it.
        self.assertEqual({weir.ask().status for _ in range(40)}, {200})
        _, opened, most = origin.end()
        self.assertEqual(most, 1)
        self.assertGreater(opened, 1, "all on one worker?")


if __name__ == "__main__":
    unittest.main()
