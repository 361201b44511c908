#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/setup, with stand-ins for dpkg, apt and who we are, and make uninstall: nothing is installed here."""

import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

from tally import run_unittests

SETUP = pathlib.Path(__file__).with_name("setup")
# What the tool itself says "test" needs: each purpose is a line NAME="..." in it.
ALL = subprocess.run(
    ["sh", "-c", r'eval "$(grep -E "^[a-z]+=" "$1")"; echo $test', "sh", SETUP], capture_output=True, text=True
).stdout.split()


class Setup(unittest.TestCase):
    def run_setup(self, installed, root=True, sudo=False, apt_works=True, purpose="test"):
        """Returns (exit status, what apt-get was asked, stdout and stderr)."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            calls = folder / "calls"
            stand_ins = {
                "id": f"echo {0 if root else 1000}",
                "dpkg-query": "".join(f"echo installed:{p}\n" for p in installed) + "echo not-installed:vim; exit 1",
                "apt-get": f'echo "apt-get $*" >>{calls}; exit {0 if apt_works else 100}',
            }
            if sudo:
                stand_ins["sudo"] = f'echo sudo >>{calls}; "$@"'
            for tool in ("sh", "env", "tr"):
                (folder / tool).symlink_to(f"/usr/bin/{tool}")
            for tool, text in stand_ins.items():
                (folder / tool).write_text(f"#!/bin/sh\n{text}\n")
                (folder / tool).chmod(stat.S_IRWXU)
            result = subprocess.run(
                ["/bin/sh", SETUP, purpose], env={**os.environ, "PATH": name}, capture_output=True, text=True
            )
            asked = calls.read_text().splitlines() if calls.exists() else []
            return result.returncode, asked, result.stdout, result.stderr

    def test_nothing_runs_when_all_is_installed(self):
        self.assertEqual((0, [], "", ""), self.run_setup(ALL))

    def test_nothing_runs_for_a_user_when_all_is_installed(self):
        self.assertEqual((0, [], "", ""), self.run_setup(ALL, root=False))

    def test_only_what_is_missing_is_installed(self):
        status, asked, _, _ = self.run_setup([p for p in ALL if p not in ("meson", "g++")])
        self.assertEqual(0, status)
        self.assertIn("update", asked[0])
        self.assertTrue(asked[1].endswith("install -y --no-install-recommends meson g++"), asked)

    def test_building_needs_no_second_compiler(self):
        needed = [p for p in ALL if p not in ("clang", "g++", "libclang-dev", "redis-server", "mariadb-server")]
        self.assertEqual(0, self.run_setup(needed, purpose="build")[0])

    def test_checking_needs_more_than_testing(self):
        status, asked, _, _ = self.run_setup(ALL, purpose="check")
        self.assertEqual(0, status)
        self.assertIn("spin", asked[1].split())

    def test_measuring_needs_the_peers(self):
        status, asked, _, _ = self.run_setup(ALL, purpose="bench")
        self.assertEqual(0, status)
        self.assertIn("libnsync-dev", asked[1])

    def test_user_with_sudo_installs_through_it(self):
        status, asked, _, _ = self.run_setup([], root=False, sudo=True)
        self.assertEqual((0, 2), (status, asked.count("sudo")))

    def test_user_without_sudo_gets_the_one_line_to_run(self):
        status, asked, _, err = self.run_setup(["gcc"], root=False)
        self.assertEqual((1, []), (status, asked))
        self.assertIn("apt-get update && apt-get install -y --no-install-recommends libc6-dev", err)

    def test_failing_apt_gives_the_line_and_a_failure(self):
        status, _, _, err = self.run_setup([], apt_works=False)
        self.assertEqual(1, status)
        self.assertIn("apt-get update && ", err)

    def test_unknown_purpose_is_refused(self):
        self.assertEqual(2, self.run_setup(ALL, purpose="fun")[0])


class Uninstall(unittest.TestCase):
    def test_uninstall_without_its_list_says_so(self):
        with tempfile.TemporaryDirectory() as name:
            done = subprocess.run(["make", "-C", name, "-f", SETUP.resolve().parents[1] / "Makefile", "uninstall"],
                                  capture_output=True, text=True)
        self.assertEqual(2, done.returncode)
        self.assertIn("build/install, which is gone", done.stderr.splitlines()[0])
        self.assertNotIn("ninja", done.stderr)


if __name__ == "__main__":
    sys.exit(run_unittests())
