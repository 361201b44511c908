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

from bench_plot import draw
from bench_rows import CPU, ROWS, RSS, TAIL
from bench_table import ROOT, groups, in_order, noise, number, read, shown, value, verdicts
from tally import Tally

DOCUMENTS = ("README.md", "docs/benchmarks.md")
MARKED = re.compile(r"(<!-- figures (\w+) -->\n).*?(<!-- end of figures -->)", re.S)
NOTHING = "Nothing is recorded yet: `make bench` measures on your machine.\n"
# What the front page shows, at the most workers of each row.
FRONT = ("spawn_join", "group_go", "once_hit", "mutex_uncontended", "mutex_contended_100", "cond_pingpong",
         "chan_pingpong", "flight_hot", "flight_stampede/1000", "ctx_cancel_fan/1000", "blocked_rss/100000")
UNITS = {CPU: "ns of CPU", RSS: "B", TAIL: "ns at p99.9"}


def newest(root):
    files = sorted((root / "bench" / "results").glob("*.json"))
    return files[-1] if files else None


def take(root, folder):
    """Record the results of a folder under their date and machine."""
    results, about = read(folder)
    day = about["date"].split()[0]
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(r\)|\(tm\)", "", about["cpu"].lower())).strip("-")
    target = root / "bench" / "results" / f"{day}-{about['cpus']}x-{cpu}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"machine": about, "results": results}, indent=1) + "\n")
    return target


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "| --- | " + " | ".join("---:" for _ in head[1:]) + " |"
    for line in lines:
        yield "| " + " | ".join(line) + " |"


def at_most_workers(results):
    """row name: (row, P, subject: result)"""
    return {row.name: (row, procs, by_subject) for _, lines, _ in groups(results) for row, procs, by_subject in lines}


def front_line(row, procs, by_subject):
    """A row of the front page: weft, and the fastest peer besides the bare machine."""
    weft = by_subject["weft"]
    peers = {s: value(row, r) for s, r in by_subject.items() if s not in ("weft", "bare") and value(row, r)}
    unit = UNITS.get(row.metric, "ns")
    line = [f"{row.name}, P={procs}", f"{number(value(row, weft))} {unit}"]
    for peer in ("go", min(peers, key=peers.get, default=None)):
        line.append(f"{peer} {number(peers[peer])}, {value(row, weft) / peers[peer]:.2f} x" if peer in peers else "")
    return line


def origin(results, about, source):
    """Machine, versions and date: what a figure means nothing without."""
    versions = {r["subject"]: r["version"] for r in results if r["subject"] != "go_yield"}
    busy = f"; load {about['load']:.1f}, so busy that times are worth little" if about["load"] > about["cpus"] else ""
    yield (f"{about['date']}, commit {about['commit']}, {about['cpus']} x {about['cpu']}, Linux {about['kernel']}, "
           f"medians of {about['rounds']} rounds{busy}. From `{source}`.")
    yield ""
    yield "; ".join(versions[s] for s in in_order(versions)) + "."


def front(results, about, source):
    found = at_most_workers(results)
    lines = [front_line(*found[name]) for name in FRONT if name in found and "weft" in found[name][2]]
    yield from table(["row", "weft", "Go", "fastest peer"], lines)
    yield ""
    yield from origin(results, about, source)


def full(results, about, source):
    yield from origin(results, about, source)
    for section, lines, subjects in groups(results):
        yield ""
        yield f"### {section}"
        yield ""
        rows = []
        subjects = [s for s in subjects if any(s in by_subject for _, _, by_subject in lines)]
        for row, procs, by_subject in lines:
            cells = [shown(row, by_subject[s]) if s in by_subject else "" for s in subjects]
            spread = f"{noise(by_subject['weft']):.0%}" if "weft" in by_subject else ""
            rows.append([row.name, str(procs), *cells, spread, verdicts(row, by_subject, results)])
        yield from table(["row", "P", *subjects, "noise", "goal"], rows)
    yield ""
    yield from missing(about)


def missing(about):
    for subject, why in about["missing"].items():
        yield f"Missing: {subject}, {why}."
    for what in about["skipped"] + about["failures"]:
        yield f"Not measured: {what}."


def memory(results, about, source):
    """Bytes of a parked task, beside the depths at which a growing stack is smaller or larger."""
    lines = []
    for row in (row for row in ROWS if row.metric == RSS):
        by_subject = {r["subject"]: r for r in results if r["row"] == row.name}
        lines += [[row.name, s, f"{by_subject[s]['rss_bytes']:,}", f"{by_subject[s].get('kept_bytes', 0):,}"]
                  for s in in_order(by_subject)]
    yield from table(["row", "subject", "bytes each", "of which stay"], lines)


WRITERS = {"front": front, "full": full, "memory": memory}


def written(text, recorded, source):
    def fill(match):
        writer = WRITERS[match[2]]
        body = "\n".join(writer(*recorded, source)) + "\n" if recorded else NOTHING
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
