#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tally.py loses no case, however it ends."""

import os
import pathlib
import subprocess
import sys
import unittest

from tally import run_unittests

TOOLS = pathlib.Path(__file__).parent


def run(*bodies, prelude="", **more_env):
    """Run a program whose test cases have these bodies. Returns (exit status, lines)."""
    cases = "".join(f"    def test_case{n}(self):\n        {body}\n" for n, body in enumerate(bodies))
    text = f"import sys, unittest, tally\nclass T(unittest.TestCase):\n{prelude}{cases}"
    text += "sys.exit(tally.run_unittests())\n"
    result = subprocess.run(
        [sys.executable, "-"], input=text, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(TOOLS), **more_env},
    )
    return result.returncode, result.stdout.splitlines()


class Tally(unittest.TestCase):
    def assert_run(self, status, last, *bodies, **options):
        got_status, lines = run(*bodies, **options)
        self.assertEqual((status, last), (got_status, lines[-1]), lines)
        return lines

    def test_passes_are_counted_and_named(self):
        self.assertIn("ok case1", self.assert_run(0, "2 passed, 0 failed, 0 skipped", "pass", "pass"))

    def test_failures_and_errors_are_told_with_their_reason(self):
        lines = self.assert_run(1, "1 passed, 2 failed, 0 skipped", "pass", "self.fail('why')", "1 / 0")
        self.assertIn("not ok case1", lines)
        self.assertTrue(any("why" in line for line in lines) and any("ZeroDivisionError" in line for line in lines))

    def test_failure_in_a_part_of_a_case_is_counted(self):
        body = "\n        ".join(["for i in (1, 2):", "    with self.subTest(i=i):", "        self.assertEqual(1, i)"])
        self.assert_run(1, "1 passed, 1 failed, 0 skipped", "pass", body)

    def test_skips_only_exit_with_77(self):
        lines = self.assert_run(77, "0 passed, 0 failed, 1 skipped", "self.skipTest('no disk')")
        self.assertIn("skip case0: no disk", lines)

    def test_failing_set_up_of_the_class_is_counted(self):
        prelude = "    @classmethod\n    def setUpClass(cls):\n        raise OSError\n"
        self.assert_run(1, "0 passed, 1 failed, 0 skipped", "pass", prelude=prelude)

    def test_pattern_chooses(self):
        lines = self.assert_run(0, "1 passed, 0 failed, 0 skipped", "1 / 0", "pass", WEFT_TEST_CASE="case1*")
        self.assertEqual(lines[:-1], ["ok case1"])
        self.assert_run(77, "0 passed, 0 failed, 0 skipped", "pass", WEFT_TEST_CASE="case")

    def test_pattern_is_not_for_what_a_case_runs(self):
        body = "import os; self.assertNotIn('WEFT_TEST_CASE', os.environ)"
        self.assert_run(0, "1 passed, 0 failed, 0 skipped", body, WEFT_TEST_CASE="case0")


if __name__ == "__main__":
    sys.exit(run_unittests())
