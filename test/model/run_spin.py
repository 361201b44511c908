#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check a model with Spin, and that Spin finds what is wrong with its wrong versions.

    run_spin.py MODEL.pml

The comment at the model's head says how it is checked, in lines of these forms, apart by tabs:

    right   OPTIONS                      all its states are searched, no statement stays unreached
    also    OPTIONS                      another size, or the first where not all of what is inlined can be
                                         reached: all its states are searched
    mutant  NAME  FACT  ERROR [OPTIONS]  the version with -DNAME, wrong by that fact: this error is found

OPTIONS are Spin's, -DNAME=VALUE; a mutant without any has those of the right version. A search counts
only if it was exhaustive: no state was left out for want of depth or memory, and none hashed away.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import Tally  # noqa: E402

DEPTH, MEMORY_MEGABYTES, SECONDS = 1000000, 3000, 280
INCOMPLETE = re.compile(
    "max search depth too small|Search not completed|out of memory|reached -DMEMLIM|hash-compact|bitstate"
)
LINE = re.compile(r"^ \*\t(right|also|mutant)\t(.*)$", re.M)


def plan(text):
    """(name, options, the error to be found or None, is_whole) of each check; ValueError: it makes no sense."""
    base, checks = None, []
    for kind, rest in LINE.findall(text):
        cells = [cell for cell in rest.split("\t") if cell]
        if kind == "mutant":
            if base is None or not 3 <= len(cells) <= 4:
                raise ValueError(f"not NAME FACT ERROR [OPTIONS], after the right version: {rest}")
            options = cells[3].split() if len(cells) == 4 else base
            checks.append((f"{cells[0].lower()}_is_found", [*options, f"-D{cells[0]}"], cells[2], False))
        else:
            options = cells[0].split()
            base = options if kind == "right" or base is None else base
            size = "_".join(re.findall(r"\w+", cells[0].replace("-D", ""))).lower()
            checks.append((f"holds_with_{size}", options, None, kind == "right"))
    if base is None or not any(error for _, _, error, _ in checks):
        raise ValueError("the head of the model names no right version or no mutant")
    return checks


def step(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    return done.returncode, done.stdout + done.stderr


def search(model, options):
    """What the checker printed for all states of the model."""
    with tempfile.TemporaryDirectory() as folder:
        for command in (
            ["spin", "-a", *options, str(model)],
            ["gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MEGABYTES}", "-o", "pan", "pan.c"],
        ):
            status, output = step(command, folder)
            if status != 0 or "Error:" in output:
                return f"{' '.join(command)}: {output}"
        return step(["./pan", f"-m{DEPTH}"], folder)[1]


def complaints(output, error, is_whole):
    errors = re.search(r"errors: (\d+)", output)
    if errors is None:
        return [output]
    if error:
        return [] if f"pan:1: {error}" in output else [f"not found: {error}", output]
    if int(errors[1]) > 0 or INCOMPLETE.search(output):
        return [output]
    unreached = re.findall(r"^\t\S+:\d+, state \d+, .*", output, re.M)
    return [f"unreached: {line.strip()}" for line in unreached] if is_whole else []


def show(output, seconds):
    what = re.search(r"^pan:1: (.*) \(at depth", output, re.M)
    states = re.search(r"(\d+) states, stored", output)
    print(f"# {states[1] if states else 0} states, {seconds:.1f} s{f', {what[1]}' if what else ''}")


def main():
    model, tally = pathlib.Path(sys.argv[1]).resolve(), Tally()
    try:
        step(["spin", "-V"], ".")
    except FileNotFoundError:
        tally.skip(model.stem, "spin is not installed")
        return tally.finish()
    for name, options, error, is_whole in plan(model.read_text()):
        start = time.monotonic()
        try:
            output = search(model, options)
        except subprocess.TimeoutExpired:
            output = f"took more than {SECONDS} s"
        show(output, time.monotonic() - start)
        tally.check(f"{model.stem}_{name}", complaints(output, error, is_whole))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
