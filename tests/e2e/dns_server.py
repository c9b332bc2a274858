"""A small DNS server on UDP: A, AAAA and SRV from tables that a test changes."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading

A, AAAA, SRV = 1, 28, 33
SERVFAIL, NXDOMAIN = 2, 3


def wire_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


class DnsServer:
    """Answers for `records`: name to addresses. An unknown name is NXDOMAIN, a name without a kind is empty."""

    def __init__(self, ttl: int = 1) -> None:
        self.records: dict[str, list[str]] = {}
        self.srv: dict[str, list[tuple[int, int, int, str]]] = {}  # priority, weight, port, target ("" for the dot)
        self.rcode = 0  # of all answers, in place of what the tables say
        self.is_garbled = False  # answers whose records are cut short
        self.has_additional = False  # addresses come along with SRV
        self.ttl = ttl
        self.queries: list[tuple[str, int]] = []
        self.is_silent = False
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"
        self.closing = threading.Event()
        self.sock.settimeout(0.2)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.closing.set()
        self.thread.join(2)
        self.sock.close()

    def _run(self) -> None:
        while not self.closing.is_set():
            try:
                query, client = self.sock.recvfrom(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            answer = self.answer(query)
            if answer and not self.is_silent:
                self.sock.sendto(answer, client)

    def answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", query[at + 1 : at + 3])[0]
        self.queries.append((name, kind))
        question = query[12 : at + 5]
        if self.rcode:
            return query[:2] + struct.pack(">HHHHH", 0x8580 | self.rcode, 1, 0, 0, 0) + question
        if name in self.srv and kind == SRV:
            return self.answer_srv(query[:2], question, self.srv[name])
        known = self.records.get(name)
        addresses = [ipaddress.ip_address(text) for text in known or []]
        wanted = [a for a in addresses if (a.version == 6) == (kind == AAAA) and kind in (A, AAAA)]
        flags = 0x8580 if known is not None else 0x8580 | NXDOMAIN
        head = query[:2] + struct.pack(">HHHHH", flags, 1, len(wanted), 0, 0)
        body = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, self.ttl, len(a.packed)) + a.packed for a in wanted)
        return head + question + body

    def answer_srv(self, number: bytes, question: bytes, targets: list[tuple[int, int, int, str]]) -> bytes:
        records, more = [], []
        for priority, weight, port, target in targets:
            data = struct.pack(">HHH", priority, weight, port) + wire_name(target)
            records.append(struct.pack(">HHHIH", 0xC00C, SRV, 1, self.ttl, len(data)) + data)
            for text in self.records.get(target, []) if self.has_additional else []:
                packed = ipaddress.ip_address(text).packed
                kind = A if len(packed) == 4 else AAAA
                more.append(wire_name(target) + struct.pack(">HHIH", kind, 1, self.ttl, len(packed)) + packed)
        head = number + struct.pack(">HHHHH", 0x8580, 1, len(records), 0, len(more))
        whole = head + question + b"".join(records) + b"".join(more)
        return whole[:-3] if self.is_garbled else whole
