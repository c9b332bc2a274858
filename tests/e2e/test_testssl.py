"""testssl.sh against a listener with nothing but a certificate: no finding above "low"."""

from __future__ import annotations

import json
import shutil
import subprocess
import unittest

from harness import WeirTest
from pki import Authority

# Protocols, ciphers, forward secrecy, preferences, server defaults, vulnerabilities.
CHECKS = ("-p", "-s", "-f", "-P", "-S", "-U")
FINE = ("OK", "INFO", "LOW", "DEBUG")


@unittest.skipUnless(shutil.which("testssl"), "testssl.sh is not here: ./dev test installs it")
class Defaults(WeirTest):
    def test_nothing_is_found(self) -> None:
        authority = Authority()
        self.addCleanup(authority.close)
        pair = authority.issue("shop.test")
        weir = self.weir(f"version: 1\nlisteners:\n  - {{listen: $LISTEN, tls: {{{pair.yaml}}}, "
                         "routes: [{respond: {body: ok}}]}\n")
        report = weir.root / "testssl.json"
        done = subprocess.run(
            ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--jsonfile", str(report),
             *CHECKS, f"127.0.0.1:{weir.port}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=150, check=False)
        findings = json.loads(report.read_text())
        # What it says of the certificate is about the test's authority, not about Weir; and a check that gave up on a slow
        # machine says nothing.
        bad = [finding for finding in findings if finding["severity"] not in FINE and
               not finding["id"].startswith("cert") and finding["id"] != "engine_problem" and
               "connect problem" not in finding["finding"]]
        self.assertEqual(bad, [], done.stdout[-6000:])
        seen = {finding["id"]: finding["severity"] for finding in findings}
        for each in ("SSLv2", "SSLv3", "TLS1_2", "TLS1_3", "PFS", "cipher_order", "heartbleed", "CCS", "ROBOT",
                     "secure_renego", "secure_client_renego", "CRIME_TLS", "SWEET32", "LOGJAM", "BEAST", "RC4"):
            self.assertIn(each, seen)


if __name__ == "__main__":
    unittest.main()
