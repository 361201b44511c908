#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_tests counts what programs print, and counts each way of breaking down as a failure."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from tally import run_unittests

RUNNER = pathlib.Path(__file__).with_name("run_tests")


def program(script, name="p", suite="unit", timeout=20, parallel=True, env=None):
    return {
        "name": name,
        "suite": [f"weft:{suite}"],
        "cmd": ["sh", "-c", script],
        "env": env or {},
        "workdir": None,
        "timeout": timeout,
        "is_parallel": parallel,
    }


def write_tests(folder, programs):
    info = pathlib.Path(folder) / "meson-info"
    info.mkdir()
    (info / "intro-tests.json").write_text(json.dumps(programs))


def run(programs, suites="", options=()):
    """Returns (exit status, last line, all that was printed)."""
    with tempfile.TemporaryDirectory() as folder:
        write_tests(folder, programs)
        result = subprocess.run(
            [RUNNER, *options, f"{folder}:{suites}" if suites else folder], capture_output=True, text=True
        )
        return result.returncode, result.stdout.rstrip("\n").split("\n")[-1], result.stdout


class Runner(unittest.TestCase):
    def assert_sum(self, status, passed, failed, skipped, *programs, **options):
        got_status, last, text = run(list(programs), **options)
        self.assertEqual((status, f"{passed} passed, {failed} failed, {skipped} skipped"), (got_status, last), text)
        return text

    def test_sums_of_all_programs_are_added(self):
        one = program("echo ok a; echo ok b; echo 2 passed, 0 failed, 0 skipped")
        two = program("echo ok c; echo skip d; echo 1 passed, 0 failed, 1 skipped")
        self.assert_sum(0, 3, 0, 1, one, two)

    def test_failed_case_fails_the_run_and_is_shown(self):
        script = "echo ok a; echo not ok b; echo 1 passed, 1 failed, 0 skipped; exit 1"
        text = self.assert_sum(1, 1, 1, 0, program(script))
        self.assertIn("not ok b", text)

    def test_program_of_skips_only_is_no_failure(self):
        good = program("echo 1 passed, 0 failed, 0 skipped")
        text = self.assert_sum(0, 1, 0, 1, good, program("echo skip a; echo 0 passed, 0 failed, 1 skipped; exit 77"))
        self.assertIn("skip a", text)

    def test_crash_counts_as_a_failure_beside_what_passed(self):
        text = self.assert_sum(1, 1, 1, 0, program("echo ok a; kill -SEGV $$"))
        self.assertIn("SIGSEGV", text)

    def test_crash_after_the_sums_counts_as_a_failure(self):
        self.assert_sum(1, 1, 1, 0, program("echo 1 passed, 0 failed, 0 skipped; kill -ABRT $$"))

    def test_missing_sums_count_as_a_failure(self):
        self.assert_sum(1, 1, 1, 0, program("echo ok a"))

    def test_exit_status_that_contradicts_the_sums_counts_as_a_failure(self):
        self.assert_sum(1, 1, 1, 0, program("echo 1 passed, 0 failed, 0 skipped; exit 3"))
        self.assert_sum(1, 0, 2, 0, program("echo 0 passed, 1 failed, 0 skipped"))

    def test_program_without_cases_counts_as_a_failure(self):
        self.assert_sum(1, 0, 1, 0, program("echo 0 passed, 0 failed, 0 skipped"))

    def test_program_that_cannot_be_started_counts_as_a_failure(self):
        gone = {**program(""), "cmd": ["/nonexistent/program"]}
        self.assert_sum(1, 0, 1, 0, gone)

    def test_hang_is_ended_with_all_its_children(self):
        with tempfile.NamedTemporaryFile() as mark:
            script = f"echo ok a; (sleep 3; echo late > {mark.name}) & sleep 600"
            text = self.assert_sum(1, 1, 1, 0, program(script, timeout=1))
            self.assertIn("more than 1 s", text)
            subprocess.run(["sleep", "3"], check=True)
            self.assertEqual(b"", mark.read())

    def test_ended_runner_takes_its_programs_along(self):
        with tempfile.TemporaryDirectory() as folder:
            started = pathlib.Path(folder) / "started"
            write_tests(folder, [program(f"echo $$ > {started}; exec sleep 600")])
            runner = subprocess.Popen([RUNNER, folder], stdout=subprocess.DEVNULL)
            while not (started.is_file() and started.read_text().endswith("\n")):
                self.assertIsNone(runner.poll())
            for _ in range(3):  # as timeout(1) does, which sends to the group, too
                runner.terminate()
            self.assertEqual(130, runner.wait(20))
            with self.assertRaises(ProcessLookupError):
                os.kill(int(started.read_text()), 0)

    def test_programs_have_the_default_of_each_signal(self):
        survivors = 'for s in HUP INT QUIT TERM; do sh -c "kill -$s \\$\\$" && exit 1; done'
        with tempfile.TemporaryDirectory() as folder:
            write_tests(folder, [program(f"{survivors}; echo 1 passed, 0 failed, 0 skipped")])
            ignores = f"trap '' HUP INT QUIT TERM; {RUNNER} {folder} & sleep 0.2; kill -HUP $!; wait"
            result = subprocess.run(["sh", "-c", ignores], capture_output=True, text=True)
            self.assertEqual("1 passed, 0 failed, 0 skipped", result.stdout.splitlines()[-1], result.stdout)

    def test_timeout_factor_multiplies(self):
        slow = program("sleep 1.5; echo 1 passed, 0 failed, 0 skipped", timeout=1)
        self.assert_sum(0, 1, 0, 0, slow, options=["-t", "10"])

    def test_only_the_named_suites_run(self):
        unit = program("echo 1 passed, 0 failed, 0 skipped")
        stress = program("exit 1", suite="stress")
        self.assert_sum(0, 1, 0, 0, unit, stress, suites="unit,trap")

    def test_environment_of_the_build_is_given(self):
        script = 'test "$WEFT_X" = 7 && echo 1 passed, 0 failed, 0 skipped'
        self.assert_sum(0, 1, 0, 0, program(script, env={"WEFT_X": "7"}))

    def test_programs_run_in_the_build_folder(self):
        script = "test -f meson-info/intro-tests.json && echo 1 passed, 0 failed, 0 skipped"
        self.assert_sum(0, 1, 0, 0, program(script))

    def test_wrapper_runs_what_the_build_has_made_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder:
            own = pathlib.Path(folder) / "test_own"
            own.write_text("#!/bin/sh\necho 1 passed, 0 failed, 0 skipped\n")
            own.chmod(0o755)
            script = program("echo 2 passed, 0 failed, 0 skipped")
            write_tests(folder, [{**program(""), "cmd": [str(own.resolve())]}, script])
            wrapper = "sh -c 'echo wrapped by $0; exec $1'"
            result = subprocess.run([RUNNER, "-w", f"{wrapper} it", folder], capture_output=True, text=True)
            self.assertEqual("1 passed, 0 failed, 0 skipped", result.stdout.splitlines()[-1], result.stdout)

    def test_serial_programs_run_after_the_others(self):
        alone = program("echo 1 passed, 0 failed, 0 skipped", name="alone", parallel=False)
        other = program("sleep 0.3; echo 1 passed, 0 failed, 0 skipped", name="other")
        text = self.assert_sum(0, 2, 0, 0, alone, other)
        self.assertLess(text.index("unit/other"), text.index("unit/alone"))

    def test_a_folder_that_is_no_build_is_told(self):
        result = subprocess.run([RUNNER, "/nowhere/gcc:unit"], capture_output=True, text=True)
        told = "run_tests: /nowhere/gcc is no build folder: tools/build makes one\n"
        self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "", told))

    def test_a_suite_that_is_not_there_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            write_tests(folder, [program("echo 1 passed, 0 failed, 0 skipped")])
            result = subprocess.run([RUNNER, f"{folder}:unit,uint"], capture_output=True, text=True)
            self.assertEqual(result.stderr, f"run_tests: {folder} has no suite uint, but unit\n")
            self.assertEqual(result.returncode, 0)

    def test_no_program_at_all_is_a_failure(self):
        self.assert_sum(1, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(run_unittests())
