# SPDX-License-Identifier: MIT
"""The tables of the documents, as Markdown, from recorded results."""

import fnmatch
import re
from dataclasses import dataclass

from bench_rows import CPU, ROWS, RSS, TAIL
from bench_table import (cold, costs_of, cpu_each, disturbance, groups, in_order, noise_text, number, ratio, rounds,
                         shown, value, verdict_text, verdicts, was_busy)

# What the front page shows, at the most workers of each row.
FRONT = ("spawn_join", "group_go", "once_hit", "mutex_uncontended", "mutex_contended_100", "lag_mutex_100",
         "cond_pingpong", "chan_pingpong", "flight_hot", "flight_stampede/1000", "ctx_cancel_fan/1000",
         "blocked_rss/100000")
UNITS = {CPU: "ns of CPU", RSS: "B", TAIL: "ns"}
BEHIND = 1.05  # a row without a goal is told of where weft takes so much more than a peer
ONE_CPU, MORE_CPUS = 1.2, 1.3  # CPU time over time: at most, at least

REASON = re.compile(r"^### (.+)\n\nRows: ([^.]+)\.", re.M)


@dataclass(frozen=True)
class Record:
    results: list
    about: dict
    source: str
    reasons: list  # (title, patterns of the rows that stand below it)


def reasons_of(text):
    """The headings that say why rows are as they are; below each stands first 'Rows: `cond_*`, `idle` P=1.'"""
    return [(title, re.findall(r"`([^`]+)`(?: (P=\d+))?", names)) for title, names in REASON.findall(text)]


def reason(record, row, procs):
    """A link to where the row is explained."""
    for title, patterns in record.reasons:
        if any(fnmatch.fnmatch(row.name, name) and only in ("", f"P={procs}") for name, only in patterns):
            anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            return f"[{title}](#{anchor})"
    return "not explained"


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "| --- | " + " | ".join("---:" for _ in head[1:]) + " |"
    for line in lines:
        yield "| " + " | ".join(line) + " |"


def lines_of(results):
    for _, lines, _ in groups(results):
        yield from lines


def cell(row, result):
    """'88.6 (167)': what is compared, and CPU time where that is something else."""
    if row.metric in (CPU, RSS):
        return shown(row, result)
    return f"{shown(row, result)} ({number(cpu_each(row, result))})"


def peers_of(row, by_subject):
    return {s: r for s, r in by_subject.items() if s not in ("weft", "bare") and value(row, r)}


def fastest(row, by_subject, *only):
    """The fastest peer, of those named if some are, or None."""
    peers = [s for s in peers_of(row, by_subject) if not only or s in only]
    return min(peers, key=lambda s: value(row, by_subject[s]), default=None)


def compared(row, by_subject, peer):
    """'go 607 (1,167), 0.15 x'"""
    if not peer:
        return ""
    return f"{peer} {cell(row, by_subject[peer])}, {ratio(row, by_subject['weft'], by_subject[peer]):.2f} x"


def front_line(row, procs, by_subject):
    unit = UNITS.get(row.metric, "ns")
    return [f"{row.name}, P={procs}", f"{cell(row, by_subject['weft'])} {unit}",
            compared(row, by_subject, fastest(row, by_subject, "go", "go_yield")),
            compared(row, by_subject, fastest(row, by_subject))]


def origin(record, results):
    """Machine, versions and date: what a figure means nothing without."""
    about = record.about
    versions = {r["subject"]: r["version"] for r in record.results if r["subject"] != "go_yield"}
    least, most = (end(r["rounds"] for r in results) for end in (min, max))
    told = f"{least}" if least == most else f"{least} to {most}"
    busy = ", so busy that times are worth little" if was_busy(about) else ""
    yield (f"{about['date']}, commit {about['commit']}, {about['cpus']} x {about['cpu']}, Linux {about['kernel']}, "
           f"medians of {told} rounds; {disturbance(about)}{busy}. From `{record.source}`.")
    yield ""
    yield "; ".join(versions[s] for s in in_order(versions)) + "."


def front(record):
    most = {row.name: (row, procs, by_subject) for row, procs, by_subject in lines_of(record.results)}
    lines = [most[name] for name in FRONT if name in most and "weft" in most[name][2]]
    yield from table(["row", "weft", "Go", "fastest peer"], [front_line(*line) for line in lines])
    yield ""
    yield ("Time of an operation, in brackets its CPU time, of all CPUs together, in ns; `lag_` rows: p50 / p99 / "
           "p99.9, compared at p99.9; `blocked_rss`: bytes. 0.5 x: weft needs half. `go_yield` is Go where the loop "
           "that starts the tasks yields every 128 of them, if that is faster than the plain one.")
    yield ""
    yield from origin(record, [r for _, _, by_subject in lines for r in by_subject.values()] or record.results)


