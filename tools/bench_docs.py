#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the figures in the documentation from the recorded results:

    bench_docs.py                  from the newest file of bench/results/
    bench_docs.py --take [FOLDER]  first record FOLDER, build/bench unless given, as a new file there
    bench_docs.py --check          change nothing; say what does not agree

Figures stand between <!-- figures NAME --> and <!-- end of figures --> in README.md and docs/benchmarks.md,
and the pictures in docs/. Nothing else is touched.
"""

import argparse
import json
import pathlib
import re
import sys

from bench_figures import WRITERS, Record, reasons_of
from bench_plot import draw
from bench_table import ROOT, read
from tally import Tally

DOCUMENTS = ("README.md", "docs/benchmarks.md")
MARKED = re.compile(r"(<!-- figures (\w+) -->\n).*?(<!-- end of figures -->)", re.S)
NOTHING = "Nothing is recorded yet: `make bench` measures on your machine.\n"


def newest(root):
    """By its date and time: there may be several of a day, each of another machine."""
    files = (root / "bench" / "results").glob("*.json")
    return max(files, key=lambda file: json.loads(file.read_text())["machine"]["date"], default=None)


def take(root, folder):
    """Record the results of a folder under their date and machine."""
    results, about = read(folder)
    day = about["date"].split()[0]
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(r\)|\(tm\)", "", about["cpu"].lower())).strip("-")
    target = root / "bench" / "results" / f"{day}-{about['cpus']}x-{cpu}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"machine": about, "results": results}, indent=1) + "\n")
    return target


def written(text, recorded, source):
    record = Record(*recorded, source, reasons_of(text)) if recorded else None

    def fill(match):
        body = "\n".join(WRITERS[match[2]](record)) + "\n" if record else NOTHING
        return f"{match[1]}{body}{match[3]}"

    return MARKED.sub(fill, text)


def contents(root):
    """path: what should stand there"""
    source = newest(root)
    recorded = read(source) if source else None
    name = source.relative_to(root).as_posix() if source else None
    wanted = {root / document: written((root / document).read_text(), recorded, name) for document in DOCUMENTS}
    for picture, svg in (draw(*recorded) if recorded else {}).items():
        wanted[root / "docs" / f"benchmarks-{picture}"] = svg
    return wanted


def check(root):
    return [f"{path.relative_to(root)} does not agree with bench/results/: run tools/bench_docs.py"
            for path, text in contents(root).items() if not path.exists() or path.read_text() != text]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--take", nargs="?", type=pathlib.Path, const=ROOT / "build" / "bench", metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if args.check:
        tally = Tally()
        tally.check("figures_in_the_documentation_are_the_recorded_ones", check(ROOT))
        return tally.finish()
    if args.take:
        print(f"recorded {take(ROOT, args.take).relative_to(ROOT)}")
    for path, text in contents(ROOT).items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
