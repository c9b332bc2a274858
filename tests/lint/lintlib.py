"""What the lints share: the sources of a tree, comments taken out, findings printed one a line."""
import re
import sys
from pathlib import Path

COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', re.DOTALL
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(root, *folders):
    """Every .cpp and .hpp below the folders, as paths relative to root."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.[ch]pp")):
            yield path.relative_to(root)


def module_of(path):
    """src/<module>/x.cpp and include/weir/<module>/x.hpp -> <module>."""
    parts = path.parts
    if parts[:2] == ("include", "weir"):
        return parts[2] if len(parts) > 3 else None
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def layers(root):
    text = (root / "cmake/Layers.cmake").read_text()
    return re.search(r"set\(WEIR_LAYERS\s+([^)]*)\)", text).group(1).split()


def code_of(text):
    """The text without comments and strings, every line in its place."""
    return COMMENT_OR_STRING.sub(lambda hit: "\n" * hit.group().count("\n"), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, '<' or '"', name) of each include."""
    for hit in INCLUDE.finditer(text):
        yield line_of(text, hit.start(1)), hit.group(1), hit.group(2)


def run(check):
    """Runs check(root), which yields (path, line, sentence); the exit code says if there were any."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    name = Path(sys.argv[0]).name
    found = 0
    for path, line, sentence in check(root):
        print(f"{path}:{line}: {name}: {sentence}")
        found += 1
    print(f"{name}: {found} findings" if found else f"{name}: ok")
    sys.exit(1 if found else 0)
