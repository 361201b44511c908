#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check the dependency rule of tools/layers.txt:  check_layers.py [ROOT]

Every #include goes to a layer that the including one may see; public headers include only public
headers; the umbrella includes them all; words that have one home (atomics) stand only there;
system headers outside ISO C11 stand only in plat, and never in a public header.
"""

import pathlib
import re
import sys
from dataclasses import dataclass

from tally import Tally

ISO_HEADERS = {
    f"{name}.h"
    for name in """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp
    signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath
    threads time uchar wchar wctype""".split()
}
SOURCE_SUFFIXES = {".c", ".h", ".S", ".cc", ".cpp", ".hpp"}
PUBLIC_DIR = "include"
UMBRELLA = "include/weft.h"
SEARCHED_DIRS = ("src", "include", "test", "bench", "cli")  # what the build gives with -I, to anybody
SKIPPED_DIRS = ("bench/peers",)  # other people's libraries, on purpose

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)"|(.*))', re.M)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


@dataclass
class Layer:
    name: str
    paths: list
    may: set
    headers: list


class Rules:
    def __init__(self, text):
        self.layers, self.homes, self.system_homes = {}, {}, []
        for line in (raw.split("#", 1)[0].strip() for raw in text.splitlines()):
            if line.startswith("only "):
                self._read_home(line.removeprefix("only "))
            elif line:
                self._read_layer(line)
        unknown = {m for layer in self.layers.values() for m in layer.may} - set(self.layers) - {"public"}
        if unknown:
            raise ValueError(f"layers.txt: no such layer: {', '.join(sorted(unknown))}")

    def _read_layer(self, line):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 4:
            raise ValueError(f"layers.txt: not four columns: {line}")
        name, paths, may, headers = cells[0], cells[1].split(), cells[2].split(), cells[3].split()
        self.layers[name] = Layer(name, paths, set(may), [f"{PUBLIC_DIR}/weft/{h}" for h in headers])

    def _read_home(self, line):
        home, _, things = (part.strip() for part in line.partition(":"))
        if things == "system headers":
            self.system_homes = home.split()
        else:
            self.homes[home] = things.split()

    def layer_of(self, path):
        """The layer of a file, by its longest matching path; None when it has none."""
        best, best_length = None, -1
        for layer in self.layers.values():
            for place in layer.paths + layer.headers:
                if is_under(path, place) and len(place) > best_length:
                    best, best_length = layer, len(place)
        return best


def is_under(path, place):
    return path == place or path.startswith(place + "/")


def is_public(path):
    return is_under(path, PUBLIC_DIR)


def is_library(path):
    return is_public(path) or is_under(path, "src")


def blank_comments(text, strings=False):
    """The text without comments (and strings), every line where it was."""

    def blank(match):
        keep = match[0][0] in "\"'" and not strings
        return match[0] if keep else " " + "\n" * match[0].count("\n")

    return COMMENT_OR_STRING.sub(blank, text)


def source_files(root, rules):
    tops = {place.split("/")[0] for layer in rules.layers.values() for place in layer.paths}
    for top in sorted(tops | {PUBLIC_DIR}):
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in SOURCE_SUFFIXES and path.is_file() and not any(is_under(name, s) for s in SKIPPED_DIRS):
                yield name


def includes(text):
    """(line number, name, quoted) of every include; name None when it is a macro."""
    for match in INCLUDE.finditer(blank_comments(text)):
        line = text.count("\n", 0, match.start()) + 1
        yield line, match[1] or match[2], match[2] is not None


def resolve(root, includer, name, quoted):
    """The project's file that an include names; None when it is not ours."""
    beside = [(root / includer).parent] if quoted else []
    for folder in beside + [root / searched for searched in SEARCHED_DIRS]:
        path = (folder / name).resolve()
        if path.is_file() and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return None


class Check:
    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.rules = Rules((self.root / "tools" / "layers.txt").read_text())
        self.layering, self.public, self.words, self.system = [], [], [], []
        self.umbrella = list(self._missing_from_umbrella())
        for path in source_files(self.root, self.rules):
            text = (self.root / path).read_text()
            self._check_includes(path, text)
            if is_library(path):
                self._check_words(path, text)

    def _reached_from(self, path):
        """A header and every header of ours that it brings along."""
        reached, todo = set(), [path]
        while todo:
            path = todo.pop()
            if path in reached or not (self.root / path).is_file():
                continue
            reached.add(path)
            for _, name, quoted in includes((self.root / path).read_text()):
                target = resolve(self.root, path, name or "", quoted)
                todo += [target] if target else []
        return reached

    def _missing_from_umbrella(self):
        reached = self._reached_from(UMBRELLA)
        for name in sorted(self.rules.layer_of(UMBRELLA).may):
            for header in self.rules.layers[name].headers:
                if not (self.root / header).is_file():
                    yield f"tools/layers.txt: {header}: no such file"
                elif header not in reached:
                    yield f"{UMBRELLA}: does not bring {header} along"

    def _check_includes(self, path, text):
        layer = self.rules.layer_of(path)
        if layer is None:
            self.layering.append(f"{path}: belongs to no layer of tools/layers.txt")
            return
        for line, name, quoted in includes(text):
            where = f"{path}:{line}"
            if name is None:
                self.layering.append(f"{where}: the included name is a macro")
                continue
            target = resolve(self.root, path, name, quoted)
            if target is not None:
                self._check_ours(where, path, layer, target)
            elif quoted or name == "weft.h" or name.startswith("weft/"):
                self.layering.append(f"{where}: {name}: no such file")
            else:
                self._check_system(where, path, name)

    def _check_ours(self, where, path, layer, target):
        goal = self.rules.layer_of(target)
        if goal is None:
            self.layering.append(f"{where}: {target} belongs to no layer")
        elif goal is not layer and goal.name not in layer.may and not ("public" in layer.may and is_public(target)):
            self.layering.append(f"{where}: {layer.name} may not include {target} ({goal.name})")
        if is_public(path) and not is_public(target):
            self.public.append(f"{where}: a public header includes {target}")

    def _check_system(self, where, path, name):
        if name in ISO_HEADERS or not is_library(path):
            return
        if is_public(path):
            self.public.append(f"{where}: a public header includes <{name}>, which is not ISO C11")
        elif not any(is_under(path, home) for home in self.rules.system_homes or ["src"]):
            homes = " ".join(self.rules.system_homes)
            self.system.append(f"{where}: <{name}> is not ISO C11; only {homes} may include it")

    def _check_words(self, path, text):
        code = blank_comments(text, strings=True)
        for home, words in self.rules.homes.items():
            for word in words if not is_under(path, home) else ():
                for match in re.finditer(r"(?<!\w)" + re.escape(word), code):
                    line = code.count("\n", 0, match.start()) + 1
                    self.words.append(f"{path}:{line}: {word} may stand only in {home}")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]
    check, tally = Check(root), Tally()
    tally.check("layers_include_only_lower_layers", check.layering)
    tally.check("public_headers_include_only_public_and_iso_headers", check.public)
    tally.check("umbrella_includes_every_public_header", check.umbrella)
    tally.check("words_with_one_home_stand_only_there", check.words)
    tally.check("only_plat_includes_headers_outside_iso_c", check.system)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
