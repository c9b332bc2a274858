"""Routes that change while they are used: over the admin port, and as files of a folder."""

from __future__ import annotations

import threading
import time
import unittest

from admin_api import ask
from harness import Weir, WeirTest, eventually
from load import Load
from origins import fixed

YAML = "application/yaml"


def with_route(text: str, number: int) -> str:
    """The configuration with one more route in front of the others, or another one in its place."""
    lines = [line for line in text.splitlines() if "name: changing" not in line]
    at = lines.index("    routes:") + 1
    lines.insert(at, f"      - {{name: changing, path: /changing, respond: {{body: \"{number}\"}}}}")
    return "\n".join(lines) + "\n"


class ByAdmin(WeirTest):
    def started(self) -> Weir:
        origin = self.origin(fixed(body=b"ok"))
        return self.weir(f"""\
version: 1
threads: 2
listeners:
  - listen: $LISTEN
    routes:
      - {{name: edited, path: /edited, to: c, headers: {{set: {{x-a: "1"}}}}, cors: {{origins: ["*"]}}}}
      - {{name: copied, path: /copied, to: c, mirror: c, compress: [gzip]}}
      - {{name: rest, path: /*, to: c}}
clusters:
  c: {{endpoints: ["{origin.address}"], lb: {{policy: maglev, key: client_ip}}}}
""")

    def put(self, weir: Weir, text: str, hash_: str) -> tuple[int, str]:
        answer = ask(weir.admin_port, "PUT", "/api/v1/config", text, {"If-Match": f'"{hash_}"'}, YAML)
        return answer.status, answer.json().get("hash", "")

    def test_ten_changes_a_second_under_load_lose_nothing(self) -> None:
        weir = self.started()
        text = weir.file.read_text()
        paths = ["/a", "/edited", "/copied"]
        made = [f"GET {path} HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\n\r\n".encode() for path in paths]
        running = weir.api("status")["config"]["hash"]
        with Load(weir.port, threads=4, make=lambda i: made[i % len(made)]) as load:
            load.wait_for(20)
            for number in range(50):
                begin = time.monotonic()
                text = with_route(text, number)
                status, running = self.put(weir, text, running)
                self.assertEqual(status, 200)
                # Whoever is told that it is in force finds it so, on whichever worker.
                eventually(lambda n=number: weir.ask("/changing").body == str(n).encode(), f"change {number}")
                time.sleep(max(0.0, 0.1 - (time.monotonic() - begin)))
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertGreater(len(load.results), 500)

    def test_of_two_who_change_the_same_one_is_told(self) -> None:
        weir = self.started()
        text, running = weir.file.read_text(), weir.api("status")["config"]["hash"]
        found: list[int] = []
        threads = [threading.Thread(target=lambda n=n: found.append(self.put(weir, with_route(text, n), running)[0]))
                   for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(found), [200] + [412] * 7)

    def test_what_is_wrong_changes_nothing(self) -> None:
        weir = self.started()
        text, running = weir.file.read_text(), weir.api("status")["config"]["hash"]
        for broken in (text.replace("path: /edited", "path: \"~ (\""), text.replace("mirror: c", "mirror: nobody"),
                       text.replace("x-a", "host"), text.replace("client_ip", "clientip")):
            self.assertEqual(self.put(weir, broken, running)[0], 422)
        self.assertEqual(weir.api("status")["config"]["hash"], running)
        self.assertEqual(weir.ask("/edited").status, 200)


class ByFolder(WeirTest):
    def test_routes_come_and_go_with_their_files(self) -> None:
        origin = self.origin(fixed(body=b"ok"))
        weir = self.weir(f"""\
version: 1
include: [routes.d/*.yaml]
listeners:
  - name: public
    listen: $LISTEN
    routes:
      - {{name: first, path: /first, to: c}}
clusters:
  c: {{endpoints: ["{origin.address}"]}}
""")
        folder = weir.root / "routes.d"

        def put(name: str, routes: str) -> None:
            fresh = weir.root / "fresh-route"
            fresh.write_text("listeners:\n  - name: public\n    routes:\n" + routes)
            fresh.rename(folder / name)

        folder.mkdir()
        with Load(weir.port, threads=2, make=lambda _: b"GET /first HTTP/1.1\r\nHost: test\r\n\r\n") as load:
            put("10-shop.yaml", "      - {name: shop, path: /shop, to: c}\n")
            eventually(lambda: weir.ask("/shop").status == 200, "the route of a new file")
            put("20-rest.yaml", "      - {name: rest, path: /*, respond: {status: 418}}\n")
            eventually(lambda: weir.ask("/else").status == 418, "the route of the next file")
            self.assertEqual(weir.ask("/shop").status, 200)
            self.assertEqual([route["name"] for route in weir.api("routes")], ["first", "shop", "rest"])
            for number in range(20):
                put("10-shop.yaml", f"      - {{name: shop, path: /shop{number}, to: c}}\n")
                eventually(lambda n=number: weir.ask(f"/shop{n}").status == 200, f"change {number}")
            put("30-twice.yaml", "      - {name: shop, path: /other, to: c}\n")
            eventually(lambda: weir.metrics().values("weir_config_last_reload_success") == [0.0], "a name twice")
            self.assertEqual(weir.ask("/shop19").status, 200)
            (folder / "30-twice.yaml").unlink()
            (folder / "10-shop.yaml").unlink()
            eventually(lambda: weir.ask("/shop19").status == 418, "the file is gone")
        self.assertEqual(load.failed(), [], load.summary())


if __name__ == "__main__":
    unittest.main()
