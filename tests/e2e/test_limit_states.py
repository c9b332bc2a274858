"""What metrics, the admin port and the command line tell of rate limits and of the Redis that counts them."""

from __future__ import annotations

import json
import os
import subprocess
import unittest
from typing import Any

from harness import BINARY, Weir, eventually
from test_redis_limits import RedisTest


def run_weir(admin_port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WEIR_ADMIN": str(admin_port), "COLUMNS": "200"}
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=20, env=environment)


class Telling(RedisTest):
    def limit(self, weir: Weir, name: str) -> dict[str, Any]:
        return next(limit for limit in weir.api("ratelimits") if limit["name"] == name)

    def test_metrics_of_stores_and_leases(self) -> None:
        weir = self.limited(self.redis().address)
        self.assertEqual(self.statuses(weir, "/strict", 6), [200] * 5 + [429])
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_rate_limit_store_seconds_count", rule="strict"), 6)
        self.assertGreater(metrics.sum("weir_rate_limit_store_seconds_sum", rule="strict"), 0)
        self.assertEqual(metrics.values("weir_rate_limit_store_seconds_count", rule="shared"), [])
        for number in range(20):
            self.assertEqual(weir.ask("/few", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status, 200)
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_rate_limit_leased_keys", rule="few"), 4)
        self.assertEqual(metrics.sum("weir_rate_limit_store_seconds_count", rule="few"), 20)
        self.assertEqual(self.statuses(weir, "/many", 50), [200] * 50)
        self.assertGreater(weir.metrics().sum("weir_rate_limit_leased_tokens", rule="many"), 0)
        eventually(lambda: weir.metrics().sum("weir_rate_limit_leased_tokens") == 0, "leases run out", within=15)
        eventually(lambda: weir.metrics().sum("weir_rate_limit_leased_keys") == 0, "and are forgotten", within=15)

    def test_the_api_tells_of_limits_and_their_stores(self) -> None:
        redis = self.redis()
        weir = self.limited(redis.address)
        self.assertEqual(self.statuses(weir, "/shared", 7), [200] * 5 + [429] * 2)
        shared = self.limit(weir, "shared")
        store = shared.pop("store")
        self.assertEqual(shared, {
            "name": "shared", "algorithm": "gcra", "mode": "enforce", "key": ["client_ip"], "cost": 1, "quota": 5,
            "window_ms": 5 * 3600e3, "keys": 0, "max_keys": 65536, "evicted": 0,
            "decisions": {"limited": 2, "shadow": 0, "store_error": 0}, "lease": {"keys": 1, "tokens": 0}})
        self.assertEqual((store["kind"], store["name"], store["on_failure"], store["breaker"], store["error"]),
                         ("redis", "cache", "local", "closed", None))
        self.assertGreaterEqual(store["age_s"], 0)
        self.assertIsNone(self.limit(weir, "strict")["lease"])
        redis.stop()
        self.assertEqual(self.statuses(weir, "/strict", 1), [200])
        strict = self.limit(weir, "strict")
        self.assertEqual((strict["keys"], strict["decisions"]["store_error"]), (1, 1))
        self.assertEqual(strict["store"]["error"], "it refused the connection")
        self.assertIsNotNone(strict["store"]["failed_at"])
        self.assertIn(strict["store"]["breaker"], ("open", "half_open"))
        redis.start()
        eventually(redis.is_listening, "redis listens")
        eventually(lambda: weir.ask("/strict") and self.limit(weir, "strict")["store"]["breaker"] == "closed", "it is back")

    def test_the_command_line_shows_them(self) -> None:
        redis = self.redis()
        weir = self.limited(redis.address)
        self.assertEqual(self.statuses(weir, "/strict", 6), [200] * 5 + [429])
        shown = run_weir(weir.admin_port, "get", "ratelimits")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        line = next(line for line in shown.stdout.splitlines() if line.startswith("strict"))
        for word in ("5 in 5h00m", "client_ip", "enforce", "redis cache"):
            self.assertIn(word, line)
        redis.stop()
        self.assertEqual(self.statuses(weir, "/strict", 1), [200])
        self.assertIn("redis cache: open", run_weir(weir.admin_port, "get", "ratelimits").stdout)
        as_json = run_weir(weir.admin_port, "get", "ratelimits", "-o", "json").stdout
        self.assertEqual({limit["name"] for limit in json.loads(as_json)}, {"shared", "strict", "window", "many", "few"})



if __name__ == "__main__":
    unittest.main()
