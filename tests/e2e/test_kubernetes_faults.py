"""Whatever the API of Kubernetes does, requests go on to the set that was known."""

from __future__ import annotations

import unittest

from harness import Weir, eventually
from kube_api import FORBIDDEN
from kube_bed import KubernetesTest
from load import Load


class Faults(KubernetesTest):
    def setUp(self) -> None:
        super().setUp()
        self.put("127.0.0.2")

    def errors(self, weir: Weir) -> float:
        return weir.metrics().sum("weir_discovery_updates_total", cluster="c", type="kubernetes", result="failure")

    def proves_alive(self, weir: Weir) -> None:
        """A change gets through, both ways."""
        self.put("127.0.0.2", "127.0.0.3")
        self.expect(weir, "127.0.0.2", "127.0.0.3")
        self.put("127.0.0.2")
        self.expect(weir, "127.0.0.2")

    def test_a_version_too_old_is_listed_anew(self) -> None:
        for by_status in (False, True):
            with self.subTest(by_status=by_status):
                self.api.expires_by_status = by_status
                weir = self.start()
                self.expect(weir, "127.0.0.2")
                before = self.api.count("sendInitialEvents")
                with Load(weir.port) as load:
                    self.api.forget()
                    self.api.cut()
                    eventually(lambda n=before: self.api.count("sendInitialEvents") > n, "all was asked for anew")
                    self.proves_alive(weir)
                self.assertEqual(load.failed(), [], load.summary())

    def test_away_and_back(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        with Load(weir.port) as load:
            self.api.stop()
            eventually(lambda: self.source(weir)["error"], "an error")
            eventually(lambda: self.errors(weir) >= 2, "failures are counted")
            load.wait_for(50)
            self.assertEqual(set(self.states(weir)), {"127.0.0.2"})
            self.api.start_again()
            self.proves_alive(weir)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertIsNone(self.source(weir)["error"])

    def test_every_cut_of_a_watch(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        for limit in (0, 1, 2, 40, 700, 1400):
            self.api.cuts_after = limit
            self.api.cut()
            self.put("127.0.0.2", "127.0.0.3")
            self.assertEqual(weir.ask().status, 200)
        self.api.cuts_after = -1
        self.proves_alive(weir)

    def test_garbage(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        for garbage in (b"{}\n", b"\x00\xff\n", b"[" * 1000 + b"\n", b'{"type":"ADDED","object":[]}\n',
                        b'{"type":"ADDED","object":{"metadata":{}}}\n', b'{"type":"NEW","object":{}}\n'):
            eventually(lambda: self.api.watching, "it watches")
            failures = self.errors(weir)
            self.api.garbage = garbage
            self.put("127.0.0.4")
            eventually(lambda n=failures: self.errors(weir) > n, f"{garbage[:40]!r} is a failure")
            self.assertNotIn("127.0.0.3", self.states(weir))
            self.assertEqual(weir.ask().status, 200)
            self.api.garbage = b""
            self.put("127.0.0.2")
            self.expect(weir, "127.0.0.2")

    def test_a_line_without_end(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        eventually(lambda: self.api.watching, "it watches")
        before = weir.rss_bytes()
        self.api.garbage = b" " * (40 << 20)
        self.put("127.0.0.4")
        eventually(lambda: "longer than 16 MiB" in weir.errors(), "it is given up", 30)
        self.api.garbage = b""
        self.proves_alive(weir)
        self.assertLess(weir.rss_bytes() - before, 64 << 20)

    def test_slow_bytes(self) -> None:
        self.api.is_slow = True
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        self.proves_alive(weir)

    def test_silence_is_not_taken_for_life(self) -> None:
        weir = self.start(", watch_timeout: 2s")
        self.expect(weir, "127.0.0.2")
        watches = self.api.count("resourceVersion=6")
        eventually(lambda: self.api.count("resourceVersion=6") > watches + 1, "renewed")
        self.assertEqual(self.errors(weir), 0)
        self.api.is_silent = True
        self.api.cut()
        self.assertEqual(weir.ask().status, 200)
        self.api.is_silent = False
        self.api.stop()
        self.api.start_again()
        self.proves_alive(weir)

    def test_an_old_server_that_ignores_the_question(self) -> None:
        self.api.tells_bookmarks = False
        weir = self.start(", watch_timeout: 2s")
        eventually(lambda: self.api.count("limit="), "it lists instead")
        self.proves_alive(weir)

    def test_flapping(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        with Load(weir.port) as load:
            for _ in range(5):
                self.api.stop()
                self.api.start_again()
                self.api.cut()
            self.proves_alive(weir)
        self.assertEqual(load.failed(), [], load.summary())

    def test_forbidden_names_the_rule_that_is_missing(self) -> None:
        weir = self.start()
        self.expect(weir, "127.0.0.2")
        self.api.refusal = FORBIDDEN
        self.api.cut()
        eventually(lambda: "may not watch" in str(self.source(weir)["error"]), "the error")
        error = self.source(weir)["error"]
        self.assertIn("resources: [endpointslices], verbs: [get, list, watch]", error)
        self.assertIn('User "system:serviceaccount:shop:default" cannot watch', error)
        self.assertEqual(weir.ask().status, 200)
        self.api.refusal = None
        self.proves_alive(weir)

    def test_a_token_is_replaced_while_it_is_used(self) -> None:
        token = self.root / "token"
        token.write_text("first\n")
        self.api.token = "first"
        weir = self.start(f", token_file: \"{token}\"")
        self.expect(weir, "127.0.0.2")
        self.api.token = "second"
        self.api.cut()
        eventually(lambda: "does not accept the token" in str(self.source(weir)["error"]), "refused")
        self.assertNotIn("first", self.source(weir)["error"])
        fresh = self.root / "token.fresh"
        fresh.write_text("second\n")
        fresh.rename(token)
        self.proves_alive(weir)
        self.assertEqual(self.api.tokens, {"first", "second"})
        self.assertNotIn("first", weir.errors())


if __name__ == "__main__":
    unittest.main()
