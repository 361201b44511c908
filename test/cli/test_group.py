#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weft group, from outside, with real processes:  test_group.py PATH/TO/weft"""

import json
import os
import resource
import shlex
import signal
import subprocess
import time

import command
from command import CommandTest, Terminal, can_mount, has_stopped, ignore_children, is_alive, until, weft

FOREVER = "sleep 1000"
UNTIL_GO = "echo $$ >pid; until [ -e go ]; do sleep 0.01; done"
# A script that says where it is, and does not listen to SIGTERM.
STUBBORN = "trap '' TERM; echo $$ >%s; while :; do sleep 0.05; done"


class Group(CommandTest):
    def group(self, *args, **more):
        return self.weft("group", *args, **more)

    def shell(self, *lines, options=(), **more):
        return self.group(*options, ":::", *lines, **more)

    def in_shell(self, words):
        return subprocess.run(f"{shlex.quote(weft)} {words}", shell=True, text=True, **self.options({}))

    # What is run

    def test_command_is_run_for_each_argument(self):
        done = self.group("-j1", "echo", "<", "{}", ">", ":::", "a", "b c", "{}")
        self.assert_done(done, 0, "< a >\n< b c >\n< {} >\n")

    def test_argument_is_last_without_braces(self):
        self.assert_done(self.group("-j1", "--", "echo", "is", ":::", "a", "-n"), 0, "is a\nis -n\n")

    def test_braces_are_replaced_within_words(self):
        self.assert_done(self.group("echo", "a{}b{}", "{}", ":::", "x"), 0, "axbx x\n")

    def test_arguments_are_not_read_by_a_shell(self):
        self.assert_done(self.group("-j1", "echo", ":::", "$HOME;`id`", "a  b'\""), 0, "$HOME;`id`\na  b'\"\n")

    def test_lines_without_command_are_for_the_shell(self):
        done = self.group("-j1", input="echo one | tr o 0\n\nexit 0\necho two")
        self.assert_done(done, 0, "0ne\ntwo\n")

    def test_lines_of_a_file_are_arguments(self):
        (self.dir / "list").write_text("a b\n\nc\n")
        self.assert_done(self.group("-j1", "-f", "list", "echo", "+"), 0, "+ a b\n+ c\n")

    def test_lines_may_end_in_zero_bytes(self):
        self.assert_done(self.group("-j1", "-0", "printf", "%s.", input="a\nb\0c\0"), 0, "a\nb.c.")

    def test_nothing_to_do_is_done(self):
        for done in (self.group("true", ":::"), self.group(input=""), self.group("-f", "/dev/null")):
            self.assert_done(done, 0, "")

    def test_lines_are_run_as_they_come(self):
        read, write = os.pipe()
        process = self.start("group", "-j4", stdin=read)
        os.close(read)
        os.write(write, b"touch first\n")
        until(lambda: (self.dir / "first").exists(), "the first line has run")
        os.close(write)
        self.assert_done(self.finish(process), 0)

    def test_limit_holds(self):
        lock = "ls run | wc -l >>count; touch run/$WEFT_JOB; sleep 0.01; rm run/$WEFT_JOB"
        (self.dir / "run").mkdir()
        self.assert_done(self.group("-j3", "-f", "-", input=(lock + "\n") * 30), 0)
        counts = [int(word) for word in (self.dir / "count").read_text().split()]
        self.assertEqual(len(counts), 30)
        self.assertLessEqual(max(counts), 2)

    def test_limit_zero_runs_all_at_once(self):
        everyone = "touch here.$WEFT_JOB; until [ $(ls here.* | wc -l) = 12 ]; do sleep 0.01; done"
        self.assert_done(self.group("-j0", input=(everyone + "\n") * 12), 0)

    def test_a_thousand_jobs(self):
        done = self.group("-j8", "--order", "echo", input="".join(f"{n}\n" for n in range(1000)))
        self.assert_done(done, 0, "".join(f"{n}\n" for n in range(1000)))

    def test_environment_has_number_and_try(self):
        self.assert_done(self.shell("echo $WEFT_JOB $WEFT_TRY", "echo $WEFT_JOB", options=["-j1"]), 0, "1 1\n2\n")

    def test_stdin_of_commands_is_empty(self):
        self.assert_done(self.group("-j1", input="cat\necho after\n"), 0, "after\n")

    def test_works_without_home_and_terminal(self):
        done = self.shell("echo $HOME ok", env={"PATH": os.environ["PATH"]}, start_new_session=True)
        self.assert_done(done, 0, "ok\n")

    def test_ignored_pipe_signal_is_as_it_was(self):
        """The shell cannot change what it has inherited, so it tells what that is."""
        show = "grep SigIgn /proc/self/status"
        for ignored in (False, True):
            before = signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)
            try:
                done = self.shell(show, restore_signals=False)
            finally:
                signal.signal(signal.SIGPIPE, before)
            mask = int(done.stdout.split()[1], 16)
            self.assertEqual(bool(mask & 1 << signal.SIGPIPE - 1), ignored)
            self.assertIn("SigIgn", done.stdout)

    def test_caller_may_ignore_the_ends_of_its_children(self):
        """We do not; but what we start finds the signal as it was."""
        files = ["/proc/self/status", "/nowhere"]
        done = self.group("-j1", "grep", "SigIgn", ":::", *files, preexec_fn=ignore_children)
        self.assertEqual(done.returncode, 2, done)
        self.assertTrue(int(done.stdout.split()[1], 16) & 1 << signal.SIGCHLD - 1, done)

    # How it ends

    def test_first_failure_is_the_status(self):
        done = self.shell("exit 3", "sleep 0.2; exit 4", FOREVER, options=["-j3"])
        self.assert_done(done, 3, "")
        self.assertIn("'exit 3' ended with status 3", done.stderr)

    def test_killed_by_us_never_masks_the_first(self):
        """The others end by our signal, badly, and before the first is tidied up."""
        slow = "trap 'exit 99' TERM; touch up; while :; do sleep 0.01; done"
        fails = "until [ -e up ]; do sleep 0.01; done; (trap '' TERM; sleep 0.3) & exit 7"
        self.assert_done(self.shell(slow, fails, FOREVER, options=["-j3"]), 7)

    def test_failure_stops_what_has_not_begun(self):
        self.assert_done(self.shell("exit 1", *["touch late"] * 5, options=["-j1"]), 1)
        self.assertFalse((self.dir / "late").exists())

    def test_keep_going_runs_all_and_has_the_first_status(self):
        done = self.shell("exit 5", "echo b", "exit 6", "echo d", options=["-k", "-j1"])
        self.assert_done(done, 5, "b\nd\n")

    def test_statuses_are_passed_on(self):
        for status in (1, 2, 42, 125, 126, 127, 128, 255):
            self.assert_done(self.shell(f"exit {status}"), status)

    def test_signal_of_a_command_is_128_and_more(self):
        self.assert_done(self.shell("kill -9 $$"), 137)
        self.assert_done(self.shell("kill -15 $$"), 143)

    def test_program_that_cannot_be_run(self):
        (self.dir / "plain").write_text("text")
        for program, status, word in [("no-such-program", 127, "No such file"), ("./plain", 126, "denied"),
                                      ("/nonexistent/x", 127, "No such file"), ("/", 126, "denied")]:
            done = self.group(program, ":::", "x")
            self.assert_done(done, status, "")
            self.assertIn(word, done.stderr)

    def test_script_without_first_line_is_run(self):
        (self.dir / "script").write_text("echo plain $1\n")
        (self.dir / "script").chmod(0o755)
        self.assert_done(self.group("./script", ":::", "x"), 0, "plain x\n")

    def test_timeout(self):
        start = time.monotonic()
        done = self.shell(FOREVER, options=["--timeout", "50ms"])
        self.assert_done(done, 124)
        self.assertIn("longer than 0.05 s", done.stderr)
        self.assertLess(time.monotonic() - start, 5)

    def test_timeout_of_one_that_does_not_listen(self):
        done = self.shell(STUBBORN % "pid", options=["--timeout", "200ms", "--grace", "50ms"])
        self.assert_done(done, 124)
        self.assertFalse(is_alive(self.pid_in("pid")))

    def test_timeout_is_of_each_try_and_reaches_who_left_the_group(self):
        away = "setsid sh -c 'echo $$ >pid.$WEFT_TRY; sleep 1000' & sleep 1000"
        self.assert_done(self.shell(away, options=["--timeout", "300ms", "--retry", "1"]), 124)
        for name in ("pid.1", "pid.2"):
            self.assertFalse(is_alive(self.pid_in(name)))

    def test_retry(self):
        line = "echo $WEFT_TRY; [ $WEFT_TRY = 3 ]"
        self.assert_done(self.shell(line, options=["--retry", "2"]), 0, "1\n2\n3\n")
        self.assert_done(self.shell(line, options=["--retry", "1"]), 1, "1\n2\n")

    def test_status_file_says_why(self):
        for line, options, status, end in [
            ("exit 75", [], 75, "exited"), ("kill -9 $$", [], 137, "killed"), ("exit 0", [], 0, "done"),
            (FOREVER, ["--timeout", "50ms"], 124, "timed-out"), ("exit 124", [], 124, "exited"),
        ]:
            self.assert_done(self.shell(line, options=["--status-file", "why", *options]), status)
            why = json.loads((self.dir / "why").read_text())
            self.assertEqual((why["end"], why["status"]), (end, status))
            self.assertEqual(why.get("argument"), None if status == 0 else line)

    def test_status_file_counts(self):
        self.shell("true", "exit 9", "true", "true", options=["-j1", "--status-file", "why"])
        why = json.loads((self.dir / "why").read_text())
        self.assertEqual([why[key] for key in ("job", "done", "failed", "stopped", "not_run")], [2, 1, 1, 0, 2])

    def test_status_file_that_cannot_be_written(self):
        for options, status in ([], 74), (["-E", "200"], 200):
            self.assert_trouble(self.shell("true", options=["--status-file", "/dev/full", *options]), "/dev/full",
                                status=status)

    def test_status_file_may_be_a_descriptor(self):
        log = self.dir / "log"
        log.write_text("before\n")
        with open(log, "r+") as file:
            file.seek(0, os.SEEK_END)
            self.shell("true", options=["--status-file", f"/dev/fd/{file.fileno()}"], pass_fds=[file.fileno()])
        first, why = log.read_text().splitlines()
        self.assertEqual((first, json.loads(why)["status"]), ("before", 0))
        for fd in range(3, 12):  # some of them are ours
            done = self.shell("true", options=["--status-file", f"/dev/fd/{fd}"])
            self.assert_trouble(done, f"/dev/fd/{fd}: Bad file descriptor")

    def test_status_file_tells_stopped_from_failed(self):
        lines = ["touch up; exec sleep 1000", "until [ -e up ]; do sleep 0.01; done; exit 9"]
        self.shell(*lines, options=["-j2", "--status-file", "why"])
        why = json.loads((self.dir / "why").read_text())
        self.assertEqual([why[key] for key in ("job", "done", "failed", "stopped", "not_run")], [2, 0, 1, 1, 0])

    def test_own_status_moves_only_our_own(self):
        options = ["-E", "200", "--timeout", "50ms"]
        self.assert_done(self.shell(FOREVER, options=options), 200)
        self.assert_done(self.shell("exit 124", options=["-E", "200"]), 124)

    # Who is left

    def test_nobody_is_left_after_a_failure(self):
        lines = [
            STUBBORN % "pid.a",
            "sh -c 'echo $$ >pid.b; exec sleep 1000' & wait",
            "setsid sh -c 'echo $$ >pid.c; exec sleep 1000' & wait",
            "(setsid sh -c 'echo $$ >pid.d; exec sleep 1000' &) ; sleep 1000",
            "until cat pid.a pid.b pid.c pid.d; do sleep 0.01; done; exit 8",
        ]
        self.assert_done(self.shell(*lines, options=["-j0", "--grace", "300ms"]), 8)
        for name in "abcd":
            self.assertFalse(is_alive(self.pid_in(f"pid.{name}")), name)

    def test_nobody_is_left_after_success(self):
        lines = ["sh -c 'echo $$ >pid.a; exec sleep 1000' & until [ -s pid.a ]; do sleep 0.01; done",
                 "setsid sh -c 'echo $$ >pid.b; exec sleep 1000' & until [ -s pid.b ]; do sleep 0.01; done",
                 f"({STUBBORN % 'pid.c'}) & until [ -s pid.c ]; do sleep 0.01; done"]
        start = time.monotonic()
        self.assert_done(self.shell(*lines, options=["--grace", "300ms"]), 0)
        for name in "abc":
            self.assertFalse(is_alive(self.pid_in(f"pid.{name}")), name)
        self.assertGreater(time.monotonic() - start, 0.3, "who does not listen is given the grace")

    def test_term_comes_first_and_is_listened_to(self):
        nice = "trap 'echo tidied up; exit 0' TERM; touch up; while :; do sleep 0.01; done"
        done = self.shell(nice, "until [ -e up ]; do sleep 0.01; done; exit 1", options=["-j2"])
        self.assert_done(done, 1, "tidied up\n")

    def test_who_has_left_the_group_is_asked_first_too(self):
        away = "setsid sh -c 'trap \"touch heard; exit\" TERM; touch up; while :; do sleep 0.01; done' 2>err &"
        self.assert_done(self.shell(away + " until [ -e up ]; do sleep 0.01; done"), 0)
        self.assertTrue((self.dir / "heard").exists())

    def test_stopped_ones_hear_it_too(self):
        stopped = "echo $$ >pid; kill -STOP $$"
        self.assert_done(self.shell(stopped, "until [ -s pid ]; do sleep 0.01; done; exit 2", options=["-j2"]), 2)
        self.assertFalse(is_alive(self.pid_in("pid")))

    def test_killing_us_kills_the_commands(self):
        process = self.start("group", ":::", "echo $$ >pid; exec sleep 1000")
        pid = self.pid_in("pid")
        process.kill()
        process.wait()
        until(lambda: not is_alive(pid), "it is gone")

    # Signals

    def test_signals_are_passed_on_and_raised_again(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            name = signal.Signals(number).name[3:]
            line = f"trap 'echo got {name}; exit 0' {name}; echo $$ >pid; while :; do sleep 0.01; done"
            process = self.start("group", "--status-file", "why", ":::", line)
            self.pid_in("pid")
            process.send_signal(number)
            done = self.finish(process)
            self.assert_done(done, -number, f"got {name}\n")
            self.assertEqual(json.loads((self.dir / "why").read_text())["end"], "signal")
            (self.dir / "pid").unlink()

    def test_every_deadly_signal_ends_all_first(self):
        numbers = [signal.Signals[f"SIG{name}"] for name in
                   "HUP INT QUIT TERM USR1 USR2 ALRM VTALRM XCPU XFSZ IO PWR STKFLT RTMIN RTMAX "
                   "ABRT BUS FPE ILL PROF SEGV SYS TRAP".split()]
        away = "trap 'echo asked; exit 1' TERM HUP; setsid sh -c 'echo $$ >pid.%d; exec sleep 1000' & wait"
        deaf = {signal.SIGINT, signal.SIGQUIT}  # what a shell runs in the background does not hear these
        processes = {number: self.start("group", "--grace", "300ms" if number in deaf else "20s", ":::", away % number)
                     for number in numbers}
        for number, process in processes.items():
            self.pid_in(f"pid.{number}")
            process.send_signal(number)
        for number, process in processes.items():
            done = self.finish(process)
            self.assert_done(done, -number, "" if number in deaf else "asked\n")
            self.assertFalse(is_alive(self.pid_in(f"pid.{number}")), number)

    def test_commands_are_asked_once(self):
        """A second Ctrl-C is another word to many: it kills."""
        hears = ("trap 'echo x >>heard' TERM INT; touch up; until [ -e heard ]; do sleep 0.01; done; "
                 "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.01; done")
        fails = "until [ -e up ]; do sleep 0.01; done; exit 9"
        for options, others in ([], [fails]), (["--timeout", "500ms"], []), ([], []):
            process = self.start("group", "-j2", *options, ":::", hears, *others)
            if not options and not others:
                until(lambda: (self.dir / "up").exists(), "it is up")
                process.send_signal(signal.SIGINT)
            self.finish(process)
            self.assertEqual((self.dir / "heard").read_text(), "x\n", (options, others))
            (self.dir / "heard").unlink()
            (self.dir / "up").unlink()

    def test_second_signal_does_not_wait(self):
        process = self.start("group", "--grace", "1000s", ":::", STUBBORN % "pid")
        pid = self.pid_in("pid")
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        self.assertTrue(is_alive(pid))
        process.send_signal(signal.SIGTERM)
        self.assert_done(self.finish(process), -signal.SIGTERM)
        self.assertFalse(is_alive(pid))

    def test_ignored_signal_stays_ignored(self):
        process = self.start("group", ":::", UNTIL_GO + "; echo done",
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.pid_in("pid")
        process.send_signal(signal.SIGHUP)
        (self.dir / "go").touch()
        self.assert_done(self.finish(process), 0, "done\n")

    def test_stop_and_continue(self):
        process = self.start("group", ":::", UNTIL_GO, preexec_fn=os.setpgrp)
        pid = self.pid_in("pid")
        process.send_signal(signal.SIGTSTP)
        until(lambda: has_stopped(process.pid) and has_stopped(pid), "both have stopped")
        (self.dir / "go").touch()
        process.send_signal(signal.SIGCONT)
        self.assert_done(self.finish(process), 0)

    def test_stop_where_nobody_could_continue_is_ignored(self):
        process = self.start("group", ":::", UNTIL_GO, start_new_session=True)
        self.pid_in("pid")
        process.send_signal(signal.SIGTSTP)
        (self.dir / "go").touch()
        self.assert_done(self.finish(process), 0)

    def test_control_c_in_a_terminal(self):
        line = "trap 'echo interrupted; exit 0' INT; echo ready; while :; do sleep 0.01; done"
        terminal = Terminal(self, weft, "group", "-j1", ":::", line)
        terminal.until("ready")
        terminal.type("\x03")
        status = terminal.wait()
        self.assertIn("interrupted", terminal.shown)
        self.assertEqual(os.WTERMSIG(status), signal.SIGINT)

    def test_control_c_ends_the_shell_script_too(self):
        script = f"{shlex.quote(weft)} group -j1 ::: 'echo ready; sleep 1000'; echo not reached"
        terminal = Terminal(self, "bash", "-c", script)
        terminal.until("ready")
        terminal.type("\x03")
        terminal.wait()
        self.assertNotIn("not reached", terminal.shown.replace(script, ""))

    def test_terminal_cannot_stop_a_command(self):
        """A background group that reads from the terminal would stop, for ever."""
        terminal = Terminal(self, weft, "group", ":::", "read line </dev/tty || echo cannot read")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("cannot read", terminal.shown)

    # Output

    def test_order(self):
        lines = [f"sleep 0.{9 - n}; echo {n}" for n in range(7, 10)]
        self.assert_done(self.shell(*lines, options=["-j0", "--order"]), 0, "7\n8\n9\n")

    def test_output_stays_together(self):
        line = "for i in 1 2 3; do echo $WEFT_JOB; echo $WEFT_JOB >&2; sleep 0.01; done"
        done = self.group("-j0", input=(line + "\n") * 10)
        for text in (done.stdout, done.stderr):
            lines = text.split()
            self.assertEqual(len(lines), 30)
            for at in range(0, 30, 3):
                self.assertEqual(len(set(lines[at:at + 3])), 1, lines)

    def test_first_one_is_live_in_order(self):
        begun = "echo begun; until [ -e go ]; do sleep 0.01; done"
        process = self.start("group", "-j2", "--order", ":::", begun, "true")
        self.assertEqual(process.stdout.readline(), "begun\n")
        (self.dir / "go").touch()
        self.assert_done(self.finish(process), 0, "")

    def test_lines_do_not_tear(self):
        writer = ("import sys, os, time\nfor n in range(40):\n os.write(1, b'x' * 300)\n time.sleep(0.002)\n"
                  " os.write(1, sys.argv[1].encode() * 300 + b'\\n')")
        (self.dir / "writer.py").write_text(writer)
        done = self.group("-j0", "--ungroup", "python3", "writer.py", ":::", "a", "b", "c")
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 120)
        for line in lines:
            self.assertIn(line, ["x" * 300 + letter * 300 for letter in "abc"])

    def test_ungrouped_lines_come_at_once(self):
        process = self.start("group", "-j2", "--ungroup", ":::", "echo one; until [ -e go ]; do sleep 0.01; done",
                             "until [ -e two ]; do sleep 0.01; done; echo two; touch go")
        self.assertEqual(process.stdout.readline(), "one\n")
        (self.dir / "two").touch()
        self.assertEqual(process.stdout.readline(), "two\n")
        self.assert_done(self.finish(process), 0)

    def test_last_line_without_end_is_ended(self):
        self.assert_done(self.shell("printf a", "printf b", options=["-j1", "--ungroup"]), 0, "a\nb\n")
        self.assert_done(self.shell("printf a", "printf b", options=["-j1"]), 0, "ab")

    def test_tags(self):
        done = self.group("-j1", "--tag", "sh", "-c", "echo out; echo err >&2", "sh", ":::", "x", "y z")
        self.assert_done(done, 0, "x\tout\ny z\tout\n")
        self.assertEqual(done.stderr, "x\terr\ny z\terr\n")

    def test_binary_output_is_untouched(self):
        data = os.urandom(300_000)
        (self.dir / "data").write_bytes(data)
        done = self.shell("cat data; cat data >&2", options=["-j2"], text=False)
        self.assertEqual((done.returncode, done.stdout == data, done.stderr == data), (0, True, True))

    def test_stdout_and_stderr_keep_their_order_in_one_file(self):
        line = "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"
        done = self.shell(line, stderr=subprocess.STDOUT)
        self.assertEqual(done.stdout, "".join(f"o{n}\ne{n}\n" for n in range(1, 10)))

    def test_slow_reader_holds_up_nobody(self):
        line = "head -c 3000000 /dev/zero; touch done.$WEFT_JOB"
        for mode in ("--order", "--ungroup", "--json"):
            process = self.start("group", "-j2", mode, ":::", line, line, line)
            until(lambda: len(list(self.dir.glob("done.*"))) == 3, "all have written all they have")
            self.assertIsNone(process.poll())
            if mode == "--order":
                self.assert_done(self.finish(process), 0, "\0" * 9_000_000)
            self.end(process)
            for path in self.dir.glob("done.*"):
                path.unlink()

    def test_reader_that_goes_away_ends_it(self):
        process = self.start("group", "-j2", "--order", ":::", "echo first; exec yes", "echo $$ >pid; exec sleep 1000")
        self.assertEqual(process.stdout.readline(), "first\n")
        pid = self.pid_in("pid")
        process.stdout.close()
        self.assertEqual(process.wait(command.LIMIT_SECONDS), -signal.SIGPIPE)
        self.assertFalse(is_alive(pid))
        process.stdout = None

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            self.assert_done(self.shell("echo x", FOREVER, options=["-j2"], stdout=full), 74)
        done = self.in_shell("group ::: 'echo x' >&-")
        self.assertEqual(done.returncode, 74)
        self.assertIn("Bad file descriptor", done.stderr)
        done = self.in_shell("group ::: 'echo x' 2>&- <&-")
        self.assert_done(done, 0, "x\n")

    def on_small_disk(self, *args):
        if not can_mount():
            self.skipTest("may not mount a file system")
        (self.dir / "small").mkdir()
        script = 'mount -t tmpfs -o size=256k none small && TMPDIR=small exec "$@"'
        return subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", weft, *args], text=True,
                              timeout=command.LIMIT_SECONDS, **self.options({}))

    def test_full_disk(self):
        done = self.on_small_disk("group", "-j2", ":::", "head -c 1000000 /dev/zero", FOREVER)
        self.assert_done(done, 74)
        self.assertIn("No space left", done.stderr)

    def test_small_disk_is_enough_for_a_reader_that_keeps_up(self):
        done = self.on_small_disk("group", "-j1", ":::", "head -c 120000 /dev/zero; sleep 0.1; echo end")
        self.assert_done(done, 0)
        self.assertEqual(len(done.stdout), 120004)

    def test_no_place_for_temporary_files(self):
        done = self.shell("head -c 1000000 /dev/zero", env={**self.env, "TMPDIR": "/nonexistent"})
        self.assert_done(done, 0, "\0" * 1_000_000)

    def test_many_that_wait_to_be_printed_take_few_descriptors(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        first = "until [ -e done.200 ]; do sleep 0.01; done; head -c 70000 /dev/zero"
        rest = "head -c 70000 /dev/zero; touch done.$WEFT_JOB"
        done = self.group("-j4", "--order", input=f"{first}\n" + f"{rest}\n" * 199, preexec_fn=limit)
        self.assert_done(done, 0)
        self.assertEqual(len(done.stdout), 200 * 70000)

    def test_json(self):
        lines = ["echo a; sleep 0.05; echo b >&2; exit 3", r"printf '\377'", "printf '\"\\\\\\t\\001é'", "true"]
        done = self.shell(*lines, options=["--json", "-k", "-j1"])
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([row["argument"] for row in rows], lines)
        self.assertEqual([(row["end"], row["status"]) for row in rows], [("exited", 3)] + [("done", 0)] * 3)
        self.assertEqual(rows[0]["output"], [{"stdout": "a\n"}, {"stderr": "b\n"}])
        self.assertEqual(rows[1]["output"], [{"stdout_base64": "/w=="}])
        self.assertEqual(rows[2]["output"], [{"stdout": '"\\\t\x01é'}])
        self.assertEqual(rows[3]["output"], [])
        self.assertGreater(rows[0]["seconds"], 0.05)

    def test_json_does_not_cut_characters(self):
        text = "é" * 100_001
        (self.dir / "text").write_text("x" + text)
        row = json.loads(self.shell("cat text", options=["--json"]).stdout)
        self.assertEqual({key for piece in row["output"] for key in piece}, {"stdout"})
        self.assertEqual("".join(piece["stdout"] for piece in row["output"]), "x" + text)

    def test_progress_on_a_terminal(self):
        line = "until [ -e go ]; do sleep 0.01; done"
        terminal = Terminal(self, weft, "group", "-j2", "--progress", ":::", line, "exit 0", line)
        terminal.until("1 of 3 done, 2 running: until [ -e go ]")
        (self.dir / "go").touch()
        self.assertEqual(terminal.wait(), 0)
        self.assertRegex(terminal.shown, r"\d\.\d\d s  exit 0\r\n")
        self.assertNotIn("\x1b", terminal.shown)

    def test_progress_is_silent_elsewhere(self):
        done = self.shell("sleep 0.2", options=["--progress"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    # Trouble

    def test_arguments_that_are_wrong(self):
        for args, word in [
            (["--what", ":::", "true"], "--what"), (["-x"], "-x"), (["-j"], "--jobs"), (["-jx"], "'x'"),
            (["-j", "-1"], "'-1'"), (["--timeout", "0"], "'0'"), (["--timeout=x"], "'x'"), (["--retry", "1.5"], "1.5"),
            (["-k", "--fail-fast", ":::"], "exclude"), (["--order", "--ungroup", ":::"], "--order"),
            (["--json", "--tag", ":::"], "--tag"), (["-f", "x", ":::", "a"], "--file"), (["--order=1"], "no value"),
            (["-E", "0", ":::"], "'0'"), (["-E", "256", ":::"], "256"), (["-0", ":::", "x"], "--null"),
            (["-f", "/nonexistent/list"], "/nonexistent/list"), (["-f", "/"], "directory"), (["-f", ""], "--file"),
            (["--status-file", "/nonexistent/x", ":::", "touch ran"], "/nonexistent/x"),
        ]:
            self.assert_trouble(self.group(*args), word)
        self.assertFalse((self.dir / "ran").exists())

    def test_file_that_is_no_text_runs_nothing(self):
        (self.dir / "list").write_bytes(b"touch ran\nx\0y\n")
        self.assert_trouble(self.group("-f", "list"), "line 2", "zero byte")
        self.assertFalse((self.dir / "ran").exists())

    def test_stdin_that_is_no_text(self):
        self.assert_done(self.group(input="echo a\0b\n"), 74)

    def test_terminal_without_anything_to_run(self):
        terminal = Terminal(self, weft, "group")
        self.assertEqual(os.WEXITSTATUS(terminal.wait()), 2)
        self.assertIn("nothing to run", terminal.shown)

    def test_no_processes_to_be_had(self):
        for most in (4, 6, 8, 12):
            done = self.group("-j0", "sleep", ":::", *["1000"] * 20, **self.descriptors(most))
            self.assert_trouble(done, "Too many open files", status=71)


if __name__ == "__main__":
    command.main()
