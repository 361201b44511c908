#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/weft-gdb.py in a real gdb:  test_gdb.py PATH/TO/hang SCRIPT

A process that is stopped, and a core file of it. Skips where gdb, or permission to trace, or a core
file cannot be had.
"""

import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import run_unittests  # noqa: E402

HANG, SCRIPT = None, None


def gdb(*commands, core=None, program=None):
    line = ["gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-ex", "set pagination off"]
    for command in commands:
        line += ["-ex", command]
    line += [str(program or HANG)] + ([str(core)] if core else [])
    result = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    if re.search(r"ptrace: Operation not permitted|Could not trace the inferior", result.stderr):
        raise unittest.SkipTest("no permission to trace a process")
    return result.stdout, result.stderr


def ask(questions, **where):
    """One gdb for all of them: {question: what it printed}, and at "" all complaints."""
    commands = [command for question in questions for command in (f"echo \\n=== {question}\\n", question)]
    answers, complaints = gdb(*commands, **where)
    parts = re.split(r"^=== (.*)\n", answers, flags=re.M)
    return {"": complaints, **dict(zip(parts[1::2], parts[2::2]))}


@unittest.skipUnless(shutil.which("gdb"), "gdb is not installed")
class Gdb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.core = cls.core_file()
        source = f"source {SCRIPT}"
        questions = ["print $sp", "weft tasks", "weft bt all", "p $sp", "weft bt 9999", "weft task x"]
        cls.live = ask(["run", source, *questions])
        cls.dead = ask([source, "weft tasks", "weft bt all"], core=cls.core) if cls.core else None

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def core_file(cls):
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
        if not re.fullmatch(r"core(\.%p)?", pattern):
            return None
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        subprocess.run(
            [HANG],
            cwd=cls.folder.name,
            stdout=subprocess.DEVNULL,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)),
        )
        return next(pathlib.Path(cls.folder.name).glob("core*"), None)

    def in_core(self):
        if self.core is None:
            self.skipTest("the system writes no core file here")
        return self.dead

    def number_of(self, text, name):
        return re.search(rf'task (\d+) "{name}"', text).group(1)

    def check_tasks(self, text):
        self.assertRegex(text, r'task \d+ "deep" waits: mutex lock at 0x[0-9a-f]+; started in go at \S*hang\.c:\d+')
        self.assertEqual(len(re.findall(r'task \d+ "receiver" waits: channel receive at 0x', text)), 20)
        self.assertRegex(text, r'task \d+ "runner" runs; started in go ')

    def test_a_process_lists_its_tasks(self):
        self.check_tasks(self.live["weft tasks"])

    def test_a_core_lists_its_tasks(self):
        self.check_tasks(self.in_core()["weft tasks"])

    def check_deep(self, text):
        frames = [text.index(f" {name} (") for name in ("innermost", "outermost", "wait_deeply")]
        self.assertEqual(frames, sorted(frames), text)
        self.assertRegex(text, r"innermost \(level=(level@entry=)?7\)")
        self.assertNotIn("Backtrace stopped", text)
        # To gdb "__" is a dot, if it takes the language for Ada.
        self.assertRegex(text.strip().splitlines()[-1], r"weft(__|\.)switch_entry")

    def check_all(self, text):
        groups = text.strip().split("\n\n")
        self.assertEqual(len(groups), 3, text)
        self.assertRegex(groups[0], r'20 tasks: (\d+ "receiver", ){7}\d+ "receiver" and 12 more\n    waits: channel')
        self.assertEqual(text.count(" receive (arg="), 1)  # and there is one in the library
        self.assertRegex(text, r'1 task: \d+ "runner"\n    runs\n    on thread \d+\n#0 +.*compute')
        self.check_deep(next(group for group in groups if '"deep"\n    waits: mutex lock at 0x' in group))

    def test_a_process_shows_stacks_and_equal_ones_once(self):
        self.check_all(self.live["weft bt all"])

    def test_a_core_shows_stacks_and_equal_ones_once(self):
        self.check_all(self.in_core()["weft bt all"])

    def test_nothing_of_the_process_is_changed(self):
        before, after = (re.search(r"= (.*)", self.live[q]).group(1) for q in ("print $sp", "p $sp"))
        self.assertEqual(before, after)

    def test_wrong_questions_get_one_line(self):
        complaints = self.live[""]
        self.assertIn("weft: there is no task 9999: see weft tasks\n", complaints)
        self.assertIn("weft: there is no task x: see weft tasks\n", complaints)
        self.assertNotIn("Traceback", complaints)

    def test_a_task_can_be_looked_at_and_left_again(self):
        dead = self.in_core()
        number = self.number_of(dead["weft tasks"], "deep")
        frame = re.search(r"^#(\d+) .*innermost \(", dead["weft bt all"], re.M).group(1)
        questions = [f"source {SCRIPT}", f"weft bt {number}", f"weft task {number}", f"frame {frame}", "info locals"]
        answers = ask([*questions, "weft task", "bt"], core=self.core)
        self.check_deep(answers[f"weft bt {number}"])
        self.assertIn("here = 701", answers["info locals"])
        self.assertNotIn("innermost", answers["bt"])

    def test_a_program_without_weft_is_told(self):
        _, complaints = gdb(f"source {SCRIPT}", "weft tasks", program="/bin/true")
        self.assertIn("weft: no symbol weft__layout", complaints)
        self.assertNotIn("Traceback", complaints)

    def test_debug_information_is_not_needed(self):
        if shutil.which("objcopy") is None:
            self.skipTest("objcopy is not installed")
        bare = pathlib.Path(self.folder.name) / "bare"
        subprocess.run(["objcopy", "--strip-debug", HANG, bare], check=True)
        answers = ask(["run", f"source {SCRIPT}", "weft tasks", "weft bt all"], program=bare)
        self.assertRegex(answers["weft tasks"], r'task \d+ "deep" waits: mutex lock at 0x[0-9a-f]+; started in go')
        self.assertRegex(answers["weft bt all"], r"in innermost\b")
        self.assertRegex(answers["weft bt all"], r"20 tasks: ")
        self.assertNotIn("Backtrace stopped", answers["weft bt all"])


if __name__ == "__main__":
    HANG, SCRIPT = (os.path.abspath(path) for path in sys.argv[1:3])
    sys.exit(run_unittests())
