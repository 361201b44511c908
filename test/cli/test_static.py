#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command that needs no library:  test_static.py PATH/TO/weft-static"""

import shutil
import subprocess

import command
from command import CommandTest, weft


class Static(CommandTest):
    def test_needs_no_loader(self):
        with open(weft, "rb") as program:
            self.assertNotIn(b"/ld-linux", program.read(1 << 16))

    def test_runs_where_there_is_nothing(self):
        """In a root of its own, with one more static program to run: itself."""
        shutil.copy(weft, self.dir / "weft")
        (self.dir / "dev").mkdir()
        script = 'touch dev/null && mount --bind /dev/null dev/null && exec chroot . "$@"'
        enter = ["unshare", "-rm", "sh", "-c", script, "sh"]
        if subprocess.run([*enter, "/weft", "version"], capture_output=True, cwd=self.dir).returncode:
            self.skipTest("may not change the root")
        done = subprocess.run([*enter, "/weft", "group", "-j2", "/weft", ":::", "version", "nonsense"], text=True,
                              **self.options({}))
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("unknown command 'nonsense'", done.stderr)
        done = subprocess.run([*enter, "/weft", "flight", "--at", "dir:/place", "k", "/weft", "version"], text=True,
                              **self.options({}))
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, "weft"), done)

    def test_group_and_flight_work(self):
        self.assert_done(self.weft("group", "--order", ":::", "echo a", "echo b"), 0, "a\nb\n")
        place = f"dir:{self.dir}/place"
        self.assert_done(self.weft("once", "--at", place, "k", "sh", "-c", "echo x; exit 3"), 3, "x\n")
        self.assert_done(self.weft("once", "--at", place, "k", "false"), 3, "x\n")


if __name__ == "__main__":
    command.main()
