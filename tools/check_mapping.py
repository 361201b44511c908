#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that what docs/go_mapping.md names exists: check_mapping.py [ROOT]

A word in backquotes that begins with weft_ or WEFT_ has to stand in a public
header; one that looks like a test case has to be one, or stand there too. "…" at its beginning
stands for that of some other case, at its end for the rest of one.
"""
import pathlib
import re
import sys

from tally import Tally

CASE = re.compile(
    r"\bTEST(?:_FLAVOURS|_TRAP|_DEATH)?\(\s*([a-z0-9_]+)")
QUOTED = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"(?:weft|WEFT)_[A-Za-z0-9][A-Za-z0-9_]*\Z")
# Cases have three words or more; C has few names that long.
TEST = re.compile(r"(?:…_?)?[a-z0-9]+(?:_[a-z0-9]+){2,}(?:_?…)?\Z")


def cases(root):
    found = set()
    for path in sorted((root / "test").glob("*/*.c*")):
        found.update(CASE.findall(path.read_text()))
    return found


def public_names(root):
    text = "".join(p.read_text() for p in (root / "include").rglob("*.h"))
    return set(re.findall(r"\w+", text))


def exists(name, known):
    if name.startswith("…"):
        return any(case.endswith(name[1:]) for case in known)
    if name.endswith("…"):
        return any(case.startswith(name[:-1]) for case in known)
    return name in known


def check(root):
    known, names = cases(root), public_names(root)
    problems = []
    document = root / "docs" / "go_mapping.md"
    for number, line in enumerate(document.read_text().splitlines(), 1):
        for quoted in QUOTED.findall(line):
            word = quoted.split("(")[0]
            if NAME.match(word):
                missing = word not in names
                kind = "public name"
            elif TEST.match(quoted):
                missing = quoted not in names and not exists(quoted, known)
                kind = "test case"
            else:
                continue
            if missing:
                problems.append(f"docs/go_mapping.md:{number}: no {kind} {quoted}")
    return problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]
    tally = Tally()
    tally.check("mapping_names_only_what_there_is", check(pathlib.Path(root)))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
