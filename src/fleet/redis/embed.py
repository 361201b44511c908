#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the scripts beside this file as a C file:  embed.py OUTPUT

A script is sent as its line of flags, if it has one, then common.lua, then the rest of it.
"""

import hashlib
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
NAMES = ["join", "renew", "complete", "abort", "forget", "cancel"]


def assemble(name):
    flags, common, script = "", (FOLDER / "common.lua").read_text(), (FOLDER / f"{name}.lua").read_text()
    if script.startswith("#!"):
        flags, _, script = script.partition("\n")
        flags += "\n"
    return flags + common + script


def c_string(text):
    lines = (line.replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")[:-1])
    return "\n".join(f'\t"{line}\\n"' for line in lines)


def main():
    out = ["/* SPDX-License-Identifier: MIT */", "/* Written by embed.py. */", '#include "fleet/redis/redis.h"']
    for name in NAMES:
        text = assemble(name)
        sha = hashlib.sha1(text.encode()).hexdigest()
        out.append(f"const weft__redis_script weft__redis_{name} = {{\n\t\"{sha}\",\n{c_string(text)}\n}};")
    pathlib.Path(sys.argv[1]).write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
