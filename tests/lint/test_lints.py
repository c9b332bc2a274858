"""Each lint passes on a clean tree and fails, at the right place, on a planted violation."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLEAN = {
    "cmake/Layers.cmake": "set(WEIR_LAYERS core http\n    transport cli)\n",
    "include/weir/core/a.hpp": "#pragma once\n\n#include <string>\n",
    "src/core/clock.cpp": '#include "weir/core/a.hpp"\n\nlong f() {\n    return steady_clock::now();\n}\n',
    "src/http/b.cpp": '#include "weir/core/a.hpp"\n',
    "src/transport/c.cpp": "#include <boost/asio/io_context.hpp>\n\n// sleep(1) is only a word here\n",
    "tests/unit/core/a_test.cpp": '#include "weir/core/a.hpp"\n',
    "dev": "#!/bin/sh\nexit 0\n",
    "CHANGELOG.md": "# Changelog\n\n## 0.2.0 (unreleased)\n\n### Added\n- `clusters{}.new` and `weir_new_*`.\n\n"
                    "### Upgrade notes\n- None.\n\n## 0.1.0 - 2026-01-02\n\n### Upgrade notes\n- None.\n",
}

# lint, file, its text, the line, a word of the finding
PLANTED = [
    ("layers", "src/core/x.cpp", '\n#include "weir/http/h.hpp"\n', 2, "to its right"),
    ("layers", "src/core/x.cpp", '#include "http/h.hpp"\n', 1, "to its right"),
    ("layers", "src/util/x.cpp", "", 1, "no module"),
    ("layers", "include/weir/http/x.hpp", '#include "http/h.hpp"\n', 1, "public header"),
    ("doors", "src/http/x.cpp", "#include <yaml-cpp/yaml.h>\n", 1, "yaml-cpp"),
    ("doors", "src/core/x.cpp", "\n\n#include <boost/asio/io_context.hpp>\n", 3, "Asio"),
    ("doors", "src/transport/x.cpp", "#include <boost/asio.hpp>\n", 1, "one by one"),
    ("doors", "include/weir/core/x.hpp", "#include <spdlog/spdlog.h>\n", 1, "spdlog"),
    ("doors", "src/http/x.cpp", "#include <sys/epoll.h>\n", 1, "no descriptor"),
    ("clocks", "src/http/x.cpp", "auto t = std::chrono::steady_clock::now();\n", 1, "clock"),
    ("clocks", "src/http/x.cpp", "auto t = ::time(nullptr);\n", 1, "clock"),
    ("clocks", "tests/unit/x_test.cpp", "\nvoid f() { std::this_thread::sleep_for(1s); }\n", 2, "sleeps"),
    ("clocks", "tests/unit/x_test.cpp", "void f() { ::sleep(1); }\n", 1, "sleeps"),
    ("clocks", "src/http/x.cpp", "int f() { return rand(); }\n", 1, "Random"),
    ("coroutines", "src/admin/x.cpp", "Task<> f() {\n    if (!co_await g()) co_return;\n}\n", 2, "condition"),
    ("coroutines", "src/admin/x.cpp", "Task<> f() {\n    bool x = a || co_await g();\n}\n", 2, "condition"),
    ("sizes", "src/http/x.cpp", "\n" * 601, 601, "at most 600"),
    ("sizes", "tests/unit/x_test.cpp", "\n" * 801, 801, "at most 800"),
    ("places", "README.md", "\ncd /" + "root/weir\n", 2, "one machine"),
    ("places", "CMakeLists.txt", "set(x /" + "work/main)\n", 1, "one machine"),
    ("places", "dev", "curl https://py" + "pi.org/simple\n", 1, "registry"),
    ("places", "dev", "curl https://me:secret" + "@intern.al/\n", 1, "password"),
    ("format", "src/http/x.cpp", "int   f( );\n", None, "./dev fmt"),
    ("changelog", "CHANGELOG.md", "# Changelog\n\n## 1.0\n", 3, "a section is"),
    ("changelog", "CHANGELOG.md", "# Changelog\n\n## 1.0.0 (unreleased)\n\n### Added\n- x\n", 3, "Upgrade notes"),
    ("changelog", "CHANGELOG.md", "# Changelog\n\n## 1.0.0 (unreleased)\n\n### Upgrade notes\n", 5, "no line"),
    ("changelog", "CHANGELOG.md", CLEAN["CHANGELOG.md"].replace(" - 2026-01-02", " (unreleased)"), 11, "only the first"),
    ("changelog", "CHANGELOG.md", CLEAN["CHANGELOG.md"].replace("0.2.0", "0.0.9"), 3, "the newest is the first"),
    ("changelog", "CHANGELOG.md", CLEAN["CHANGELOG.md"].replace("Added", "Novelties"), 3, "in that order"),
    ("shell", ".ci/run", "#!/bin/bash\nrm $1\n", None, "SC2086"),
]


class Lints(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="weir-lint-"))
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copy(HERE.parent.parent / ".clang-format", self.root)
        for name, text in CLEAN.items():
            self.write(name, text)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def lint(self, name):
        done = subprocess.run([HERE / name, self.root], capture_output=True, text=True)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        return done.returncode, done.stdout

    def test_a_clean_tree_passes(self):
        for name in sorted({planted[0] for planted in PLANTED}):
            with self.subTest(lint=name):
                self.assertEqual(self.lint(name)[0], 0, self.lint(name)[1])

    def test_a_planted_violation_is_found_where_it_is(self):
        for name, file, text, line, word in PLANTED:
            with self.subTest(lint=name, text=text.strip()[:40]):
                before = (self.root / file).read_text() if (self.root / file).exists() else None
                self.write(file, text)
                code, output = self.lint(name)
                self.assertEqual(code, 1, output)
                self.assertIn(word, output)
                self.assertIn(file if line is None else f"{file}:{line}:", output)
                (self.root / file).unlink() if before is None else self.write(file, before)

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.root, "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
                       check=True, capture_output=True)

    def test_a_name_that_comes_or_goes_is_told_of(self):
        self.write("docs/metrics.md", "| `weir_old_total` | counter |\n")
        self.write("docs/configuration.md", "## `clusters{}`\n\n| `old` | int |\n| `kept` | int |\n")
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "x")
        self.git("tag", "v0.1.0")
        self.assertEqual(self.lint("changelog")[0], 0)
        self.write("docs/metrics.md", "| `weir_new_total` | counter |\n")
        self.write("docs/configuration.md", "## `clusters{}`\n\n| `new` | int |\n| `new.a` | int |\n| `kept` | int |\n")
        self.write("docs/openapi.json", '{"paths": {"/api/v1/new": {}}}')
        code, output = self.lint("changelog")
        self.assertEqual(code, 1)
        for name in ("`clusters{}.old`", "`weir_old_total`", "`/api/v1/new`"):
            self.assertIn(f"CHANGELOG.md:3: changelog: {name}", output)
        self.assertIn("3 findings", output)
        self.write("CHANGELOG.md", CLEAN["CHANGELOG.md"].replace(
            "notes\n- None.", "notes\n- `weir_old_total`, `clusters{}.old`; see `/api/v1/new`.", 1))
        self.assertEqual(self.lint("changelog")[0], 0, self.lint("changelog")[1])
        self.git("tag", "v0.2.0", "HEAD")  # released, and no section after it
        self.git("tag", "-d", "v0.1.0")
        self.assertIn("no section of a version after it", self.lint("changelog")[1])

    def test_a_module_of_too_many_files_is_refused(self):
        for number in range(16):
            self.write(f"src/http/f{number}.cpp", "")
        code, output = self.lint("sizes")
        self.assertEqual(code, 1)
        self.assertIn("17 sources", output)

    def test_a_library_of_one_file_is_refused_in_the_second(self):
        self.write("src/cli/a.cpp", "#include <CLI/CLI.hpp>\n")
        self.assertEqual(self.lint("doors")[0], 0)
        self.write("src/cli/b.cpp", "#include <CLI/CLI.hpp>\n")
        code, output = self.lint("doors")
        self.assertEqual(code, 1)
        self.assertIn("src/cli/b.cpp:1:", output)


if __name__ == "__main__":
    unittest.main()
