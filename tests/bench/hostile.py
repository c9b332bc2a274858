#!/usr/bin/env python3
"""64 clients of an admin port that mean no good, until killed: hostile.py ADDRESS PORT

A third sends heads that never end, a byte at a time; a third bodies that never end; a third scrapes in
a loop, and asks for whatever else costs most. The process steps back for any other (SCHED_IDLE), so
that it costs the load generator little: what is measured is the proxy.
"""
import itertools
import os
import socket
import sys
import threading
import time

CLIENTS = 64
HEAD = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX: "
BODY = (b"POST /api/v1/config/validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/yaml\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n")
CHUNK = b"4000\r\n" + b"#" * 0x4000 + b"\r\n"
ASKED = itertools.cycle(["/metrics", "/api/v1/status", "/metrics", "/api/v1/config?defaults=1", "/metrics"])


def slow_head(client):
    client.sendall(HEAD)
    while True:
        client.sendall(b"x")
        time.sleep(0.01)


def endless_body(client):
    client.sendall(BODY)
    while True:
        client.sendall(CHUNK)


def scrape(client):
    while True:
        client.sendall(f"GET {next(ASKED)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 4)
        client.recv(1 << 16)


def attack(address, kind):
    while True:
        try:
            with socket.create_connection(address, 5) as client:
                kind(client)
        except OSError:
            time.sleep(0.001)


def main():
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    address = (sys.argv[1], int(sys.argv[2]))
    kinds = itertools.cycle([slow_head, endless_body, scrape])
    for _ in range(CLIENTS):
        threading.Thread(target=attack, args=(address, next(kinds)), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
