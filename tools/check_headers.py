#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that every public header compiles alone, twice in a row, without a warning, as C11 and as
C++17, with gcc and clang; the umbrella also in a debug build:  check_headers.py [ROOT]

In C++ also without those warnings that projects turn on to find C in their own code.
The simulator's is for those who have its macro, and refuses others.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

from tally import Tally

PURISTS = ["-Wold-style-cast", "-Wzero-as-null-pointer-constant"]
COMPILERS = {
    "gcc": ["-std=c11", "-x", "c"],
    "clang": ["-std=c11", "-x", "c"],
    "g++": ["-std=c++17", "-x", "c++", *PURISTS, "-Wuseless-cast"],
    "clang++": ["-std=c++17", "-x", "c++", *PURISTS],
}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def complaints(root, compiler, header):
    """What the compiler says about a translation unit that is this header, twice, after a macro if any."""
    header, _, macro = header.partition(" ")
    unit = f"#include <{header}>\n#include <{header}>\nint weft_header_check;\n"
    unit = f"#define {macro}\n{unit}" if macro else unit
    command = [compiler, *COMPILERS[compiler], *WARNINGS, "-fsyntax-only", "-I", root / "include", "-"]
    result = subprocess.run(command, input=unit, capture_output=True, text=True)
    return [result.stderr or f"exit status {result.returncode}"] if result.returncode else []


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]).resolve()
    headers = sorted(p.relative_to(root / "include").as_posix() for p in (root / "include").rglob("*.h"))
    headers += ["weft.h WEFT_DEBUG"] if "weft.h" in headers else []
    simulator = "weft/sim.h"
    headers = [f"{h} WEFT_SIM" if h == simulator else h for h in headers]
    tally = Tally()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for compiler in COMPILERS:
            name = f"headers_compile_alone_with_{compiler.replace('++', 'xx')}"
            if shutil.which(compiler) is None:
                tally.skip(name, f"{compiler} is not installed")
                continue
            found = pool.map(lambda header, c=compiler: complaints(root, c, header), headers)
            tally.check(name, [line for lines in found for line in lines])
            if f"{simulator} WEFT_SIM" in headers:
                said = "".join(complaints(root, compiler, simulator))
                tally.check(
                    f"simulator_wants_its_macro_with_{compiler.replace('++', 'xx')}",
                    [] if "-DWEFT_SIM" in said else [f"{simulator} compiles without it: {said}"],
                )
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
