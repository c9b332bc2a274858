#!/usr/bin/env python3
"""Wrong passwords of many users from many addresses, until killed: logins.py ADDRESS PORT | logins.py nowhere

So many that the hashes never end, and each with a user and an address of its own, so that no count of guesses stops
them before they cost anything. Like hostile.py it steps back for any other process, and `nowhere` is a server of its own.
"""
import base64
import itertools
import os
import random
import socket
import sys
import threading
import time

CLIENTS = 16
PAUSE = 0.04  # 400 a second in all; a hash of cost 10 takes 50 ms
NUMBERS = itertools.count()


def login():
    number = next(NUMBERS)
    user = base64.b64encode(f"u{number % 1000}:wrong{number}".encode()).decode()
    address = ".".join(str(random.randrange(1, 255)) for _ in range(4))
    return (f"GET /private HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {user}\r\n"
            f"X-Forwarded-For: {address}\r\n\r\n").encode()


def attack(address):
    while True:
        try:
            with socket.create_connection(address, 5) as client:
                while True:
                    client.sendall(login())
                    if not client.recv(1 << 16):
                        break
                    time.sleep(PAUSE)
        except OSError:
            time.sleep(PAUSE)


def refuse(client):
    with client:
        while client.recv(1 << 16):
            client.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")


def serve(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=refuse, args=(client,), daemon=True).start()


def own_server():
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    return listener.getsockname()


def main():
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    address = own_server() if sys.argv[1] == "nowhere" else (sys.argv[1], int(sys.argv[2]))
    for _ in range(CLIENTS):
        threading.Thread(target=attack, args=(address,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
