"""A total outage behind one Weir and behind three in a row: how many attempts reach the origin for each request."""

from __future__ import annotations

import time
import unittest

from harness import WeirTest
from origins import Answer, RawOrigin, fixed
from wire import request

REQUESTS = 400
NO_BREAKERS = "breaker: off, outlier: off"
FAILED = fixed(503, b"no")


class Amplification(WeirTest):
    def outage(self, hops: int, rest: str = NO_BREAKERS, answer: Answer = FAILED,
               mode: str = "inbound") -> tuple[float, float]:
        """Attempts at the origin for each request, and what the budgets allow: 20 % and 3 a second."""
        origin: RawOrigin = self.origin(answer)
        address = origin.address
        weir = None
        for _ in range(hops):
            weir = self.weir(
                f"version: 1\nthreads: 1\nlisteners:\n  - {{listen: $LISTEN, mode: {mode}, to: c}}\n"
                f"clusters:\n  c: {{endpoints: [\"{address}\"], {rest}}}\n")
            address = f"127.0.0.1:{weir.port}"
        assert weir is not None
        began = time.monotonic()
        with weir.connect() as client:
            for _ in range(REQUESTS):
                self.assertGreaterEqual(client.ask(request()).status, 500)
        seconds = time.monotonic() - began
        return len(origin.requests) / REQUESTS, 1.2 + 3 * (seconds + 2) / REQUESTS

    def test_one_hop_stays_within_its_budget(self) -> None:
        measured, allowed = self.outage(1)
        self.assertLessEqual(measured, allowed)
        self.assertGreater(measured, 1.1)

    def test_three_hops_stay_within_the_budget_of_one(self) -> None:
        measured, allowed = self.outage(3)
        self.assertLessEqual(measured, allowed)
        self.assertGreater(measured, 1.1)

    def test_three_hops_that_trust_each_other_stay_within_the_budget_of_one(self) -> None:
        measured, allowed = self.outage(3, mode="outbound")
        self.assertLessEqual(measured, allowed)

    def test_breakers_keep_an_outage_from_the_origin(self) -> None:
        measured, _ = self.outage(3, rest="timeout: 5s")
        self.assertLess(measured, 0.5)

    def test_without_a_budget_each_request_is_tried_three_times(self) -> None:
        measured, _ = self.outage(1, NO_BREAKERS + ", retry: {budget: 100%, budget_min: 1000/s, backoff: 1ms}")
        # Two extra tries for each, but a budget of 100 % allows one of its own.
        self.assertGreater(measured, 1.9)


if __name__ == "__main__":
    unittest.main()
