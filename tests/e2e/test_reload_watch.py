"""A change of the file is a reload, whichever way it comes there; no signal is sent here."""

from __future__ import annotations

import os
import shutil
import textwrap
import unittest

from harness import Weir, WeirTest, eventually, fetch, forwarding
from load import Load
from origins import RawOrigin, fixed


class MountedWeir(Weir):
    """Its file lies as the kubelet mounts a ConfigMap: weir.yaml -> ..data/weir.yaml, ..data -> ..v1."""

    def write(self, config: str) -> None:
        version = len(list(self.root.glob("..v*"))) + 1
        (self.root / f"..v{version}").mkdir()
        link, self.file = self.root / "weir.yaml", self.root / f"..v{version}" / "weir.yaml"
        super().write(config)
        self.file = link
        fresh = self.root / "..data_tmp"
        fresh.symlink_to(f"..v{version}")
        fresh.rename(self.root / "..data")
        if not link.is_symlink():
            link.symlink_to("..data/weir.yaml")
        for old in self.root.glob("..v*"):
            if old.name != f"..v{version}":
                shutil.rmtree(old)
                old.mkdir()  # its number stays taken


class FolderWeir(Weir):
    """Its file lies in a folder of its own."""

    def write(self, config: str) -> None:
        (self.root / "conf").mkdir(exist_ok=True)
        self.file = self.root / "conf" / "weir.yaml"
        super().write(config)


