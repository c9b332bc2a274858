"""A process keeps nothing that another one, or its next start, would need: two answer alike, and so does one that
was killed and starts on an empty disk. What is known in one place only is listed by `weir status`."""

from __future__ import annotations

import signal
import subprocess
import unittest
from typing import Any

from admin_api import JSON, YAML, ask
from harness import BINARY, Weir, WeirTest, eventually
from origins import fixed
from wire import Message

CONFIG = """version: 1
listeners:
  - listen: $LISTEN
    routes:
      - {name: users, path: "/users/{id}", rewrite: {path: "/u/{id}"}, to: app}
      - {name: keyed, path: /keyed/*, to: keyed}
      - {name: limited, path: /limited, rate_limit: few, to: app}
      - {name: moved, path: /old/*, redirect: "/new/*"}
      - {name: rest, path: /*, respond: {status: 404, body: nothing}}
rate_limits:
  few: {rate: 2/h, burst: 2, key: client_ip}
clusters:
  app: {endpoints: ["$FIRST"]}
  keyed: {endpoints: ["$FIRST", "$SECOND"], lb: {policy: maglev, key: path}}
"""


class Stateless(WeirTest):
    def setUp(self) -> None:
        self.first, self.second = self.origin(fixed(body=b"one")), self.origin(fixed(body=b"two"))
        self.text = CONFIG.replace("$FIRST", self.first.address).replace("$SECOND", self.second.address)

    def answers(self, weir: Weir) -> list[tuple[int, bytes, str | None]]:
        """To one of each kind; keys among them, which must find the same endpoint everywhere."""
        asked: list[Message] = [weir.ask(path) for path in ("/users/7", "/old/a?b=c", "/nothing")]
        asked += [weir.ask(f"/keyed/{key}") for key in range(40)]
        asked += [weir.ask("/limited") for _ in range(4)]
        return [(answer.status, answer.body.partition(b"request ")[0], answer.get("location")) for answer in asked]

    def only_here(self, weir: Weir) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = weir.api("status")["only_here"]
        return found

    def test_two_replicas_answer_alike(self) -> None:
        answers = self.answers(self.weir(self.text))
        self.assertEqual([status for status, _, _ in answers[-4:]], [200, 200, 429, 429])
        self.assertEqual({body for _, body, _ in answers[3:43]}, {b"one", b"two"})
        self.assertEqual(self.answers(self.weir(self.text)), answers)

    def test_a_killed_one_starts_anew_on_an_empty_disk(self) -> None:
        first = self.weir(self.text)
        answers, clusters = self.answers(first), self.clusters(first)
        first.expected_exit = -signal.SIGKILL
        first.process.kill()
        again = self.weir(self.text)
        self.assertEqual(self.answers(again), answers)
        self.assertEqual(self.clusters(again), clusters)

    def clusters(self, weir: Weir) -> list[tuple[str, str, dict[str, int]]]:
        return [(one["name"], one["state"], one["endpoints"]) for one in weir.api("status")["clusters"]]

    def order(self, weir: Weir, method: str, path: str, body: Any, kind: str = JSON) -> Any:
        answer = ask(weir.admin_port, method, f"/api/v1/{path}", body, kind=kind)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def test_what_is_only_here_is_listed(self) -> None:
        weir = self.weir(self.text)
        limit = {"kind": "rate_limit", "name": "few"}
        self.assertEqual(self.only_here(weir), [limit])
        fault = self.order(weir, "POST", "faults", {"cluster": "app", "abort": 503, "for": "5m"})
        self.order(weir, "POST", "breakers/app/open", {"for": "5m"})
        self.order(weir, "POST", f"clusters/keyed/endpoints/{self.second.address}/drain", {"for": "5m"})
        self.assertEqual(self.only_here(weir), [
            limit, {"kind": "fault", "name": str(fault["id"])}, {"kind": "breaker", "name": "app"},
            {"kind": "endpoint", "name": f"keyed/{self.second.address}"}])
        text = (weir.root / "weir.yaml").read_text().replace("status: 404", "status: 410")
        self.order(weir, "PUT", "config", text, YAML)
        self.assertEqual([state["kind"] for state in self.only_here(weir)][0], "config")
        shown = subprocess.run([BINARY, "status", "--admin", f"127.0.0.1:{weir.admin_port}"], capture_output=True,
                               text=True, timeout=10).stdout
        self.assertRegex(shown, rf"only here +config \w+, rate_limit few, fault {fault['id']}, breaker app, endpoint keyed/")
        weir.signal(signal.SIGHUP)
        eventually(lambda: self.only_here(weir)[0] == limit, "the file is in force again")


if __name__ == "__main__":
    unittest.main()
