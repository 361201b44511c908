#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_style.py finds what it says it finds."""

import sys
import unittest

import check_style
from tally import run_unittests


def function(lines):
    return "static int f(int n)\n{\n" + "\treturn n;\n" * lines + "}\n"


class Style(unittest.TestCase):
    def assert_complaint(self, text, line, words):
        found = list(check_style.line_complaints(text))
        self.assertEqual(1, len(found), found)
        self.assertTrue(found[0].startswith(f"{line}: "), found)
        self.assertIn(words, found[0])

    def test_clean_text_has_no_complaints(self):
        self.assertEqual([], list(check_style.line_complaints("int x;\n\nint y;\n")))

    def test_long_line_is_found(self):
        self.assertEqual([], list(check_style.line_complaints("x" * 120 + "\n")))
        self.assert_complaint("x" * 121 + "\n", 1, "over 120")

    def test_tab_counts_eight_columns(self):
        self.assert_complaint("\n\t" + "x" * 113 + "\n", 2, "over 120")

    def test_blanks_at_the_end_are_found(self):
        self.assert_complaint("int x; \n", 1, "blanks")

    def test_missing_last_newline_is_found(self):
        self.assert_complaint("int x;", 1, "no newline")

    def test_open_mark_is_found(self):
        self.assert_complaint("/* TO" "DO: later */\n", 1, "left open")

    def test_only_functions_over_the_limit_are_named(self):
        self.assertEqual([], list(check_style.long_functions(function(70))))
        self.assertEqual([(2, 71)], list(check_style.long_functions(function(71))))

    def test_function_with_its_brace_on_the_first_line_is_measured(self):
        text = function(71).replace(")\n{", ") {")
        self.assertEqual([(1, 71)], list(check_style.long_functions(text)))


if __name__ == "__main__":
    sys.exit(run_unittests())
