#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weft flight, once, ls, show, wait, forget, doctor, with several processes:  test_shared.py PATH/TO/weft"""

import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fleet"))

import command
from proxy import Proxy
from redis_server import Client
from command import CommandTest, Terminal, ignore_children, is_alive, until, weft

UNTIL_GO = "until [ -e go ]; do sleep 0.01; done"
# Says that it runs, in a file with a line for each run.
RUN = "echo $$ >>runs; "


def bytes_in(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def child_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())


class SharedTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.env["WEFT_AT"] = f"dir:{self.dir}/place"

    def flight(self, key, script, *options, **more):
        return self.weft("flight", *options, key, "--", "sh", "-c", script, **more)

    def once(self, key, script, *options, **more):
        return self.weft("once", *options, key, "--", "sh", "-c", script, **more)

    def start_flight(self, key, script, *options, **more):
        return self.start("flight", *options, key, "--", "sh", "-c", script, **more)

    def runs(self):
        path = self.dir / "runs"
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    def wait_for_runs(self, count):
        until(lambda: len(self.runs()) == count, f"{count} runs have begun")
        return self.runs()[-1]

    def show(self, key):
        done = self.weft("show", "--json", key)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def wait_for_waiters(self, key, count):
        until(lambda: self.show(key).get("waiters", 0) >= count, f"{count} wait")

    def go(self):
        (self.dir / "go").touch()

    def behind(self, key):
        """The process that runs a key's command."""
        return self.show(key)["pid"]

    def kill_behind(self, process, key):
        os.kill(self.behind(key), signal.SIGKILL)
        self.assertEqual(self.finish(process).returncode, 70)


