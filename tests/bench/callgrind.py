#!/usr/bin/env python3
"""User instructions a request: Weir under callgrind, twice, with N and with 5 N keep-alive requests.

The slope leaves out the start, the first connection and the end. One connection, one request at a
time: no turn of the event loop is shared, so this is the upper bound of what load would show.
Work that is due by time is in it, the more the slower the machine: above the limit it is measured
again, and the least counts.
"""
import argparse
import math
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# As the load of `./dev bench` and services send it, and as a browser does.
REQUESTS = {
    "service": (
        "GET /orders/42?page=3 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: shop-front/4.2\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
    ),
    "browser": (
        "GET /orders/42?page=3 HTTP/1.1\r\nHost: shop.example.com\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
        "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n"
        "Referer: http://shop.example.com/orders?page=2\r\nCache-Control: max-age=0\r\n\r\n"
    ),
}
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1024\r\nCache-Control: no-store\r\n\r\n" + b"x" * 1024
)


def serve(listener):
    """An origin that answers each request head with the same bytes."""
    def one(client):
        received = b""
        while chunk := client.recv(65536):
            received += chunk
            heads = received.count(b"\r\n\r\n")
            received = received.rpartition(b"\r\n\r\n")[2] if heads else received
            client.sendall(RESPONSE * heads)

    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=one, args=(client,), daemon=True).start()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port, child, limit=60):
    for _ in range(limit * 20):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            if child.poll() is not None:
                break
            time.sleep(0.05)
    raise RuntimeError(f"weir does not listen on port {port}")


def exchange(client, request):
    client.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < 1024:
        chunk = client.recv(65536)
        if not chunk:
            raise RuntimeError("closed in the middle of an answer")
        received += chunk
    if not received.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(received[:200].decode(errors="replace"))


def instructions(weir, folder, origin_port, request, requests):
    """All instructions of a run of so many requests."""
    port, out = free_port(), folder / f"callgrind.{requests}"
    config = folder / "weir.yaml"
    config.write_text(
        f"version: 1\nthreads: 1\nadmin: {{listen: 127.0.0.1:{free_port()}}}\n"
        f"telemetry: {{listen: 127.0.0.1:{free_port()}}}\n"
        f"access_log: {{to: {folder}/access.log, format: json}}\n"
        f"listeners:\n  - listen: 127.0.0.1:{port}\n    to: 127.0.0.1:{origin_port}\n"
    )
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", weir, "run", config]
    with open(folder / "weir.log", "wb") as log:
        child = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
    try:
        with connect(port, child) as client:
            for _ in range(requests):
                exchange(client, request)
        child.send_signal(signal.SIGTERM)
        code = child.wait(120)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if code != 0:
        raise RuntimeError(f"weir ended with code {code}")
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", type=Path, required=True)
    parser.add_argument("--at-most", type=int, default=10_000)
    parser.add_argument("--from", dest="sender", choices=REQUESTS, default="browser", help="whose request")
    parser.add_argument("--requests", type=int, default=500, help="N")
    parser.add_argument("--keep", type=Path, help="copy the profile of the longer run here")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return 77

    folder = Path(tempfile.mkdtemp(prefix="weir-callgrind-"))
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    each = math.inf
    try:
        few, many = options.requests, options.requests * 5
        port = listener.getsockname()[1]
        request = REQUESTS[options.sender].encode()
        for _ in range(3):
            counts = [instructions(options.weir, folder, port, request, n) for n in (few, many)]
            each = min(each, (counts[1] - counts[0]) / (many - few))
            if each <= options.at_most:
                break
        if options.keep:
            shutil.copy(folder / f"callgrind.{many}", options.keep)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"callgrind: {error}\n{(folder / 'weir.log').read_text(errors='replace')[-2000:]}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{each:.0f} user instructions a request of a {options.sender}, at most {options.at_most}")
    return 0 if each <= options.at_most else 1


if __name__ == "__main__":
    sys.exit(main())
