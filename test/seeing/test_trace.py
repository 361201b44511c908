#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""WEFT_TRACE, from outside:  test_trace.py PATH/TO/traced

Each file is read by a strict JSON parser, and what its events claim is held against each other and
against what the program does.
"""

import collections
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import run_unittests  # noqa: E402

PROGRAM = None
PLAIN_THREADS = 1000000
# What traced.c starts: the first task, workers with leaves, callers, receiver, leaver, busy, last one.
STUCK = 20
TASKS = 1 + 20 * (1 + 100) + 5 + 1 + 1 + 64 + 1


def run(path, how="", **more):
    env = {**os.environ, "WEFT_TRACE": str(path), "WEFT_PROCS": "2"}
    return subprocess.run(
        [PROGRAM, how], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **more
    )


def load(path):
    """Strictly: UTF-8, no constants that JSON has not."""
    return json.loads(pathlib.Path(path).read_bytes().decode(), parse_constant=lambda name: 1 / 0)


def end(event):
    return round((event["ts"] + event["dur"]) * 1000)


def start(event):
    return round(event["ts"] * 1000)


class Trace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name) / "trace.json"
        cls.result = run(cls.path)
        cls.events = load(cls.path)
        cls.by_phase = collections.defaultdict(list)
        for event in cls.events:
            cls.by_phase[event["ph"]].append(event)
        cls.slices = collections.defaultdict(list)
        for event in cls.by_phase["X"]:
            cls.slices[event["tid"]].append(event)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_the_program_ends_as_without(self):
        self.assertEqual((self.result.returncode, self.result.stdout, self.result.stderr), (0, "", ""))

    def test_events_have_the_fields_that_their_kind_needs(self):
        needs = {
            "X": {"name", "cat", "ts", "dur", "pid", "tid", "args"},
            "s": {"name", "cat", "id", "ts", "pid", "tid"},
            "f": {"name", "cat", "id", "ts", "pid", "tid", "bp"},
            "b": {"name", "cat", "id", "ts", "pid", "tid"},
            "e": {"name", "cat", "id", "ts", "pid", "tid"},
            "i": {"name", "cat", "ts", "pid", "tid", "s"},
            "M": {"name", "pid", "tid", "args"},
        }
        for event in self.events:
            self.assertLessEqual(needs[event["ph"]], set(event), event)
            for key in ("ts", "dur"):
                self.assertIsInstance(event.get(key, 0.0), float)
                self.assertGreaterEqual(event.get(key, 0.0), 0)

    def test_each_track_has_a_name(self):
        named = {event["tid"]: event["args"]["name"] for event in self.by_phase["M"]}
        self.assertEqual(set(named), {event["tid"] for event in self.events})
        self.assertEqual(named[0], "worker 0")
        self.assertEqual(named[PLAIN_THREADS], "plain threads")

    def test_a_worker_runs_one_task_at_a_time(self):
        for slices in self.slices.values():
            slices = sorted(slices, key=start)
            for one, next_one in zip(slices, slices[1:]):
                self.assertLessEqual(end(one), start(next_one))

    def test_every_task_ends_once(self):
        ends = [e["args"]["task"] for e in self.by_phase["X"] if e["args"]["until"] in ("returned", "left")]
        self.assertEqual(len(ends), len(set(ends)))
        self.assertEqual(len(ends), TASKS)
        self.assertEqual({e["args"]["task"] for e in self.by_phase["X"]}, set(ends))

    def test_a_task_runs_or_waits_from_its_beginning_to_its_end(self):
        spans = collections.defaultdict(list)
        for event in self.by_phase["X"]:
            spans[event["args"]["task"]].append((start(event), end(event)))
        begun = {}
        # Those of one task in the order of time, and not of the buffers that they were in.
        for event in sorted((e for e in self.events if e.get("cat") == "wait"), key=start):
            task = int(event["id"].removeprefix("task "))
            if event["ph"] == "b":
                begun[task] = (event["name"], start(event))
            else:
                name, since = begun.pop(task)
                self.assertEqual(name, event["name"])
                spans[task].append((since, start(event)))
        self.assertEqual(begun, {})
        for parts in spans.values():
            parts.sort()
            for (_, before), (after, _) in zip(parts, parts[1:]):
                self.assertEqual(before, after)

    def test_waits_say_for_what(self):
        waits = collections.Counter(e["name"] for e in self.events if e.get("cat") == "wait" and e["ph"] == "b")
        for reason in ("mutex lock", "sleep", "yield", "channel receive", "group wait", "flight", "waitgroup wait"):
            self.assertGreater(waits[reason], 0, reason)
        untils = {e["args"]["until"] for e in self.by_phase["X"]}
        self.assertLessEqual(set(waits), untils)

    def test_arrows_begin_and_end_in_slices(self):
        begins = {event["id"]: event for event in self.by_phase["s"]}
        self.assertEqual(len(begins), len(self.by_phase["s"]))
        self.assertEqual(len({event["id"] for event in self.by_phase["f"]}), len(self.by_phase["f"]))
        starts = {tid: {start(x) for x in slices} for tid, slices in self.slices.items()}
        for event in self.by_phase["f"]:
            self.assertLessEqual(start(begins[event["id"]]), start(event))
            self.assertIn(start(event), starts[event["tid"]])
        for tid, slices in self.slices.items():
            slices = iter(sorted(slices, key=start))
            now = next(slices)
            for event in sorted((e for e in begins.values() if e["tid"] == tid and e["cat"] == "start"), key=start):
                while end(now) < start(event):
                    now = next(slices)
                self.assertLessEqual(start(now), start(event))

    def test_every_task_was_started_by_somebody(self):
        ends = collections.Counter(event["cat"] for event in self.by_phase["f"])
        self.assertEqual(ends["start"], TASKS)
        self.assertGreater(ends["wake"], 100)

    def test_steals_say_from_whom(self):
        steals = [event for event in self.events if event.get("cat") == "steal"]
        self.assertGreater(len(steals), 0)
        for event in steals:
            self.assertGreater(event["args"]["tasks"], 0)
            self.assertNotEqual(event["args"]["from"], f"worker {event['tid']}")

    def test_flights_and_groups_are_spans(self):
        for kind, name in (("flight", "key hot"), ("group", "group wait")):
            spans = [event for event in self.events if event.get("cat") == kind]
            self.assertGreater(len(spans), 0)
            open_ids = set()
            for event in sorted(spans, key=start):
                self.assertEqual(event["name"], name)
                if event["ph"] == "b":
                    open_ids.add(event["id"])
                else:
                    open_ids.remove(event["id"])
            self.assertEqual(open_ids, set())

    def test_names_are_those_of_the_tasks_or_their_functions(self):
        names = collections.Counter(event["name"] for event in self.by_phase["X"])
        self.assertGreater(names['wor"k\\\n\u00e4?'], 0)
        self.assertGreaterEqual(names["leaf"], 2000)
        self.assertGreater(names["ask"], 0)

    def test_a_task_of_a_group_says_which(self):
        groups = {e["id"].removeprefix("group ") for e in self.events if e.get("cat") == "group"}
        for event in self.by_phase["X"]:
            if event["name"] == "ask":
                self.assertIn(event["args"]["of"], groups)


class Ends(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name) / "trace.json"

    def check_end(self, how, signal_number, name="trace.json"):
        result = run(self.path, how)
        self.assertEqual(result.returncode, -signal_number if signal_number else 0, result.stderr)
        (path,) = self.path.parent.glob(name)
        events = load(path)
        self.assertGreater(len(events), TASKS)
        return events

    def test_the_file_is_whole_after_a_panic(self):
        self.check_end("panic", signal.SIGABRT)

    def test_the_file_is_whole_after_a_fatal_error(self):
        self.check_end("fatal", signal.SIGABRT)

    def stuck(self, events):
        waits = [e for e in events if e.get("cat") == "wait" and e["ph"] == "b" and e["args"]["task"] == "stuck"]
        return [e["name"] for e in waits]

    def test_the_file_is_whole_after_a_deadlock(self):
        with unittest.mock.patch.dict(os.environ, WEFT_DEADLOCK="abort"):
            events = self.check_end("deadlock", signal.SIGABRT)
        self.assertEqual(self.stuck(events), ["mutex lock"] * STUCK)

    def hang_until_the_waits_are_written(self):
        env = {**os.environ, "WEFT_TRACE": str(self.path), "WEFT_PROCS": "2"}
        process = subprocess.Popen([PROGRAM, "hang"], env=env, stdin=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        limit = time.monotonic() + 20
        while not self.path.exists() or self.path.read_bytes().count(b'{"task":"stuck"') < STUCK:
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.01)
        return process

    def test_a_signal_costs_no_more_than_the_end_of_the_list(self):
        process = self.hang_until_the_waits_are_written()
        process.terminate()
        self.assertEqual(process.wait(), -signal.SIGTERM)
        events = json.loads(self.path.read_text() + "]")
        self.assertGreater(len(events), TASKS)
        self.assertEqual(self.stuck(events), ["mutex lock"] * STUCK)

    def test_a_process_leaves_the_file_of_another_alone(self):
        process = self.hang_until_the_waits_are_written()
        self.check_end("", 0, "trace.json.*")
        process.terminate()
        process.wait()
        self.assertGreater(len(json.loads(self.path.read_text() + "]")), TASKS)

    def test_the_file_is_whole_after_exit_by_a_task(self):
        self.check_end("exit", 0)

    def test_the_child_of_a_fork_writes_nothing(self):
        events = self.check_end("fork", 0)
        self.assertNotIn("key of the child", {e["name"] for e in events})
        ends = [e["args"]["task"] for e in events if e["ph"] == "X" and e["args"]["until"] == "returned"]
        self.assertEqual(len(ends), len(set(ends)))

    def test_a_full_disk_ends_the_trace_and_not_the_program(self):
        result = run("/dev/full")
        self.assertEqual((result.returncode, result.stderr.count("\n")), (0, 1), result.stderr)
        self.assertRegex(result.stderr, r"^weft: WEFT_TRACE=/dev/full: No space left on device; it ends there$")

    def test_what_fits_on_a_full_disk_is_a_whole_file(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

        result = run(self.path, preexec_fn=limit)
        self.assertEqual(result.returncode, 0)
        self.assertIn(f"weft: WEFT_TRACE={self.path}: File too large; it ends there\n", result.stderr)
        self.assertGreater(len(load(self.path)), 100)
        self.assertLessEqual(self.path.stat().st_size, 200000)

    def test_a_file_that_cannot_be_made_is_told_and_the_program_runs(self):
        path = pathlib.Path(self.folder.name) / "nowhere" / "trace.json"
        result = run(path)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stderr, f"weft: WEFT_TRACE={path}: No such file or directory\n")

    def test_without_the_variable_nothing_is_written(self):
        result = run("", cwd=self.folder.name)
        self.assertEqual((result.returncode, result.stderr, os.listdir(self.folder.name)), (0, "", []))


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop())
    sys.exit(run_unittests())
