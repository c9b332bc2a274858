"""Discovery by a plugin: the example of the guide, as its reader builds it, and plugins that do wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import BINARY, Weir, WeirTest, eventually
from load import Load
from origins import RawOrigin, fixed

ROOT = Path(__file__).resolve().parents[2]
CC = shutil.which("cc")

# A plugin that does what its option says: `do`, with the endpoint `at`.
ODD = r"""
#include "weir/discovery/plugin.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const weir_discovery_host *the_host;
static weir_discovery_handle *the_handle;
static char at[64], what[64];
static int starts;
static pthread_t threads[4];
static volatile int is_over;

static void tell(const char *address) {
    weir_endpoint one = {.size = sizeof one, .address = address, .weight = 7, .zone = "north", .uid = "u1"};
    int answer = the_host->publish(the_handle, &one, 1);
    char line[64];
    snprintf(line, sizeof line, "publish answers %d", answer);
    the_host->log(the_handle, WEIR_DISCOVERY_WARN, line);
}
static void *talk(void *unused) {
    (void)unused;
    while (!is_over) {
        weir_endpoint one = {.size = sizeof one, .address = at};
        the_host->publish(the_handle, &one, 1);
        the_host->fail(the_handle, "now and then");
        the_host->publish(the_handle, &one, 1);
    }
    return NULL;
}
static void *start(const weir_discovery_host *host, weir_discovery_handle *handle, const weir_discovery_config *config,
                   char *error, size_t error_size) {
    the_host = host;
    the_handle = handle;
    for (size_t i = 0; i < config->option_count; ++i) {
        char *to = strcmp(config->options[i].key, "at") == 0 ? at : what;
        snprintf(to, 64, "%s", config->options[i].value);
    }
    if (strcmp(what, "refuse-twice") == 0 && starts++ < 2) {
        memset(error, 'x', error_size);  /* no zero at its end */
        return NULL;
    }
    tell(at);
    if (strcmp(what, "garbage") == 0) tell("nonsense");
    if (strcmp(what, "garbage") == 0) host->publish(handle, NULL, 3);
    if (strcmp(what, "many") == 0) {
        weir_endpoint two[2] = {{.size = 5, .address = at}};
        host->publish(handle, two, 2);
    }
    if (strcmp(what, "threads") == 0)
        for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, talk, NULL);
    if (strcmp(what, "empty") == 0) host->publish(handle, NULL, 0);
    return at;
}
static void stop(void *instance) {
    (void)instance;
    if (strcmp(what, "threads") == 0) {
        is_over = 1;
        for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
    }
    weir_endpoint one = {.size = sizeof one, .address = "127.0.0.9:9"};
    int answer = the_host->publish(the_handle, &one, 1);
    FILE *out = fopen(getenv("STOPPED"), "w");
    if (out != NULL) fprintf(out, "%d", answer), fclose(out);
}
#ifndef ABI
#define ABI WEIR_DISCOVERY_ABI
#endif
static const weir_discovery_plugin plugin = {ABI, sizeof plugin, "odd", "1", start, stop};
#ifndef NO_SYMBOL
const weir_discovery_plugin *weir_discovery_plugin_of(uint32_t abi) {
    (void)abi;
#ifdef NOTHING
    return 0;
#endif
    return &plugin;
}
#else
const void *of_no_use(void) { return &plugin; }
#endif
"""


@unittest.skipUnless(CC, "no C compiler here")
class PluginTest(WeirTest):
    folder: Path
    built: dict[tuple[Path, tuple[str, ...]], Path] = {}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = TemporaryDirectory(prefix="weir-plugin-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.built = {}
        (cls.folder / "odd.c").write_text(ODD)

    @classmethod
    def build(cls, source: Path, *flags: str) -> Path:
        if (source, flags) not in cls.built:
            out = cls.folder / f"{source.stem}{len(cls.built)}.so"
            subprocess.run([str(CC), "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_GNU_SOURCE", "-shared",
                            "-fPIC", "-pthread", "-I", str(ROOT / "include"), *flags, "-o", str(out), str(source)], check=True)
            cls.built[source, flags] = out
        return cls.built[source, flags]

    def configuration(self, path: Path | str, options: str) -> str:
        return ("version: 1\nlisteners:\n  - {listen: $LISTEN, to: c}\nclusters:\n  c:\n"
                f"    discovery: {{type: plugin, path: \"{path}\", empty_hold: 1s, options: {{{options}}}}}\n")

    def endpoints(self, weir: Weir) -> set[str]:
        return {e["address"] for e in weir.api("clusters/c/endpoints")}

    def source(self, weir: Weir) -> dict[str, object]:
        return next(s for s in weir.api("discovery") if s["cluster"] == "c")


class Example(PluginTest):
    def setUp(self) -> None:
        self.file = self.folder / f"{self.id().rsplit('.', maxsplit=1)[-1]}.txt"
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))
        self.tell(self.first)
        self.weir_ = self.weir(self.configuration(self.build(ROOT / "docs/examples/discovery_plugin.c"),
                                                  f"file: {self.file}, every_ms: '20'"))

    def tell(self, *origins: RawOrigin) -> None:
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text("".join(f"{origin.address} 50 north\n" for origin in origins))
        fresh.rename(self.file)

    def expect(self, *origins: RawOrigin) -> None:
        eventually(lambda: self.endpoints(self.weir_) == {origin.address for origin in origins}, "the endpoints")

    def test_its_file_is_followed_under_load(self) -> None:
        self.expect(self.first)
        (endpoint,) = self.weir_.api("clusters/c/endpoints")
        self.assertEqual((endpoint["weight"], endpoint["zone"]), (50, "north"))
        with Load(self.weir_.port) as load:
            self.tell(self.first, self.second)
            self.expect(self.first, self.second)
            self.tell(self.second)
            self.expect(self.second)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())

    def test_a_failure_is_said_and_changes_nothing(self) -> None:
        self.expect(self.first)
        self.file.unlink()
        eventually(lambda: "No such file" in str(self.source(self.weir_)["error"]), "said")
        self.assertGreater(self.weir_.metrics().sum("weir_discovery_updates_total", cluster="c", type="plugin",
                                                    result="failure"), 0)
        self.assertEqual(self.weir_.ask().body, b"first")
        self.tell(self.second)
        self.expect(self.second)
        eventually(lambda: self.source(self.weir_)["error"] is None, "well again")

    def test_a_line_that_is_no_address_refuses_the_whole(self) -> None:
        self.expect(self.first)
        self.file.write_text(f"{self.second.address}\nnowhere at all\n")
        eventually(lambda: "nowhere" in str(self.source(self.weir_)["error"]), "said")
        self.assertEqual(self.endpoints(self.weir_), {self.first.address})

    def test_none_at_all_is_believed_after_a_while(self) -> None:
        self.expect(self.first)
        self.tell()
        eventually(lambda: self.endpoints(self.weir_) == set(), "believed")
        self.tell(self.first)
        self.expect(self.first)

    def test_a_reload_ends_one_instance_and_begins_another(self) -> None:
        other = self.file.with_suffix(".other")
        other.write_text(f"{self.second.address}\n")
        with Load(self.weir_.port) as load:
            self.weir_.write(self.weir_.file.read_text().replace(str(self.file), str(other)))
            self.expect(self.second)
            load.wait_for(10)
        self.assertEqual(load.failed(), [], load.summary())


class Faults(PluginTest):
    def odd(self, *flags: str) -> Path:
        return self.build(self.folder / "odd.c", *flags)

    def refusal(self, path: Path | str) -> str:
        """What weir says as it does not start."""
        file = self.folder / "refused.yaml"
        file.write_text(self.configuration(path, "").replace("$LISTEN", "127.0.0.1:0") + "admin: {listen: off}\ntelemetry: {listen: off}\n")
        done = subprocess.run([BINARY, "run", str(file)], capture_output=True, text=True, timeout=30, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertGreater(done.returncode, 0, done.stderr)
        return done.stderr

    def test_what_is_no_plugin_is_refused_at_the_start(self) -> None:
        text = self.folder / "text.so"
        text.write_text("no object at all")
        for path, what in ((self.folder / "nowhere.so", "No such file"), (text, "invalid ELF header|file too short"),
                           (self.odd("-DNO_SYMBOL"), "has no weir_discovery_plugin_of"),
                           (self.odd("-DABI=7"), "made for ABI 7, this Weir has 1"),
                           (self.odd("-DNOTHING"), "does not know ABI 1")):
            with self.subTest(path=path.name):
                self.assertRegex(self.refusal(path), what)

    def test_one_that_cannot_be_used_is_refused_by_a_reload(self) -> None:
        service = self.origin()
        weir = self.weir(self.configuration(self.odd(), f"do: nothing, at: \"{service.address}\""))
        self.assertEqual(weir.ask().status, 200)
        weir.write(self.configuration(self.odd("-DABI=7"), ""))
        eventually(lambda: "ABI 7" in str(weir.api("status")["config"]["last_error"]), "refused")
        self.assertEqual(weir.ask().status, 200)

    def run_odd(self, what: str) -> tuple[Weir, RawOrigin]:
        service = self.origin()
        return self.weir(self.configuration(self.odd(), f"do: {what}, at: \"{service.address}\"")), service

    def test_what_it_says_of_an_endpoint_arrives(self) -> None:
        weir, _ = self.run_odd("nothing")
        (endpoint,) = weir.api("clusters/c/endpoints")
        self.assertEqual((endpoint["weight"], endpoint["zone"]), (7, "north"))

    def test_sets_that_make_no_sense_are_refused_as_a_whole(self) -> None:
        for what, why in (("garbage", "endpoints that are nowhere"), ("many", "a size that none has")):
            with self.subTest(what=what):
                weir, service = self.run_odd(what)
                eventually(lambda w=weir, y=why: y in str(self.source(w)["error"]), "said")
                self.assertEqual(self.endpoints(weir), {service.address})
                self.assertEqual(weir.ask().status, 200)

    def test_one_that_does_not_start_is_started_again(self) -> None:
        weir, service = self.run_odd("refuse-twice")
        eventually(lambda: self.endpoints(weir) == {service.address}, "started at last", 20)
        self.assertEqual(self.source(weir)["failures"], 2)

    def test_an_empty_set_right_after_a_full_one_is_held_back(self) -> None:
        weir, _ = self.run_odd("empty")
        eventually(lambda: self.endpoints(weir) == set(), "believed in the end")

    def test_threads_that_talk_all_the_time_do_no_harm(self) -> None:
        weir, service = self.run_odd("threads")
        with Load(weir.port) as load:
            load.wait_for(100)
            weir.write(self.configuration(self.build(ROOT / "docs/examples/discovery_plugin.c"), f"file: {self.folder}/none.txt"))
            eventually(lambda: "none.txt" in str(self.source(weir)["error"]), "another plugin", 20)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertEqual(self.endpoints(weir), {service.address}, "the new source has said nothing yet")

    def test_what_is_published_after_the_end_goes_nowhere(self) -> None:
        out = self.folder / "stopped"
        os.environ["STOPPED"] = str(out)
        self.addCleanup(os.environ.pop, "STOPPED")
        weir, _ = self.run_odd("nothing")
        self.assertEqual(weir.ask().status, 200)
        weir.process.terminate()
        self.assertEqual(weir.process.wait(20), 0)
        self.assertEqual(out.read_text(), "2")


if __name__ == "__main__":
    unittest.main()
