#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tools report what is planted in tasks, with the functions that did it, and nothing else.

    test_planted.py SANITIZER PROGRAM

SANITIZER is what the build says: thread, address,undefined or none.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools"))
from tally import run_unittests  # noqa: E402

VALGRIND = ["valgrind", "-q", "--error-exitcode=99"]


def run(*arguments, tool=()):
    """Returns (exit status, what it printed to stderr)."""
    env = {k: v for k, v in os.environ.items() if not k.endswith("SAN_OPTIONS")}
    result = subprocess.run([*tool, PROGRAM, *arguments], capture_output=True, text=True, env=env, timeout=60)
    return result.returncode, result.stderr


class Planted(unittest.TestCase):
    def need(self, sanitizer):
        if sanitizer != SANITIZER:
            self.skipTest(f"this build has {SANITIZER}")

    def assert_reported(self, outcome, *patterns):
        status, text = outcome
        self.assertNotEqual(0, status, text)
        for pattern in patterns:
            self.assertTrue(re.search(pattern, text), f"no “{pattern}” in:\n{text}")

    def assert_silent(self, outcome):
        self.assertEqual((0, ""), outcome)

    def test_thread_sanitizer_reports_a_race_between_two_tasks(self):
        self.need("thread")
        self.assert_reported(run("race"), "WARNING: ThreadSanitizer: data race", r"visit .*planted\.c:", "'visits'")
        self.assert_silent(run("race", "right"))

    def test_address_sanitizer_reports_an_overflow_on_a_stack_of_a_task(self):
        self.need("address,undefined")
        where = r"#\d+ .* in write_name .*planted\.c:", r"in name_on_stack .*planted\.c:", "'name'"
        self.assert_reported(run("stack"), "AddressSanitizer: stack-buffer-overflow", *where)
        self.assert_silent(run("stack", "right"))

    def test_address_sanitizer_reports_an_overflow_on_the_heap_by_a_task(self):
        self.need("address,undefined")
        self.assert_reported(run("heap"), "AddressSanitizer: heap-buffer-overflow", r"in name_on_heap .*planted\.c:")
        self.assert_silent(run("heap", "right"))

    def test_valgrind_reports_an_overflow_on_the_heap_by_a_task(self):
        self.need("none")
        if shutil.which("valgrind") is None:
            self.skipTest("valgrind is not installed")
        where = r"(by|at) 0x\w+: write_name \(planted\.c:", r"by 0x\w+: name_on_heap \(planted\.c:"
        self.assert_reported(run("heap", tool=VALGRIND), r"Invalid write of size \d", *where)
        for defect in "race", "stack", "heap":
            self.assert_silent(run(defect, "right", tool=VALGRIND))


if __name__ == "__main__":
    SANITIZER, PROGRAM = sys.argv[1:]
    del sys.argv[1:]
    sys.exit(run_unittests())
