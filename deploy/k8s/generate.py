#!/usr/bin/env python3
"""Makes the Helm chart (chart/) out of the manifests (base/), which are the one source: `generate.py` writes it,
`generate.py --check` exits 1 if it is out of date.

Marks in the manifests, comments to everybody else:
    # helm-skip                 on the first line: no part of the chart
    # helm-if: EXPRESSION       on the first line: the whole file under this condition
    key: value # helm: EXPRESSION    the value is the default of what the expression names
    # helm-value: .Values.x     the text block that follows, until helm-end, is the default of that value
    # helm-if: EXPRESSION       further down: the commented lines that follow, until helm-end, under it
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent
MARK = re.compile(r"^(\s*(?:- )?(?:[\w./-]+: )?)(.*?) # helm: (.*)$")
PLACE = re.compile(r"\{\{.*?\}\}")
NAME = re.compile(r"\.Values\.([\w.]+)")
CHART = """\
# Made from deploy/k8s/base by deploy/k8s/generate.py: change it there.
apiVersion: v2
name: weir
description: A proxy that keeps failures from spreading, as a gateway and as an injected sidecar.
type: application
version: {version}
appVersion: {version}
kubeVersion: ">=1.29.0-0"
"""
VALUES = "# Made from deploy/k8s/base by deploy/k8s/generate.py: change it there.\n"
# What no manifest has a place for.
SWITCHES = {"injector.enabled": True, "injector.certManager": False, "monitoring.enabled": False}


class Values:
    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        for name, value in SWITCHES.items():
            self.put(name, value)

    def put(self, name: str, value: Any) -> None:
        *folders, last = name.split(".")
        at = self.tree
        for folder in folders:
            at = at.setdefault(folder, {})
        if at.setdefault(last, value) != value:
            raise SystemExit(f"two defaults of {name}: {at[last]!r} and {value!r}")

    def learn(self, expression: str, written: str) -> None:
        names = NAME.findall(expression)
        if names == ["image.repository", "image.tag"]:
            repository, tag = written.rsplit(":", 1)
            self.put("image.repository", repository.split("=")[-1])
            self.put("image.tag", tag)
        elif len(names) == 1:
            self.put(names[0], yaml.safe_load(yaml.safe_load(written) if "quote" in expression else written))


def template(text: str, values: Values) -> str | None:
    lines = text.splitlines()
    if lines[0] == "# helm-skip":
        return None
    out: list[str] = []
    condition = lines[0].removeprefix("# helm-if: ") if lines[0].startswith("# helm-if: ") else ""
    if condition:
        out.append("{{- if " + condition + " }}")
        lines.pop(0)
    rest = iter(lines)
    for line in rest:
        word = line.strip()
        if word.startswith("# helm-value: "):
            out += block(rest, NAME.findall(word)[0], values)
        elif word.startswith("# helm-if: "):
            out.append("{{- if " + word.removeprefix("# helm-if: ") + " }}")
            for inner in rest:
                if inner.strip() == "# helm-end":
                    break
                out.append(marked(inner.replace("# ", "", 1), None))
            out.append("{{- end }}")
        else:
            out.append(marked(line, values))
    if condition:
        out.append("{{- end }}")
    return "\n".join(out) + "\n"


def marked(line: str, values: Values | None) -> str:
    match = MARK.match(line)
    if not match:
        return PLACE.sub(r"{{`\g<0>`}}", line)  # Prometheus', not Helm's
    before, written, expression = match.groups()
    if values:
        values.learn(expression, written)
    return before + "{{ " + expression + " }}"


def block(rest: Any, name: str, values: Values) -> list[str]:
    head = next(rest)
    body = []
    for line in rest:
        if line.strip() == "# helm-end":
            break
        body.append(line)
    indent = min(len(line) - len(line.lstrip()) for line in body if line)
    values.put(name, "".join(line[indent:] + "\n" for line in body))
    return [head, "{{ .Values." + name + " | indent " + str(indent) + " }}"]


def block_text(dumper: yaml.Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def chart() -> dict[str, str]:
    """The files of the chart by name."""
    values = Values()
    files: dict[str, str] = {}
    for path in sorted((ROOT / "base").glob("*/*.yaml")):
        if path.name == "kustomization.yaml":
            continue
        made = template(path.read_text(), values)
        if made is not None:
            files[f"templates/{path.parent.name}-{path.name}"] = made
    yaml.SafeDumper.add_representer(str, block_text)
    files["Chart.yaml"] = CHART.format(version=values.tree["image"]["tag"])
    files["values.yaml"] = VALUES + yaml.safe_dump(values.tree, sort_keys=True, width=100)
    return files


def main() -> int:
    folder = ROOT / "chart"
    files = chart()
    there = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    if "--check" in sys.argv[1:]:
        wrong = sorted(name for name in files.keys() | there.keys() if files.get(name) != there.get(name))
        for name in wrong:
            print(f"deploy/k8s/chart/{name} is out of date: run deploy/k8s/generate.py")
        return 1 if wrong else 0
    for name in there.keys() - files.keys():
        (folder / name).unlink()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
