#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_switch.py on libraries with good and with bad switches, of x86-64."""

import pathlib
import platform
import subprocess
import sys
import tempfile
import unittest

from tally import run_unittests

CHECK = pathlib.Path(__file__).parent / "check_switch.py"
SOURCE = """
	.text
	.type	weft__switch_stacks, @function
weft__switch_stacks:
	popq	%rcx
	{leave}
	.type	park, @function
park:
	{before}
	{enter}	weft__switch_stacks
	ret
"""
NO_STACK = '\t.section .note.GNU-stack, "", @progbits\n'
TWIN = """
	.text
	.type	park, @function
park:
	ret
"""


@unittest.skipUnless(platform.machine() == "x86_64", "what it is given is for x86-64")
class CheckSwitch(unittest.TestCase):
    def failures(self, enter="jmp", leave="jmp *%rcx", before="movq %rax, 8(%rsp)", twin=""):
        with tempfile.TemporaryDirectory() as directory:
            folder = pathlib.Path(directory)
            library = folder / "a.so"
            (folder / "a.s").write_text(SOURCE.format(enter=enter, leave=leave, before=before) + NO_STACK)
            (folder / "b.s").write_text(twin + NO_STACK)
            sources = [folder / "a.s", folder / "b.s"]
            subprocess.run(["cc", "-shared", "-nostdlib", "-o", library, *sources], check=True)
            done = subprocess.run([sys.executable, CHECK, library], capture_output=True, text=True)
        failed = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("not ok")]
        self.assertEqual(done.returncode, 1 if failed else 0, done.stderr)
        return failed

    def test_switch_by_jumps_is_good(self):
        self.assertEqual(self.failures(), [])

    def test_switch_that_is_called_is_found(self):
        self.assertEqual(self.failures(enter="call"), ["switch_is_entered_by_jumps"])

    def test_switch_that_nobody_comes_to_is_found(self):
        self.assertEqual(self.failures(enter="lea 8(%rax), %rax  #"), ["switch_is_entered_by_jumps"])

    def test_switch_that_returns_is_found(self):
        self.assertEqual(self.failures(leave="push %rcx\n	ret"), ["switch_is_left_by_a_jump"])

    def test_second_function_of_a_name_hides_nothing(self):
        self.assertEqual(self.failures(enter="call", twin=TWIN), ["switch_is_entered_by_jumps"])

    def test_red_zone_is_found(self):
        self.assertEqual(self.failures(before="movq %rax, -8(%rsp)"), ["who_switches_has_no_red_zone"])


if __name__ == "__main__":
    sys.exit(run_unittests())
