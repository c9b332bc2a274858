"""h2spec, the conformance suite of HTTP/2, in clear text and under TLS: every one of its cases passes."""

from __future__ import annotations

import subprocess
import unittest
import xml.etree.ElementTree
from pathlib import Path

from harness import BARE, WeirTest, forwarding
from origins import Peer
from pki import Authority
from wire import Message, response

TOOL = str(Path(__file__).parents[2] / "build/tools/h2spec")


def answer(peer: Peer, message: Message) -> None:
    peer.read_body(message)
    peer.send(response(200, b"x" * 100))


class H2Spec(WeirTest):
    def expect_every_case(self, keys: str, *arguments: str) -> None:
        config = forwarding(self.origin(answer).address, cluster=BARE, rest="limits: {resets: 1000000/s}\n")
        weir = self.weir(config.replace("listen: $LISTEN", "listen: $LISTEN, " + keys))
        report = weir.root / "h2spec.xml"
        done = subprocess.run([TOOL, "-h", "127.0.0.1", "-p", str(weir.port), "-o", "5", "-j", str(report), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=55, text=True, check=False)
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
        failed = [case.get("classname", "") for case in cases
                  if case.find("failure") is not None or case.find("error") is not None]
        self.assertEqual((failed, done.returncode), ([], 0), done.stdout[-8000:])
        self.assertGreaterEqual(len(cases), 140)

    def test_every_case_passes_in_clear(self) -> None:
        self.expect_every_case("protocol: h2c")

    def test_every_case_passes_under_tls(self) -> None:
        authority = Authority()
        self.addCleanup(authority.close)
        self.expect_every_case(f"tls: {{{authority.issue('localhost').yaml}}}", "-t", "-k")


if __name__ == "__main__":
    unittest.main()
