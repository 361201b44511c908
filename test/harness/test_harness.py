#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The test harness, tested with bad cases:  test_harness.py PATH/TO/harness_cases"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import run_unittests  # noqa: E402

PASSING = {
    "passes", "joins_tasks", "joins_threads", "joins_mixed", "threads_are_what_a_plain_case_starts",
    "prints", "traps", "leaks_a_task_threads",
}  # fmt: skip
SKIPPING = {"skips"}
MAY_PASS = {"leaks_a_task_mixed"}  # its body is a thread, or a task
cases = None
whole = None


def run(*arguments, **env):
    return subprocess.run(
        [cases, *arguments], env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def block_of(name):
    """What was printed below the line of a case."""
    match = re.search(rf"^not ok {name}\n((?:    .*\n)*)", whole.stdout, re.M)
    return match.group(1) if match else ""


class Harness(unittest.TestCase):
    def test_every_case_has_the_right_line(self):
        for name in run("--list").stdout.split():
            mark = "ok" if name in PASSING else "skip" if name in SKIPPING else "not ok"
            if name not in MAY_PASS:
                self.assertRegex(whole.stdout, rf"(?m)^{mark} {name}\b")

    def test_last_line_sums_up(self):
        lines = whole.stdout.splitlines()
        marks = [sum(line.startswith(mark) for line in lines) for mark in ("ok ", "not ok ", "skip ")]
        self.assertEqual(lines[-1], "%d passed, %d failed, %d skipped" % tuple(marks))
        self.assertEqual(sum(marks), len(run("--list").stdout.split()))

    def test_exit_status_is_1_after_a_failure(self):
        self.assertEqual(whole.returncode, 1)

    def test_failure_shows_place_and_operands(self):
        self.assertRegex(block_of("fails"), r"cases\.c:\d+: not so: 1 \+ 1 == 3")
        self.assertRegex(block_of("fails_with_operands"), r"not so: 40 \+ 2 == 6 \* 9 \(42, 54\)")

    def test_failure_in_a_task_or_thread_is_noticed(self):
        for flavour in ("tasks", "threads", "mixed"):
            self.assertRegex(block_of(f"fails_beside_{flavour}"), r"not so: 2 < 1 \(2, 1\)")

    def test_hang_crash_and_exit_are_told_apart(self):
        self.assertIn("took too long", block_of("hangs"))
        self.assertRegex(block_of("crashes"), "killed by signal 7|Sanitizer: BUS")
        self.assertIn("exit status 5", block_of("exits"))

    def test_output_cannot_pass_for_a_case(self):
        self.assertNotIn("to stdout", whole.stdout)
        self.assertNotRegex(whole.stdout, "(?m)^ok not_a_case")

    def test_long_output_is_cut(self):
        block = block_of("prints_much_and_fails")
        self.assertLess(len(block), 64 * 1024)
        self.assertIn("line 0\n", block)
        self.assertTrue("not so: false" in block)

    def test_skip_tells_why(self):
        self.assertIn("skip skips: for a reason\n", whole.stdout)

    def test_task_that_is_left_fails(self):
        self.assertIn("weft_task_count() == 0 (1, 0)", block_of("leaks_a_task_tasks"))

    def test_wrong_trap_tells_what_was_wanted(self):
        for name in ("traps_with_other_words", "traps_by_another_signal", "traps_not_at_all"):
            self.assertIn('wanted: signal 6 and "the right words"', block_of(name))

    def test_seed_of_a_failure_repeats_it(self):
        block = block_of("shows_its_random_numbers")
        seed = re.search(r"WEFT_TEST_SEED=(\d+)", block).group(1)
        number = re.search(r"random \d+", block).group()
        self.assertIn(number, run("shows_its_random_numbers", WEFT_TEST_SEED=seed).stdout)
        other = run("shows_its_random_numbers", WEFT_TEST_SEED=str(int(seed) + 1)).stdout
        self.assertNotIn(number, other)

    def test_one_case_runs_in_process(self):
        self.assertEqual(run("passes").returncode, 0)
        self.assertEqual(run("fails").returncode, -6)

    def test_a_case_that_is_not_there_is_told(self):
        result = run("no_such_case")
        told = "no case no_such_case here: --list has those there are\n"
        self.assertEqual((result.returncode, result.stdout), (2, told))

    def test_a_variable_that_is_no_number_is_told_once(self):
        for name in ("WEFT_TEST_LIMIT", "WEFT_TEST_LONG", "WEFT_TEST_SEEDS"):
            for text in ("x", "-1", "3s", ""):
                result = run(**{name: text})
                self.assertEqual((result.returncode, result.stdout), (2, f"{name}={text} is no number\n"))


if __name__ == "__main__":
    cases = sys.argv[1]
    whole = run()
    sys.exit(run_unittests())
