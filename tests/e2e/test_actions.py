"""What a route does besides forwarding: headers, CORS, mirrors, faults, compression, paths as they are."""

from __future__ import annotations

import gzip
import json
import subprocess
import unittest

from h2wire import END_HEADERS, HEADERS, H2Client, block, frame, pseudo
from harness import Weir, WeirTest, eventually
from origins import Answer, Peer, RawOrigin, echo, fixed
from wire import Message, chunk, request, response

PAGE = b"<p>All work and no play makes Jack a dull boy.</p>\n" * 400


def curl(weir: Weir, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    *options, target = arguments
    return subprocess.run(["curl", "-sS", "-m", "10", *options, f"http://127.0.0.1:{weir.port}{target}"],
                          capture_output=True, check=False)


class Actions(WeirTest):
    """One Weir for a class; `routes` may name the origins a, b and m."""

    routes = ""
    weir_: Weir
    origins: dict[str, RawOrigin]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.origins = {name: RawOrigin() for name in "abm"}
        clusters = ""
        for name, origin in cls.origins.items():
            cls.addClassCleanup(origin.close)
            clusters += f"  {name}: {{endpoints: [\"{origin.address}\"], breaker: off, outlier: off, retry: off}}\n"
        routes = "".join(f"      - {line}\n" for line in cls.routes.strip().splitlines())
        cls.weir_ = Weir("version: 1\nthreads: 1\nlisteners:\n  - listen: $LISTEN\n    routes:\n" + routes +
                         "clusters:\n" + clusters)
        cls.addClassCleanup(cls.weir_.stop)
        cls.weir_.wait_ready()

    def setUp(self) -> None:
        for origin in self.origins.values():
            origin.answer = echo
            origin.requests.clear()

    def last(self, name: str = "a") -> Message:
        return self.origins[name].requests[-1]


class Headers(Actions):
    routes = """
        {name: edits, path: /edits, to: a, headers: {set: {X-User: weir, x-new: "1"}, remove: [cookie, X-Gone]}}
        {name: answers, path: /answers, to: a, response_headers: {set: {strict-transport-security: max-age=9}, remove: [server, X-Powered-By]}}
        {name: fixed, path: /fixed, respond: {status: 403, body: no}, response_headers: {set: {x-frame-options: DENY}}}
        {name: plain, path: /plain, to: a}
        """

    def test_what_is_set_replaces_whatever_the_client_sent(self) -> None:
        self.weir_.ask("/edits", headers={"X-USER": "eve", "x-user": "mallory", "Cookie": "a=b", "x-gone": "1",
                                          "x-kept": "2"})
        self.assertEqual(self.last().values("x-user"), ["weir"])
        self.assertEqual(self.last().values("x-new"), ["1"])
        self.assertEqual(self.last().values("x-kept"), ["2"])
        self.assertEqual(self.last().values("cookie") + self.last().values("x-gone"), [])

    def test_the_next_route_of_the_same_connection_edits_nothing(self) -> None:
        with self.weir_.connect() as client:
            client.ask(request("GET", "/edits", {"Cookie": "a=b"}, b"", "test"))
            client.ask(request("GET", "/plain", {"Cookie": "a=b"}, b"", "test"))
        self.assertEqual(self.last().get("cookie"), "a=b")
        self.assertIsNone(self.last().get("x-new"))

    def test_answers_lose_and_get_headers(self) -> None:
        self.origins["a"].answer = fixed(200, b"ok", {"Server": "old", "x-powered-by": "php", "x-kept": "1"})
        answer = self.weir_.ask("/answers")
        self.assertEqual(answer.values("strict-transport-security"), ["max-age=9"])
        self.assertEqual(answer.values("server") + answer.values("x-powered-by"), [])
        self.assertEqual((answer.get("x-kept"), answer.body), ("1", b"ok"))

    def test_answers_of_weir_itself_get_them_too(self) -> None:
        self.assertEqual(self.weir_.ask("/fixed").get("x-frame-options"), "DENY")
        self.origins["a"].refuse()
        try:
            answer = self.weir_.ask("/answers")
            self.assert_refused(answer, 503, "upstream_connect_refused")
            self.assertEqual(answer.get("strict-transport-security"), "max-age=9")
        finally:
            self.origins["a"].accept_again()

    def test_retries_and_bodies_are_edited_the_same(self) -> None:
        self.weir_.ask("/edits", "POST", {"X-User": "eve"}, b"x" * 200_000)
        self.assertEqual((self.last().values("x-user"), len(self.last().body)), (["weir"], 200_000))


class Cors(Actions):
    routes = """
        {name: api, path: /api, method: [GET, PUT], to: a, cors: {origins: ["https://shop.test", "https://*.shop.test"], methods: [GET, PUT], headers: [x-token], expose: [x-total], max_age: 10m, credentials: true}}
        {name: open, path: /open, to: a, cors: {origins: ["*"], headers: ["*"]}}
        {name: none, path: /none, to: a}
        """

    def preflight(self, target: str, origin: str, method: str = "PUT", headers: str = "x-token") -> Message:
        return self.weir_.ask(target, "OPTIONS", {"Origin": origin, "Access-Control-Request-Method": method,
                                                  "Access-Control-Request-Headers": headers})

    def test_preflights_are_answered_here(self) -> None:
        answer = self.preflight("/api", "https://shop.test")
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.values("access-control-allow-origin"), ["https://shop.test"])
        self.assertEqual(answer.get("access-control-allow-methods"), "GET, PUT")
        self.assertEqual(answer.get("access-control-allow-headers"), "x-token")
        self.assertEqual(answer.get("access-control-allow-credentials"), "true")
        self.assertEqual(answer.get("access-control-max-age"), "600")
        self.assertIn("origin", [value.lower() for value in answer.values("vary")])
        self.assertEqual(self.origins["a"].requests, [])

    def test_origins_are_told_apart(self) -> None:
        for origin, is_allowed in (("https://shop.test", True), ("https://a.shop.test", True),
                                   ("https://a.b.shop.test", True), ("HTTPS://SHOP.TEST", True),
                                   ("http://shop.test", False), ("https://shop.test:444", False),
                                   ("https://evilshop.test", False), ("https://shop.test.evil", False),
                                   ("https://evil.test/.shop.test", False), ("https://.shop.test", False),
                                   ("null", False), ("", False)):
            with self.subTest(origin):
                answer = self.weir_.ask("/api", headers={"Origin": origin})
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.values("access-control-allow-origin"), [origin] if is_allowed else [])

    def test_a_preflight_of_a_stranger_is_refused(self) -> None:
        answer = self.preflight("/api", "https://evil.test")
        self.assert_refused(answer, 403, "forbidden")
        self.assertIsNone(answer.get("access-control-allow-origin"))

    def test_what_the_upstream_says_of_it_is_replaced(self) -> None:
        self.origins["a"].answer = fixed(200, b"ok", {"Access-Control-Allow-Origin": "*", "x-total": "7"})
        answer = self.weir_.ask("/api", headers={"Origin": "https://shop.test"})
        self.assertEqual(answer.values("access-control-allow-origin"), ["https://shop.test"])
        self.assertEqual((answer.get("access-control-expose-headers"), answer.get("x-total")), ("x-total", "7"))
        self.assertEqual(self.weir_.ask("/api", headers={"Origin": "https://evil.test"})
                         .values("access-control-allow-origin"), [])

    def test_any_origin_and_any_header(self) -> None:
        answer = self.preflight("/open", "https://any.test", "GET", "x-a, x-b")
        self.assertEqual((answer.status, answer.get("access-control-allow-origin")), (204, "*"))
        self.assertEqual(answer.get("access-control-allow-headers"), "x-a, x-b")

    def test_options_without_a_preflight_are_forwarded(self) -> None:
        self.weir_.ask("/open", "OPTIONS")
        self.assertEqual(self.last().method, "OPTIONS")
        self.assertEqual(self.weir_.ask("/api", "OPTIONS").status, 404)

    def test_two_origins_are_none(self) -> None:
        with self.weir_.connect() as client:
            answer = client.ask("GET /api HTTP/1.1\r\nHost: test\r\nOrigin: https://shop.test\r\n"
                                "Origin: https://evil.test\r\n\r\n")
        self.assertIsNone(answer.get("access-control-allow-origin"))


