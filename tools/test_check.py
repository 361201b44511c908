#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check sums up what its steps say, and counts one that breaks down as a failure."""

import contextlib
import importlib.machinery
import io
import pathlib
import sys
import unittest
from unittest import mock

from tally import run_unittests

check = importlib.machinery.SourceFileLoader("check", str(pathlib.Path(__file__).with_name("check"))).load_module()


def step(name, script, **env):
    return check.Tool(name, ["sh", "-c", script], env)


def run(steps, *arguments):
    """Returns (exit status, lines of stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(check, "STEPS", steps), mock.patch.object(sys, "argv", ["check", *arguments]):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = check.main()
    return status, out.getvalue().splitlines(), err.getvalue()


class Check(unittest.TestCase):
    def assert_sum(self, status, last, *steps):
        got_status, lines, _ = run(list(steps))
        self.assertEqual((status, last), (got_status, lines[-1]), lines)

    def test_sums_of_all_steps_are_added(self):
        one = step("one", "echo 2 passed, 0 failed, 1 skipped")
        two = step("two", "echo ok; echo 1 passed, 0 failed, 0 skipped")
        self.assert_sum(0, "3 passed, 0 failed, 1 skipped", one, two)

    def test_failed_step_fails_the_run_and_those_after_it_still_run(self):
        bad = step("bad", "echo 1 passed, 2 failed, 0 skipped; exit 1")
        self.assert_sum(1, "2 passed, 2 failed, 0 skipped", bad, step("good", "echo 1 passed, 0 failed, 0 skipped"))

    def test_step_without_sums_is_one_case(self):
        self.assert_sum(0, "1 passed, 0 failed, 0 skipped", step("tool", "echo done"))
        self.assert_sum(1, "0 passed, 1 failed, 0 skipped", step("tool", "echo error; exit 1"))

    def test_status_that_contradicts_the_sums_is_a_failure(self):
        self.assert_sum(1, "3 passed, 1 failed, 0 skipped", step("odd", "echo 3 passed, 0 failed, 0 skipped; exit 1"))

    def test_command_that_fails_is_the_last_of_its_step(self):
        class Two(check.Tool):
            def commands(self):
                return [["false"], ["echo", "5 passed, 0 failed, 0 skipped"]]

        self.assert_sum(1, "0 passed, 1 failed, 0 skipped", Two("two", []))

    def test_environment_of_a_step_is_given(self):
        script = 'test "$WEFT_X" = 7 && echo 1 passed, 0 failed, 0 skipped'
        self.assert_sum(0, "1 passed, 0 failed, 0 skipped", step("env", script, WEFT_X="7"))

    def test_names_choose(self):
        steps = [step("one", "echo 1 passed, 0 failed, 0 skipped"), step("two", "exit 1")]
        self.assertEqual((0, ["two"], ""), run(steps, "--list", "two"))
        self.assertEqual("1 passed, 0 failed, 0 skipped", run(steps, "one")[1][-1])

    def test_unknown_step_is_refused(self):
        status, lines, told = run([step("one", "exit 0")], "one", "three")
        self.assertEqual((2, []), (status, lines))
        self.assertEqual("check: there is no step three: tools/check --list\n", told)


if __name__ == "__main__":
    sys.exit(run_unittests())
