"""grpc-go's interoperability client and server, every case that needs no cloud, through one Weir and through two."""

from __future__ import annotations

import subprocess
import unittest
from pathlib import Path

from harness import Weir, WeirTest, eventually, forwarding, free_port
from pki import Authority

TOOLS = Path(__file__).parents[2] / "build/tools"
CLIENT, SERVER = TOOLS / "grpc-client", TOOLS / "grpc-server"
CASES = ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
         "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
         "special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
         "rpc_soak", "channel_soak")  # not pick_first_unary and orca_*, of which grpc-go's own server knows nothing
H2C = "protocol: h2c\n"


@unittest.skipUnless(CLIENT.exists(), "grpc-go's client is not here: ./dev test builds it")
class Interop(WeirTest):
    server: subprocess.Popen[bytes]
    server_port: int

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server_port = free_port()
        cls.server = subprocess.Popen([SERVER, f"-port={cls.server_port}"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.kill)

    def passes(self, weir: Weir, *more: str) -> None:
        """Each case, four at once."""
        waiting = list(CASES)
        running: list[tuple[str, subprocess.Popen[str]]] = []
        while waiting or running:
            while waiting and len(running) < 4:
                case = waiting.pop(0)
                command = [CLIENT, "-server_host=127.0.0.1", f"-server_port={weir.port}",
                           f"-test_case={case}", "-soak_iterations=20", "-soak_overall_timeout_seconds=40", *more]
                running.append((case, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                                       text=True)))
            case, process = running.pop(0)
            with self.subTest(case):
                try:
                    said = process.communicate(timeout=45)[0]
                except subprocess.TimeoutExpired:
                    process.kill()
                    said = process.communicate()[0] + "\nnot within its time"
                self.assertEqual(process.returncode, 0, said[-3000:] + weir.errors()[-2000:])

    def at_server(self, rest: str = "", listener: str = "") -> Weir:
        config = forwarding(f"127.0.0.1:{self.server_port}", cluster=H2C, rest=rest)
        return self.weir(config.replace("to: c", "to: c" + listener))

    def test_through_one(self) -> None:
        weir = self.at_server()
        self.passes(weir)
        eventually(lambda: weir.metrics().sum("weir_requests_active") == 0, "nothing is left")

    def test_through_two(self) -> None:
        second = self.at_server()
        self.passes(self.forward(f"127.0.0.1:{second.port}", cluster=H2C))

    def test_through_two_of_a_mesh_and_from_tls(self) -> None:
        authority = Authority()
        self.addCleanup(authority.close)
        member = authority.issue("member", "URI:spiffe://test/member, IP:127.0.0.1")
        front = authority.issue("front", "DNS:front.test")
        identity = f"identity: {{{member.yaml}, ca: {authority.cert}}}\n"
        second = self.at_server(identity, ", tls: mesh")
        config = forwarding(f"127.0.0.1:{second.port}", cluster="protocol: h2\ntls: mesh\n", rest=identity)
        first = self.weir(config.replace("to: c", f"to: c, tls: {{{front.yaml}}}"))
        self.passes(first, "-use_tls", "-use_test_ca", f"-ca_file={authority.cert}", "-server_host_override=front.test")


if __name__ == "__main__":
    unittest.main()
