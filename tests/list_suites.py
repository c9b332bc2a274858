#!/usr/bin/env python3
"""list_suites.py <binary> <label> <file>: writes a ctest file with one test a suite of a gtest binary.

One process a suite and not a test: a binary under sanitizers takes longer to start than most tests run.
"""
import os
import subprocess
import sys
from pathlib import Path


def main(binary, label, target):
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    listed = subprocess.run([binary, "--gtest_list_tests"], check=True, capture_output=True, text=True, timeout=120,
                            env=environment).stdout
    suites = [line.split("#")[0].strip() for line in listed.splitlines() if line.rstrip().split("#")[0].rstrip().endswith(".")
              and not line.startswith(" ")]
    lines = []
    for suite in suites:
        name = suite.rstrip(".")
        lines.append(f'add_test([==[{label}.{name}]==] "{binary}" --gtest_brief=1 "--gtest_filter={name}.*")')
        lines.append(f"set_tests_properties([==[{label}.{name}]==] PROPERTIES LABELS {label} TIMEOUT 300)")
    text = "\n".join(lines) + "\n"
    path = Path(target)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return 0 if suites else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
