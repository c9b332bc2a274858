"""A thousand reloads (WEIR_FULL=1: ten thousand) under load: nothing fails, nothing grows."""

from __future__ import annotations

import os
import signal
import statistics
import unittest
from collections.abc import Callable
from pathlib import Path

from harness import BINARY, Weir, WeirTest, eventually, free_port
from load import Load
from origins import fixed

FULL = os.environ.get("WEIR_FULL") == "1"
RELOADS = 10_000 if FULL else 1_000
# Of one configuration after the other, so that each reload changes something.
SAMPLES = 60
# What the last third may have more than the second. Of the heap in use, at its lowest, as workers let go of what
# a reload replaced once a second: less than 1.6 KiB a reload (160 bytes in the full run), and a kept snapshot is
# 20 KiB. What the process holds grows by steps of the allocator, hence its wider bound; of medians.
MOST_HEAP_GROWTH = 512 * 1024
MOST_RSS_GROWTH = 1024 * 1024


class Growth:
    """Samples of a process."""

    def __init__(self, weir: Weir) -> None:
        self.weir = weir
        self.idle_threads = self.thread_count()
        self.rss: list[int] = []
        self.heap: list[int] = []
        self.files: list[int] = []
        self.threads: list[int] = []

    def sample(self) -> None:
        self.rss.append(self.weir.rss_bytes())
        self.heap.append(self.weir.api("memory")["heap_used_bytes"])
        self.files.append(self.weir.open_files())
        self.threads.append(self.thread_count())

    def thread_count(self) -> int:
        return len(os.listdir(f"/proc/{self.weir.process.pid}/task"))

    @staticmethod
    def by_third(samples: list[int], of: Callable[[list[int]], float] = statistics.median) -> list[float]:
        third = len(samples) // 3
        return [of(samples[i * third:(i + 1) * third]) for i in range(3)]


class InForce:
    """How many reloads the log has told of; a scrape a reload would take longer than the reload."""

    def __init__(self, weir: Weir) -> None:
        self.log = (weir.root / "stderr").open("rb")
        self.told = 0

    def count(self) -> int:
        for line in self.log:
            self.told += b"configuration in force" in line
        return self.told


class Soak(WeirTest):
    def configurations(self, first: str, second: str, extra: int) -> list[str]:
        """Each next one changes something else: a section, targets, listeners, names, nothing but a comment."""
        def config(clusters: str, listeners: str = "", rest: str = "") -> str:
            return ("version: 1\nlisteners:\n"
                    "  - name: main\n    listen: $LISTEN\n    routes:\n"
                    "      - {name: a, path: /a/*, to: a}\n      - {name: rest, path: /*, to: b}\n"
                    f"{listeners}clusters:\n{clusters}{rest}")

        a = f"  a: {{endpoints: [{first}, {second}]}}\n"
        b = f"  b: {{endpoints: [{second}]}}\n"
        more = f"  - {{name: more, listen: \"127.0.0.1:{extra}\", to: a}}\n"
        other = f"  - {{name: other, listen: \"127.0.0.1:{extra}\", to: b}}\n"
        return [
            config(a + b),
            config(f"  a: {{endpoints: [{first}], timeout: 7s}}\n" + b, more),
            config(a + f"  b: {{endpoints: [{first}, {second}], breaker: {{consecutive_failures: 9}}}}\n", other),
            config(a + f"  b: {{endpoints: [{second}], outlier: {{consecutive_failures: 9}}, lb: random}}\n",
                   rest="access_log: {buffer: 128KiB}\n"),
            config(a + b + f"  c: {{endpoints: [{first}]}}\n", more, "log: {level: debug}\n"),
            config(f"  a: {{endpoints: [{first}, {second}], lb: {{policy: maglev, key: path}}}}\n" + b).replace(
                "to: a}", "to: a, mirror: b, headers: {set: {x: y}}, cors: {origins: [\"*\"]}, compress: [gzip, br]}"),
        ]

    def test_nothing_fails_and_nothing_grows(self) -> None:
        first, second = self.origin(fixed(body=b"one")), self.origin(fixed(body=b"two"))
        texts = self.configurations(first.address, second.address, free_port())
        rest = "threads: 2\nlimits: {connections: 1000}\n"
        weir = self.weir(texts[0] + rest)
        growth, in_force = Growth(weir), InForce(weir)
        self.addCleanup(in_force.log.close)
        before = weir.metrics().sum("weir_config_reloads_total", result="success")
        with Load(weir.port, threads=3, pause=0.001) as load:
            load.wait_for(50)
            for i in range(1, RELOADS + 1):
                weir.write(texts[i % len(texts)] + rest)
                weir.signal(signal.SIGHUP)
                eventually(lambda: in_force.count() >= i, f"reload {i}")
                if i % (RELOADS // SAMPLES) == 0:
                    growth.sample()
            load.wait_for(50)
        self.assertEqual(load.failed(), [], load.summary())
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_config_reloads_total", result="failure"), 0)
        self.assertGreaterEqual(metrics.sum("weir_config_reloads_total", result="success"), before + RELOADS)
        self.assert_flat(growth)

    def is_instrumented(self) -> bool:
        """Sanitizers keep memory of their own; what is lost for good they tell themselves."""
        program = Path(BINARY).read_bytes()
        return b"__asan_init" in program or b"__tsan_init" in program

    def assert_flat(self, growth: Growth) -> None:
        if not self.is_instrumented():
            self.assert_memory_flat(growth)
        # Idle listeners' connections close within a second: thirds, not single samples.
        _, second, last = Growth.by_third(growth.files)
        self.assertLessEqual(last, second + 4, growth.files)
        # The writers of access logs that changed may still be closing their files.
        self.assertEqual(len(set(Growth.by_third(growth.threads))), 1, growth.threads)
        eventually(lambda: growth.thread_count() == growth.idle_threads,
                   f"the writers are gone: {growth.idle_threads} threads before, {growth.thread_count()} now")

    def assert_memory_flat(self, growth: Growth) -> None:
        _, second, last = Growth.by_third(growth.heap, min)
        self.assertLessEqual(last - second, MOST_HEAP_GROWTH, f"heap in use: {growth.heap}")
        _, second, last = Growth.by_third(growth.rss)
        if os.environ.get("WEIR_VERBOSE"):
            print([value // 1024 for value in growth.rss], growth.heap, growth.files, growth.threads)
        text = f"RSS by sample in KiB: {[value // 1024 for value in growth.rss]}"
        self.assertLessEqual(last - second, MOST_RSS_GROWTH, text)


if __name__ == "__main__":
    unittest.main()
