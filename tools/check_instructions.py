#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare how many instructions hot paths take with bench/instructions.txt:

    check_instructions.py [--write] [--only REGEX] PROGRAM COMPILER

PROGRAM is bench-weft, COMPILER the column of the file. Each row is run by callgrind over two numbers of
operations, with one worker; the difference is what the operations took, whatever starting up did. A row
fails when it takes over 10 % and an instruction more than is written down, and also when it takes that
much less: then --write it down, so that it stays. What other threads do meanwhile comes on top, more of it
on a busy machine: so of several runs the least counts, where a row would fail or is written down.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tally import Tally

RECORD = pathlib.Path(__file__).resolve().parents[1] / "bench" / "instructions.txt"
SLACK, SLACK_INSTRUCTIONS = 0.10, 1.0
PASSES = 2  # a subject does its work twice
RUNS = 5  # of which the least counts

# row: the numbers of operations; larger ones where operations go in rounds
ROWS = {
    "once_hit": (1_000, 11_000),
    "once_value_hit": (1_000, 11_000),
    "waitgroup_add_done": (1_000, 11_000),
    "mutex_uncontended": (1_000, 11_000),
    "rwmutex_read": (1_000, 11_000),
    "thread_sema": (1_000, 11_000),
    "spawn_join": (600, 1_000),  # more would take so long that others help
    "spawn_tree": (1_024, 4_096),
    "group_go": (600, 1_000),
    "group_limit16": (1_000, 4_000),
    "group_ctx_fan10": (100, 400),
    "cond_pingpong": (1_000, 4_000),
    "cond_barrier32": (3_200, 9_600),
    "chan_pingpong": (1_000, 3_000),
    "chan_buffered128": (1_280, 5_120),
    "select_pingpong": (1_000, 3_000),
    "flight_solo": (2_048, 6_144),
    "flight_hot": (12_800, 25_600),
}
HEAD = """\
# Instructions of an operation, as callgrind counts them with one worker: tools/check_instructions.py
# compares, tools/check_instructions.py --write PROGRAM COMPILER writes its column. Rows: bench/README.md.
"""


def collected(program, row, n):
    """The instructions of one run."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
             program, row, "--n", str(n), "--procs", "1", "--passes", "1"],
            capture_output=True, text=True)
    match = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not match:
        sys.exit(f"check_instructions: {row}: {done.stderr.strip().splitlines()[-1]}")
    return int(match[1])


def measure(program, row, runs):
    few, many = (min(collected(program, row, n) for _ in range(runs)) for n in ROWS[row])
    return (many - few) / PASSES / (ROWS[row][1] - ROWS[row][0])


def read_record(text):
    """compiler: {row: instructions}"""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    if not lines:
        return {}
    compilers = lines[0][1:]
    return {compiler: {line[0]: float(line[i + 1]) for line in lines[1:] if line[i + 1] != "-"}
            for i, compiler in enumerate(compilers)}


def written_record(record):
    compilers = sorted(record)
    text = HEAD + f"{'row':20}" + "".join(f"{compiler:>10}" for compiler in compilers) + "\n"
    for row in ROWS:
        counts = (record[compiler].get(row) for compiler in compilers)
        text += f"{row:20}" + "".join(f"{'-' if count is None else f'{count:.1f}':>10}" for count in counts) + "\n"
    return text


def complaint(wanted, counted):
    """What is wrong with a count, or nothing."""
    if wanted is None:
        return [f"{counted:.1f} instructions, and none are written down: see --write"]
    allowed = wanted * SLACK + SLACK_INSTRUCTIONS
    if abs(counted - wanted) <= allowed:
        return []
    direction = "more" if counted > wanted else "fewer: write that down, with --write"
    return [f"{counted:.1f} instructions instead of {wanted:.1f}, {abs(counted - wanted):.1f} {direction}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the counts down instead of comparing them")
    parser.add_argument("--only", metavar="REGEX", default="", help="only the rows whose name matches")
    parser.add_argument("program")
    parser.add_argument("compiler")
    args = parser.parse_args()
    tally = Tally()
    if not shutil.which("valgrind"):
        tally.skip("hot_paths_take_as_many_instructions_as_written_down", "valgrind is not installed")
        return tally.finish()
    folder = tempfile.TemporaryDirectory()
    program = pathlib.Path(folder.name) / "program"
    # Debian's valgrind cannot read what clang writes for debuggers.
    subprocess.run(["objcopy", "--strip-debug", args.program, program], check=True)
    record = read_record(RECORD.read_text()) if RECORD.exists() else {}
    column = record.setdefault(args.compiler, {})
    rows = [row for row in ROWS if re.search(args.only, row)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = RUNS if args.write else 1
        for row, counted in zip(rows, pool.map(lambda row: measure(program, row, runs), rows)):
            if args.write:
                column[row] = counted
                print(f"{row:20} {counted:10.1f}")
            else:
                wrong = complaint(column.get(row), counted)
                if wrong and row in column:
                    wrong = complaint(column.get(row), measure(program, row, RUNS))
                tally.check(f"{row}_takes_as_many_instructions_as_written_down", wrong)
    if args.write:
        RECORD.write_text(written_record(record))
        return 0
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
