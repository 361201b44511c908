#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the benchmark's results as tables:  bench_table.py [FOLDER of results.json and machine.json, or FILE.json]

FILE.json is one of bench/results/, which hold both.
"""

import json
import pathlib
import statistics
import sys
from dataclasses import dataclass

from bench_rows import CPU, ROWS, RSS, TAIL, TIME

ROOT = pathlib.Path(__file__).resolve().parents[1]
ORDER = ("weft", "go", "go_yield", "tokio", "fiber", "tbb", "openmp", "nsync", "glib", "pthread", "bare")
FLAT = 2.0  # an operation costs at most so many times more, however many there are
MANY = 1_000  # fewer than that show what happens once for all of them


def number(value):
    """Three digits that count: 0.652, 25.3, 1,340."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def operations(row, result):
    """By how many the CPU time of a pass is to be divided."""
    rounds = max(1, min(100_000 // result["n"], 20_000)) if row.sized else 1
    repeated = row.bench in ("flight_stampede", "ctx_cancel_fan") or row.grows and row.bench != "growth_descriptors"
    each = {"sleepers": 10, "skynet": 10 / 9}.get(row.bench, 1)  # naps; tasks for a leaf
    return result["n"] * (rounds if repeated else 1) * each


def value(row, result, which="median"):
    """What is compared: the median of the rounds, or their min or max, or the best part of all. None: not recorded."""
    if row.metric == CPU:
        seconds = result.get("cpu_seconds" if which == "median" else f"{which}_cpu_seconds")
        return None if seconds is None else seconds * 1e9 / operations(row, result)
    if row.metric in (RSS, TAIL):
        key = "rss_bytes" if row.metric == RSS else "p999_ns"
        return result.get(key if which == "median" else f"{which}_{key}")
    return result.get(f"{which}_ns")


def figures(row, result):
    """What is compared, round by round; the median alone where a record does not have the rounds."""
    each = result.get("each")
    if each is None:
        return [value(row, result)]
    return [seconds * 1e9 / operations(row, result) for seconds in each] if row.metric == CPU else each


def ratios(row, own, other):
    """own's figure over other's, round by round: what disturbs a round often disturbs both."""
    pairs = figures(row, own), figures(row, other)
    if len(pairs[0]) != len(pairs[1]):
        pairs = [value(row, own)], [value(row, other)]
    return [mine / theirs if theirs else float("inf") for mine, theirs in zip(*pairs)]


def ratio(row, own, other):
    return statistics.median(ratios(row, own, other))


def cpu_each(row, result):
    """CPU time of an operation, in ns."""
    return result["cpu_seconds"] * 1e9 / operations(row, result)


def shown(row, result):
    if row.metric == TAIL:
        return " / ".join(number(result[key]) for key in ("p50_ns", "p99_ns", "p999_ns"))
    return number(value(row, result))


def noise(row, result):
    """(max - min) / median of what is compared, or None where that is not known."""
    if result["rounds"] < 2 or value(row, result, "min") is None:
        return None
    return (value(row, result, "max") - value(row, result, "min")) / value(row, result)


def noise_text(row, result):
    return "" if noise(row, result) is None else f"{noise(row, result):.0%}"


@dataclass(frozen=True)
class Verdict:
    wanted: str
    met: bool = None  # None: not measured
    detail: str = ""
    allowed: float = None  # what the goal allows, in the unit of the row; None: it is in another row's figures

    def __str__(self):
        state = "not measured" if self.met is None else "met" if self.met else "NOT MET"
        return f"{self.wanted}: {state}" + (f" ({self.detail})" if self.detail else "")


def ratio_text(ratio, limit):
    """Two digits after the point, or as many as it takes to tell it from the limit."""
    digits = 2
    while digits < 4 and ratio != limit and f"{ratio:.{digits}f}" == f"{limit:.{digits}f}":
        digits += 1
    return f"{ratio:.{digits}f}"


def straddling(low, high, limit, text):
    """What the rounds say, where some lie on either side of the limit."""
    return f", rounds {text(low)} to {text(high)}" if low is not None and low <= limit < high else ""


def verdict(row, goal, by_subject):
    """A goal of a row and whether it is met, against the fastest of the subjects it names."""
    rivals = [by_subject[s] for s in goal.subjects if s in by_subject]
    weft = by_subject.get("weft")
    wanted = f"<= {goal.ratio:g} x {', '.join(goal.subjects)}"
    if goal.of:
        wanted = f"p99.9 of {goal.of} {wanted}"
    if not weft or not rivals:
        return Verdict(wanted)
    rival = min(rivals, key=lambda result: value(row, result))
    if goal.undisturbed:
        return undisturbed_verdict(goal, wanted, weft, rival)
    each = ratios(row, weft, rival)
    figure = statistics.median(each)
    detail = ratio_text(figure, goal.ratio)
    detail += straddling(min(each), max(each), goal.ratio, lambda ratio: ratio_text(ratio, goal.ratio))
    allowed = None if goal.of else goal.ratio * value(row, rival)
    return Verdict(wanted, figure <= goal.ratio, detail, allowed)


def undisturbed_verdict(goal, wanted, weft, rival):
    """Of a few instructions: any disturbance is longer than they are."""
    which = "best" if "best_ns" in weft and "best_ns" in rival else "min"
    figure, allowed = weft[f"{which}_ns"], goal.ratio * rival[f"{which}_ns"]
    wanted = f"fastest {'parts' if which == 'best' else 'passes'} {wanted}"
    return Verdict(wanted, figure <= allowed, ratio_text(figure / rival[f"{which}_ns"], goal.ratio), allowed)


def limit_verdict(row, by_subject):
    wanted = f"<= {row.most:,.0f} {'B' if row.metric == RSS else 'ns'}"
    if "weft" not in by_subject:
        return Verdict(wanted)
    low, figure, high = (value(row, by_subject["weft"], which) for which in ("min", "median", "max"))
    return Verdict(wanted, figure <= row.most, straddling(low, high, row.most, number).lstrip(", "), row.most)


def costs_of(row, subject, results):
    """{n: what an operation costs} of a row that grows."""
    return {r["n"]: r["median_ns"] for r in results if r["bench"] == row.bench and r["subject"] == subject}


def growth(costs):
    """What an operation costs at most, over what it costs at least."""
    return max(costs.values()) / min(costs.values())


def growth_verdict(row, results):
    """In the line of the largest size measured: by how much an operation grows, and bare's beside it."""
    sizes = [r.n for r in ROWS if r.bench == row.bench]
    costs, bare = costs_of(row, "weft", results), costs_of(row, "bare", results)
    last = max(costs, default=sizes[-1])
    if row.n != last:
        return None
    wanted = f"flat within {FLAT:g} x from {sizes[0]:,} to {last:,}"
    if not costs or any(size < last and size not in costs for size in sizes):
        return Verdict(wanted)
    many = {size: cost for size, cost in costs.items() if size >= MANY}
    detail = ratio_text(growth(costs), FLAT)
    if many and growth(many) < growth(costs):
        detail += f", from {MANY:,} on {ratio_text(growth(many), FLAT)}"
    if bare.keys() == costs.keys():
        detail += f", bare {growth(bare):.2f}"
    return Verdict(wanted, growth(costs) <= FLAT, detail, FLAT * min(costs.values()))


def verdicts(row, procs, by_subject, results):
    """What the row is held to; a goal in another row's figures is judged with as many workers."""
    told = []
    for goal in row.goals:
        judged, figures = row, by_subject
        if goal.of:
            judged = next(r for r in ROWS if r.name == goal.of)
            figures = {r["subject"]: r for r in results if r["row"] == goal.of and r["threads"] == procs}
        told.append(verdict(judged, goal, figures))
    if row.most:
        told.append(limit_verdict(row, by_subject))
    if row.grows:
        told.append(growth_verdict(row, results))
    return [each for each in told if each]


def verdict_text(*of):
    return "; ".join(map(str, verdicts(*of)))


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
    return f"{shown(row, result)} ({ratio(row, weft, result):.2f})"


def cold(row, by_subject):
    """The first pass of weft, where its time is what is compared."""
    ns = by_subject.get("weft", {}).get("cold_ns")
    return "" if ns is None or row.metric != TIME else number(ns)


def rounds(by_subject):
    return str(max((result["rounds"] for result in by_subject.values()), default=""))


def time_table(section, lines, subjects, results):
    yield [section, "P", *subjects, "cold", "rounds", "noise", "goal"]
    for row, procs, by_subject in lines:
        noises = " ".join(noise_text(row, by_subject[s]) or "-" for s in subjects if s in by_subject)
        yield [row.name, str(procs), *(cell(row, s, by_subject) for s in subjects),
               cold(row, by_subject), rounds(by_subject), noises, verdict_text(row, procs, by_subject, results)]


def cost_cell(row, result):
    """'43.1 6.2 M': CPU time an operation, and what was resident at most."""
    if not result:
        return ""
    cpu = cpu_each(row, result)
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


def disturbance(about):
    """'load 0.4 at the start, 1.8 at the end, 0.1% of the CPUs' time stolen': the last two where they are recorded."""
    text = f"load {about['load']:.1f} at the start"
    if "load_at_end" in about:
        text += f", {about['load_at_end']:.1f} at the end, {about['stolen']:.1%} of the CPUs' time stolen"
    return text


def was_busy(about):
    """By the load at the end, if it is recorded: at the start it is that of the build before."""
    return about.get("load_at_end", about["load"]) > about["cpus"]


def footer(results, about):
    yield "ns per operation, medians; in brackets weft / this one. Tails: p50 / p99 / p99.9, compared at p99.9."
    yield "blocked_rss: bytes per parked task, and those that stay some seconds after all have ended."
    yield "cold: weft's first pass. noise: (max - min) / median of what is compared, in the order of the columns."
    yield "P: workers, and CPUs. CPU time: that of the same pass, a crowd's gathering included."
    yield "bare: the fewest instructions that could do it. go_yield: a spawner that yields every 128 tasks."
    versions = {r["subject"]: r["version"] for r in results if r["subject"] != "go_yield"}
    yield "; ".join(f"{subject}: {versions[subject]}" for subject in in_order(versions))
    asked = f"{about['rounds']} rounds asked for{' (quick)' if about['quick'] else ''}"
    yield (f"{about['date']}, {about['commit']}, {about['cpus']} x {about['cpu']}, Linux {about['kernel']}, "
           f"{disturbance(about)}, {asked}")
    if was_busy(about):
        yield f"BUSY MACHINE: {disturbance(about)}, on {about['cpus']} CPUs; trust the CPU times more"
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
