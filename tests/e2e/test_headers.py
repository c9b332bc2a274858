"""What forwarding changes in a head, and what it leaves alone."""

from __future__ import annotations

import json
import unittest

from harness import SharedWeirTest, eventually
from origins import fixed, raw


class Requests(SharedWeirTest):
    def test_hop_by_hop_fields_end_here(self) -> None:
        self.weir_.ask(headers={"Connection": "x-mine, keep-alive", "X-Mine": "1", "Keep-Alive": "timeout=5",
                                "Proxy-Connection": "keep-alive", "TE": "gzip", "X-Kept": "2"})
        for name in ("x-mine", "keep-alive", "proxy-connection", "te"):
            with self.subTest(name):
                self.assertIsNone(self.last().get(name))
        self.assertEqual(self.last().get("x-kept"), "2")
        self.assertNotIn("x-mine", (self.last().get("connection") or "").lower())

    def test_connection_cannot_remove_what_routing_needs(self) -> None:
        self.weir_.ask(headers={"Connection": "host, x-forwarded-for, content-length, via"}, method="POST",
                       body=b"abc")
        self.assertEqual((self.last().get("host"), self.last().body), ("test", b"abc"))
        self.assertEqual(self.last().get("x-forwarded-for"), "127.0.0.1")

    def test_via_is_added_after_those_before(self) -> None:
        self.weir_.ask(headers={"Via": "1.0 other"})
        self.assertEqual(self.last().get("via"), "1.0 other, 1.1 weir")

    def test_forwarded_fields_of_a_stranger_are_replaced(self) -> None:
        self.weir_.ask(host="shop.test", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https",
                                                  "X-Forwarded-Host": "evil", "Forwarded": "for=6.6.6.6"})
        last = self.last()
        self.assertEqual(last.values("x-forwarded-for"), ["127.0.0.1"])
        self.assertEqual(last.values("x-forwarded-proto"), ["http"])
        self.assertEqual(last.values("x-forwarded-host"), ["shop.test"])
        self.assertIsNone(last.get("forwarded"))

    def test_internal_fields_of_a_stranger_are_removed(self) -> None:
        self.weir_.ask(headers={"x-weir-retry-depth": "9", "weir-error": "breaker_open", "Weir-Other": "1"})
        # What is left is our own.
        self.assertEqual([name for name, _ in self.last().headers if "weir" in name.lower()], ["x-weir-deadline-ms"])

    def test_a_valid_request_id_is_kept_and_a_bad_one_replaced(self) -> None:
        self.weir_.ask(headers={"x-request-id": "abc-123"})
        self.assertEqual(self.last().values("x-request-id"), ["abc-123"])
        for bad in ("", "a b", "x" * 300, "<script>"):
            with self.subTest(bad):
                self.weir_.ask(headers={"x-request-id": bad})
                made = self.last().values("x-request-id")
                self.assertEqual(len(made), 1)
                self.assertRegex(made[0], r"^[0-9A-Za-z_.:=+/-]{8,128}$")
                self.assertNotEqual(made[0], bad)

    def test_each_request_without_id_gets_its_own(self) -> None:
        ids = set()
        for _ in range(20):
            self.weir_.ask()
            ids.add(self.last().get("x-request-id"))
        self.assertEqual(len(ids), 20)
        self.assertNotIn(None, ids)

    def test_end_to_end_fields_pass_in_order_and_as_written(self) -> None:
        self.weir_.ask(headers={"X-A": "1", "x-b": "two  blanks", "Cookie": "a=b; c=d", "Authorization": "Basic eA==",
                                "X-Empty": "", "X-Latin": "caf\xe9"})
        kept = [pair for pair in self.last().headers if pair[0].lower() in
                ("x-a", "x-b", "cookie", "authorization", "x-empty", "x-latin")]
        self.assertEqual([(name.lower(), value) for name, value in kept],
                         [("x-a", "1"), ("x-b", "two  blanks"), ("cookie", "a=b; c=d"),
                          ("authorization", "Basic eA=="), ("x-empty", ""), ("x-latin", "caf\xe9")])

    def test_names_with_underscores_are_dropped_at_a_gateway(self) -> None:
        self.weir_.ask(headers={"X_Forwarded_For": "6.6.6.6", "Content_Length": "5"})
        self.assertEqual([name for name, _ in self.last().headers if "_" in name], [])

    def test_the_query_passes_byte_for_byte(self) -> None:
        query = "a=%2F%2e%2E&b=..%2f&c=%zz&d=/../&&=&e=a+b%20c;x"
        self.weir_.ask("/p?" + query)
        self.assertEqual(self.last().target, "/p?" + query)


