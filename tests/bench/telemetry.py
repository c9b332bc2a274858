#!/usr/bin/env python3
"""What telemetry costs: builds telemetry.cpp with the release flags and runs it. Figures, no test.

    tests/bench/telemetry.py [scrape | record]
"""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted(ROOT.glob("src/telemetry/*.cpp")), *sorted(ROOT.glob("src/core/*.cpp")),
           ROOT / "src/http/headers.cpp", Path(__file__).with_suffix(".cpp")]
LIBRARIES = ["-lprometheus-cpp-core", "-lboost_json", "-lspdlog", "-lfmt", "-pthread"]


def main():
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        program = Path(folder) / "telemetry"
        subprocess.run(["g++", "-std=c++20", "-O2", "-DNDEBUG", f"-I{ROOT}/include", f"-I{ROOT}/src",
                        *map(str, SOURCES), *LIBRARIES, "-o", str(program)], check=True)
        return subprocess.run([str(program), *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
