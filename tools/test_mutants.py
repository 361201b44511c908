#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutants tells the killed from the survivors, and what is wrong with a list from both."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from tally import run_unittests

MUTANTS = pathlib.Path(__file__).with_name("mutants")
MESON = """
project('tiny', 'c')
test_sum = executable('test_sum', 'sum.c', 'main.c')
test('sum', test_sum, suite: 'unit')
test('script', find_program('sh'), args: [files('script.sh'), test_sum], suite: 'cli')
"""
OPTIONS = """
option('bench', type: 'boolean')
option('cli', type: 'feature')
option('vet', type: 'feature')
"""
SUM = """
int sum(int n)
{
	int s = 0;

	for (int i = 1; i <= n; i++)
		s += i;
	return s;
}
"""
MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int sum(int n);
int main(void)
{
	const char *name = getenv("WEFT_TEST_CASE");
	int failed = 1;
	if (strcmp(name, "sum_of_three") == 0)
		failed = sum(3) != 6;
	else if (strcmp(name, "sum_of_nothing") == 0)
		failed = sum(0) != 0;
	printf("%s %s\\n", failed ? "not ok" : "ok", name);
	return failed;
}
"""
SKIPS_ONE = """
mutant: skips-one
breaks: all are added
file: sum.c
test: unit/sum sum_of_three
-	for (int i = 1; i <= n; i++)
+	for (int i = 1; i < n; i++)
"""


class Mutants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        (cls.root / "test" / "mutants").mkdir(parents=True)
        files = {"meson.build": MESON, "meson_options.txt": OPTIONS, "sum.c": SUM, "main.c": MAIN,
                 "script.sh": 'exec "$1"\n'}
        for name, text in files.items():
            (cls.root / name).write_text(text)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def run_list(self, text, *options):
        (self.root / "test" / "mutants" / "all.txt").write_text(text)
        return subprocess.run([MUTANTS, "-C", self.root, "-j1", *options], capture_output=True, text=True)

    def assert_sum(self, status, last, text):
        result = self.run_list(text)
        self.assertEqual((status, last), (result.returncode, result.stdout.splitlines()[-1]), result)
        return result.stdout

    def assert_refused(self, part, text, *options):
        result = self.run_list(text, *options)
        self.assertEqual((2, ""), (result.returncode, result.stdout), result)
        self.assertEqual(1, len(result.stderr.splitlines()), result.stderr)
        self.assertIn(part, result.stderr)

    def test_what_a_case_notices_is_killed(self):
        told = self.assert_sum(0, "1 killed, 0 survived of 1", SKIPS_ONE)
        self.assertIn("skips-one: sum_of_three", told)

    def test_script_is_run_with_what_it_tests(self):
        text = SKIPS_ONE.replace("unit/sum", "cli/script")
        self.assert_sum(0, "1 killed, 0 survived of 1", text)
        self.assert_sum(1, "0 killed, 1 survived of 1", text.replace("of_three", "of_nothing"))

    def test_what_a_case_does_not_notice_survives_and_fails_the_run(self):
        told = self.assert_sum(1, "0 killed, 1 survived of 1", SKIPS_ONE.replace("of_three", "of_nothing"))
        self.assertIn("survived skips-one: all are added", told)

    def test_survivor_that_the_list_knows_of_does_not_fail_the_run(self):
        text = SKIPS_ONE.replace("of_three", "of_nothing").replace("file:", "survives: nothing is added\nfile:")
        self.assertIn("nothing is added", self.assert_sum(0, "0 killed, 1 survived of 1", text))

    def test_known_survivor_that_is_killed_is_told(self):
        text = SKIPS_ONE.replace("file:", "survives: so it was once\nfile:")
        self.assert_sum(1, "0 killed, 0 survived of 1, 1 broken", text)

    def test_case_that_fails_without_a_mutant_proves_nothing(self):
        told = self.assert_sum(1, "0 killed, 0 survived of 1, 1 broken", SKIPS_ONE.replace("of_three", "of_four"))
        self.assertIn("does not pass as things are", told)

    def test_mutant_that_does_not_compile_proves_nothing(self):
        self.assert_sum(1, "0 killed, 0 survived of 1, 1 broken", SKIPS_ONE.replace("i < n", "i < m"))

    def test_program_that_is_not_there_proves_nothing(self):
        self.assert_sum(1, "0 killed, 0 survived of 1, 1 broken", SKIPS_ONE.replace("unit/sum", "unit/product"))

    def test_hang_is_a_kill_if_the_list_says_so(self):
        text = SKIPS_ONE.replace("i < n; i++)", "i <= n; i += 0)").replace("file:", "hangs: adds 1 for ever\nfile:")
        self.assertIn("hangs", self.assert_sum(0, "1 killed, 0 survived of 1", text))

    def test_hang_on_a_machine_that_has_become_slow_proves_nothing(self):
        slow = 'getenv("WEFT_TEST_CASE");\n\tif (!fopen("once", "r"))\n\t\tfopen("once", "w");\n\telse\n\t\tfor (;;);'
        (self.root / "main.c").write_text(MAIN.replace('getenv("WEFT_TEST_CASE");', slow))
        text = SKIPS_ONE.replace("file:", "hangs: it does not\nfile:")
        told = self.assert_sum(1, "0 killed, 0 survived of 1, 1 broken", text)
        self.assertIn("does not end within 3 s any more", told)
        (self.root / "main.c").write_text(MAIN)

    def test_seconds_are_told(self):
        self.assertRegex(self.assert_sum(0, "1 killed, 0 survived of 1", SKIPS_ONE), r"sum_of_three  \(\d+\.\d s\)\n")

    def test_one_after_the_other_each_has_a_whole_tree(self):
        other = SKIPS_ONE.replace("skips-one", "starts-late").replace("i = 1; i < n", "i = 2; i <= n")
        self.assert_sum(0, "2 killed, 0 survived of 2", SKIPS_ONE + other)
        self.assert_sum(0, "1 killed, 0 survived of 1", SKIPS_ONE)

    def test_names_choose(self):
        other = SKIPS_ONE.replace("skips-one", "another")
        result = self.run_list(SKIPS_ONE + other, "skips-*")
        self.assertEqual("1 killed, 0 survived of 1", result.stdout.splitlines()[-1])
        self.assert_refused("no mutant is named ship", SKIPS_ONE, "ship")

    def test_check_builds_nothing(self):
        result = self.run_list(SKIPS_ONE.replace("i < n", "no C at all"), "--check")
        self.assertEqual((0, "1 mutants fit\n"), (result.returncode, result.stdout))

    def test_text_that_is_not_there_once_is_refused(self):
        self.assert_refused("is 0 times in sum.c", SKIPS_ONE.replace("-	for", "-	while"))
        twice = SKIPS_ONE.replace("sum.c", "main.c").replace("-	for (int i = 1; i <= n; i++)", "-{")
        (self.root / "main.c").write_text(MAIN + "void twice(void)\n{\n}\n")
        self.assert_refused("is 2 times in main.c", twice)
        (self.root / "main.c").write_text(MAIN)

    def test_file_that_is_not_there_is_refused(self):
        self.assert_refused("product.c: No such file", SKIPS_ONE.replace("sum.c", "product.c"))

    def test_incomplete_and_wrong_entries_are_refused(self):
        for part, text in (
            ("all.txt:2: mutant skips-one has no line “breaks:”", SKIPS_ONE.replace("breaks: all are added\n", "")),
            ("has no line “test:”", SKIPS_ONE.replace("test: unit/sum sum_of_three\n", "")),
            ("has two lines “file:”", SKIPS_ONE.replace("file:", "file: main.c\nfile:")),
            ("has an unknown line “kills:”", SKIPS_ONE.replace("test:", "kills:")),
            ("a test is SUITE/PROGRAM CASE", SKIPS_ONE.replace(" sum_of_three", "")),
            ("a build is one of", SKIPS_ONE.replace("test:", "build: icc\ntest:")),
            ("seeds is a number", SKIPS_ONE.replace("test:", "seeds: many\ntest:")),
            ("changes nothing", SKIPS_ONE.replace("i < n", "i <= n")),
            ("changes nothing", SKIPS_ONE.replace("-	for (int i = 1; i <= n; i++)\n", "")),
            ("neither “key: value” nor", SKIPS_ONE + "?\n"),
            ("a line before the first mutant", "file: sum.c\n" + SKIPS_ONE),
            ("is in the list twice", SKIPS_ONE + SKIPS_ONE),
            ("no mutants there", "# nothing\n"),
        ):
            with self.subTest(part):
                self.assert_refused(part, text)


if __name__ == "__main__":
    sys.exit(run_unittests())
