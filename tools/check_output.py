#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that an example prints what the comment at its end says:  check_output.py PROGRAM SOURCE

The comment begins with the line " * Output:".
"""

import pathlib
import re
import subprocess
import sys

from tally import Tally

OUTPUT = re.compile(r"^ \* Output:\n((?: \*.*\n)*?) \*/", re.M)


def expected_output(source_text):
    """What the comment says, or None when there is none."""
    comment = OUTPUT.search(source_text)
    return comment and re.sub(r"^ \* ?", "", comment[1], flags=re.M)


def complaints(program, source_text):
    expected = expected_output(source_text)
    if expected is None:
        return ["has no comment that begins with Output:"]
    result = subprocess.run([program], capture_output=True, text=True)
    if result.returncode:
        return [f"exit status {result.returncode}", result.stderr]
    return [] if result.stdout == expected else [f"printed:\n{result.stdout}", f"its comment says:\n{expected}"]


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    tally = Tally()
    tally.check(f"example_{source.stem}_prints_what_it_says", complaints(program, source.read_text()))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
