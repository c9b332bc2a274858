"""What a service manager is told, by a socket as systemd's: ready, reloading, stopping."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
import unittest
from unittest import mock

from harness import Weir, WeirTest, forwarding


class Manager:
    """Where NOTIFY_SOCKET leads; each datagram as its variables."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(name.replace("@", "\0", 1))
        self.sock.settimeout(10)

    def next(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().splitlines())


class Notify(WeirTest):
    def manager(self, name: str) -> Manager:
        manager = Manager(name)
        self.addCleanup(manager.sock.close)
        return manager

    def start(self, manager: Manager) -> Weir:
        with mock.patch.dict(os.environ, NOTIFY_SOCKET=manager.name):
            weir = Weir(forwarding(self.origin().address))
        self.addCleanup(weir.stop)
        return weir

    def test_tells_its_life_by_a_path_and_by_an_abstract_name(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="weir-notify-")
        self.addCleanup(folder.cleanup)
        for name in (f"{folder.name}/notify", f"@weir-notify-{os.getpid()}"):
            with self.subTest(name):
                manager = self.manager(name)
                weir = self.start(manager)
                ready = manager.next()
                self.assertEqual(ready["READY"], "1")
                self.assertRegex(ready["STATUS"], r"^serving configuration [0-9a-f]{16}$")
                self.assertEqual(weir.ask().status, 200, "it was ready")

                before = time.monotonic_ns() // 1000
                weir.signal(signal.SIGHUP)
                reloading = manager.next()
                self.assertEqual(reloading["RELOADING"], "1")
                self.assertGreaterEqual(int(reloading["MONOTONIC_USEC"]), before)
                self.assertEqual(manager.next(), ready)

                weir.signal(signal.SIGTERM)
                self.assertEqual(manager.next(), {"STOPPING": "1", "STATUS": "draining"})
                self.assertEqual(weir.process.wait(10), 0)

    def test_a_refused_reload_ends_and_says_so(self) -> None:
        manager = self.manager(f"@weir-notify-refused-{os.getpid()}")
        weir = self.start(manager)
        manager.next()
        weir.write("version: 1\nlisteners: []\n")
        weir.signal(signal.SIGHUP)
        self.assertIn("RELOADING", manager.next())
        done = manager.next()
        self.assertEqual(done["READY"], "1")
        self.assertRegex(done["STATUS"], "^refused: nothing was changed")
        self.assertEqual(weir.ask().status, 200)

    def test_a_manager_that_is_gone_harms_nothing(self) -> None:
        with mock.patch.dict(os.environ, NOTIFY_SOCKET="/nonexistent/notify"):
            weir = Weir(forwarding(self.origin().address))
        self.addCleanup(weir.stop)
        weir.wait_ready()
        self.assertIn("the service manager was not told", weir.errors())


if __name__ == "__main__":
    unittest.main()
