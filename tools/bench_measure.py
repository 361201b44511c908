# SPDX-License-Identifier: MIT
"""Run the subjects of one row in turn and sum up what they say."""

import json
import os
import statistics
import subprocess
import time

from bench_rows import CPU, RSS, TAIL

LIMIT_SECONDS = 120  # of one run of one subject; the longest takes about twenty
BRIEF_SECONDS = 0.5  # a round that is over sooner is done twice as often as asked for
STATUS_SKIPPED = 77
COMPARED = {CPU: "cpu_seconds", RSS: "rss_bytes", TAIL: "p999_ns"}  # besides time


class Failed(Exception):
    pass


class Skipped(Failed):
    """The subject says that this machine cannot do it."""


def first_cpus(count):
    """So many of the CPUs that this process may use, or all."""
    return sorted(os.sched_getaffinity(0))[:count]


def run_once(program, bench, n, procs):
    """The one line that a subject prints, as a dict. Threads that it has beside its workers share their CPUs."""
    command = [program, bench, "--n", str(n), "--procs", str(procs)]
    cpus = first_cpus(procs)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS,
                              preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {LIMIT_SECONDS} s") from None
    if done.returncode:
        message = (done.stderr.strip().splitlines() or ["no message"])[0]
        if done.returncode == STATUS_SKIPPED:
            raise Skipped(message)
        raise Failed(f"status {done.returncode}: {message}")
    return json.loads(done.stdout)


def alternate(subjects, rounds, run, chance, brief=BRIEF_SECONDS):
    """Call run(subject) for each subject, round after round, each round in another order, which chance draws.

    Each run warms up by itself, and does its work several times. Where a round is over within brief seconds there are
    twice as many, unless only one is asked for.

    Returns subject: what its runs returned, and subject: the exception that ended it."""
    lines, failed = {subject: [] for subject in subjects}, {}
    began, done = time.monotonic(), 0
    while done < rounds:
        for subject in chance.sample(subjects, len(subjects)):
            if subject in failed:
                continue
            try:
                lines[subject].append(run(subject))
            except Failed as why:
                failed[subject] = why
        done += 1
        if done == 1 < rounds and time.monotonic() - began < brief:
            rounds *= 2
    return {s: lines[s] for s in subjects if s not in failed}, failed


def summary(row, subject, procs, lines):
    """One object of results.json."""

    def median(key):
        return statistics.median(line[key] for line in lines)

    ns = [line["ns_per_op"] for line in lines]
    result = {
        "bench": row.bench,
        "subject": subject,
        "threads": procs,
        "n": lines[0]["n"],
        "median_ns": statistics.median(ns),
        "min_ns": min(ns),
        "max_ns": max(ns),
        "rss_bytes": int(median("rss_bytes")),
        "cpu_seconds": median("cpu_seconds"),
        "rounds": len(lines),
        "each": [line[COMPARED.get(row.metric, "ns_per_op")] for line in lines],
        "row": row.name,
        "version": lines[0]["version"],
    }
    if "best_ns_per_op" in lines[0]:
        result["best_ns"] = min(line["best_ns_per_op"] for line in lines)
    if "cold_ns_per_op" in lines[0]:
        result["cold_ns"] = median("cold_ns_per_op")
    for key in ("p50_ns", "p99_ns", "p999_ns", "kept_bytes"):
        if key in lines[0]:
            result[key] = median(key)
    for key in COMPARED.values():
        if key in lines[0]:
            result[f"min_{key}"], result[f"max_{key}"] = (end(line[key] for line in lines) for end in (min, max))
    if row.metric == RSS:
        result["note"] = "rss_bytes is per task, page tables included; ns is until all are parked"
    return result
