#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What weft costs those who do not use it:  check_footprint.py LIBRARY BENCH_WEFT

LIBRARY is libweft.so. A program that links it and calls nothing of it has no thread more and runs hardly an
instruction more than one that does not, the library is small, and a runtime that has nothing to do takes no
CPU. BENCH_WEFT measures the last; it is the program of the benchmarks.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tally import Tally

# What the library adds to a process: its code, and what the linker does when the program begins.
TEXT_BYTES_MOST = 222 * 1024
INSTRUCTIONS_MOST = 130_000  # relocations, and looking up the names of libc that it uses
IDLE_CPU_SECONDS_MOST = 0.02  # of one second; Go needs as much

PROGRAM = """\
#include <dirent.h>
#include <stdio.h>

int main(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int threads = 0;

	while (tasks && readdir(tasks))
		threads++;
	printf("%d\\n", threads - 2);
}
"""


def run(*command):
    # The path to libraries that tests are given would lead to the one with debug data.
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr}")
    return done


def too_much(value, most, unit):
    return [f"{value:,} {unit}, more than {most:,}"] if value > most else []


def text_bytes(library):
    return int(run("size", library).stdout.splitlines()[1].split()[0])


def constructors(library):
    """What runs when it is loaded, besides the compiler's own frame_dummy."""
    sizes = re.findall(r"\((?:PRE)?INIT_ARRAYSZ\)\s+(\d+)", run("readelf", "-dW", library).stdout)
    return sum(map(int, sizes)) // 8 - 1


def instructions(program):
    done = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def build(folder, name, *linked):
    source, program = folder / "program.c", folder / name
    source.write_text(PROGRAM)
    run("gcc", "-O2", source, "-o", program, "-Wl,-z,now", "-Wl,--no-as-needed", *linked)
    return program


def check_linked(tally, library):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # Without debug data: the valgrind of Debian 12 cannot read that of clang 14.
        stripped = folder / library.name
        run("objcopy", "--strip-debug", library, stripped)
        without = build(folder, "without")
        linked = build(folder, "linked", stripped, f"-Wl,-rpath,{folder}")
        threads = int(run(linked).stdout)
        tally.check("a_program_that_links_weft_and_uses_nothing_has_one_thread",
                    too_much(threads, 1, "threads"))
        case = "a_program_that_links_weft_and_uses_nothing_runs_hardly_an_instruction_more"
        if not shutil.which("valgrind"):
            tally.skip(case, "valgrind is not installed")
            return
        more = instructions(linked) - instructions(without)
        print(f"# linking weft: {more:,} instructions")
        tally.check(case, too_much(more, INSTRUCTIONS_MOST, "instructions"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shared", type=pathlib.Path)
    parser.add_argument("bench_weft", type=pathlib.Path)
    args = parser.parse_args()
    tally = Tally()
    size = text_bytes(args.shared)
    print(f"# {args.shared.name}: {size:,} bytes of code and constants")
    tally.check("the_library_is_small", too_much(size, TEXT_BYTES_MOST, "bytes"))
    tally.check("the_library_has_no_constructor", too_much(constructors(args.shared), 0, "constructors"))
    check_linked(tally, args.shared)
    idle = json.loads(run(args.bench_weft, "idle", "--n", "1", "--procs", "2").stdout)["cpu_seconds"]
    print(f"# an idle second: {idle * 1e3:.2f} ms of CPU")
    tally.check("an_idle_runtime_takes_no_cpu", too_much(idle, IDLE_CPU_SECONDS_MOST, "seconds of CPU in a second"))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
