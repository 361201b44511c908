#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the benchmark's results as tables:  bench_table.py [FOLDER of results.json and machine.json, or FILE.json]

FILE.json is one of bench/results/, which hold both.
"""

import json
import pathlib
import sys

from bench_rows import CPU, ROWS, RSS, TAIL

ROOT = pathlib.Path(__file__).resolve().parents[1]
ORDER = ("weft", "go", "go_yield", "tokio", "fiber", "tbb", "openmp", "nsync", "glib", "pthread", "bare")
FLAT = 2.0  # an operation costs at most so many times more, however many there are
MANY = 1_000  # fewer than that are dominated by what happens once


def number(value):
    """Three digits that count: 0.652, 25.3, 1,340."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def operations(row, result):
    """By how many the CPU time of a pass is to be divided."""
    rounds = max(1, min(100_000 // result["n"], 20_000)) if row.sized else 1
    repeated = row.bench in ("flight_stampede", "ctx_cancel_fan") or row.grows and row.bench != "growth_descriptors"
    naps = 10 if row.bench == "sleepers" else 1
    return result["n"] * (rounds if repeated else 1) * naps


def value(row, result, time="median_ns"):
    """What is compared."""
    if row.metric == RSS:
        return result["rss_bytes"]
    if row.metric == CPU:
        return result["cpu_seconds"] * 1e9 / operations(row, result)
    return result["p999_ns"] if row.metric == TAIL else result[time]


def shown(row, result):
    if row.metric == TAIL:
        return " / ".join(number(result[key]) for key in ("p50_ns", "p99_ns", "p999_ns"))
    return number(value(row, result))


def noise(result):
    return (result["max_ns"] - result["min_ns"]) / result["median_ns"]


def verdict(row, goal, by_subject):
    """A goal of a row and whether it is met, against the fastest of the subjects it names."""
    compared = [by_subject[s] for s in ("weft", *goal.subjects) if s in by_subject]
    best = "best_ns" if all("best_ns" in result for result in compared) else "min_ns"
    time = best if goal.undisturbed else "median_ns"
    rivals = [value(row, by_subject[s], time) for s in goal.subjects if s in by_subject]
    idiom = goal.subjects[0] if goal.subjects[1:] == ("go_yield",) else None
    wanted = f"<= {goal.ratio:g} x {idiom or ', '.join(goal.subjects)}"
    if "weft" not in by_subject or not rivals:
        return f"{wanted}: not measured"
    weft = value(row, by_subject["weft"], time)
    if weft <= goal.ratio * min(rivals):
        return f"{wanted}: met"
    ratio = weft / min(rivals) if min(rivals) else float("inf")
    if idiom in by_subject and weft <= goal.ratio * value(row, by_subject[idiom], time):
        return f"{wanted}: met, but {ratio:.2f} x its fastest form"
    return f"{wanted}: NOT MET ({ratio:.2f})"


def limit_verdict(row, by_subject):
    wanted = f"<= {number(row.most)}"
    if "weft" not in by_subject:
        return f"{wanted}: not measured"
    return f"{wanted}: {'met' if value(row, by_subject['weft']) <= row.most else 'NOT MET'}"


def growth_verdict(row, results):
    """In the line of the largest size: what an operation costs at most, over what it costs at least."""
    sizes = [r for r in ROWS if r.bench == row.bench and r.n >= MANY]
    if row != sizes[-1]:
        return ""
    costs = [r["median_ns"] for r in results
             if r["bench"] == row.bench and r["subject"] == "weft" and r["n"] >= MANY]
    wanted = f"flat within {FLAT:g} x from {MANY:,}"
    if len(costs) < len(sizes):
        return f"{wanted}: not measured"
    return f"{wanted}: {'met' if max(costs) <= FLAT * min(costs) else 'NOT MET'} ({max(costs) / min(costs):.2f})"


def verdicts(row, by_subject, results):
    told = [verdict(row, goal, by_subject) for goal in row.goals]
    if row.most:
        told.append(limit_verdict(row, by_subject))
    if row.grows:
        told.append(growth_verdict(row, results))
    return "; ".join(filter(None, told))


def in_order(subjects):
    return sorted(subjects, key=ORDER.index)


def groups(results):
    """(section, its lines, the subjects in them); a line is (row, P, subject: result)."""
    for section in dict.fromkeys(row.section for row in ROWS):
        lines = []
        for row in (r for r in ROWS if r.section == section):
            mine = [r for r in results if r["row"] == row.name]
            for procs in sorted({r["threads"] for r in mine}):
                lines.append((row, procs, {r["subject"]: r for r in mine if r["threads"] == procs}))
        if lines:
            subjects = {s for row, _, by_subject in lines for s in (*by_subject, *row.subjects)}
            yield section, lines, in_order(subjects | {"weft"})


def cell(row, subject, by_subject):
    """'1,340 (0.19)': the figure, and weft's over it."""
    result, weft = by_subject.get(subject), by_subject.get("weft")
    if not result:
        return "-" if subject in row.subjects or subject == "weft" else ""
    if subject == "weft" or not weft or not value(row, result):
        return shown(row, result)
    return f"{shown(row, result)} ({value(row, weft) / value(row, result):.2f})"


def time_table(section, lines, subjects, results):
    yield [section, "P", *subjects, "cold", "noise", "goal"]
    for row, procs, by_subject in lines:
        weft = by_subject.get("weft", {})
        noises = " ".join(f"{noise(by_subject[s]):.0%}" for s in subjects if s in by_subject)
        yield [row.name, str(procs), *(cell(row, s, by_subject) for s in subjects),
               number(weft["cold_ns"]) if "cold_ns" in weft else "", noises, verdicts(row, by_subject, results)]


def cost_cell(row, result):
    """'43.1 6.2 M': CPU time an operation, and what was resident at most."""
    if not result:
        return ""
    cpu = result["cpu_seconds"] * 1e9 / operations(row, result)
    if row.metric == RSS:
        kept = f", {number(result['kept_bytes'])} kept" if "kept_bytes" in result else ""
        return f"{number(cpu)} {result['rss_bytes']:,} B{kept}"
    return f"{number(cpu)} {result['rss_bytes'] / 2**20:.1f} M"


def cost_table(section, lines, subjects):
    yield [section, "P", *subjects]
    for row, procs, by_subject in lines:
        yield [row.name, str(procs), *(cost_cell(row, by_subject.get(s)) for s in subjects)]


def aligned(table):
    """Lines of cells as text, the first of all columns, and the last if it is the goal, to the left."""
    table = list(table)
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    left = {0} | ({len(widths) - 1} if table[0][-1] == "goal" else set())
    for line in table:
        padded = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        yield "  ".join(padded).rstrip()


def footer(results, about):
    yield "ns per operation, medians; in brackets weft / this one. Tails: p50 / p99 / p99.9, compared at p99.9."
    yield "blocked_rss: bytes per parked task, and those that stay some seconds after all have ended."
    yield "cold: weft's first pass. noise: (max - min) / median, in the order of the columns."
    yield "P: workers, or CPUs for threads. CPU time: that of the second pass, a crowd's gathering included."
    yield "bare: the fewest instructions that could do it. go_yield: a spawner that yields every 128 tasks."
    versions = {r["subject"]: r["version"] for r in results if r["subject"] != "go_yield"}
    yield "; ".join(f"{subject}: {versions[subject]}" for subject in in_order(versions))
    rounds = f"{about['rounds']} rounds{' (quick)' if about['quick'] else ''}"
    yield (f"{about['date']}, {about['commit']}, {about['cpus']} x {about['cpu']}, Linux {about['kernel']}, "
           f"load {about['load']:.1f}, {rounds}")
    if about["load"] > about["cpus"]:
        yield f"BUSY MACHINE: load {about['load']:.1f} on {about['cpus']} CPUs; trust the CPU times more"
    most = {row.name: min(row.rounds_most, about["rounds"]) for row in ROWS}
    short = {r["row"] for r in results if r["rounds"] < most.get(r["row"], 0)}
    if short:
        yield f"FEWER ROUNDS, for time was short: {', '.join(sorted(short))}"
    measured = {r["row"] for r in results}
    for row in ROWS:
        if row.left_out and row.name in measured:
            yield f"{row.bench}: {row.left_out}"
    for subject, why in about["missing"].items():
        yield f"MISSING {subject}: {why}"
    for skipped in about["skipped"]:
        yield f"SKIPPED {skipped}"
    for failure in about["failures"]:
        yield f"FAILED {failure}"


def render(results, about):
    text = []
    for section, lines, subjects in groups(results):
        text += [*aligned(time_table(section, lines, subjects, results)), ""]
    text += ["CPU time of an operation in ns, and resident memory at its most", ""]
    for section, lines, subjects in groups(results):
        text += [*aligned(cost_table(section, lines, subjects)), ""]
    return "\n".join([*text, *footer(results, about)])


def read(place):
    """The results and the machine of a folder or a file."""
    if place.is_dir():
        return [json.loads((place / name).read_text()) for name in ("results.json", "machine.json")]
    both = json.loads(place.read_text())
    return both["results"], both["machine"]


def main():
    place = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "bench"
    print(render(*read(place)))


if __name__ == "__main__":
    main()
