# SPDX-License-Identifier: MIT
"""Run the subjects of one row in turn and sum up what they say."""

import json
import statistics
import subprocess

LIMIT_SECONDS = 120  # of one run of one subject; the longest takes about twenty


class Failed(Exception):
    pass


def run_once(program, bench, n, procs):
    """The one line that a subject prints, as a dict."""
    command = [program, bench, "--n", str(n), "--procs", str(procs)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {LIMIT_SECONDS} s") from None
    if done.returncode:
        message = done.stderr.strip().splitlines() or ["no message"]
        raise Failed(f"status {done.returncode}: {message[0]}")
    return json.loads(done.stdout)


def alternate(subjects, rounds, run):
    """Call run(subject) for each subject, round after round; the first round is not counted.

    Returns subject: what its runs returned, and subject: why it failed."""
    lines, failed = {subject: [] for subject in subjects}, {}
    for _ in range(rounds + 1):
        for subject in subjects:
            if subject in failed:
                continue
            try:
                lines[subject].append(run(subject))
            except Failed as why:
                failed[subject] = str(why)
    return {s: lines[s][1:] for s in subjects if s not in failed}, failed


def summary(row, subject, procs, lines):
    """One object of results.json."""
    ns = [line["ns_per_op"] for line in lines]
    result = {
        "bench": row.bench,
        "subject": subject,
        "threads": procs,
        "n": lines[0]["n"],
        "median_ns": statistics.median(ns),
        "min_ns": min(ns),
        "max_ns": max(ns),
        "rss_bytes": int(statistics.median(line["rss_bytes"] for line in lines)),
        "cpu_seconds": statistics.median(line["cpu_seconds"] for line in lines),
        "rounds": len(lines),
        "row": row.name,
        "version": lines[0]["version"],
    }
    if "cold_ns_per_op" in lines[0]:
        result["cold_ns"] = statistics.median(line["cold_ns_per_op"] for line in lines)
    if row.bytes_each:
        result["note"] = "rss_bytes is per task, page tables included; ns is until all are parked"
    return result
