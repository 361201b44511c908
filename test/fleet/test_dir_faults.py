#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several processes on a directory, killed and frozen:  test_dir_faults.py WORKER [CASE…]

    WEFT_TEST_SEED=n    WEFT_TEST_LONG=1: each case many times, and a long random walk

WORKER is linked with the library that has steps, so that it can die at each of them. As in
test_redis_faults.py a case returns complaints, and checker.py decides from what was written down. At
the end: how long takeovers and wake-ups took.
"""

import concurrent.futures
import fnmatch
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import checker
from harness import Fleet
from tally import Tally

LEASE, GRACE, POLL = 1000, 300, 500  # ms
SLACK = 1500  # ms, of a busy machine
STEPS = ["dir-locked", "dir-claimed", "dir-stored", "dir-renamed", "dir-done", "dir-unlocked", "dir-ended"]
BIG = 9000  # bytes: a result with a file of its own
EOWNERDEAD, ELOOP = -130, -40

LONG = bool(os.environ.get("WEFT_TEST_LONG"))
lags, takeovers = {}, {"the kernel": [], "lease": []}
cases = {}


def case(function):
    cases[function.__name__] = function
    return function


class Scene(Fleet):
    """A directory, and processes on it."""

    def __init__(self, worker, seed, **settings):
        self.place = tempfile.mkdtemp(prefix="weft-place-")
        self.random = random.Random(seed)
        super().__init__(worker, f"dir:{self.place}", seed, **{"lease_ms": LEASE, "grace_ms": GRACE, **settings})

    def start_to_die(self, step, nth=1, **settings):
        name = self.start(prefix=("env", f"WEFT_FLEET_STEP={step}:kill:{nth}"), **settings)
        self.doomed.add(name)
        return name

    def leader(self, **settings):
        name = self.start(**settings)
        self.wait_for("start", name)
        return name

    def waiters(self, count, **settings):
        """Processes that wait: the directory has counted them."""
        names = [self.start(**settings) for _ in range(count)]
        end = time.monotonic() + 20
        while self.counted() < count:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.counted()} of {count} wait")
            time.sleep(0.005)
        return names

    def counted(self):
        inode = (pathlib.Path(self.place) / "waiting").stat().st_ino
        return len(re.findall(rf"(?m)OFDLCK.*:{inode} ", pathlib.Path("/proc/locks").read_text()))

    def judge(self, **expected):
        complaints = self.finish()
        events = self.events()
        return complaints + checker.check(events, **expected) + self.left_behind(), checker.tell(events)

    def left_behind(self):
        """I5: nothing is locked in the end."""
        inodes = {f.stat().st_ino for f in pathlib.Path(self.place).rglob("*")}
        locks = re.findall(r"FLOCK.* \w+:\w+:(\d+) ", pathlib.Path("/proc/locks").read_text())
        return [f"I5: inode {i} is locked still" for i in locks if int(i) in inodes]

    def close(self):
        super().close()
        shutil.rmtree(self.place, ignore_errors=True)


@case
def many_ask_and_one_runs(worker, seed):
    complaints = []
    for count in (1, 2, 4, 8, 16, 32) if LONG else (1, 8):
        with Scene(worker, seed, sleep_ms=300 + 20 * count) as s:
            s.leader()
            s.waiters(count)
            more, story = s.judge(most_runs=1)
            complaints += more
            lags.setdefault(count, []).extend(checker.wake_lags(story))
    return complaints


@case
def killed_leader_is_replaced_at_once(worker, seed):
    with Scene(worker, seed, lease_ms=60_000, grace_ms=60_000) as s:
        leader = s.leader(sleep_ms=30_000)
        s.waiters(3, sleep_ms=10)
        s.kill(leader)
        complaints, story = s.judge(most_runs=2)
        took = checker.takeovers(story)
        takeovers["the kernel"].extend(took)
        return complaints + [f"I6: the takeover took {t:.0f} ms" for t in took if t > POLL]


@case
def leader_that_dies_at_any_step_is_replaced_or_has_stored(worker, seed):
    complaints = []
    for step in STEPS:
        with Scene(worker, seed, sleep_ms=50, mode=1, keep_ms=60_000, size=BIG) as s:
            s.start_to_die(step)
            for _ in range(3):
                s.start(calls=2)
            more, _ = s.judge(most_runs=2)
            complaints += [f"{step}: {c}" for c in more]
    return complaints


@case
def frozen_leader_is_replaced_and_refused(worker, seed):
    with Scene(worker, seed, sleep_ms=100) as s:
        leader = s.leader(sleep_ms=700)
        s.freeze(leader)
        frozen = time.monotonic_ns()
        s.waiters(2)
        first = s.wait_for("accept")
        s.thaw(leader)
        complaints, story = s.judge(most_runs=2, lapses=[(frozen + (LEASE - 300) * 10**6, time.monotonic_ns())])
        took = (story.runs[1].start - frozen) / 10**6
        takeovers["lease"].append(took)
        given = [e for e in s.events() if e.what == "accept" and e["e"] != first["e"]]
        complaints += [f"I4: {e.process} was given the run of the frozen one" for e in given]
        return complaints + ([f"I6: the takeover took {took:.0f} ms"] if took > LEASE + GRACE + POLL + SLACK else [])


@case
def at_most_once_ends_with_its_leader(worker, seed):
    with Scene(worker, seed, at_most_once=1, sleep_ms=30_000) as s:
        leader = s.leader()
        s.waiters(2)
        s.kill(leader)
        complaints, _ = s.judge(most_runs=1)
        errors = [e.number("err") for e in s.events() if e.what == "give_up"]
        return complaints + ([] if errors == [EOWNERDEAD] * 2 else [f"they were told {errors}"])


@case
def once_has_one_result_and_one_effect_whatever_dies(worker, seed):
    """I8."""
    with Scene(worker, seed, mode=2, tasks=4, calls=40, keys=30, sleep_ms=20, pause_ms=20, effect=1, size=BIG) as s:
        for step in STEPS:
            s.start_to_die(step, s.random.randint(1, 6))
        for _ in range(6):
            s.start()
            time.sleep(s.random.uniform(0.05, 0.2))
            s.kill(s.random.choice([n for n, p in s.processes.items() if p.poll() is None] or [s.start()]))
        s.start()
        complaints, story = s.judge()
        complaints += list(checker.one_result(story)) + list(checker.one_effect(story, s.resources()))
        print("# once: {} effects of {} keys without a guard".format(*checker.effects_without_guard(story)))
        return complaints


@case
def poison_stops_after_three_deaths(worker, seed):
    with Scene(worker, seed, crash=1) as s:
        for _ in range(6):
            s.start()
        complaints, _ = s.judge(most_runs=3)
        errors = [e.number("err") for e in s.events() if e.what == "give_up"]
        return complaints + ([] if errors == [ELOOP] * 3 else [f"they were told {errors}"])


def walk(worker, seed, seconds, freeze_ms, lapses):
    """Processes come, go, die at steps and freeze; the invariants that hold in all faults."""
    settings = {"tasks": 4, "calls": 10**6, "keys": 6, "sleep_ms": 20, "pause_ms": 10, "fail_pct": 5, "cancel_pct": 5,
                "forget_pct": 1, "wait_ms": 8000, "size": BIG, "max_takeovers": 1000}
    with Scene(worker, seed, **settings) as s:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            alive = [n for n, p in s.processes.items() if p.poll() is None]
            if len(alive) < 4:
                if s.random.random() < 0.5:
                    s.start_to_die(s.random.choice(STEPS), s.random.randint(1, 20))
                else:
                    s.start()
                continue
            time.sleep(s.random.uniform(0.02, 0.3))
            name = s.random.choice(alive)
            if s.random.random() < 0.6:
                s.kill(name)
            else:
                s.freeze(name)
                time.sleep(freeze_ms / 1000)
                s.thaw(name)
        for name, process in s.processes.items():
            if process.poll() is None:
                s.kill(name)
        # A process that was forgotten runs on beside the next one, and is judged as if in a lapse.
        return s.judge(lapses=lapses(s.events()))[0]


def forgotten(events):
    """From when a key is forgotten until the run that this voids has ended."""
    return [(e.at - 10**9, e.at + 10**9) for e in events if e.what == "forget"]


@case
def processes_die_at_random(worker, seed):
    return walk(worker, seed, 60 if LONG else 4, LEASE / 4, forgotten)


@case
def processes_freeze_for_longer_than_their_lease(worker, seed):
    return walk(worker, seed, 60 if LONG else 4, LEASE + GRACE + 400, lambda events: [(0, 2**63)])


def attempt(worker, name, seed):
    try:
        return cases[name](worker, seed)
    except Exception:
        return [traceback.format_exc()]


def run_case(worker, name, seed, times):
    for i in range(times):
        complaints = attempt(worker, name, seed + i)
        if complaints:
            return [f"seed {seed + i}"] + complaints[:8]
    return []


def main():
    tally, only = Tally(), os.environ.get("WEFT_TEST_CASE", "*")
    worker, chosen = os.path.abspath(sys.argv[1]), sys.argv[2:] or fnmatch.filter(cases, only)
    seed = int(os.environ.get("WEFT_TEST_SEED", time.time_ns() % 10**6))
    print(f"# seed {seed}")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        started = {name: pool.submit(run_case, worker, name, seed, 5 if LONG and "processes" not in name else 1)
                   for name in chosen}
        for name, complaints in started.items():
            tally.check(name, complaints.result())
    for kind, values in takeovers.items():
        print("\n".join(checker.histogram(f"takeovers noticed by {kind}", values)))
    for count, values in sorted(lags.items()):
        print("\n".join(checker.histogram(f"wake-ups of {count}", values)))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
