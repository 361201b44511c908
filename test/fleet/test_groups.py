#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Commands of weft group that fail and have children of their own:  test_groups.py WEFT

I9, decided by checker.py from what they write down. This file is each of the commands, too:

    test_groups.py child LOG NAME MILLISECONDS STATUS
"""

import fnmatch
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import checker
from tally import Tally

ROUNDS = 30 if os.environ.get("WEFT_TEST_LONG") else 2


def note(log, name, text):
    with open(log, "ab", buffering=0) as file:
        file.write(f"{time.monotonic_ns()} {name} {os.getpid()} 0 * {text}\n".encode())


def be_child(log, name, milliseconds, status):
    """Has a child that nobody waits for, now and then in a session of its own, and ends."""
    note(log, name, "start")
    if os.fork() == 0:
        if int(milliseconds) % 2:
            os.setsid()
        note(log, name + ".child", "child")
        time.sleep(1000)
    time.sleep(int(milliseconds) / 1000)
    note(log, name, f"end err={status}")
    os._exit(int(status))


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def run(weft, dice, log, count, failing):
    """A group of count commands, of which failing fail, each with a status of its own."""
    lines = []
    for i in range(count):
        status = 10 + i if i in failing else 0
        lines.append(f"{sys.executable} {__file__} child {log} c{i} {dice.randrange(20, 200)} {status}")
    done = subprocess.run([weft, "group", "-j", "4"], input="\n".join(lines) + "\n", text=True, capture_output=True,
                          timeout=60)
    note(log, "driver", f"returned status={done.returncode}")
    for e in checker.parse(log.read_text()):
        if e.what in ("start", "child") and is_alive(e.pid):
            note(log, e.process, "alive")


def check_groups(weft, seed, failures):
    dice = random.Random(seed)
    for i in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="weft-group-") as folder:
            log = pathlib.Path(folder) / "log"
            log.touch()
            run(weft, dice, log, 12, set(dice.sample(range(8), failures)))
            events = checker.parse(log.read_text())
            complaints = list(checker.group_ended(events))
            if not failures and len([e for e in events if e.what == "end"]) != 12:
                complaints.append("not all of them ran")
            if complaints:
                return [f"seed {seed}, round {i}"] + complaints
    return []


def main():
    tally = Tally()
    seed = int(os.environ.get("WEFT_TEST_SEED", time.time_ns() % 10**6))
    print(f"# seed {seed}")
    cases = {"group_runs_all_when_none_fails": 0, "group_ends_with_its_first_failure": 1,
             "group_of_many_failures_ends_with_the_first": 4}
    for name in fnmatch.filter(cases, os.environ.get("WEFT_TEST_CASE", "*")):
        tally.check(name, check_groups(os.path.abspath(sys.argv[1]), seed, cases[name]))
    return tally.finish()


if __name__ == "__main__":
    if sys.argv[1] == "child":
        be_child(*sys.argv[2:])
    sys.exit(main())
