#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What no test of behaviour sees of the switch between stacks:  check_switch.py LIBRARY

LIBRARY is libweft.so. It is entered by jumps only, and left by one: a call or a ret that has no match makes
the processor predict each ret that follows wrongly (src/plat/x86_64/switch.S). And no function that switches
keeps anything below its stack's pointer, where the next task's worker calls.
"""

import argparse
import re
import subprocess
import sys

from tally import Tally

SWITCH = "weft__switch_stacks"
FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\t(\S.*)$")
JUMP = re.compile(r"^(jmp|b)\s")
AWAY = re.compile(r"^((notrack )?jmp\s+\*|br\s)")
BELOW = re.compile(r"-0x[0-9a-f]+\(%rsp")


def functions(library):
    """Each with its instructions; those of one name are one, and so is what of one was put elsewhere."""
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"objdump: exit status {done.returncode}\n{done.stderr}")
    found, name = {}, None
    for line in done.stdout.splitlines():
        if match := FUNCTION.match(line):
            name = match[1].split(".")[0]
            found.setdefault(name, [])
        elif match := INSTRUCTION.match(line):
            found[name].append(match[1])
    return found


def complaints_of_entry(found):
    entries = [(name, text) for name, body in found.items() for text in body if f"<{SWITCH}>" in text]
    if not entries:
        return ["nobody comes to it"]
    return [f"{name}: {text}" for name, text in entries if not JUMP.match(text)]


def complaints_of_exit(body):
    away = [text for text in body if AWAY.match(text)]
    rets = [text for text in body if text.split()[0] in ("ret", "retq")]
    return rets if away else ["it has no jump through a register"]


def complaints_of_red_zones(found):
    return [
        f"{name}: {text}"
        for name, body in found.items()
        if any(f"<{SWITCH}>" in text for text in body)
        for text in body
        if BELOW.search(text)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared_object", metavar="LIBRARY")
    found = functions(parser.parse_args().shared_object)
    tally = Tally()
    if SWITCH not in found:
        tally.fail("switch_is_there", f"no {SWITCH} in the library")
        return tally.finish()
    tally.check("switch_is_entered_by_jumps", complaints_of_entry(found))
    tally.check("switch_is_left_by_a_jump", complaints_of_exit(found[SWITCH]))
    tally.check("who_switches_has_no_red_zone", complaints_of_red_zones(found))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