def full(record):
    yield from origin(record, record.results)
    for section, lines, subjects in groups(record.results):
        yield ""
        yield f"### {section}"
        yield ""
        rows = []
        subjects = [s for s in subjects if any(s in by_subject for _, _, by_subject in lines)]
        for row, procs, by_subject in lines:
            spread = noise_text(row, by_subject["weft"]) if "weft" in by_subject else ""
            cells = [cell(row, by_subject[s]) if s in by_subject else "" for s in subjects]
            rows.append([row.name, str(procs), *cells, cold(row, by_subject), rounds(by_subject), spread,
                         verdict_text(row, procs, by_subject, record.results)])
        yield from table(["row", "P", *subjects, "cold", "rounds", "noise", "goal"], rows)
    yield ""
    yield from missing(record.about)


def missing(about):
    for subject, why in about["missing"].items():
        yield f"Missing: {subject}, {why}."
    for what in about["skipped"] + about["failures"]:
        yield f"Not measured: {what}."


def limit_of(row, verdict, by_subject, results):
    """How much of what a goal allows bare takes, at its most if that is growth; not if the goal is in bare's own."""
    bare = by_subject.get("bare")
    if not bare or not verdict.allowed or "bare" in verdict.wanted:
        return ""
    most = max(costs_of(row, "bare", results).values()) if row.grows else value(row, bare)
    return f"{most / verdict.allowed:.0%}"


def unmet(record):
    """Each goal that is not met, how much of it is left to anybody, and where it is explained."""
    lines = [[row.name, str(procs), str(verdict), limit_of(row, verdict, by_subject, record.results),
              reason(record, row, procs)]
             for row, procs, by_subject in lines_of(record.results)
             for verdict in verdicts(row, procs, by_subject, record.results) if verdict.met is False]
    yield from table(["row", "P", "goal", "bare takes of it", "why"], lines)


def behind(record):
    """Rows without a goal in which a peer is ahead."""
    lines = []
    for row, procs, by_subject in lines_of(record.results):
        peer = fastest(row, by_subject)
        if row.goals or row.most or not peer or "weft" not in by_subject:
            continue
        if ratio(row, by_subject["weft"], by_subject[peer]) > BEHIND:
            lines.append([row.name, str(procs), cell(row, by_subject["weft"]), compared(row, by_subject, peer),
                          reason(record, row, procs)])
    yield from table(["row", "P", "weft", "fastest peer", "why"], lines)


def on_one(record):
    """Rows in which weft has two CPUs and keeps to one, and Go does not."""
    lines = []
    for row, procs, by_subject in lines_of(record.results):
        if procs != 2 or row.metric in (CPU, RSS) or row.gathers or not {"weft", "go"} <= set(by_subject):
            continue
        used = {s: cpu_each(row, by_subject[s]) / by_subject[s]["median_ns"] for s in ("weft", "go")}
        if used["weft"] <= ONE_CPU and used["go"] >= MORE_CPUS:
            both = (ratio(row, by_subject["weft"], by_subject["go"]),
                    cpu_each(row, by_subject["weft"]) / cpu_each(row, by_subject["go"]))
            lines.append([row.name, *(f"{used[s]:.1f}" for s in ("weft", "go")), *(f"{r:.2f} x" for r in both)])
    yield from table(["row, P=2", "CPUs of weft", "CPUs of Go", "weft / Go", "of CPU time"], lines)


def memory(record):
    """Bytes of a parked task, what stays of them, and what it takes until all are parked."""
    lines = []
    for row in (row for row in ROWS if row.metric == RSS):
        by_subject = {r["subject"]: r for r in record.results if r["row"] == row.name}
        for subject in in_order(by_subject):
            r = by_subject[subject]
            kept = f"{r['kept_bytes']:,.0f}" if "kept_bytes" in r else "not measured"
            lines.append([row.name, subject, f"{r['rss_bytes']:,}", kept,
                          f"{number(r['median_ns'])} ({number(cpu_each(row, r))})"])
    yield from table(["row", "subject", "bytes each", "of which stay", "ns to park each (CPU)"], lines)


WRITERS = {"front": front, "full": full, "unmet": unmet, "behind": behind, "on_one": on_one, "memory": memory}
