#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the benchmark's results as a table:  bench_table.py [FOLDER of results.json and machine.json]"""

import json
import pathlib
import sys

from bench_rows import ROWS

PEERS = ("go", "pthread", "bare")
HEADS = ["bench", "P", "weft"] + [head for peer in PEERS for head in (peer, "ratio")] + ["cpu", "noise", "goal"]
LEFT_ALIGNED = {"bench", "goal"}


def number(value):
    """Three digits that count: 0.652, 25.3, 1,340."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def value(row, result):
    return result["rss_bytes"] if row.bytes_each else result["median_ns"]


def noise(result):
    return (result["max_ns"] - result["min_ns"]) / result["median_ns"]


def cpu_ratio(row, by_subject):
    """weft's CPU time per operation over that of the first peer that was measured."""
    peers = [by_subject[s] for s in row.subjects if s in by_subject]
    if "weft" not in by_subject or not peers or not peers[0]["cpu_seconds"]:
        return ""
    weft, peer = (r["cpu_seconds"] / r["n"] for r in (by_subject["weft"], peers[0]))
    return f"{weft / peer:.2f}"


def verdict(row, by_subject):
    """The goal of a row and whether it is met, against the fastest of the subjects it names."""
    if not row.goal:
        return ""
    key = "min_ns" if row.goal.undisturbed else "median_ns"
    rivals = [by_subject[s][key] for s in row.goal.subjects if s in by_subject]
    wanted = f"<= {row.goal.ratio} x {row.goal.subjects[0]}"
    if "weft" not in by_subject or not rivals:
        return f"{wanted}: not measured"
    ratio = by_subject["weft"][key] / min(rivals)
    if ratio <= row.goal.ratio:
        return f"{wanted}: met"
    idiom = by_subject.get(row.goal.subjects[0])
    if idiom and by_subject["weft"][key] <= row.goal.ratio * idiom[key]:
        return f"{wanted}: met, but {ratio:.2f} x its fastest form"
    return f"{wanted}: NOT MET ({ratio:.2f})"


def cells(row, procs, by_subject):
    weft = by_subject.get("weft")
    line = [row.name, str(procs), number(value(row, weft)) if weft else "-"]
    for peer in PEERS:
        result = by_subject.get(peer)
        line.append(number(value(row, result)) if result else "-" if peer in row.subjects else "")
        line.append(f"{value(row, weft) / value(row, result):.2f}" if weft and result else "")
    noises = " ".join(f"{noise(r):.0%}" for s, r in by_subject.items() if s != "go_yield")
    return line + [cpu_ratio(row, by_subject), noises, verdict(row, by_subject)]


def yield_cells(row, procs, by_subject):
    """The line of Go's second form, below the first."""
    weft, go = by_subject.get("weft"), by_subject["go_yield"]
    ratio = f"{value(row, weft) / value(row, go):.2f}" if weft else ""
    line = ["  go, spawner yields", str(procs), "", number(value(row, go)), ratio]
    return line + [""] * (len(HEADS) - len(line) - 2) + [f"{noise(go):.0%}", ""]


def lines_of(results):
    for row in ROWS:
        mine = [r for r in results if r["row"] == row.name]
        for procs in sorted({r["threads"] for r in mine}):
            by_subject = {r["subject"]: r for r in mine if r["threads"] == procs}
            yield cells(row, procs, by_subject)
            if "go_yield" in by_subject:
                yield yield_cells(row, procs, by_subject)


def aligned(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    for line in lines:
        padded = [cell.ljust(w) if head in LEFT_ALIGNED else cell.rjust(w)
                  for head, cell, w in zip(HEADS, line, widths)]
        yield "  ".join(padded).rstrip()


def footer(results, about):
    yield "ns per operation, medians; blocked_rss: bytes resident per parked task. ratio: weft / peer."
    yield "cpu: CPU time of weft / of the first peer, a crowd's gathering included: hardly moved by a busy machine."
    yield "noise: (max - min) / median, of weft and of each peer in order. P: workers, or CPUs for threads."
    versions = {r["subject"]: r["version"] for r in results if r["subject"] != "go_yield"}
    yield "; ".join(f"{subject}: {version}" for subject, version in versions.items())
    rounds = f"{about['rounds']} rounds{' (quick)' if about['quick'] else ''}"
    short = {r["row"] for r in results if r["rounds"] < about["rounds"]}
    yield (f"{about['date']}, {about['commit']}, {about['cpus']} x {about['cpu']}, Linux {about['kernel']}, "
           f"load {about['load']:.1f}, {rounds}")
    if about["load"] > about["cpus"]:
        yield f"BUSY MACHINE: load {about['load']:.1f} on {about['cpus']} CPUs; trust the column cpu more"
    if short:
        yield f"FEWER ROUNDS, for time was short: {', '.join(sorted(short))}"
    measured = {r["row"] for r in results}
    for row in ROWS:
        if row.left_out and row.name in measured:
            yield f"left out of {row.bench}: {row.left_out}"
    for subject, why in about["missing"].items():
        yield f"MISSING {subject}: {why}"
    for failure in about["failures"]:
        yield f"FAILED {failure}"


def render(results, about):
    table = aligned([HEADS, *lines_of(results)])
    return "\n".join([*table, "", *footer(results, about)])


def main():
    default = pathlib.Path(__file__).parents[1] / "build" / "bench"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    print(render(*(json.loads((folder / name).read_text()) for name in ("results.json", "machine.json"))))


if __name__ == "__main__":
    main()
