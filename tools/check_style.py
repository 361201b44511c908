#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check what a reader should never meet:  check_style.py [ROOT]

Lines over 120 columns (tabs count 8), blanks at the end of a line, a file without a last newline,
a mark that something was left open. A function over 70 lines is a warning, not a failure.
"""

import pathlib
import re
import sys

from check_layers import blank_comments
from tally import Tally

MAX_COLUMNS = 120
MAX_FUNCTION_LINES = 70
FOLDERS = ["include", "src", "cli", "vet", "examples", "test", "bench", "tools"]
CODE = {".c", ".h", ".S", ".cc", ".cpp", ".py", ".sh", ".go", ".build"}
# Spelt in halves, so that this file does not find itself.
LEFT_OPEN = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
FUNCTION_END = re.compile(r"^\}", re.M)


def code_files(root):
    found = [p for folder in FOLDERS for p in (root / folder).rglob("*") if p.suffix in CODE and p.is_file()]
    return sorted(found + list(root.glob("*.build")))


def line_complaints(text):
    for number, line in enumerate(text.split("\n"), 1):
        if len(line.expandtabs(8)) > MAX_COLUMNS:
            yield f"{number}: over {MAX_COLUMNS} columns"
        if line != line.rstrip():
            yield f"{number}: blanks at the end of the line"
        if LEFT_OPEN.search(line):
            yield f"{number}: something is left open: {line.strip()}"
    if text and not text.endswith("\n"):
        yield f"{text.count(chr(10)) + 1}: no newline at the end of the file"


def long_functions(text):
    """(line, lines) of every C function body over the limit; bodies end with a brace in column 0."""
    code = blank_comments(text, strings=True).split("\n")
    start = None
    for number, line in enumerate(code, 1):
        if start is None and re.match(r"^(\{|\w[^;=]*\)[^;=]*\{\s*$)", line):
            start = number
        elif start is not None and FUNCTION_END.match(line):
            if number - start - 1 > MAX_FUNCTION_LINES:
                yield start, number - start - 1
            start = None


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    complaints, tally = [], Tally()
    for path in code_files(root):
        text, name = path.read_text(), path.relative_to(root).as_posix()
        complaints += [f"{name}:{complaint}" for complaint in line_complaints(text)]
        if path.suffix in (".c", ".h"):
            for line, lines in long_functions(text):
                print(f"# warning: {name}:{line}: a function of {lines} lines")
    tally.check("code_is_clean_to_read", complaints)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
