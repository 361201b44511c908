#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Show that fast paths are inlined where they are called, and check it:  inline_report.py [--check] [ROOT]

Compiles test/inline/call_sites.c with every compiler there is, for x86-64 and aarch64, with what pkg-config
tells users, and looks at what the compilers say and at the machine code of each call site: the path on which
no branch is taken has no call, and everything else is one call of one cold function. Prints both, or with
--check only the verdicts.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

from tally import Tally

NATIVE = ("gcc", "clang")
CROSS = "aarch64-linux-gnu-"
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fexceptions"]
AARCH64_FLAGS = ["-mno-outline-atomics"]
# gcc tells everything or nothing of what it inlines because it must; clang only what was asked for.
REMARKS = {"gcc": "-fopt-info-inline-all", "clang": "-Rpass=inline"}
# Instructions from the first to the return, those of the line after the call included. clang saves a register.
BUDGET = {"x86-64": 24, "aarch64": 28}
# These have no rest: what the compiler makes of them is all there is.
WITHOUT_SLOW = {"weft_rwmutex_try_lock"}

INLINE = re.compile(r"^WEFT_PRIV_INLINE\b[^{;]*?(\w+)\([^{;]*\)\s*\{(.*?)^\}", re.M | re.S)
ONCE_MACRO = re.compile(r"^#define (WEFT_ONCE_(?:FUNC|VALUE|VALUES))\(", re.M)
FUNCTION = re.compile(r"^[0-9a-f]+ <(\w+?)(\.cold)?>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(\S+)\s*(.*)$")
RELOCATION = re.compile(r"^\s+[0-9a-f]+: R_\w+\t(\w+)")
CALLS = {"call", "bl", "blr"}
JUMPS = {"jmp", "b"}


@dataclass
class Instruction:
    address: int
    name: str
    operands: str
    symbol: str = ""  # what it is relocated with

    @property
    def is_call(self):
        """A call, or a jump out of the function, which is the call of one that does not return here."""
        return self.name in CALLS or self.name in JUMPS and self.symbol.startswith("weft_")


@dataclass
class Site:
    name: str
    hot: list = field(default_factory=list)
    cold: list = field(default_factory=list)  # what gcc moved to another section

    def path(self):
        """The instructions that run when no branch is taken; ends with the return, or with what is wrong."""
        by_address = {each.address: i for i, each in enumerate(self.hot)}
        found, i = [], 0
        while i is not None and i < len(self.hot) and len(found) < 100:
            each = self.hot[i]
            found.append(each)
            if each.is_call or each.name == "ret":
                break
            i += 1
            if each.name in JUMPS:
                i = by_address.get(int(each.operands.split()[0], 16))
        return found

    def calls(self):
        return [each for each in self.hot + self.cold if each.is_call]

    def complaints(self, architecture):
        path, slow = self.path(), sorted({call.symbol or call.operands for call in self.calls()})
        function = self.name.removeprefix("site_")
        if path[-1].name != "ret":
            yield f"{function}: {path[-1].name} {path[-1].symbol} where nothing should be called"
        elif len(path) > BUDGET[architecture]:
            yield f"{function}: {len(path)} instructions, more than {BUDGET[architecture]}"
        if function in WITHOUT_SLOW and not slow:
            return
        if len(slow) != 1 or len(self.calls()) != 1 or not re.fullmatch(r"weft_\w+_slow", slow[0]):
            yield f"{function}: not one call of one slow function but {len(self.calls())}: {', '.join(slow) or 'none'}"


def sites_of(disassembly):
    """The call sites of what objdump -dr prints."""
    sites, part = {}, []
    for line in disassembly.splitlines():
        if match := FUNCTION.match(line):
            name, cold = match.groups()
            site = sites.setdefault(name, Site(name))
            part = site.cold if cold else site.hot
        elif match := INSTRUCTION.match(line):
            address, name, operands = match.groups()
            if name == "lock":
                name, operands = "lock " + operands.split()[0], operands.partition(" ")[2]
            part.append(Instruction(int(address, 16), name, operands.split("\t")[0].strip()))
        elif (match := RELOCATION.match(line)) and part:
            part[-1].symbol = match[1]
    return [site for name, site in sites.items() if name.startswith("site_")]