class Responses(SharedWeirTest):
    def test_hop_by_hop_fields_of_an_answer_end_here(self) -> None:
        self.origin_.answer = fixed(headers={"Connection": "x-inner", "X-Inner": "1", "Keep-Alive": "timeout=9",
                                             "X-Kept": "2"})
        answer = self.weir_.ask()
        self.assertIsNone(answer.get("x-inner"))
        self.assertNotIn("x-inner", (answer.get("connection") or "").lower())
        self.assertNotEqual(answer.get("keep-alive"), "timeout=9")
        self.assertEqual(answer.get("x-kept"), "2")

    def test_several_set_cookie_fields_stay_apart(self) -> None:
        self.origin_.answer = raw(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nContent-Length: 0"
                                  b"\r\n\r\n")
        self.assertEqual(self.weir_.ask().values("set-cookie"), ["a=1", "b=2, c"])

    def test_status_and_unknown_codes_pass(self) -> None:
        for status in (200, 201, 299, 404, 418, 429, 500, 501, 503, 599):
            with self.subTest(status):
                self.origin_.answer = fixed(status)
                answer = self.weir_.ask()
                self.assertEqual((answer.status, answer.body, answer.error), (status, b"ok", None))

    def test_an_upstream_cannot_speak_as_weir_at_a_gateway(self) -> None:
        self.origin_.answer = fixed(200, headers={"weir-error": "breaker_open"})
        self.assertIsNone(self.weir_.ask().error)

    def test_weirs_own_answers_say_reason_and_request_id(self) -> None:
        self.origin_.answer = lambda peer, _: peer.reset()
        answer = self.weir_.ask(headers={"x-request-id": "find-me"})
        self.assert_refused(answer, 502, "upstream_reset")
        self.assertEqual(answer.get("x-request-id"), "find-me")
        self.assertIn(b"upstream_reset", answer.body)

    def test_weirs_own_answers_are_problem_json_where_accepted(self) -> None:
        self.origin_.answer = lambda peer, _: peer.reset()
        answer = self.weir_.ask(headers={"Accept": "application/json, application/problem+json"})
        self.assertEqual((answer.get("content-type") or "").split(";")[0], "application/problem+json")
        self.assertEqual(json.loads(answer.body)["status"], 502)

    def test_a_gateway_hides_names_and_addresses(self) -> None:
        self.origin_.answer = lambda peer, _: peer.reset()
        body = self.weir_.ask().body.decode()
        self.assertNotIn("127.0.0.1", body)
        self.assertNotIn("'c'", body)


class Trusted(SharedWeirTest):
    """Behind another proxy whose fields are believed."""

    @classmethod
    def configuration(cls, address: str) -> str:
        return (f"version: 1\nlisteners:\n  - {{listen: $LISTEN, to: {address}, "
                "trusted_proxies: [127.0.0.0/8], trusted_hops: 1}\n")

    def test_forwarded_fields_are_continued(self) -> None:
        self.weir_.ask(headers={"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https",
                                "X-Forwarded-Host": "outer", "Forwarded": "for=9.9.9.9"})
        last = self.last()
        self.assertEqual(last.get("x-forwarded-for"), "9.9.9.9, 127.0.0.1")
        self.assertEqual(last.get("x-forwarded-proto"), "https")
        self.assertEqual(last.get("x-forwarded-host"), "outer")
        self.assertTrue((last.get("forwarded") or "").startswith("for=9.9.9.9"))

    def test_forwarded_is_not_invented(self) -> None:
        self.weir_.ask()
        self.assertIsNone(self.last().get("forwarded"))

    def test_the_access_log_names_the_real_client(self) -> None:
        self.weir_.ask("/real", headers={"X-Forwarded-For": "9.9.9.9"})
        entry = eventually(lambda: [e for e in self.weir_.access_log() if e["path"] == "/real"], "a log line")[0]
        self.assertTrue(entry["client"].startswith("9.9.9.9"), entry)


class Sidecar(SharedWeirTest):
    """mode: outbound, next to the application: internal fields are the application's to set."""

    @classmethod
    def configuration(cls, address: str) -> str:
        return f"version: 1\nlisteners:\n  - {{listen: $LISTEN, to: {address}, mode: outbound}}\n"

    def test_internal_and_underscore_fields_pass(self) -> None:
        self.weir_.ask(headers={"x-weir-custom": "1", "with_underscore": "2"})
        self.assertEqual((self.last().get("x-weir-custom"), self.last().get("with_underscore")), ("1", "2"))

    def test_an_upstreams_reason_passes(self) -> None:
        self.origin_.answer = fixed(404, headers={"weir-error": "no_route"})
        self.assertEqual(self.weir_.ask().error, "no_route")

    def test_its_own_answers_name_the_cluster(self) -> None:
        self.origin_.answer = lambda peer, _: peer.reset()
        self.assertIn(self.origin_.address, self.weir_.ask().body.decode())


if __name__ == "__main__":
    unittest.main()
