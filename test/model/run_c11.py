#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Explore what C11 allows a harness, and see that its wrong versions are found.

    run_c11.py EXPLORER ROOT HARNESS.c [-q]

A harness is a C program that includes files of the library, the very text that ships. How it is checked is
told by HARNESS.plan beside it, in paragraphs of these forms:

    also FILE...                          files of the library that are compiled besides

    size FILE                             in all that follows, lines of a file of the library are others:
    -old                                  something is smaller
    +new

    right [OPTION...]                     every execution is right
    mutant NAME FACT ERROR FILE [OPTION...]
    -old                                  with other lines in that file, wrong by that fact, the error is found;
    +new                                  with FILE - that is the harness with -DNAME

    outcomes SHAPE [OPTION...] : N...     with -DSHAPE exactly these outcomes are met
    random SHAPE COUNT                    of COUNT programs, one a SEED, the search and the naive one find the
                                          same executions

OPTIONs are the compiler's; a mutant without any has those of the first right version. Lines of the library
are given without the blanks before them, and have to be there once; those after a blank stay. With -q only
the first right version is explored, no mutants, and fewer random programs.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import Tally  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 280
QUICK_PROGRAMS = 40
FLAGS = "-std=gnu11 -g -O1 -w -fsanitize=thread -U__SANITIZE_THREAD__ -fno-pie".split()


def paragraphs(text):
    """(words of the first line, old lines, new lines) of each paragraph; comments are left out."""
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    for part in re.split(r"\n\s*\n", "\n".join(lines)):
        head, *rest = [line for line in part.split("\n") if line.strip()] or [""]
        if head:
            old = [line[1:].strip() for line in rest if line[0] in "- "]
            new = [line[1:].strip() for line in rest if line[0] in "+ "]
            yield shlex.split(head), old, new


class Lab:
    """A folder in which a harness is built, and changed files of the library come before the real ones."""

    def __init__(self, explorer, root, harness, folder):
        self.explorer, self.root, self.harness = explorer, root, harness
        self.folder = pathlib.Path(folder)
        self.program = self.folder / "program"
        self.also = []

    def place(self, name):
        """Where the library's file is, a changed one first; None: nowhere."""
        places = (self.folder / "changed", self.root / "src", self.root / "include")
        return next((place / name for place in places if (place / name).is_file()), None)

    def change(self, name, old, new):
        """Put a changed copy of the library's file in front. Returns what is wrong with that, or ''."""
        copy, path = self.folder / "changed" / name, self.place(name)
        if path is None:
            return f"no file of the library: {name}"
        lines = path.read_text().split("\n")
        bare = [line.strip() for line in lines]
        found = [i for i in range(len(lines)) if bare[i : i + len(old)] == old]
        if len(found) != 1:
            return f"{name}: there {len(found)} times, not once: {old}"
        lines[found[0] : found[0] + len(old)] = new
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text("\n".join(lines))
        return ""

    def build(self, options):
        """Returns what the compiler complains of, or ''."""
        ours = [self.folder / "changed", HERE / "c11" / "machine", HERE / "c11"]
        places = [*ours, self.root / "include", self.root / "src"]
        seen = [f"-I{place}" for place in places]
        files = [self.harness, *(self.place(name) or name for name in self.also)]
        objects = [self.folder / f"{i}.o" for i in range(len(files))]
        for step in (
            *(["gcc", *FLAGS, *options, *seen, "-c", "-o", o, file] for o, file in zip(objects, files)),
            # Without the sanitizer's runtime: the explorer stands for it.
            ["gcc", "-no-pie", "-o", self.program, *objects, self.explorer],
        ):
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode != 0:
                return done.stderr
        return ""

    def run(self, *arguments, **variables):
        """(exit status, output); None as the status when it took too long."""
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        command = [self.program, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)
        except subprocess.TimeoutExpired:
            return None, f"took more than {SECONDS} s"
        return done.returncode, done.stdout + done.stderr


def show(output):
    found = [re.search(p, output, re.M) for p in (r"^(\d+ executions, \d+ blocked)", r"^([\d.]+ s)$", r"^wrong: (.*)$")]
    print("# " + ", ".join(match[1] for match in found if match))


def right(lab, options):
    status, output = lab.run()
    show(output)
    return [] if status == 0 else [output]


def mutant(lab, error):
    status, output = lab.run()
    show(output)
    return [] if status == 1 and f"wrong: {error}" in output else [f"not found: {error}", output]


def outcomes(lab, wanted):
    status, output = lab.run()
    met = re.findall(r"^outcome (\d+)$", output, re.M)
    return [] if status == 0 and met == wanted else [f"not {' '.join(wanted)}", output]


def random(lab, count):
    """Where both find an error they may do so after different executions."""
    executions = 0
    for seed in range(count):
        found = [lab.run(*how, SEED=seed) for how in ((), ("-n",))]
        sums = [re.search(r"^(\d+) executions.*? blocked|$", output, re.M) for _, output in found]
        hashes = [re.search(r"sum (\w+)|$", output)[1] for _, output in found]
        same = found[0][0] == found[1][0] and (found[0][0] != 0 or (sums[0][0], hashes[0]) == (sums[1][0], hashes[1]))
        if not same:
            return [f"SEED={seed}", found[0][1], found[1][1]]
        executions += int(sums[0][1]) if found[0][0] == 0 else 0
    print(f"# {executions} executions")
    return [] if executions > count else ["too few of the programs end"]


def title(words):
    return "_".join(re.findall(r"\w+", " ".join(words).replace("-D", ""))).lower()


def check(lab, words, old, new, base):
    """(name, complaints) of a paragraph."""
    kind, *words = words
    if kind == "right":
        return f"holds_{title(words)}".rstrip("_"), lambda: right(lab, words), words
    if kind == "mutant":
        name, _, error, file, *options = words
        trouble = lab.change(file, old, new) if file != "-" else ""
        options = (options or base) + ([f"-D{name}"] if file == "-" else [])
        return f"{name.lower()}_is_found", lambda: [trouble] if trouble else mutant(lab, error), options
    if kind == "outcomes":
        middle = words.index(":")
        options = [f"-D{words[0]}", *words[1:middle]]
        return title(words[:middle]), lambda: outcomes(lab, words[middle + 1 :]), options
    if kind == "random":
        return f"{words[1]}_random_programs_agree", lambda: random(lab, int(words[1])), [f"-D{words[0]}"]
    raise ValueError(f"no such paragraph: {kind}")


def main():
    quick = "-q" in sys.argv
    explorer, root, harness = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
    tally, base, sizes, also = Tally(), None, [], []
    for words, old, new in paragraphs(harness.with_suffix(".plan").read_text()):
        if words[0] == "also":
            also += words[1:]
            continue
        if words[0] == "size":
            sizes.append((words[1], old, new))
            continue
        if quick and (words[0] == "mutant" or (words[0] == "right" and base is not None)):
            continue
        if words[0] == "random" and quick:
            words[2] = str(QUICK_PROGRAMS)
        if words[0] == "right" and base is None:
            base = words[1:]
        with tempfile.TemporaryDirectory() as folder:
            lab = Lab(explorer, root, harness, folder)
            lab.also = also
            trouble = [told for told in (lab.change(*size) for size in sizes) if told]
            name, explore, options = check(lab, words, old, new, base)
            trouble += [told for told in (lab.build(options),) if told]
            tally.check(f"{harness.stem}_{name}", trouble or explore())
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
