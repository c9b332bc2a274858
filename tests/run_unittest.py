#!/usr/bin/env python3
"""Runs the unittest file given; its last line is the count that tests/summary.py reads.

Exit code 0 all passed, 1 something failed, 77 everything was skipped.
"""
import importlib
import sys
import unittest
from pathlib import Path


def main(path):
    sys.path.insert(0, str(path.parent))
    module = importlib.import_module(path.stem)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # A failure in setUpClass is an error of no test: it counts as one failed all the same.
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped) + len(result.expectedFailures)
    passed = max(0, result.testsRun - failed - skipped)
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return 77 if skipped and not passed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
