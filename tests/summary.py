#!/usr/bin/env python3
"""Sums what ctest left in a folder of JUnit files; failures last, then one line of totals.

A test that prints `N passed, N failed, N skipped` itself, or the counts of GoogleTest, counts as that many. With CI set, a skip
is a failure unless it says that a network namespace is not permitted.
"""
import os
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
SUITE = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) +\] (\d+) tests?[.,]", re.MULTILINE)
REASON = re.compile(r"^skipped: (.*)$", re.MULTILINE)


def outcome(case):
    """(passed, failed, skipped) of one testcase."""
    status = case.get("status")
    counts = COUNTS.findall(case.findtext("system-out") or "")
    if counts:
        passed, failed, skipped = map(int, counts[-1])
        return passed, max(failed, 1) if status == "fail" else failed, skipped
    suite = dict(SUITE.findall(case.findtext("system-out") or ""))
    if suite and (status == "run") == ("FAILED" not in suite):
        return tuple(int(suite.get(word, 0)) for word in ("PASSED", "FAILED", "SKIPPED"))
    if status == "run":
        return 1, 0, 0
    return (0, 0, 1) if case.find("skipped") is not None or status == "disabled" else (0, 1, 0)


def refused_skips(case):
    output = case.findtext("system-out") or ""
    reasons = REASON.findall(output) or [output]
    return [reason for reason in reasons if "namespace" not in reason]


def main(folder):
    strict = os.environ.get("CI", "") not in ("", "0", "false")
    total = [0, 0, 0]
    failures = []
    for path in sorted(folder.glob("*.xml")):
        root = xml.parse(path).getroot()
        suite = [0, 0, 0]
        for case in root.iter("testcase"):
            counts = outcome(case)
            suite = [a + b for a, b in zip(suite, counts)]
            name = f"{path.stem}: {case.get('name')}"
            if counts[1]:
                failures.append((name, case.findtext("system-out") or ""))
            elif counts[2]:
                print(f"  skipped  {name}")
                if strict and refused_skips(case):
                    failures.append((name + " was skipped, which is not allowed here", ""))
        total = [a + b for a, b in zip(total, suite)]
        seconds = float(root.get("time") or 0)
        print("{:<10}{:>6} passed {:>4} failed {:>4} skipped {:>7.1f} s".format(path.stem, *suite, seconds))
    broken = folder / "broken"
    for line in broken.read_text().splitlines() if broken.exists() else []:
        failures.append((line, ""))
        total[1] += 1
    for name, output in failures:
        print(f"\nFAILED {name}")
        print("\n".join("    " + line for line in output.splitlines()[-40:]))
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if failures or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