class Watch(WeirTest):
    def setUp(self) -> None:
        self.first, self.second = self.origin(fixed(body=b"first")), self.origin(fixed(body=b"second"))

    def started(self, kind: type[Weir] = Weir) -> Weir:
        weir = kind(forwarding(self.first.address))
        self.addCleanup(weir.stop)
        weir.wait_ready()
        self.assertEqual(weir.ask().body, b"first")
        return weir

    def text(self, weir: Weir, origin: RawOrigin) -> str:
        """The file's text with another origin, the ports as they are."""
        return weir.file.read_text().replace(self.first.address, "@").replace(
            self.second.address, "@").replace("@", origin.address)

    def wait_for(self, weir: Weir, body: bytes) -> None:
        eventually(lambda: weir.ask().body == body, f"{body!r}; stderr:\n{weir.errors()}")

    def test_an_editor_that_renames_over_it(self) -> None:
        weir = self.started()
        with Load(weir.port) as load:
            for origin, body in ((self.second, b"second"), (self.first, b"first"), (self.second, b"second")):
                weir.write(forwarding(origin.address))
                self.wait_for(weir, body)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())

    def test_an_editor_that_keeps_a_backup(self) -> None:
        """As vim does: the file is renamed away and written anew."""
        weir = self.started()
        text = self.text(weir, self.second)
        weir.file.rename(weir.root / "weir.yaml~")
        weir.file.write_text(text)
        self.wait_for(weir, b"second")
        self.assertEqual(weir.metrics().sum("weir_config_reloads_total", result="failure"), 0)

    def test_a_file_written_in_place(self) -> None:
        weir = self.started()
        weir.file.write_text(self.text(weir, self.second))
        self.wait_for(weir, b"second")
        with weir.file.open("a") as file:
            file.write("log: {level: nonsense}\n")
        eventually(lambda: weir.metrics().values("weir_config_last_reload_success") == [0.0], "refused")
        weir.file.write_text(self.text(weir, self.first).replace("log: {level: nonsense}\n", ""))
        self.wait_for(weir, b"first")

    def test_a_bind_mount_whose_folder_hears_nothing(self) -> None:
        weir = self.started()
        elsewhere = weir.root / "elsewhere"
        elsewhere.mkdir()
        os.link(weir.file, elsewhere / "source.yaml")
        (elsewhere / "source.yaml").write_text(self.text(weir, self.second))
        self.wait_for(weir, b"second")

    def test_a_config_map_whose_link_is_swapped(self) -> None:
        weir = self.started(MountedWeir)
        with Load(weir.port) as load:
            for origin, body in ((self.second, b"second"), (self.first, b"first"), (self.second, b"second")):
                weir.write(forwarding(origin.address))
                self.wait_for(weir, body)
            load.wait_for(20)
        self.assertEqual(load.failed(), [], load.summary())
        self.assertEqual(weir.metrics().sum("weir_config_reloads_total", result="failure"), 0)

    def test_a_folder_that_goes_and_comes_back(self) -> None:
        weir = self.started(FolderWeir)
        shutil.rmtree(weir.root / "conf")
        eventually(lambda: weir.metrics().values("weir_config_last_reload_success") == [0.0], "the file is gone")
        self.assertEqual(weir.ask().body, b"first")
        weir.write(forwarding(self.second.address))
        self.wait_for(weir, b"second")
        (weir.root / "conf").rename(weir.root / "old")
        weir.write(forwarding(self.first.address))
        self.wait_for(weir, b"first")

    def test_an_included_file_and_a_new_one(self) -> None:
        folder = textwrap.dedent("""\
            version: 1
            include: [more/*.yaml]
            listeners:
              - {listen: $LISTEN, to: c}
            """)

        class Including(Weir):
            def write(self, config: str) -> None:
                (self.root / "more").mkdir(exist_ok=True)
                (self.root / "more" / "c.yaml").write_text(config)
                if not self.file.exists():
                    super().write(folder)

        weir = Including(f"clusters: {{c: {{endpoints: [{self.first.address}]}}}}\n")
        self.addCleanup(weir.stop)
        weir.wait_ready()
        weir.write(f"clusters: {{c: {{endpoints: [{self.second.address}]}}}}\n")
        self.wait_for(weir, b"second")
        (weir.root / "more" / "d.yaml").write_text(f"clusters: {{d: {{endpoints: [{self.first.address}]}}}}\n")
        eventually(lambda: {c["name"] for c in weir.api("clusters")} == {"c", "d"}, "the new file")
        (weir.root / "more" / "d.yaml").unlink()
        eventually(lambda: {c["name"] for c in weir.api("clusters")} == {"c"}, "the file is gone")

    def test_the_same_again_is_no_reload(self) -> None:
        weir = self.started()
        before = weir.metrics().sum("weir_config_reloads_total")
        os.utime(weir.file)
        weir.file.write_text(weir.file.read_text())
        fresh = weir.root / "fresh.yaml"
        shutil.copy(weir.file, fresh)
        fresh.rename(weir.file)
        # Events come in order: with the next change all before it are settled.
        weir.write(forwarding(self.second.address))
        self.wait_for(weir, b"second")
        self.assertEqual(weir.metrics().sum("weir_config_reloads_total"), before + 1)

    def test_a_broken_file_is_refused_once_and_loudly(self) -> None:
        weir = self.started()
        running = weir.api("status")["config"]["hash"]
        weir.write(forwarding("127.0.0.1:1", cluster="tiemout: 5s"))
        eventually(lambda: weir.metrics().values("weir_config_last_reload_success") == [0.0], "the metric")
        os.utime(weir.file)
        state = weir.api("status")["config"]
        self.assertEqual(state["hash"], running)
        self.assertRegex(state["last_error"], r"weir\.yaml:\d+:\d+: error\[W101\]: unknown key 'tiemout'")
        self.assertIn(f"nothing was changed (running config {running[:4]}… keeps serving)", weir.errors())
        self.assertEqual(fetch(weir.telemetry_port, "GET", "/readyz")[0], 200)
        self.assertEqual(weir.ask().body, b"first")
        weir.write(forwarding(self.second.address))
        self.wait_for(weir, b"second")
        metrics = weir.metrics()
        self.assertEqual(metrics.sum("weir_config_reloads_total", result="failure"), 1)
        self.assertEqual(metrics.values("weir_config_last_reload_success"), [1.0])
        self.assertIsNone(weir.api("status")["config"]["last_error"])


if __name__ == "__main__":
    unittest.main()