class Everywhere:
    """What holds over every engine."""

    other_outputs = ["echo other; echo more"]

    def test_all_who_ask_share_one_run(self):
        script = RUN + "echo out; echo err >&2; " + UNTIL_GO + "; echo more; exit 3"
        all_of_them = [self.start_flight("k", script) for _ in range(5)]
        self.wait_for_runs(1)
        self.wait_for_waiters("k", 4)
        self.go()
        for process in all_of_them:
            done = self.finish(process)
            self.assert_done(done, 3, "out\nmore\n")
            self.assertEqual(done.stderr, "err\n")
        self.assertEqual(len(self.runs()), 1)

    def test_once_is_replayed(self):
        script = RUN + "echo out; echo err >&2; exit 6"
        for _ in range(3):
            done = self.once("k", script)
            self.assert_done(done, 6, "out\n")
            self.assertEqual(done.stderr, "err\n")
        self.assertEqual(len(self.runs()), 1)

    def test_once_every_meets_at_the_nearest_tick(self):
        self.once("job", RUN, "--every", "1h")
        self.once("job", RUN, "--every", "1h")
        self.assertEqual(len(self.runs()), 1)
        (key,) = [json.loads(line)["key"] for line in self.weft("ls", "--json").stdout.splitlines()]
        name, _, tick = key.partition("@")
        self.assertEqual((name, int(tick) % 3600), ("job", 0))
        self.assertLessEqual(abs(int(tick) - time.time()), 1800 + 60)

    def test_death_of_the_leader_is_a_takeover(self):
        script = RUN + "[ $(wc -l <runs) = 2 ] || exec sleep 1000; echo second; echo $WEFT_EPOCH >epoch"
        leader = self.start_flight("k", script)
        first = self.wait_for_runs(1)
        waiter = self.start_flight("k", script)
        self.wait_for_waiters("k", 1)
        start = time.monotonic()
        os.kill(self.behind("k"), signal.SIGKILL)
        self.assert_done(self.finish(waiter), 0, "second\n")
        self.takeover_seconds = time.monotonic() - start
        self.assertLess(self.takeover_seconds, 3, "the lease need not lapse")
        done = self.finish(leader)
        self.assert_done(done, 70, "")
        self.assertIn("was killed", done.stderr)
        until(lambda: not is_alive(first), "the first command dies with its leader")

    def test_lost_lease_ends_the_work(self):
        script = RUN + "[ $(wc -l <runs) = 1 ] && exec sleep 1000; echo second"
        leader = self.start_flight("k", script, "--lease", "200ms")
        first = self.wait_for_runs(1)
        behind = self.behind("k")
        waiter = self.start_flight("k", script, "--lease", "200ms")
        self.wait_for_waiters("k", 1)
        os.kill(behind, signal.SIGSTOP)
        self.assert_done(self.finish(waiter), 0, "second\n")
        self.assertTrue(is_alive(first))
        os.kill(behind, signal.SIGCONT)
        done = self.finish(leader)
        self.assert_done(done, 70, "")
        self.assertIn("lease was lost", done.stderr)
        self.assertFalse(is_alive(first))

    def test_other_command_is_told(self):
        self.once("k", "echo one")
        done = self.once("k", "echo two")
        self.assert_done(done, 0, "one\n")
        self.assertIn("in use for another command", done.stderr)
        done = self.once("k", "echo two", "--fp", "off")
        self.assertEqual((done.stdout, done.stderr), ("one\n", ""))
        self.assert_trouble(self.once("k", "echo two", "--strict"), "another command", status=76)
        self.assert_done(self.once("k", "echo one", "--strict"), 0, "one\n")

    def test_last_caller_that_leaves_ends_the_run(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            script = "trap 'touch tidied; exit' TERM; echo $$ >pid; while :; do sleep 0.01; done"
            process = self.start_flight("k", script)
            pid = self.pid_in("pid")
            process.send_signal(number)
            self.assertEqual(process.wait(60), -number)
            until(lambda: not is_alive(pid), "the command is gone")
            self.assertTrue((self.dir / "tidied").exists(), "it was asked to end")
            for name in ("pid", "tidied"):
                (self.dir / name).unlink()

    def test_run_may_not_wait_for_itself(self):
        bounded = ["--wait", "10s", "k"]  # where it waits nevertheless
        inner = ["flight", *bounded, "--", "echo", "hi"]
        for call in inner, ["once", *inner[1:]], ["wait", *bounded], ["flight", "b", "--", weft, *inner]:
            done = self.weft("flight", "k", "--", weft, *call)
            self.assert_trouble(done, "k: a run may not wait for itself", status=2)
        done = self.weft("flight", "k", "--", weft, "flight", "--at", f"dir:{self.dir}/other", *inner[1:])
        self.assert_done(done, 0, "hi\n")

    def test_what_has_left_a_run_may_wait_for_the_next(self):
        inside = self.flight("k", "echo $WEFT_INSIDE").stdout.strip()
        leader = self.start_flight("k", RUN + UNTIL_GO + "; echo hi")
        self.wait_for_runs(1)
        env = {**self.env, "WEFT_INSIDE": inside}
        waiters = [self.start("flight", "k", "true", env=env), self.start("wait", "k", env=env)]
        until(lambda: self.show("k")["waiters"] == 2 or any(process.poll() for process in waiters), "they wait")
        self.go()
        for process in (leader, *waiters):
            self.assert_done(self.finish(process), 0, "hi\n")

    # Output as it comes

    def test_who_waits_sees_output_as_it_comes(self):
        script = RUN + "echo early; until [ -e more ]; do sleep 0.01; done; echo late; " + UNTIL_GO + "; exit 4"
        leader = self.start_flight("k", script)
        self.wait_for_runs(1)
        waiters = [self.start_flight("k", script, "--status-file", "why"), self.start("wait", "k")]
        for process in (leader, *waiters):
            self.assertEqual(process.stdout.readline(), "early\n")
        (self.dir / "more").touch()
        joins_late = self.start_flight("k", script)
        waits_late = self.start("wait", "k")
        for process in (leader, *waiters):
            self.assertEqual(process.stdout.readline(), "late\n")
        for process in (joins_late, waits_late):
            self.assertEqual([process.stdout.readline() for _ in range(2)], ["early\n", "late\n"])
        self.go()
        for process in (leader, *waiters, joins_late, waits_late):
            self.assert_done(self.finish(process), 4, "")
        self.assertEqual(len(self.runs()), 1)
        why = json.loads((self.dir / "why").read_text())
        self.assertEqual((why["run"], why["live"], why["lost"]), ("elsewhere", True, 0))

    def test_next_run_goes_on_where_the_lost_one_was_if_it_repeats_it(self):
        script = RUN + ("echo note $$ >&2; [ $(wc -l <runs) = 2 ] && { printf 'one\\ntwo\\nthree\\n'; exit 3; };"
                        " printf 'one\\n'; sleep 0.1; printf 'two\\n'; exec sleep 1000")
        leader = self.start_flight("k", script)
        first = self.wait_for_runs(1)
        waiters = [self.start_flight("k", script, "--status-file", "why"), self.start_flight("k", script)]
        for process in waiters:
            self.assertEqual([process.stdout.readline() for _ in range(2)], ["one\n", "two\n"])
        self.kill_behind(leader, "k")
        for process in waiters:
            done = self.finish(process)
            self.assert_done(done, 3, "three\n")
            notes = done.stderr.splitlines()
            self.assertEqual(notes[0], f"note {first}")
            self.assertIn("is lost, and another one begins", notes[1])
            self.assertEqual(notes[2:], [f"note {self.runs()[1]}"])
        self.assertEqual(json.loads((self.dir / "why").read_text())["lost"], 1)

    def test_output_of_two_runs_is_never_mixed(self):
        for second in self.other_outputs:
            script = RUN + f"[ $(wc -l <runs) = 2 ] && {{ {second}; exit 0; }}; echo one; exec sleep 1000"
            leader = self.start_flight("k", script)
            self.wait_for_runs(1)
            whole = self.start_flight("k", script, "--no-live")
            waiters = [self.start("wait", "k"), self.start_flight("k", script)]
            for process in waiters:
                self.assertEqual(process.stdout.readline(), "one\n")
            self.wait_for_waiters("k", 3)
            self.kill_behind(leader, "k")
            for process in waiters:
                done = self.finish(process)
                self.assert_done(done, 70, "")
                self.assertIn("lost", done.stderr)
            self.assertIn("this is not the whole", done.stderr)
            expected = subprocess.run(["sh", "-c", second], capture_output=True, text=True).stdout
            self.assert_done(self.finish(whole), 0, expected)
            self.assertEqual(len(self.runs()), 2)
            (self.dir / "runs").unlink()

    def test_wait_goes_on_while_one_is_left_to_take_over(self):
        script = RUN + "echo half; [ $(wc -l <runs) = 1 ] && exec sleep 1000; echo whole"
        for options in [], ["--no-live"]:
            for one_is_left in True, False:
                leader = self.start_flight("k", script)
                self.wait_for_runs(1)
                takes_over = self.start_flight("k", script)
                self.wait_for_waiters("k", 1)
                waits = self.start("wait", *options, "k")
                self.wait_for_waiters("k", 2)
                behind = child_of(takes_over.pid)
                os.kill(behind, signal.SIGSTOP)
                self.kill_behind(leader, "k")
                with self.assertRaises(subprocess.TimeoutExpired):
                    waits.wait(0.8)  # it has looked in that time, and more than once
                os.kill(behind, signal.SIGCONT if one_is_left else signal.SIGKILL)
                done = self.finish(waits)
                if one_is_left:
                    self.assert_done(done, 0, "half\nwhole\n")
                    self.assert_done(self.finish(takes_over), 0)
                else:
                    self.assert_done(done, 70)
                    self.assertIn("nobody takes over", done.stderr)
                (self.dir / "runs").unlink()

    def test_wait_finds_nothing_where_the_run_is_forgotten(self):
        for options in [], ["--no-live"]:
            leader = self.start_flight("k", RUN + "echo half; " + UNTIL_GO)
            self.wait_for_runs(1)
            waits = self.start("wait", *options, "k")
            self.wait_for_waiters("k", 1)
            self.assert_done(self.weft("forget", "k"), 0, "")
            done = self.finish(waits)
            self.assertEqual(done.returncode, 66)
            self.assertIn("nothing runs, and nothing is kept", done.stderr)
            self.go()
            self.assert_done(self.finish(leader), 0, "half\n")
            for name in "runs", "go":
                (self.dir / name).unlink()

    def test_no_live_is_all_or_nothing(self):
        script = RUN + "echo early; " + UNTIL_GO
        leader = self.start_flight("k", script, "--no-live")
        self.wait_for_runs(1)
        live = self.start_flight("k", script)
        whole = [leader, self.start_flight("k", script, "--no-live"), self.start("wait", "--no-live", "k")]
        self.assertEqual(live.stdout.readline(), "early\n")
        self.wait_for_waiters("k", 3)
        self.assertEqual([bytes_in(process.stdout) for process in whole], [0, 0, 0])
        self.go()
        for process in whole:
            self.assert_done(self.finish(process), 0, "early\n")
        leader = self.start_flight("k2", "echo half; exec sleep 1000", "--no-live")
        until(lambda: self.show("k2").get("state") == "running", "it runs")
        os.kill(self.behind("k2"), signal.SIGKILL)
        self.assert_done(self.finish(leader), 70, "")

    def test_kill_ends_the_run_for_all(self):
        for grace, status in ("20s", 143), ("50ms", 137):
            ignore = "trap '' TERM; " if status == 137 else ""
            script = f"{ignore}{RUN}echo half; while :; do sleep 0.01; done"
            options = ["--lease", "400ms", "--grace", grace]
            leader = self.start_flight("k", script, *options, "--status-file", "why")
            first = self.wait_for_runs(1)
            waiters = [self.start_flight("k", script, *options), self.start("wait", "k")]
            self.wait_for_waiters("k", 2)
            self.assert_done(self.weft("kill", "k"), 0, "")
            self.assertFalse(is_alive(first))
            for process in (leader, *waiters):
                done = self.finish(process)
                self.assert_done(done, status, "half\n")
                self.assertRegex(done.stderr, r"^weft \w+: k: the command was ended by weft kill\n$")
            self.assertEqual(json.loads((self.dir / "why").read_text())["end"], "cancelled")
            self.assertEqual(len(self.runs()), 1)
            self.assert_trouble(self.weft("kill", "k"), "nothing runs", status=66)
            (self.dir / "runs").unlink()

    def test_once_that_was_killed_is_run_again(self):
        script = RUN + "[ $(wc -l <runs) = 1 ] && exec sleep 1000; echo again"
        process = self.start("once", "--lease", "400ms", "k", "sh", "-c", script)
        self.wait_for_runs(1)
        self.assert_done(self.weft("kill", "k"), 0)
        self.assert_done(self.finish(process), 143, "")
        self.assert_done(self.once("k", script), 0, "again\n")

    def test_at_most_once_is_not_repeated(self):
        script = RUN + "exec sleep 1000"
        process = self.start("once", "--at-most-once", "k", "sh", "-c", script)
        self.wait_for_runs(1)
        self.kill_behind(process, "k")
        self.assert_trouble(self.once("k", script, "--at-most-once"), "lost", status=70)
        self.assertEqual(self.show("k")["state"], "lost")
        self.weft("forget", "k")
        self.assert_done(self.once("k", RUN, "--at-most-once", "--fp", "off"), 0)
        self.assertEqual(len(self.runs()), 2)


class InDirectory(Everywhere, SharedTest):
    other_outputs = ["echo other; echo more", "echo on", ":"]

    # One run for all

    def test_caller_may_ignore_the_ends_of_its_children(self):
        for call in (self.flight, self.once):
            self.assert_done(call("k", RUN + "exit 3", preexec_fn=ignore_children), 3, "")
        self.assertEqual(len(self.runs()), 2)

    def test_calls_after_another_run_anew(self):
        for _ in range(2):
            self.assert_done(self.flight("k", RUN + "echo x"), 0, "x\n")
        self.assertEqual(len(self.runs()), 2)

    def test_output_and_its_order_are_exact(self):
        data = os.urandom(1_000_000)
        (self.dir / "data").write_bytes(data)
        script = RUN + "cat data; echo first >&2; sleep 0.05; echo second; sleep 0.05; echo third >&2; " + UNTIL_GO
        leader = self.start("flight", "k", "sh", "-c", script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_for_runs(1)
        with open(self.dir / "both", "wb") as both:
            waiter = self.start("flight", "k", "sh", "-c", script, stdout=both, stderr=subprocess.STDOUT)
            self.wait_for_waiters("k", 1)
            self.go()
            self.assertEqual((waiter.wait(60), leader.wait(60)), (0, 0))
        self.assertEqual((self.dir / "both").read_bytes(), data + b"first\nsecond\nthird\n")

    def test_leader_sees_output_as_it_comes(self):
        process = self.start_flight("k", "echo early; " + UNTIL_GO)
        self.assertEqual(process.stdout.readline(), "early\n")
        self.go()
        self.assert_done(self.finish(process), 0, "")

    def test_output_that_finds_no_memory_is_cut(self):
        """And is no half of something, that nobody could read any more."""
        few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (100_000_000, 100_000_000))}
        if self.weft("version", **few).returncode:
            self.skipTest("a sanitizer needs more")
        call = ["once", "k", "--", "head", "-c", "60000000", "/dev/zero"]
        self.assertEqual(self.weft(*call, text=False, **few).returncode, 71)
        again = self.weft(*call, text=False)
        self.assertEqual(again.returncode, 70, again.stderr)
        self.assertIn(b"more output than is kept", again.stderr)
        self.assertEqual(again.stdout, bytes(len(again.stdout)))
        self.assertGreater(len(again.stdout), 0)

    def test_slow_reader_of_one_holds_up_nobody(self):
        script = RUN + UNTIL_GO + "; head -c 3000000 /dev/zero; touch written"
        slow = self.start_flight("k", script)
        self.wait_for_runs(1)
        other = self.start_flight("k", script)
        self.wait_for_waiters("k", 1)
        self.go()
        self.assertEqual(len(self.finish(other).stdout), 3_000_000)
        self.assertIsNone(slow.poll())
        self.assertEqual(len(self.finish(slow).stdout), 3_000_000)

    def test_slow_reader_of_a_run_elsewhere_holds_up_nobody(self):
        script = RUN + "head -c 3000000 /dev/zero; touch written; " + UNTIL_GO
        leader = self.start_flight("k", script, stdout=subprocess.DEVNULL)
        self.wait_for_runs(1)
        slow = [self.start_flight("k", script), self.start("wait", "k")]
        for process in slow:
            until(lambda: bytes_in(process.stdout) > 60_000, "its pipe is full")
        fast = self.start_flight("k", script)
        self.assertEqual(len(fast.stdout.read(3_000_000)), 3_000_000)
        until((self.dir / "written").exists, "all is written")
        self.go()
        self.assert_done(self.finish(fast), 0, "")
        self.assertEqual(leader.wait(60), 0)
        for process in slow:
            self.assertEqual(len(self.finish(process).stdout), 3_000_000)

    def test_wait_dies_quietly_with_its_reader(self):
        self.once("kept", "echo x; head -c 1000000 /dev/zero")
        leader = self.start_flight("k", RUN + "yes | head -c 1000000; " + UNTIL_GO, stdout=subprocess.DEVNULL)
        self.wait_for_runs(1)
        for key in "k", "kept":
            process = self.start("wait", key)
            self.assertEqual(process.stdout.readline()[1:], "\n")
            process.stdout.close()
            self.assertEqual((process.wait(60), process.stderr.read()), (-signal.SIGPIPE, ""))
            ignore = self.start("wait", key, preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
                                restore_signals=False)
            ignore.stdout.close()
            self.assertEqual((ignore.wait(60), ignore.stderr.read()),
                             (74, "weft wait: cannot write the output: Broken pipe\n"))
        self.go()
        self.assertEqual(leader.wait(60), 0)

    def test_front_dies_quietly_with_the_reader_of_stdout(self):
        for key, ignored, end in ("k", False, (-signal.SIGPIPE, "")), (
                "l", True, (74, "weft flight: cannot write the output: Broken pipe\n")):
            process = self.start_flight(key, "yes | head -c 1000000", restore_signals=not ignored, preexec_fn=lambda:
                                        signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL))
            process.stdout.close()
            self.assertEqual((process.wait(60), process.stderr.read()), end)

    def test_front_goes_on_without_a_reader_of_stderr(self):
        process = self.start_flight("k", RUN + UNTIL_GO + "; echo err >&2; echo out; exit 7")
        self.wait_for_runs(1)
        process.stderr.close()
        self.go()
        self.assertEqual((process.stdout.read(), process.wait(60)), ("out\n", 7))
        reader, writer = os.pipe()
        os.close(reader)
        self.assert_done(self.weft("once", "--at", "dir:/dev/null/place", "k", "true", stderr=writer), 69, "")
        os.close(writer)

    def test_wait_goes_on_without_a_reader_of_stderr(self):
        self.once("kept", "echo err >&2; echo out")
        script = RUN + "echo err >&2; " + UNTIL_GO + "; echo out; exit 7"
        leader = self.start_flight("k", script, stderr=subprocess.DEVNULL)
        self.wait_for_runs(1)
        reader, writer = os.pipe()
        os.close(reader)
        processes = [self.start("wait", key, stderr=writer) for key in ("k", "kept")]
        os.close(writer)
        self.wait_for_waiters("k", 1)
        self.go()
        ends = [(process.stdout.read(), process.wait(60)) for process in processes]
        self.assertEqual(ends, [("out\n", 7), ("out\n", 0)])
        self.assertEqual(leader.wait(60), 7)

    def test_wait_is_bounded_though_nobody_reads(self):
        self.once("kept", "head -c 1000000 /dev/zero")
        leader = self.start_flight("k", RUN + "head -c 1000000 /dev/zero; " + UNTIL_GO, stdout=subprocess.DEVNULL)
        self.wait_for_runs(1)
        for key in "k", "kept":
            start = time.monotonic()
            process = self.start("wait", "--wait", "500ms", key)
            self.assertEqual(process.wait(60), 75)
            self.assertLess(time.monotonic() - start, 2.5)
            self.assertEqual(process.stderr.read().count("\n"), 1)
        self.go()
        self.assertEqual(leader.wait(60), 0)

    def test_wait_is_bounded_though_nobody_reads_its_stderr(self):
        self.once("kept", "head -c 1000000 /dev/zero >&2")
        process = self.start("wait", "--wait", "500ms", "kept")
        self.assertEqual(process.wait(20), 75)

    def test_wait_is_over_and_a_slow_reader_is_given_all(self):
        self.once("kept", "head -c 300000 /dev/zero")
        process = self.start("wait", "--wait", "100ms", "kept")
        size = 0
        while data := os.read(process.stdout.fileno(), 20000):
            size += len(data)
            time.sleep(0.05)
        self.assertEqual((process.wait(60), size), (0, 300_000))

    def test_followers_that_leave_are_let_go(self):
        leader = self.start_flight("k", RUN + "echo x; " + UNTIL_GO)
        self.wait_for_runs(1)
        behind = self.behind("k")
        before = len(os.listdir(f"/proc/{behind}/fd"))
        waiters = [self.start("wait", "k") for _ in range(3)]
        for process in waiters:
            self.assertEqual(process.stdout.readline(), "x\n")
        self.assertEqual(len(os.listdir(f"/proc/{behind}/fd")), before + 3)
        for process in waiters:
            process.kill()
        until(lambda: len(os.listdir(f"/proc/{behind}/fd")) <= before, "their sockets are closed")
        self.go()
        self.assert_done(self.finish(leader), 0)

    def test_output_as_it_comes_is_for_the_same_user(self):
        if os.getuid() != 0:
            self.skipTest("needs root")
        leader = self.start_flight("k", "echo secret; " + UNTIL_GO)
        self.assertEqual(leader.stdout.readline(), "secret\n")
        entry = self.show("k")
        look = ("import os, socket, sys; os.setuid(int(sys.argv[2]));"
                " s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(chr(0) + sys.argv[1]);"
                " sys.stdout.write(repr(b'secret' in s.recv(100)))")
        for user, seen in ("0", "True"), ("65534", "False"):
            name = f"weft/{entry['pid']}/{entry['token']}"
            done = subprocess.run([sys.executable, "-c", look, name, user], capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout, seen)
        self.go()
        self.assert_done(self.finish(leader), 0)

    def test_same_signal_dies_of_what_the_command_has_died_of(self):
        for options in [], ["--no-detach"]:
            self.assert_done(self.flight("k", "kill -KILL $$", "--same-signal", *options), -signal.SIGKILL, "")
            self.assert_done(self.flight("k", "exit 137", "--same-signal", *options), 137, "")
            self.assert_done(self.flight("k", "echo x; exit 3", "--same-signal", *options), 3, "x\n")
        for status in -signal.SIGSEGV, 139:
            options = ["--same-signal", "--status-file", "why"] if status < 0 else []
            self.assert_done(self.once("k", RUN + "echo x; kill -SEGV $$", *options), status, "x\n")
        self.assertEqual(len(self.runs()), 1)
        self.assertEqual(json.loads((self.dir / "why").read_text())["status"], 139)

    def test_raw_output_is_in_the_order_in_which_it_was_written(self):
        lines = "".join(f"{i}\n" for i in range(300))
        script = "i=0; while [ $i -lt 300 ]; do echo $i; echo $((i + 1)) >&2; i=$((i + 2)); done"
        done = self.flight("k", script, "--raw")
        self.assert_done(done, 0, lines)
        self.assertEqual(done.stderr, "")

    def test_close_lock_leaves_what_is_in_the_background(self):
        script = RUN + "setsid sh -c 'echo $$ >pid; exec sleep 1000' >/dev/null 2>&1 & until [ -s pid ]; do :; done"
        for options in [], ["--no-detach"]:
            done = self.flight("k", script, "--close-lock", "--wait", "20s", *options)
            pid = self.pid_in("pid")
            self.addCleanup(os.kill, pid, signal.SIGKILL)
            self.assert_done(done, 0, "")
            self.assertEqual(done.stderr, "weft flight: what the command has left in the background goes on,"
                                          " and does not have the key\n")
            self.assertTrue(is_alive(pid))
            (self.dir / "pid").unlink()
        self.assertEqual(len(self.runs()), 2, "the key was free for the second one")
        self.assertEqual(self.flight("k", "true", "--close-lock").stderr, "")

    def limit_file_size(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    def test_limit_of_file_sizes_is_no_reason_to_die(self):
        self.env["TMPDIR"] = str(self.dir)
        until_printed = "until [ $(stat -c %s out) = 90000 ]; do sleep 0.01; done; "
        for options in [], ["--no-detach"]:
            script = "head -c 1000000 /dev/zero; touch written"
            process = self.start_flight("k", script, *options, preexec_fn=self.limit_file_size)
            until(lambda: (self.dir / "written").exists(), "it was written, and nobody reads")
            done = self.finish(process)
            self.assertEqual(done.returncode, 74, done.stderr)
            self.assertEqual(done.stderr, "weft flight: cannot keep the output: File too large\n")
            self.assertLess(len(done.stdout), 1_000_000)
            with open(self.dir / "out", "w") as out:
                half = "head -c 90000 /dev/zero; "
                in_two = RUN + half + until_printed + half + "exec sleep 1000"
                done = self.flight("k2", in_two, *options, preexec_fn=self.limit_file_size, stdout=out)
            self.assertEqual((done.returncode, done.stderr),
                             (74, "weft flight: cannot write the output: File too large\n"))
            self.assertEqual((self.dir / "out").stat().st_size, 100_000)
            command = self.runs()[-1]
            until(lambda: not is_alive(command), "it ends when nobody wants it any more")
            (self.dir / "written").unlink()

    def test_statuses_are_passed_on(self):
        for script, status in [("exit 1", 1), ("exit 255", 255), ("exit 70", 70), ("kill -9 $$", 137)]:
            self.assert_done(self.flight(f"k{status}", script), status, "")

    def test_program_that_is_not_there(self):
        self.assert_trouble(self.weft("flight", "k", "no-such-program"), "No such file", status=127)
        self.assert_trouble(self.weft("flight", "k2", "/"), "denied", status=126)

    def test_environment(self):
        done = self.flight("the key", "echo $WEFT_KEY; echo $WEFT_EPOCH; [ -e /dev/fd/$WEFT_LEASE_FD ] && echo open")
        key, epoch, lease = done.stdout.splitlines()
        self.assertEqual((key, lease), ("the key", "open"))
        later = int(self.flight("the key", "echo $WEFT_EPOCH").stdout)
        self.assertGreater(later, int(epoch))

    def test_stdin_is_empty_unless_wanted(self):
        self.assert_done(self.flight("k", "cat", input="text"), 0, "")
        self.assert_done(self.flight("k", "cat", "--stdin", input="text"), 0, "text")

    def test_what_is_kept_is_given_to_later_ones(self):
        for _ in range(3):
            self.assert_done(self.flight("k", RUN + "echo $$ x >&2; echo y", "--keep", "60s"), 0, "y\n")
        self.assertEqual(len(self.runs()), 1)
        self.assert_done(self.flight("k2", RUN + "exit 1", "--keep", "60s"), 1)
        self.assert_done(self.flight("k2", RUN + "exit 0", "--keep", "60s", "--fp", "off"), 0)
        self.assertEqual(len(self.runs()), 3, "a failure is not kept")

    def test_old_result_is_given_while_one_run_replaces_it(self):
        script = RUN + "[ $(wc -l <runs) = 1 ] || " + UNTIL_GO + "; wc -l <runs"
        options = ["--keep", "100ms", "--stale", "60s"]
        self.assert_done(self.flight("k", script, *options), 0, "1\n")
        until(lambda: self.weft("show", "k").stdout.count("stale"), "it is old")
        for _ in range(3):  # none of them waits for the run that waits for us
            done = self.flight("k", script, *options)
            self.assert_done(done, 0, "1\n")
            self.assertEqual(done.stderr, "")
        self.wait_for_runs(2)
        behind = self.behind("k")
        self.go()
        until(lambda: not is_alive(behind), "it ends with its run")
        self.assertEqual(len(self.runs()), 2)
        self.assert_done(self.flight("k", script, *options), 0, "2\n")

    def test_old_result_survives_a_run_that_fails(self):
        script = RUN + "[ $(wc -l <runs) = 1 ] || exit 3; echo good"
        options = ["--keep", "1ms", "--stale", "60s"]
        for count in (1, 2, 3):
            self.assert_done(self.flight("k", script, *options), 0, "good\n")
            self.wait_for_runs(count)
            until(lambda: self.show("k").get("state") == "kept", "the run is over")

    def test_old_result_without_detaching(self):
        script = RUN + "wc -l <runs"
        options = ["--keep", "1ms", "--stale", "60s", "--no-detach"]
        for runs, shown in ((1, "1\n"), (2, "1\n"), (3, "2\n")):
            self.assert_done(self.flight("k", script, *options), 0, shown)
            self.assertEqual(len(self.runs()), runs, "it has waited for the run")
            time.sleep(0.01)

    def test_end_of_a_run_is_shared_for_a_while(self):
        for _ in range(2):
            self.flight("k", RUN, "--share-for", "60s")
        self.assertEqual(len(self.runs()), 1)

    def test_a_failure_is_shared_for_a_while_too(self):
        for _ in range(2):
            self.assertEqual(self.flight("k", RUN + " exit 7", "--share-for", "60s").returncode, 7)
        self.assertEqual(len(self.runs()), 1)

    def test_descriptors_that_are_closed_are_not_used_for_anything_else(self):
        def close_all():
            for fd in range(3):
                os.close(fd)

        done = self.once("k", RUN + " exit 5", preexec_fn=close_all, stdout=None, stderr=None)
        self.assertEqual((done.returncode, len(self.runs())), (5, 1))

    def test_nothing_is_left_of_the_command(self):
        self.assert_done(self.flight("k", "setsid sh -c 'echo $$ >pid.a; sleep 1000' &"
                                     " sh -c 'echo $$ >pid.b; sleep 1000' &"
                                     " until [ -s pid.a ] && [ -s pid.b ]; do sleep 0.01; done"), 0)
        self.assertFalse(is_alive(self.pid_in("pid.b")))
        pid = self.pid_in("pid.a")
        until(lambda: not is_alive(pid), "who left the group is gone")

    def test_many_keys_and_callers(self):
        script = "echo $WEFT_KEY >>runs.all; sleep 0.3; echo done $WEFT_KEY"
        processes = [(key, self.start_flight(key, script)) for key in ("a", "b", "c") for _ in range(4)]
        for key, process in processes:
            self.assert_done(self.finish(process), 0, f"done {key}\n")
        self.assertLess(len((self.dir / "runs.all").read_text().split()), 12)

    # Who waits how long

    def test_wait_is_bounded_by_wait(self):
        leader = self.start_flight("k", RUN + UNTIL_GO)
        self.wait_for_runs(1)
        done = self.flight("k", RUN + UNTIL_GO, "--wait", "50ms")
        self.assert_trouble(done, "k:", status=75)
        self.go()
        self.assert_done(self.finish(leader), 0)

    def test_wait_is_not_for_the_own_run(self):
        self.assert_done(self.flight("k", "sleep 0.2; echo x", "--wait", "20ms"), 0, "x\n")

    def test_max_run(self):
        start = time.monotonic()
        leader = self.start_flight("k", RUN + "echo $$ >pid; echo begun; sleep 1000", "--max-run", "500ms")
        self.wait_for_runs(1)
        others = [leader, self.start_flight("k", "true", "--fp", "off"), self.start("wait", "k")]
        for process in others:
            done = self.finish(process)
            self.assert_done(done, 124, "begun\n")
            self.assertRegex(done.stderr, r"^weft \w+: k: the command took longer than --max-run and was ended\n$")
        self.assertLess(time.monotonic() - start, 10)
        self.assertFalse(is_alive(self.pid_in("pid")))

    # Callers that leave, leaders that die

    def test_run_goes_on_while_others_wait(self):
        script = RUN + UNTIL_GO + "; echo result"
        leader = self.start_flight("k", script)
        self.wait_for_runs(1)
        waiter = self.start_flight("k", script)
        self.wait_for_waiters("k", 1)
        leader.send_signal(signal.SIGINT)
        self.assertEqual(leader.wait(60), -signal.SIGINT)
        time.sleep(0.1)
        self.go()
        self.assert_done(self.finish(waiter), 0, "result\n")
        self.assertEqual(len(self.runs()), 1)

    def test_run_ends_with_its_caller_when_those_who_waited_are_gone(self):
        for dies in False, True:
            leader = self.start_flight("k", "echo $$ >pid; exec sleep 1000")
            pid = self.pid_in("pid")
            waiter = self.start_flight("k", "echo $$ >pid; exec sleep 1000")
            self.wait_for_waiters("k", 1)
            if dies:
                os.kill(child_of(waiter.pid), signal.SIGKILL)
            else:
                waiter.terminate()
            waiter.wait(60)
            until(lambda: self.show("k")["waiters"] == 0, "nobody waits")
            leader.terminate()
            until(lambda: not is_alive(pid), "the command is gone")
            (self.dir / "pid").unlink()

    def test_no_detach_ends_the_run_with_us(self):
        script = ("trap 'sleep 0.3; echo got it; exit 1' INT; " + RUN +
                  "while [ ! -e go ]; do sleep 0.01; done; echo result")
        leader = self.start_flight("k", script, "--no-detach", "--grace", "20s")
        first = self.wait_for_runs(1)
        waiter = self.start_flight("k", script, "--no-live")
        self.wait_for_waiters("k", 1)
        leader.send_signal(signal.SIGINT)
        self.assert_done(self.finish(leader), -signal.SIGINT, "got it\n")
        self.assertFalse(is_alive(first))
        self.wait_for_runs(2)
        self.go()
        self.assert_done(self.finish(waiter), 0, "result\n")

    def test_control_c_in_a_terminal(self):
        terminal = Terminal(self, weft, "flight", "k", "sh", "-c", "echo $$ >pid; echo ready; exec sleep 1000")
        terminal.until("ready")
        terminal.type("\x03")
        self.assertEqual(os.WTERMSIG(terminal.wait()), signal.SIGINT)
        pid = self.pid_in("pid")
        until(lambda: not is_alive(pid), "the command is gone")

    def test_control_c_does_not_take_it_from_others(self):
        script = RUN + "echo ready; " + UNTIL_GO + "; echo result"
        terminal = Terminal(self, weft, "flight", "k", "--", "sh", "-c", script)
        terminal.until("ready")
        waiter = self.start_flight("k", script)
        self.wait_for_waiters("k", 1)
        terminal.type("\x03")
        self.assertEqual(os.WTERMSIG(terminal.wait()), signal.SIGINT)
        self.go()
        self.assert_done(self.finish(waiter), 0, "ready\nresult\n")
        self.assertEqual(len(self.runs()), 1)

    def test_detached_run_does_not_hold_the_callers_pipe(self):
        script = RUN + UNTIL_GO + "; echo result"
        leader = self.start_flight("k", script, "--status-file", "/dev/stdout")
        self.wait_for_runs(1)
        waiter = self.start_flight("k", script)
        self.wait_for_waiters("k", 1)
        leader.kill()
        self.assertEqual(leader.stdout.read(), "", "the end comes while the run goes on")
        self.go()
        self.assert_done(self.finish(waiter), 0, "result\n")

    def test_lost_lease_can_be_read_by_what_outlives_us(self):
        away = "setsid sh -c 'read x <&$WEFT_LEASE_FD; echo $? >told' & exec sleep 1000"
        leader = self.start_flight("k", RUN + away)
        self.wait_for_runs(1)
        self.assertFalse((self.dir / "told").exists())
        os.kill(self.behind("k"), signal.SIGKILL)
        until(lambda: (self.dir / "told").exists(), "the end of the lease is seen")
        self.assertEqual(self.finish(leader).returncode, 70)

    def test_key_stays_taken_while_descendants_run(self):
        """They have the lock: a wrapper that was killed does not let a second run begin beside them."""
        away = "[ -e pid ] && exit; setsid sh -c 'echo $$ >pid; exec sleep 1000' & exec sleep 1000"
        leader = self.start_flight("k", RUN + away)
        pid = self.pid_in("pid")
        os.kill(self.behind("k"), signal.SIGKILL)
        self.assertEqual(self.finish(leader).returncode, 70)
        self.assertEqual(self.flight("k", RUN + away, "--wait", "300ms").returncode, 75)
        os.kill(pid, signal.SIGKILL)
        self.assert_done(self.flight("k", RUN + away), 0)
        self.assertEqual(len(self.runs()), 2)

    def test_who_keeps_the_key_of_a_dead_process_is_named(self):
        (self.dir / "free.py").write_text("import os, sys, time; os.closerange(3, 99); print(os.getpid(), flush=True);"
                                          " time.sleep(1000)")
        away = ("setsid sh -c 'echo $$ >pid; exec sleep 1000' & "
                f"setsid {sys.executable} free.py >free & exec sleep 1000")
        leader = self.start_flight("k", RUN + away, "--lease", "60s")
        pid, free, behind = self.pid_in("pid"), self.pid_in("free"), self.behind("k")
        for left in pid, free:
            self.addCleanup(lambda left=left: is_alive(left) and os.kill(left, signal.SIGKILL))
        self.assertNotIn("dead", self.weft("show", "k").stdout)
        self.kill_behind(leader, "k")
        self.assert_trouble(self.weft("kill", "--wait", "20s", "k"), f"k: the process that ran it, {behind}, is dead;"
                            f" what it has left keeps the key: {pid}\n", status=70)
        self.assertRegex(self.weft("show", "k").stdout,
                         rf"run by     .*:{behind}, which is dead\nheld by    {pid}, which it has left\n")
        self.assertEqual(self.show("k")["held_by"], [pid])
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.weft("kill", "k").returncode == 66, "the key is free")

    def test_run_in_another_space_of_processes_is_not_dead(self):
        """Its number is nobody's here, and says nothing."""
        apart = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c"]
        last = subprocess.run(["sh", "-c", "echo $$"], stdout=subprocess.PIPE, text=True, check=True).stdout
        free = (int(last) + 10000) % 30000 + 1000  # not those that come next
        while any(pathlib.Path(f"/proc/{pid}").exists() for pid in range(free, free + 50)):
            free += 50
        number = f"echo {free} >/proc/sys/kernel/ns_last_pid"
        if not shutil.which("unshare") or subprocess.run([*apart, number], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no name space of processes to be had")
        run = "'trap \"exit 3\" TERM; touch runs; sleep 1000 & wait'"
        script = f"{number}; exec {command.weft} flight k -- sh -c {run}"
        leader = subprocess.Popen([*apart, script], cwd=self.dir, env=self.env)
        self.addCleanup(leader.wait)
        self.addCleanup(leader.kill)
        until(lambda: (self.dir / "runs").exists(), "it runs")
        self.assertFalse(is_alive(self.show("k")["pid"]), "the number is free here")
        self.assertNotIn("dead", self.show("k"))
        self.assert_done(self.weft("kill", "--wait", "20s", "k"), 0)
        self.assertEqual(leader.wait(), 3)

    def test_stop_and_continue_looks_at_the_lease(self):
        """Ctrl-Z with --no-detach: the command goes on only if the lease is held still."""
        script = RUN + "[ $(wc -l <runs) = 1 ] || exit 0; while :; do echo x >>ticks; sleep 0.01; done"
        leader = self.start_flight("k", script, "--no-detach", "--lease", "1s", preexec_fn=os.setpgrp)
        first = self.wait_for_runs(1)
        until(lambda: (self.dir / "ticks").exists(), "it ticks")
        leader.send_signal(signal.SIGTSTP)
        until(lambda: command.has_stopped(leader.pid) and command.has_stopped(first), "both have stopped")
        self.assert_done(self.flight("k", script, "--lease", "1s"), 0)
        ticks = (self.dir / "ticks").stat().st_size
        leader.send_signal(signal.SIGCONT)
        self.assert_done(self.finish(leader), 70)
        self.assertEqual((self.dir / "ticks").stat().st_size, ticks, "it never ran again")

    # Once

    def test_once_at_the_same_time(self):
        processes = [self.start("once", "k", "sh", "-c", RUN + "sleep 0.2; echo x") for _ in range(6)]
        for process in processes:
            self.assert_done(self.finish(process), 0, "x\n")
        self.assertEqual(len(self.runs()), 1)

    def test_once_may_retry_what_failed(self):
        script = RUN + "[ $(wc -l <runs) = 2 ]"
        self.assertEqual([self.once("k", script, "--retry-failed").returncode for _ in range(3)], [1, 0, 0])
        self.assertEqual(len(self.runs()), 2)

    def test_once_for_a_while(self):
        self.once("k", RUN, "--ttl", "100ms")
        until(lambda: self.show("k").get("state") != "kept", "its time is over")
        self.once("k", RUN, "--ttl", "100ms")
        self.assertEqual(len(self.runs()), 2)

    def test_once_every_may_be_kept_for_longer(self):
        self.assert_done(self.once("k", RUN, "--every", "60s", "--ttl", "60s"), 0)
        self.assertEqual(self.weft("ls").stdout.count("  k@"), 1)

    def test_forget_makes_it_run_again(self):
        self.once("k", RUN)
        self.assert_done(self.weft("forget", "k"), 0, "")
        self.once("k", RUN)
        self.assertEqual(len(self.runs()), 2)

    def test_run_that_was_cut_short_is_repeated(self):
        script = RUN + "[ $(wc -l <runs) = 1 ] && exec sleep 1000; echo again"
        process = self.start("once", "k", "sh", "-c", script)
        self.wait_for_runs(1)
        self.kill_behind(process, "k")
        self.assert_done(self.once("k", script), 0, "again\n")

    def test_at_most_once_keeps_how_it_was_ended(self):
        script = RUN + "exec sleep 1000"
        process = self.start("once", "--at-most-once", "k", "sh", "-c", script)
        self.wait_for_runs(1)
        process.terminate()
        process.wait(60)
        until(lambda: self.show("k")["state"] == "kept", "its end is kept")
        self.assert_done(self.once("k", script, "--at-most-once"), 143)
        self.assertEqual(len(self.runs()), 1)

    def test_key_that_kills_is_given_up(self):
        script = RUN + "exec sleep 1000"
        for n in range(2):
            process = self.start("once", "--max-tries", "2", "k", "sh", "-c", script)
            self.wait_for_runs(n + 1)
            self.kill_behind(process, "k")
        self.assert_trouble(self.once("k", script, "--max-tries", "2"), "died", status=70)
        self.assertEqual(len(self.runs()), 2)

    # The same key for something else

    def test_other_input_is_another_command(self):
        self.once("k", "cat", "--stdin", input="a")
        self.assert_trouble(self.once("k", "cat", "--stdin", "--strict", input="b"), "another", status=76)
        self.assert_done(self.once("k", "cat", "--stdin", "--strict", input="a"), 0, "a")

    def test_one_after_the_other_is_no_other_use(self):
        self.assert_done(self.flight("k", "echo one", "--strict"), 0, "one\n")
        done = self.flight("k", "echo two", "--strict")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "two\n", ""))

    # Looking at keys

    def test_ls_and_show(self):
        process = self.start_flight("running one", RUN + UNTIL_GO)
        self.wait_for_runs(1)
        self.once("kept\nkey", "echo x")
        rows = {row["key"]: row for row in map(json.loads, self.weft("ls", "--json").stdout.splitlines())}
        states = {key: row["state"] for key, row in rows.items()}
        self.assertEqual(states, {"running one": "running", "kept\nkey": "kept"})
        self.assertTrue(is_alive(rows["running one"]["pid"]))
        lines = self.weft("ls").stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(any(line.endswith("  kept?key") for line in lines), lines)
        shown = self.weft("show", "running one").stdout
        for word in ("state      running", "waiters    0", f":{rows['running one']['pid']}", "lease"):
            self.assertIn(word, shown)
        self.assertIn("kept       for ever", self.weft("show", "kept\nkey").stdout)
        self.assert_trouble(self.weft("show", "none"), "none", status=66)
        self.go()
        self.finish(process)

    def test_ls_is_in_the_order_of_the_keys(self):
        keys = ["b", "a", "ab", "c1", "c0", "B", "ä", "x" * 300]
        for key in keys:
            self.once(key, "")
        listed = [line.split()[-1] for line in self.weft("ls").stdout.splitlines()]
        self.assertEqual(listed, sorted(key[:256] for key in keys))

    def test_wait_ends_as_the_run_does(self):
        process = self.start_flight("k", RUN + UNTIL_GO + "; echo out; echo err >&2; exit 9")
        self.wait_for_runs(1)
        waiter = self.start("wait", "k")
        self.wait_for_waiters("k", 1)
        self.assert_trouble(self.weft("wait", "--wait", "30ms", "k"), "k", status=75)
        self.go()
        done = self.finish(waiter)
        self.assert_done(done, 9, "out\n")
        self.assertEqual(done.stderr, "err\n")
        self.assert_done(self.finish(process), 9)
        self.assert_trouble(self.weft("wait", "nothing"), "nothing", status=66)

    def test_wait_prints_all_where_stdout_does_not_wait(self):
        self.once("k", "head -c 1000000 /dev/zero")
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        process = self.start("wait", "k", stdout=writer)
        os.close(writer)
        until(lambda: bytes_in(reader) > 60_000, "the pipe is full")
        with open(reader, "rb") as pipe:
            size = len(pipe.read())
        self.assertEqual((process.wait(command.LIMIT_SECONDS), size), (0, 1_000_000))

    def test_output_that_was_cut_is_told(self):
        """Who has the whole of it has the command's status, and nobody else has."""
        script = "head -c 68000000 /dev/zero; exit 3"
        call = ["k", "--", "sh", "-c", script]
        done = self.once("k", script)
        self.assertEqual((done.returncode, len(done.stdout), done.stderr), (3, 68_000_000, ""))
        for args, status in (["wait", "k"], 70), (["once", "--status-file", "why", "-E", "200", *call], 200):
            done = self.weft(*args)
            self.assertEqual(done.returncode, status)
            self.assertGreater(len(done.stdout), 67_000_000)
            self.assertLess(len(done.stdout), 68_000_000)
            self.assertEqual(done.stderr, f"weft {args[0]}: k: there was more output than is kept\n")
        why = json.loads((self.dir / "why").read_text())
        self.assertEqual((why["cut"], why["own"], why["run"]), (True, True, "before"))
        for args in ["wait", "--no-live", "k"], ["once", "--no-live", *call], ["flight", "--no-live", "k2", *call[1:]]:
            self.assert_trouble(self.weft(*args), "more output than is kept", status=70)

    def test_follower_of_output_that_is_cut_does_not_have_the_commands_status(self):
        script = RUN + "head -c 68000000 /dev/zero; " + UNTIL_GO
        leader = self.start_flight("k", script)
        self.wait_for_runs(1)
        follower = self.start_flight("k", script)
        self.wait_for_waiters("k", 1)
        self.go()
        done = self.finish(follower)
        self.assertEqual((done.returncode, done.stderr), (70, "weft flight: k: there was more output than is kept\n"))
        self.assertGreater(len(done.stdout), 67_000_000)
        done = self.finish(leader)
        self.assertEqual((done.returncode, len(done.stdout), done.stderr), (0, 68_000_000, ""))

    def test_key_that_is_too_long_is_an_argument(self):
        for verb in ("wait", "show", "forget"):
            self.assert_trouble(self.weft(verb, "x" * 65537), "65536 bytes", status=2)
            self.assertNotEqual(self.weft(verb, "x" * 65536).returncode, 2)

    def test_doctor(self):
        done = self.weft("doctor", "--json")
        self.assert_done(done, 0)
        facts = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual({fact["verdict"] for fact in facts}, {"fine"})
        self.assertIn("0700", done.stdout)
        self.assertIn(f"dir:{self.dir}/place", self.weft("doctor").stdout)
        self.assert_trouble(self.weft("doctor", "--at", "dir:/dev/null/place"), "/dev/null", status=69)

    # Trouble

    def test_own_failures_are_told_apart(self):
        for options, status in [([], 69), (["-E", "200"], 200)]:
            done = self.flight("k", "true", "--at", "dir:/proc/nowhere", "--status-file", "why", *options)
            self.assert_trouble(done, "/proc/nowhere", status=status)
            why = json.loads((self.dir / "why").read_text())
            nothing = {"cut": False, "run": None, "live": False, "lost": 0}
            self.assertEqual(why, {"end": "trouble", "status": status, "own": True, **nothing})
        self.assert_done(self.flight("k", "exit 69", "--status-file", "why", "-E", "200"), 69)
        why = json.loads((self.dir / "why").read_text())
        here = {"cut": False, "run": "here", "live": False, "lost": 0}
        self.assertEqual(why, {"end": "exited", "status": 69, "own": False, **here})

    def test_reason_can_go_to_a_descriptor(self):
        reader, writer = os.pipe()
        done = self.flight("k", "exit 75", "--status-file", f"/dev/fd/{writer}", pass_fds=[writer])
        os.close(writer)
        self.assert_done(done, 75, "")
        with open(reader) as pipe:
            self.assertEqual(json.load(pipe)["own"], False)

    def test_reason_is_written_behind_what_is_there(self):
        log = self.dir / "log"
        for name, stream in ("/dev/stdout", "stdout"), ("/dev/stderr", "stderr"), ("/proc/self/fd/1", "stdout"):
            for more in [], ["--no-detach"]:
                log.write_text("before\n")
                with open(log, "r+") as file:
                    file.seek(0, os.SEEK_END)
                    self.flight("k", "echo out >&2; echo out", "--status-file", name, *more, **{stream: file})
                first, out, why = log.read_text().splitlines()
                self.assertEqual((first, out, json.loads(why)["status"]), ("before", "out", 0))
        for name in "/dev/fd/0", "/dev/fd/77":
            with open("/dev/null") as null:
                done = self.flight("k", "echo x", "--status-file", name, stdin=null)
            self.assert_trouble(done, name, "Bad file descriptor")

    def test_stats_sum_up_the_place(self):
        self.assert_done(self.weft("stats"), 0, "keys       0\nrunning    0\nkept       0\nlost       0\n"
                         "takeovers  0, since the last run of their key that ended well\n")
        self.once("a", "echo 12345")
        self.once("b", "sleep 0.1")
        leader = self.start_flight("k", RUN + UNTIL_GO)
        self.wait_for_runs(1)
        waiter = self.start_flight("k", RUN + UNTIL_GO)
        self.wait_for_waiters("k", 1)
        sums = json.loads(self.weft("stats", "--json").stdout)
        sizes = sum(self.show(key)["bytes"] for key in "ab")
        self.assertEqual({name: sums[name] for name in ("keys", "running", "waiters", "kept", "lost", "bytes")},
                         {"keys": 3, "running": 1, "waiters": 1, "kept": 2, "lost": 0, "bytes": sizes})
        self.assertGreaterEqual(sums["took_most_s"], 0.1)
        self.assertIn("\nrunning    1, the longest for ", self.weft("stats").stdout)
        self.go()
        for process in (leader, waiter):
            self.assert_done(self.finish(process), 0)

    def test_key_that_begins_with_a_dash_stands_behind_two(self):
        for words in ["--", "-k", "echo", "x"], ["--", "-k", "--", "echo", "x"]:
            self.assert_done(self.weft("flight", "--keep", "60s", *words), 0, "x\n")
        self.assert_done(self.weft("wait", "--", "-k"), 0, "x\n")

    def test_arguments_that_are_wrong(self):
        for args, word in [
            (["flight"], "no key"), (["flight", "k"], "no command"), (["flight", "k", "--"], "no command"),
            (["flight", "--"], "no key"), (["flight", "--", "k"], "no command"),
            (["flight", "--what", "k", "true"], "--what"),
            (["flight", "--at", "ftp://x", "k", "true"], "ftp://x"),
            (["flight", "--lease", "1ms", "k", "true"], "'1ms'"),
            (["flight", "--keep", "1", "--share-for", "1", "k", "true"], "--keep"),
            (["flight", "--stale", "1", "k", "true"], "--keep"),
            (["flight", "x" * 5000, "true"], "4096"),
            (["flight", "--fp", "maybe", "k", "true"], "maybe"), (["flight", "--status-file", "/", "k", "true"], "/"),
            (["once"], "no key"), (["once", "k"], "no command"), (["once", "--every", "0", "k", "true"], "'0'"),
            (["once", "--at-most-once", "--retry-failed", "k", "true"], "--retry-failed"),
            (["once", "--ttl", "1", "--every", "2", "k", "true"], "--ttl is less than --every"),
            (["once", "--max-tries", "0", "k", "true"], "'0'"), (["ls", "k"], "'k'"), (["show"], "no key"),
            (["show", "a", "b"], "'b'"), (["wait"], "no key"), (["forget"], "no key"), (["doctor", "x"], "'x'"),
            (["ls", "--at", "x:y"], "x:y"), (["ls", "--at", "x:y"], "rediss:, redis+unix:"),
        ]:
            self.assert_trouble(self.weft(*args), word)
        self.assertFalse((self.dir / "place").exists())

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            self.assert_done(self.flight("k", "echo x", stdout=full), 74)
            self.assert_done(self.flight("k", "echo x", "--no-detach", stdout=full), 74)
            self.once("kept", "echo x; exit 3")
            for args in (["wait", "kept"], ["ls"], ["show", "kept"]):
                done = self.weft(*args, stdout=full)
                self.assert_done(done, 74)
                self.assertRegex(done.stderr, r"^weft \w+: cannot write the output: No space left on device\n$")

    def start_on_small_disk(self, *args):
        """Where what waits to be printed has 256 KiB."""
        if not command.can_mount():
            self.skipTest("may not mount a file system")
        (self.dir / "small").mkdir(exist_ok=True)
        script = 'mount -t tmpfs -o size=256k none small && TMPDIR=small exec "$@"'
        process = subprocess.Popen(["unshare", "-rm", "sh", "-c", script, "sh", weft, *args], **self.options({}))
        self.addCleanup(self.end, process)
        return process

    def test_full_disk_cuts_the_output_of_one_and_of_nobody_else(self):
        data = os.urandom(1_000_000)
        (self.dir / "data").write_bytes(data)
        script = RUN + UNTIL_GO + "; cat data; touch written; exit 3"
        first = self.start_on_small_disk("flight", "k", "--", "sh", "-c", script)
        self.wait_for_runs(1)
        others = [self.start_on_small_disk("flight", "k", "--", "sh", "-c", script) for _ in range(2)]
        self.wait_for_waiters("k", 2)
        self.go()
        until(lambda: (self.dir / "written").exists(), "nobody reads, and the command goes on")
        for process in others:
            out, err = process.communicate(timeout=command.LIMIT_SECONDS)
            self.assertEqual((process.returncode, out == data, err), (3, True, b""))
        out, err = first.communicate(timeout=command.LIMIT_SECONDS)
        self.assertEqual(first.returncode, 74)
        self.assertEqual(err, b"weft flight: cannot keep the output: No space left on device\n")
        self.assertGreater(len(out), 200_000)
        self.assertLess(len(out), len(data))
        self.assertTrue(data.startswith(out), "what there is has no hole")
        self.assertEqual(len(self.runs()), 1)

    def test_small_disk_is_enough_for_a_reader_that_keeps_up(self):
        process = self.start_on_small_disk("flight", "k", "--", "sh", "-c", "head -c 120000 /dev/zero; sleep 0.1; echo")
        self.assertEqual(len(process.communicate(timeout=command.LIMIT_SECONDS)[0]), 120_001)
        self.assertEqual(process.returncode, 0)

    def test_status_file_that_cannot_be_written(self):
        for options, status in ([], 74), (["--no-detach"], 74), (["-E", "200"], 200):
            done = self.flight("k", "exit 3", "--status-file", "/dev/full", *options)
            self.assert_trouble(done, "/dev/full", status=status)

    def test_key_of_odd_bytes_is_in_one_line(self):
        key = "a\nb\033c"
        self.assert_trouble(self.weft("wait", key), "a?b?c: nothing runs", status=66)
        for more in [], ["--no-detach"]:
            done = self.flight(key, "sleep 60", "--max-run", "100ms", *more)
            self.assert_trouble(done, "a?b?c: the command took longer", status=124)

    def test_place_that_does_not_answer_is_one_line(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            at = ["--at", f"redis://127.0.0.1:{nobody.getsockname()[1]}"]
            if "hiredis" in self.weft("ls", *at).stderr:
                self.skipTest("no engine for redis")
            calls = [["flight", *at, *more, "k", "true"] for more in ([], ["--no-detach"], ["--strict"])]
            calls += [["once", *at, *more, "k", "true"] for more in ([], ["--every", "1h"])]
            calls += [[verb, *at, "k"] for verb in ("show", "wait", "forget")]
            processes = [self.start(*args) for args in [*calls, ["ls", *at]]]
            late = self.start("flight", *at, "--wait", "200ms", "k", "true")
            for process in processes:
                self.assert_trouble(self.finish(process), "does not answer", "Connection refused", status=69)
            self.assert_trouble(self.finish(late), "Connection refused", status=75)
            done = self.weft("doctor", "--json", *at)
            self.assert_done(done, 1)
            facts = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual([(f["what"], f["verdict"]) for f in facts], [("server", "broken"), ("scripts", "broken")])
            self.assert_trouble(self.weft("ls", at[0], at[1] + "?ns="), "ns is empty")

    def test_server_that_says_nothing_is_one_line(self):
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            for scheme in "redis", "rediss":
                done = self.weft("ls", "--at", f"{scheme}://127.0.0.1:{mute.getsockname()[1]}")
                if "built without" in done.stderr or "hiredis" in done.stderr:
                    self.skipTest("no engine for it")
                self.assert_trouble(done, "no answer", status=69)

    def test_want_of_descriptors_is_one_line(self):
        statuses = set()
        for most in range(6, 40, 3):
            for args in (["flight", "k", "true"], ["flight", "--no-detach", "k", "true"], ["wait", "k"]):
                done = self.weft(*args, **self.descriptors(most))
                statuses.add((args[0], done.returncode))
                if done.returncode == 71:
                    self.assert_trouble(done, "Too many open files", status=71)
        self.assertEqual(statuses, {("flight", 71), ("flight", 0), ("wait", 71), ("wait", 66)})

    def test_signal_to_the_process_behind_is_told(self):
        process = self.start_flight("k", RUN + "exec sleep 1000")
        first = self.wait_for_runs(1)
        os.kill(self.behind("k"), signal.SIGTERM)
        self.assert_trouble(self.finish(process), "k: the process that ran it was ended by a signal", status=70)
        self.assertFalse(is_alive(first))

    def test_passwords_of_places_are_never_printed(self):
        for url, shown in [
            ("redis://me:secret@127.0.0.1:1/", "redis://me:***@127.0.0.1:1/"),
            ("redis://me:secret@127.0.0.1:x", "redis://me:***@127.0.0.1:x"),
            ("redis://secret@127.0.0.1", "redis://***@127.0.0.1"),
            ("redis://127.0.0.1:1?password=secret", "redis://127.0.0.1:1?password=***"),
            ("unix::secret@/no/such/socket", "unix::***@/no/such/socket"),
            ("nothing://:secret@x", "nothing://:***@x"),
        ]:
            self.env["WEFT_AT"] = url
            for args in [["doctor"], ["doctor", "--json"], ["ls"], ["show", "k"], ["forget", "k"], ["wait", "k"],
                         ["flight", "k", "true"], ["once", "k", "true"]]:
                done = self.weft(*args)
                said = done.stdout + done.stderr
                self.assertNotIn("secret", said, args)
                if args == ["doctor"] or done.returncode == 2:
                    self.assertIn(shown, said, args)

    def test_output_to_a_pipe_that_does_not_block_is_whole(self):
        for options in [], ["--no-detach"]:
            reader, writer = os.pipe()
            os.set_blocking(writer, False)
            process = self.start_flight("k", "head -c 1000000 /dev/zero", *options, stdout=writer)
            os.close(writer)
            until(lambda: bytes_in(reader) > 60_000, "the pipe is full")
            with open(reader, "rb") as pipe:
                size = len(pipe.read())
            self.assertEqual((process.wait(command.LIMIT_SECONDS), size), (0, 1_000_000))

    def test_result_without_room_is_told_and_once_is_not_run_again(self):
        if not command.can_mount():
            self.skipTest("needs a file system of its own")
        (self.dir / "place").mkdir()
        for verb, runs in ("flight", 2), ("once", 1):
            script = f"""
                mount -t tmpfs -o size=200k,mode=700 none place
                for i in 1 2; do
                    {weft} {verb} k -- sh -c 'echo x >>{verb}.runs; head -c 400000 /dev/zero' >{verb}.out 2>{verb}.err$i
                    echo $?; wc -c <{verb}.out
                done
                {weft} show k; {weft} wait k 2>{verb}.err3; echo $?"""
            done = subprocess.run(["unshare", "-rm", "sh", "-c", script], text=True, **self.options({}))
            first, second = ((self.dir / f"{verb}.err{i}").read_text() for i in (1, 2))
            note = f"weft {verb}: the result could not be stored: others are not given it\n"
            self.assertEqual(first, note, done)
            self.assertEqual((self.dir / f"{verb}.runs").read_text(), "x\n" * runs, done)
            if verb == "flight":
                self.assertEqual((done.stdout.split()[:4], second), (["0", "400000"] * 2, note))
            else:
                self.assertEqual(done.stdout.split()[:4], ["0", "400000", "70", "0"], second)
                self.assertIn("it has run", second)
                self.assertIn("result     not stored: No space", done.stdout)
                self.assertEqual(done.stdout.split()[-1], "70", done)
                self.assertEqual((self.dir / "once.err3").read_text(), second.replace("once", "wait"))

    def test_place_of_another_user_is_refused(self):
        if os.getuid() != 0:
            self.skipTest("needs root")
        (self.dir / "place").mkdir()
        os.chown(self.dir / "place", 65534, 65534)
        self.assertEqual(self.flight("k", "touch ran").returncode, 69)
        self.assertFalse((self.dir / "ran").exists())

    def test_works_without_home_and_terminal(self):
        env = {"PATH": os.environ["PATH"], "WEFT_AT": self.env["WEFT_AT"]}
        self.assert_done(self.flight("k", "echo ok", env=env, start_new_session=True), 0, "ok\n")


class OverRedis(Everywhere, SharedTest):
    def test_who_waits_on_another_machine_has_the_output_at_the_end(self):
        host = ["unshare", "-ru", "sh", "-c", 'echo other >/proc/sys/kernel/hostname; exec "$@"', "sh"]
        if not shutil.which("unshare") or subprocess.run([*host, "true"], capture_output=True).returncode:
            self.skipTest("may not be another host")
        leader = self.start_flight("k", RUN + "echo early; " + UNTIL_GO)
        self.wait_for_runs(1)
        command_of_it = [weft, "wait", "k"]
        far = subprocess.Popen([*host, *command_of_it], text=True, **self.options({}))
        self.addCleanup(self.end, far)
        near = self.start("wait", "k")
        self.assertEqual(near.stdout.readline(), "early\n")
        self.wait_for_waiters("k", 2)
        self.assertEqual(bytes_in(far.stdout), 0)
        self.go()
        self.assert_done(self.finish(leader), 0, "early\n")
        self.assert_done(self.finish(near), 0, "")
        self.assert_done(self.finish(far), 0, "early\n")

    def way_to_the_server(self):
        way = Proxy(("127.0.0.1", self.port))
        self.addCleanup(way.close)
        return way, {**self.env, "WEFT_AT": way.url}

    def stall_for_questions(self, way):
        """So long that one is given up, and no lease."""
        way.stall()
        time.sleep(3)
        way.go_on()

    def test_run_goes_on_where_it_cannot_be_asked_who_waits(self):
        way, env = self.way_to_the_server()
        script = RUN + UNTIL_GO + "; echo result"
        leader = self.start_flight("k", script, "--lease", "60s", env=env)
        self.wait_for_runs(1)
        waiter = self.start_flight("k", script, "--lease", "60s")
        self.wait_for_waiters("k", 1)
        way.before("HGETALL", 1, way.stall)
        leader.terminate()
        leader.wait(60)
        until(lambda: not way.open.is_set(), "it is asked who waits")
        self.stall_for_questions(way)
        self.go()
        self.assert_done(self.finish(waiter), 0, "result\n")
        self.assertEqual(len(self.runs()), 1)

    def test_refresh_goes_on_where_it_cannot_be_asked_for(self):
        way, env = self.way_to_the_server()
        script = RUN + "[ $(wc -l <runs) = 1 ] || " + UNTIL_GO + "; wc -l <runs"
        options = ["--keep", "1ms", "--stale", "60s", "--lease", "60s"]
        for _ in range(2):
            self.assert_done(self.flight("k", script, *options, env=env), 0, "1\n")
        self.wait_for_runs(2)
        behind = self.behind("k")
        self.stall_for_questions(way)
        self.go()
        until(lambda: not is_alive(behind), "it ends with its run")
        self.assert_done(self.weft("wait", "k"), 0, "2\n")

    def test_other_command_is_told_where_it_cannot_be_asked_for(self):
        way, env = self.way_to_the_server()
        self.once("k", "echo one")
        way.before("HGETALL", 1, way.stall)
        self.assert_trouble(self.once("k", "echo two", "--strict", env=env), "another command", status=76)

    def test_other_command_is_told_that_begins_meanwhile(self):
        way, env = self.way_to_the_server()
        first, more = self.start_flight("k", RUN + UNTIL_GO), []
        self.wait_for_runs(1)

        def end_the_first():
            self.go()
            self.finish(first)
            way.before("EVALSHA", 1, begin_another)

        def begin_another():
            (self.dir / "go").unlink()
            more.append(self.start_flight("k", RUN + UNTIL_GO + "; echo another"))
            self.wait_for_runs(2)

        way.before("HGETALL", 1, end_the_first)
        done = self.flight("k", "echo ours", "--strict", "--wait", "3s", env=env)
        self.assert_trouble(done, "another command", status=76)
        self.go()
        self.assert_done(self.finish(*more), 0, "another\n")

    def test_record_stays_as_long_as_its_result(self):
        server = Client(("127.0.0.1", self.port))
        for command_of_it, status, least, most in ("exit 1", 1, 0, 600), ("exit 0", 0, -1, -1):
            self.assert_done(self.once("k", command_of_it, "--retry-failed"), status)
            (record,) = server.command("KEYS", "*:M")
            left = server.command("TTL", record)
            self.assertTrue(least <= left <= most, left)

    def test_kill_does_not_wait_for_a_process_that_is_dead(self):
        leader = self.start_flight("k", RUN + "exec sleep 1000", "--lease", "300ms")
        self.wait_for_runs(1)
        behind = self.behind("k")
        self.kill_behind(leader, "k")
        self.assert_trouble(self.weft("kill", "--wait", "20s", "k"), f"k: the process that ran it, {behind}, is dead\n",
                            status=70)
        self.assertEqual(self.show("k")["held_by"], [])

    def test_place_that_answers_no_more_is_given_up_once(self):
        way, env = self.way_to_the_server()
        way.before("HGETALL", 1, way.stall)
        start = time.monotonic()
        self.assert_trouble(self.weft("show", "k", env=env), "does not answer", status=69)
        self.assertLess(time.monotonic() - start, 5, "five questions are asked at once")

    def test_server_that_lost_its_data_is_told_whose_command_it_is(self):
        """By a renewal, or by the result."""
        for lease, key in ("300ms", "renewed"), ("60s", "completed"):
            leader = self.start("once", "--lease", lease, key, "--", "sh", "-c", RUN + UNTIL_GO + "; echo mine")
            self.wait_for_runs(len(self.runs()) + 1)
            Client(("127.0.0.1", self.port)).command("FLUSHALL")
            if key == "completed":
                self.go()
                self.assert_done(self.finish(leader), 0, "mine\n")
            until(lambda: self.show(key), "the server knows of it again")
            self.assert_trouble(self.once(key, "echo other", "--strict", "--wait", "2s"), "another command", status=76)
            self.assertEqual(self.show(key)["key"], key)
            self.assertLess(self.show(key)["age_s"], 60)
            self.go()
            self.finish(leader)
            (self.dir / "go").unlink()

    def test_server_that_dies_in_a_run_is_one_line(self):
        for options in [], ["--no-detach"]:
            script = RUN + "exec sleep 1000"
            leader = self.start_flight("k", script, "--lease", "300ms", *options)
            first = self.wait_for_runs(len(self.runs()) + 1)
            waiter = self.start_flight("k", script, "--lease", "300ms")
            self.wait_for_waiters("k", 1)
            self.server.kill()
            self.server.wait()
            self.assert_trouble(self.finish(leader), "lease was lost", "redis at", status=70)
            self.assert_trouble(self.finish(waiter), "does not answer", f"redis at 127.0.0.1:{self.port}: ", status=69)
            self.assertFalse(is_alive(first))
            self.start_server()

    def test_lease_that_is_lost_with_the_way_to_the_server_ends_the_work(self):
        """A stalled way says nothing: the clock alone ends the command, before another one begins."""
        script = "trap 'touch told; exit 1' TERM; echo $$ >pid; while :; do sleep 0.01; done"
        for options in [], ["--no-detach"]:
            way, env = self.way_to_the_server()
            leader = self.start_flight("k", script, "--lease", "500ms", *options, env=env)
            pid = self.pid_in("pid")
            second = f"kill -0 {pid} 2>/dev/null && echo both; echo second"
            waiter = self.start_flight("k", second, "--lease", "5s", "--fp", "off")  # one that a busy machine keeps
            self.wait_for_waiters("k", 1)
            way.stall()
            self.assert_done(self.finish(waiter), 0, "second\n")
            self.assertTrue((self.dir / "told").exists(), "it was asked to end")
            self.assertFalse(is_alive(pid))
            done = self.finish(leader)
            self.assert_done(done, 70, "")
            self.assertIn("lease was lost", done.stderr)
            for name in ("pid", "told"):
                (self.dir / name).unlink()

    def test_every_asks_for_the_time_under_nobodys_key(self):
        process = self.start_flight("weft clock", RUN + UNTIL_GO)
        self.wait_for_runs(1)
        done = self.once("job", "echo $WEFT_KEY", "--every", "1h", "--wait", "5s")
        self.assert_done(done, 0)
        keys = {json.loads(line)["key"] for line in self.weft("ls", "--json").stdout.splitlines()}
        self.assertEqual(keys, {"weft clock", done.stdout.strip()})
        self.go()
        self.assert_done(self.finish(process), 0)

    def start_server(self):
        self.server = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.dir)],
            stdout=subprocess.DEVNULL)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        until(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, "the server listens")

    def setUp(self):
        super().setUp()
        if not shutil.which("redis-server"):
            self.skipTest("no redis-server")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start_server()
        self.env["WEFT_AT"] = f"redis://127.0.0.1:{self.port}"
        if "redis" in (done := self.weft("ls")).stderr and done.returncode:
            self.skipTest(f"no engine for redis: {done.stderr.strip()}")


if __name__ == "__main__":
    command.main()
