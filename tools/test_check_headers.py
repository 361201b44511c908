#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_headers.py refuses headers that do not stand alone, in C and in C++."""

import pathlib
import shutil
import sys
import tempfile
import unittest

import check_headers
from tally import run_unittests

GOOD = "#ifndef G_H\n#define G_H\n#include <stddef.h>\nstatic inline size_t g(void) { return sizeof(int); }\n#endif\n"
C_COMPILERS, CXX_COMPILERS = ["gcc", "clang"], ["g++", "clang++"]


@unittest.skipUnless(all(map(shutil.which, check_headers.COMPILERS)), "a compiler is missing")
class Headers(unittest.TestCase):
    def refused_by(self, text):
        """The compilers that complain about this header."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "include").mkdir()
            (root / "include" / "h.h").write_text(text)
            return [c for c in check_headers.COMPILERS if check_headers.complaints(root, c, "h.h")]

    def test_good_header_passes(self):
        self.assertEqual([], self.refused_by(GOOD))

    def test_missing_include_is_found(self):
        self.assertEqual(C_COMPILERS + CXX_COMPILERS, self.refused_by("#pragma once\nsize_t f(void);\n"))

    def test_missing_guard_is_found(self):
        self.assertEqual(C_COMPILERS + CXX_COMPILERS, self.refused_by("struct s { int x; };\n"))

    def test_header_that_is_no_cxx_is_found(self):
        self.assertEqual(CXX_COMPILERS, self.refused_by("#pragma once\nstatic inline int *f(void *p) { return p; }\n"))

    def test_casts_of_c_are_found_in_cxx(self):
        self.assertEqual(
            CXX_COMPILERS, self.refused_by("#pragma once\nstatic inline long f(int i) { return (long)i; }\n")
        )

    def test_gnu_extension_without_its_mark_is_found(self):
        self.assertIn("gcc", self.refused_by("#pragma once\nstruct s { int x; const char none[0]; };\n"))


if __name__ == "__main__":
    sys.exit(run_unittests())
