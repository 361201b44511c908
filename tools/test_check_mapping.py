#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_mapping.py finds what it says it finds."""

import pathlib
import sys
import tempfile
import unittest

import check_mapping
from tally import run_unittests


class Mapping(unittest.TestCase):
    def problems(self, text):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for folder in "docs", "include/weft", "test/unit":
                (root / folder).mkdir(parents=True)
            (root / "include/weft/x.h").write_text(
                "void weft_x_do(weft_x *x);\nbool abort_on_x;\n")
            (root / "test/unit/test_x.c").write_text(
                "TEST(x_does_nothing_twice)\n{\n}\n"
                "TEST_TRAP(x_of_a_null_is_fatal,\n\t  \"no x\")\n{\n}\n")
            (root / "docs/go_mapping.md").write_text(text)
            return check_mapping.check(root)

    def assert_fine(self, text):
        self.assertEqual([], self.problems(text))

    def assert_problem(self, text, words):
        found = self.problems("\n" + text)
        self.assertEqual(1, len(found), found)
        self.assertTrue(found[0].startswith("docs/go_mapping.md:2: "), found)
        self.assertIn(words, found[0])

    def test_what_exists_is_fine(self):
        self.assert_fine("`weft_x_do`, `weft_x_do(x)`, `x_does_nothing_twice`")
        self.assert_fine("`x_of_a_null_is_fatal` `abort_on_x`")

    def test_abbreviations_are_fine_where_they_fit(self):
        self.assert_fine("`…_nothing_twice`, `x_does_nothing_…`")
        self.assert_problem("`…_nothing_thrice_or`", "nothing_thrice_or")
        self.assert_problem("`x_does_something_…`", "x_does_something_")

    def test_other_words_are_left_alone(self):
        self.assert_fine("`go f(x)`, `defer`, `src/x/y.c`, `_x_y_z`, x_is_not_quoted")

    def test_missing_name_is_found(self):
        self.assert_problem("`weft_y_do`", "public name weft_y_do")
        self.assert_problem("`WEFT_X`", "public name WEFT_X")

    def test_missing_case_is_found(self):
        self.assert_problem("`x_does_nothing_once`", "test case x_does_nothing_once")


if __name__ == "__main__":
    sys.exit(run_unittests())