def wanted_sites(root):
    """The functions of the public headers that have an inlined path and a slow one, and the macros that make such."""
    wanted = set(WITHOUT_SLOW)
    for header in (root / "include" / "weft").glob("*.h"):
        text = header.read_text()
        wanted.update(name for name, body in INLINE.findall(text) if "_slow(" in body)
        wanted.update(ONCE_MACRO.findall(text))
        # What calls such a function is one itself.
        wanted.update(name for name, body in INLINE.findall(text)
                      if any(re.search(rf"\b{other}\(", body) for other in wanted))
    return wanted


def compilers():
    """(name, architecture, command, objdump); a command that is not there is None."""
    cross = shutil.which(CROSS + "gcc") and shutil.which(CROSS + "objdump")
    for name in NATIVE:
        yield name, "x86-64", shutil.which(name) and [name], "objdump"
    yield "gcc", "aarch64", cross and [CROSS + "gcc", *AARCH64_FLAGS], CROSS + "objdump"
    clang = cross and shutil.which("clang")
    yield "clang", "aarch64", clang and ["clang", "--target=aarch64-linux-gnu", *AARCH64_FLAGS], CROSS + "objdump"


def compile_sites(root, name, command, objdump):
    """(the call sites, what the compiler says it inlined); raises CalledProcessError."""
    source = root / "test" / "inline" / "call_sites.c"
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "call_sites.o"
        compiled = subprocess.run([*command, *FLAGS, REMARKS[name], "-I", root / "include", "-c", source, "-o", target],
                                  capture_output=True, text=True, check=True)
        shown = subprocess.run([objdump, "-dr", "--no-show-raw-insn", target],
                               capture_output=True, text=True, check=True)
    remarks = re.findall(r"Inlining (\w+)/\d+ into (site_\w+)/|'(\w+)' inlined into '(site_\w+)'", compiled.stderr)
    return sites_of(shown.stdout), {(a or c, b or d) for a, b, c, d in remarks}


def report(name, architecture, sites, remarks):
    print(f"== {name}, {architecture}")
    print(f"{'call site':36}  {'instructions':>12}  slow path")
    for site in sites:
        slow = ", ".join(call.symbol for call in site.calls())
        print(f"{site.name.removeprefix('site_'):36}  {len(site.path()):12}  {slow}")
    print("\nwhat the compiler says")
    for function, where in sorted(remarks):
        print(f"  {function} is inlined into {where}")
    for site in sites:
        print(f"\n{site.name}: the path on which no branch is taken")
        for each in site.path():
            print(f"  {each.address:4x}  {each.name} {each.operands}".rstrip())
    print()


def judge(root, sites, remarks, architecture):
    complaints = [complaint for site in sites for complaint in site.complaints(architecture)]
    missing = wanted_sites(root) - {site.name.removeprefix("site_") for site in sites}
    complaints += [f"{name} has no call site in test/inline/call_sites.c" for name in sorted(missing)]
    said = {where for _, where in remarks}
    complaints += [f"the compiler does not say that it inlined anything into {site.name}"
                   for site in sites if site.name not in said]
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="print verdicts only")
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[1])
    args = parser.parse_args()
    tally = Tally()
    for name, architecture, command, objdump in compilers():
        case = f"fast_paths_are_inlined_{name}_{architecture}"
        if not command:
            tally.skip(case, f"no {name} for {architecture}")
            continue
        try:
            sites, remarks = compile_sites(args.root, name, command, objdump)
        except subprocess.CalledProcessError as why:
            tally.fail(case, why.stderr)
            continue
        if not args.check:
            report(name, architecture, sites, remarks)
        tally.check(case, judge(args.root, sites, remarks, architecture))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
