#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_output.py compares what a program prints, and refuses an example that says nothing."""

import pathlib
import sys
import tempfile
import unittest

import check_output
from tally import run_unittests

SOURCE = "int main(void) {}\n/*\n * Output:\n * one\n *\n *   three\n */\n"


class Output(unittest.TestCase):
    def complaints(self, script, source=SOURCE):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "program"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
            return check_output.complaints(program, source)

    def test_same_output_passes(self):
        self.assertEqual([], self.complaints("printf 'one\\n\\n  three\\n'"))

    def test_other_output_is_found(self):
        self.assertTrue(self.complaints("printf 'one\\n\\n  four\\n'"))
        self.assertTrue(self.complaints("printf 'one\\n\\n  three\\nmore\\n'"))
        self.assertTrue(self.complaints("true"))

    def test_failing_program_is_found(self):
        self.assertTrue(self.complaints("printf 'one\\n\\n  three\\n'; exit 3"))

    def test_missing_comment_is_found(self):
        self.assertTrue(self.complaints("true", "int main(void) {}\n"))


if __name__ == "__main__":
    sys.exit(run_unittests())
