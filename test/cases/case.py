# SPDX-License-Identifier: MIT
"""What the tests of the use cases share: a program, run as a user would."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "test" / "fleet")]
from tally import run_unittests  # noqa: E402

SECONDS_MAX = 120


class Case(unittest.TestCase):
    """Its subclasses have the program's options, without the dashes, in options."""

    program = None
    options = ()
    bad = ()

    def run_program(self, *args):
        return subprocess.run([self.program, *map(str, args)], capture_output=True, text=True, timeout=SECONDS_MAX)

    def result(self, *args):
        done = self.run_program("--json", *args)
        self.assertEqual(done.returncode, 0, done)
        return json.loads(done.stdout)

    def assert_one_line(self, done, status, *words):
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        for word in words:
            self.assertIn(word, done.stderr)

    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-case-")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def check_options(self):
        text = self.run_program("--help").stdout
        for name in self.options:
            self.assertIn(f"--{name}", text)
        for args in (["--what"], ["what"], ["--json=1"], *self.bad):
            done = self.run_program(*args)
            self.assert_one_line(done, 2, pathlib.Path(self.program).name + ": ")
            self.assertEqual(done.stdout, "")


def main(case):
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} PROGRAM")
    case.program = str(pathlib.Path(sys.argv.pop()).resolve())
    sys.exit(run_unittests())
