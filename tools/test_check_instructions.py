#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_instructions.py compares in both directions, and reads what it writes."""

import sys
import unittest

from check_instructions import ROWS, complaint, read_record, written_record
from tally import run_unittests


class Instructions(unittest.TestCase):
    def test_instructions_may_differ_a_little(self):
        self.assertEqual([], complaint(100, 110.9))
        self.assertEqual([], complaint(100, 89.1))
        self.assertEqual([], complaint(5, 6))

    def test_instructions_must_not_become_more(self):
        self.assertIn("12.0 more", complaint(100, 112)[0])
        self.assertIn("2.0 more", complaint(5, 7)[0])

    def test_fewer_instructions_are_to_be_written_down(self):
        self.assertIn("--write", complaint(100, 60)[0])

    def test_a_row_without_a_number_is_noticed(self):
        self.assertIn("none are written down", complaint(None, 60)[0])

    def test_what_is_written_is_read_again(self):
        record = {"gcc": {row: 1.5 for row in ROWS}, "clang": {"once_hit": 4.0}}
        self.assertEqual(record, read_record(written_record(record)))
        self.assertEqual({}, read_record("# nothing yet\n"))


if __name__ == "__main__":
    sys.exit(run_unittests())