class Mirrors(Actions):
    routes = """
        {name: copied, path: /copied/*, to: a, mirror: m, headers: {set: {x-route: copied}}}
        {name: half, path: /half, to: a, mirror: m, mirror_percent: 50%}
        {name: alone, path: /alone, to: a}
        """

    def mirrored(self, result: str) -> float:
        return self.weir_.metrics().sum("weir_mirrored_requests_total", cluster="m", result=result)

    def test_the_copy_has_the_same_head_and_body(self) -> None:
        before = self.mirrored("success")
        answer = self.weir_.ask("/copied/x?q=1", "POST", {"x-mine": "2"}, b"some body")
        self.assertEqual((answer.status, answer.body), (200, b"some body"))
        eventually(lambda: self.origins["m"].requests, "the copy")
        eventually(lambda: self.mirrored("success") == before + 1, "counted")
        copy = self.last("m")
        self.assertEqual((copy.method, copy.target, copy.body), ("POST", "/copied/x?q=1", b"some body"))
        self.assertEqual((copy.get("x-mine"), copy.get("x-route"), copy.get("host")), ("2", "copied", "test"))
        self.assertEqual(copy.get("x-request-id"), self.last("a").get("x-request-id"))

    def test_a_chunked_body_is_copied_too(self) -> None:
        with self.weir_.connect() as client:
            client.send("POST /copied/c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(chunk(b"one ") + chunk(b"two"))
            client.send(b"0\r\n\r\n")
            self.assertEqual(client.answer("POST").status, 200)
        eventually(lambda: [m for m in self.origins["m"].requests if m.target == "/copied/c" and m.body], "the copy")
        self.assertEqual(self.last("m").body, b"one two")

    def test_a_mirror_that_hangs_or_refuses_harms_nobody(self) -> None:
        self.origins["m"].answer = lambda peer, _: peer.hang()
        for _ in range(20):
            self.assertEqual(self.weir_.ask("/copied/h").status, 200)
        self.origins["m"].released.set()
        self.origins["m"].answer = lambda peer, _: peer.reset()
        before = self.mirrored("failure")
        for _ in range(5):
            self.assertEqual(self.weir_.ask("/copied/r").status, 200)
        eventually(lambda: self.mirrored("failure") >= before + 5, "failures are counted")

    def test_a_body_above_the_buffer_is_not_copied(self) -> None:
        before = self.mirrored("too_large")
        self.assertEqual(self.weir_.ask("/copied/big", "POST", {}, b"x" * 300_000).status, 200)
        eventually(lambda: self.mirrored("too_large") == before + 1, "counted")
        self.assertEqual([m.target for m in self.origins["m"].requests if m.target == "/copied/big"], [])

    def test_a_share_of_the_requests_and_no_other_route(self) -> None:
        for _ in range(100):
            self.weir_.ask("/half")
        self.weir_.ask("/alone")
        copies = eventually(lambda: len(self.origins["m"].targets()) > 10 and self.origins["m"].targets(), "copies")
        self.assertLess(len(copies), 90)
        self.assertNotIn("/alone", copies)


class Faults(Actions):
    routes = """
        {name: aborted, path: /aborted, to: a, fault: {abort: 418}}
        {name: delayed, path: /delayed, to: a, fault: {delay: 60ms}}
        {name: both, path: /both, to: a, fault: {delay: 20ms, abort: 502}}
        {name: some, path: /some, to: a, fault: {abort: 503, percent: 50%}}
        {name: to-b, path: /b, to: b}
        {name: rest, path: /*, to: a}
        """

    def api(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        done = subprocess.run(["curl", "-sS", "-m", "10", "-X", method, "-w", "\n%{http_code}",
                               *(["-H", "content-type: application/json", "-d", json.dumps(body)] if body is not None
                                 else []), f"http://127.0.0.1:{self.weir_.admin_port}/api/v1/{path}"],
                              capture_output=True, check=True)
        text, status = done.stdout.decode().rsplit("\n", 1)
        return int(status), json.loads(text)

    def test_requests_are_answered_on_purpose(self) -> None:
        answer = self.weir_.ask("/aborted", "POST", {}, b"x")
        self.assert_refused(answer, 418, "fault_injected")
        self.assertEqual(self.origins["a"].requests, [])
        metrics = self.weir_.metrics()
        self.assertGreater(metrics.sum("weir_requests_total", route="aborted", reason="fault_injected"), 0)
        self.assertGreater(metrics.sum("weir_faults_injected_total", cluster="a", kind="abort"), 0)

    def test_requests_are_delayed_with_their_bodies(self) -> None:
        answer = self.weir_.ask("/delayed", "POST", {}, b"y" * 100_000)
        self.assertEqual((answer.status, len(answer.body)), (200, 100_000))
        self.assert_refused(self.weir_.ask("/both"), 502, "fault_injected")
        self.assertGreater(self.weir_.metrics().sum("weir_faults_injected_total", cluster="a", kind="delay"), 1)

    def test_a_client_that_leaves_during_the_delay_is_forgotten(self) -> None:
        for _ in range(10):
            with self.weir_.connect() as client:
                client.send(request("GET", "/delayed", {}, b"", "test"))
                client.abort()
        eventually(lambda: self.weir_.metrics().sum("weir_requests_active") == 0, "nothing is left")

    def test_a_share_of_the_requests(self) -> None:
        statuses = [self.weir_.ask("/some").status for _ in range(60)]
        self.assertEqual(set(statuses), {200, 503})

    def test_at_run_time_until_it_is_removed(self) -> None:
        status, fault = self.api("POST", "faults", {"cluster": "b", "abort": 507, "for": "10m", "reason": "a game day"})
        self.assertEqual((status, fault["abort"], fault["percent"]), (200, 507, "100%"))  # type: ignore[index]
        self.assert_refused(self.weir_.ask("/b"), 507, "fault_injected")
        self.assertEqual(self.weir_.ask("/other").status, 200)
        self.assertEqual([f["reason"] for f in self.api("GET", "faults")[1]], ["a game day"])  # type: ignore[attr-defined]
        self.weir_.reload((self.weir_.file).read_text())
        self.assert_refused(self.weir_.ask("/b"), 507, "fault_injected")
        self.assertEqual(self.api("DELETE", f"faults/{fault['id']}")[0], 200)  # type: ignore[index]
        self.assertEqual(self.weir_.ask("/b").status, 200)
        self.assertEqual(self.api("GET", "faults")[1], [])

    def test_it_ends_by_itself(self) -> None:
        self.assertEqual(self.api("POST", "faults", {"route": "to-b", "delay": "1ms", "abort": 500, "for": "1s"})[0], 200)
        self.assert_refused(self.weir_.ask("/b"), 500, "fault_injected")
        eventually(lambda: self.weir_.ask("/b").status == 200, "it has ended")
        self.assertEqual(self.api("GET", "faults")[1], [])

    def test_orders_that_make_no_sense_are_refused(self) -> None:
        for body, status in (({}, 400), ({"cluster": "b"}, 400), ({"abort": 500}, 400),
                             ({"cluster": "nobody", "abort": 500}, 404), ({"route": "nobody", "abort": 500}, 404),
                             ({"cluster": "b", "abort": 99}, 400), ({"cluster": "b", "delay": "5"}, 400),
                             ({"cluster": "b", "abort": 500, "percent": "200%"}, 400),
                             ({"cluster": "b", "abort": 500, "for": "48h"}, 400),
                             ({"cluster": "b", "abort": 500, "forever": True}, 400)):
            with self.subTest(body):
                self.assertEqual(self.api("POST", "faults", body)[0], status)
        self.assertEqual(self.api("DELETE", "faults/999")[0], 404)
        self.assertEqual(self.api("GET", "faults")[1], [])


def coded(*chunks: bytes, kind: str = "text/html", headers: str = "") -> Answer:
    """An answer in chunks, each sent by itself."""

    def answer(peer: Peer, message: Message) -> None:
        peer.read_body(message)
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode())
        for part in chunks:
            peer.send(chunk(part))
        peer.send(b"0\r\n\r\n")

    return answer


class Compression(Actions):
    routes = """
        {name: packed, path: /packed, to: a, compress: [zstd, br, gzip]}
        {name: zipped, path: /zipped, to: a, compress: gzip}
        {name: plain, path: /plain, to: a}
        """

    def setUp(self) -> None:
        super().setUp()
        self.origins["a"].answer = fixed(200, PAGE, {"Content-Type": "text/html", "ETag": "\"v1\"",
                                                     "Accept-Ranges": "bytes"})

    def test_curl_reads_each_of_them(self) -> None:
        for coding in ("zstd", "br", "gzip"):
            with self.subTest(coding):
                done = curl(self.weir_, "-H", f"Accept-Encoding: {coding}", "--compressed", "-D", "/dev/stderr", "/packed")
                self.assertEqual(done.stdout, PAGE)
                self.assertIn(f"content-encoding: {coding}", done.stderr.decode().lower())

    def test_the_head_says_what_changed(self) -> None:
        answer = self.weir_.ask("/packed", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(gzip.decompress(answer.body), PAGE)
        self.assertLess(len(answer.body), len(PAGE) // 10)
        self.assertEqual((answer.get("etag"), answer.get("vary")), ("W/\"v1\"", "Accept-Encoding"))
        self.assertEqual(answer.values("content-length") + answer.values("accept-ranges"), [])
        plain = self.weir_.ask("/packed")
        self.assertEqual((plain.body, plain.get("etag"), plain.get("vary")), (PAGE, "\"v1\"", "Accept-Encoding"))
        self.assertEqual(self.weir_.ask("/plain", headers={"Accept-Encoding": "gzip"}).get("vary"), None)

    def test_the_client_chooses_by_its_weights(self) -> None:
        for accepted, coding in (("gzip, br, zstd", "zstd"), ("gzip;q=1, zstd;q=0.5", "gzip"), ("br;q=0, *", "zstd"),
                                 ("identity", None), ("gzip;q=0", None)):
            with self.subTest(accepted):
                answer = self.weir_.ask("/packed", headers={"Accept-Encoding": accepted})
                self.assertEqual(answer.get("content-encoding"), coding)

    def test_what_is_coded_small_or_not_to_be_changed_stays(self) -> None:
        for headers, body in (({"Content-Encoding": "gzip"}, gzip.compress(PAGE)), ({}, b"short"),
                              ({"Cache-Control": "no-transform"}, PAGE), ({"Content-Type": "image/png"}, PAGE)):
            with self.subTest(headers):
                self.origins["a"].answer = fixed(200, body, {"Content-Type": "text/html", **headers})
                answer = self.weir_.ask("/packed", headers={"Accept-Encoding": "br"})
                self.assertEqual((answer.body, answer.get("content-encoding")), (body, headers.get("Content-Encoding")))

    def test_what_is_packed_is_never_unpacked(self) -> None:
        """A bomb is as large here as it is on the wire: nothing in Weir opens what others have coded."""
        bomb = gzip.compress(bytes(256 * 1024 * 1024))
        headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
        self.origins["a"].answer = fixed(200, bomb, headers)
        before = self.weir_.rss_bytes()
        for _ in range(3):
            answer = self.weir_.ask("/packed", "POST", {**headers, "Accept-Encoding": "br"}, bomb)
            self.assertEqual((answer.get("content-encoding"), answer.body), ("gzip", bomb))
            self.assertEqual(self.last().body, bomb)
        self.assertLess(self.weir_.rss_bytes() - before, 16 * 1024 * 1024)

    def test_events_are_not_compressed(self) -> None:
        self.origins["a"].answer = coded(b"data: 1\n\n", b"data: 2\n\n", kind="text/event-stream")
        answer = self.weir_.ask("/packed", headers={"Accept-Encoding": "gzip"})
        self.assertEqual((answer.get("content-encoding"), answer.body), (None, b"data: 1\n\ndata: 2\n\n"))

    def test_what_has_come_can_be_read_before_the_rest(self) -> None:
        def halves(peer: Peer, message: Message) -> None:
            peer.read_body(message)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
            peer.send(chunk(b"first half"))
            peer.hang()
            peer.send(chunk(b", second half") + b"0\r\n\r\n")

        self.origins["a"].answer = halves
        with self.weir_.connect() as client:
            client.send(request("GET", "/zipped", {"Accept-Encoding": "gzip"}, b"", "test"))
            data = b""
            while b"\x00\x00\xff\xff" not in data:  # where zlib has flushed
                more = client.sock.recv(65536)
                self.assertTrue(more, data)
                data += more
            self.origins["a"].released.set()
        self.origins["a"].released.clear()

    def test_an_upstream_that_breaks_off_is_not_made_whole(self) -> None:
        def broken(peer: Peer, message: Message) -> None:
            peer.read_body(message)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
            peer.send(chunk(PAGE))
            peer.close()

        self.origins["a"].answer = broken
        done = curl(self.weir_, "--compressed", "/zipped")
        self.assertNotEqual(done.returncode, 0)

    def test_head_says_what_get_would(self) -> None:
        answer = self.weir_.ask("/zipped", "HEAD", {"Accept-Encoding": "gzip"})
        self.assertEqual((answer.get("content-encoding"), answer.body), ("gzip", b""))
        self.assertIsNone(answer.get("content-length"))

    def test_over_http2(self) -> None:
        done = curl(self.weir_, "--http2-prior-knowledge", "--compressed", "/packed")
        self.assertEqual(done.stdout, PAGE, done.stderr)

    def test_a_client_that_leaves_early_leaves_nothing(self) -> None:
        self.origins["a"].answer = fixed(200, PAGE * 200, {"Content-Type": "text/html"})
        for _ in range(20):
            with self.weir_.connect(receive_buffer=4096) as client:
                client.send(request("GET", "/zipped", {"Accept-Encoding": "gzip"}, b"", "test"))
                client.abort()
        eventually(lambda: self.weir_.metrics().sum("weir_requests_active") == 0, "nothing is left")
        self.assertEqual(gzip.decompress(self.weir_.ask("/zipped", headers={"Accept-Encoding": "gzip"}).body), PAGE * 200)


class Paths(Actions):
    routes = """
        {name: kept, path: /files/*, merge_slashes: false, to: a}
        {name: encoded, path: /repos/*, allow_encoded_slash: true, to: a}
        {name: number, path: "~ ^/v[0-9]+/orders$", to: b}
        {name: call, grpc: shop.Orders/Get, to: m}
        {name: service, grpc: shop.Orders, to: b}
        {name: no-upgrade, path: /chat, websocket: false, to: a}
        {name: upgrade, path: /talk, to: a}
        {name: rest, path: /*, to: a}
        """

    def test_slashes_are_kept_where_they_count(self) -> None:
        for sent, forwarded in (("/files/a//b", "/files/a//b"), ("/files//x", "/files//x"), ("/other//b", "/other/b"),
                                ("//files/a", "/files/a"), ("/files/a/../b//c", "/files/b//c")):
            with self.subTest(sent):
                self.assertEqual(self.weir_.ask(sent).status, 200)
                self.assertEqual(self.last().target, forwarded)

    def test_encoded_slashes_pass_where_they_are_allowed(self) -> None:
        self.assertEqual(self.weir_.ask("/repos/org%2fname/x").status, 200)
        self.assertEqual(self.last().target, "/repos/org%2Fname/x")
        for target in ("/other%2fname", "/files/a%5cb", "/repos%2fx", "/repos/..%2fadmin", "/repos/a%2F..%2Fb",
                       "/repos/%00", "/repos/..;/x"):
            with self.subTest(target):
                self.assert_refused(self.weir_.ask(target), 400, "bad_request")

    def test_paths_by_regular_expression(self) -> None:
        self.weir_.ask("/v12/orders")
        self.assertEqual(self.last("b").target, "/v12/orders")
        self.weir_.ask("/v12/orders/1")
        self.assertEqual(self.last("a").target, "/v12/orders/1")
        trial = self.weir_.api("route?path=/vx/orders")
        self.assertIn("path /vx/orders does not match ^/v[0-9]+/orders$", [miss["why"] for miss in trial["misses"]])

    def test_trials_see_paths_as_their_routes_do(self) -> None:
        trial = self.weir_.api("route?path=/files/a%2F%2Fb")  # an empty segment
        self.assertEqual((trial["route"], trial["forwarded_path"]), ("kept", "/files/a//b"))
        trial = self.weir_.api("route?path=/repos/a%252Fb")
        self.assertEqual((trial["route"], trial["forwarded_path"]), ("encoded", "/repos/a%2Fb"))
        self.assertEqual(self.weir_.admin("/api/v1/route?path=/other/a%252Fb")[0], 400)

    def test_calls_of_grpc_by_service_and_method(self) -> None:
        call = {"Content-Type": "application/grpc+proto", "TE": "trailers"}
        for target, origin in (("/shop.Orders/Get", "m"), ("/shop.Orders/List", "b"), ("/shop.Pay/Get", "a")):
            self.weir_.ask(target, "POST", call, b"\0\0\0\0\0")
            self.assertEqual(self.last(origin).target, target)
        self.weir_.ask("/shop.Orders/Get", "POST", {"Content-Type": "application/json"}, b"{}")
        self.assertEqual(self.last("a").target, "/shop.Orders/Get")

    def test_an_upgrade_is_ignored_where_there_is_to_be_none(self) -> None:
        wanted = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        self.origins["a"].answer = fixed(426, b"upgrade")
        self.assertEqual(self.weir_.ask("/chat", headers=wanted).status, 426)
        self.assertIsNone(self.last().get("upgrade"))
        self.origins["a"].answer = lambda peer, message: peer.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        with self.weir_.connect() as client:
            client.send(request("GET", "/talk", wanted, b"", "test"))
            self.assertEqual(client.answer().status, 101)
        self.assertEqual(self.last().get("upgrade"), "websocket")

    def test_over_http2_a_websocket_that_is_not_to_be_is_refused(self) -> None:
        fields = [*pseudo("CONNECT", "/chat"), (b":protocol", b"websocket"), (b"sec-websocket-version", b"13")]
        with H2Client(self.weir_.port) as client:
            client.send(frame(HEADERS, END_HEADERS, 1, block(fields)))
            client.until(lambda f: f.stream == 1 and f.kind == HEADERS)
        self.assertEqual(self.origins["a"].requests, [])
        eventually(lambda: self.weir_.metrics().sum("weir_requests_total", route="no-upgrade", code="403",
                                                    reason="forbidden") == 1, "refused")


class Affinity(WeirTest):
    def placed(self, policy: str, key: str) -> Weir:
        self.backs = [self.origin(fixed(200, bytes([65 + i]))) for i in range(4)]
        return self.forward(*[back.address for back in self.backs],
                            cluster=f"lb: {{policy: {policy}, key: \"{key}\"}}\nretry: 1\n")

    def test_a_key_stays_with_its_endpoint(self) -> None:
        for policy in ("maglev", "ring_hash"):
            with self.subTest(policy):
                weir = self.placed(policy, "header:x-user")
                first = {user: weir.ask(headers={"X-User": user}).body for user in map(str, range(40))}
                self.assertGreater(len(set(first.values())), 2)
                for user, body in first.items():
                    self.assertEqual(weir.ask(headers={"X-User": user}).body, body)
                # Over a reload, too, that changes something else of the cluster.
                weir.reload(weir.file.read_text().replace("retry: 1", "retry: 2"))
                for user, body in first.items():
                    self.assertEqual(weir.ask(headers={"X-User": user}).body, body)

    def test_cookies_paths_and_addresses_are_keys_too(self) -> None:
        weir = self.placed("maglev", "cookie:sid")
        body = weir.ask(headers={"Cookie": "a=b; sid=42"}).body
        for other in range(10):
            self.assertEqual(weir.ask(headers={"Cookie": f"a={other}; sid=42"}).body, body)
        self.assertGreater(len({weir.ask(headers={"Cookie": f"sid={i}"}).body for i in range(40)}), 2)
        weir = self.placed("ring_hash", "path")
        self.assertEqual(len({weir.ask(f"/same?{i}").body for i in range(20)}), 1)
        weir = self.placed("maglev", "client_ip")
        self.assertEqual(len({weir.ask(f"/{i}").body for i in range(20)}), 1)

    def test_keys_of_one_that_is_gone_move_and_no_others(self) -> None:
        weir = self.placed("maglev", "header:x-user")
        users = [str(i) for i in range(60)]
        first = {user: weir.ask(headers={"X-User": user}).body for user in users}
        gone = first["0"]
        self.backs[gone[0] - 65].refuse()
        for user in users:
            answer = weir.ask(headers={"X-User": user})
            self.assertEqual(answer.status, 200)
            if first[user] != gone:
                self.assertEqual(answer.body, first[user])


if __name__ == "__main__":
    unittest.main()
