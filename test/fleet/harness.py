# SPDX-License-Identifier: MIT
"""Processes of a fleet under test, and what they wrote down.

    with Fleet(worker, url) as fleet:
        leader = fleet.start(sleep_ms=1000)
        fleet.wait_for("start", leader)
        fleet.kill(leader)
        fleet.finish()
        complaints = checker.check(fleet.events())

Faults are written to the same log, so that checker.py decides from that alone.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from checker import parse

PATIENCE = 60


class Fleet:
    def __init__(self, worker, url, seed=1, **settings):
        self.worker, self.url, self.settings = worker, url, {"seed": seed, **settings}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-fleet-"))
        self.log, self.said = self.folder / "log", self.folder / "stderr"
        self.log.touch()
        self.said.touch()
        self.processes = {}
        self.killed = set()
        self.doomed = set()  # those that are to die by their own hand

    def start(self, name=None, url=None, prefix=(), **settings):
        name = name or f"p{len(self.processes)}"
        settings = {**self.settings, **settings}
        settings["seed"] = settings["seed"] * 1000 + len(self.processes)
        words = [*prefix, self.worker, url or self.url, str(self.log), name]
        words += [f"{k}={int(v)}" for k, v in settings.items()]
        with open(self.said, "a") as said:
            self.processes[name] = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=said,
                                                    start_new_session=True)
        return name

    def fault(self, kind, process="*", at=None):
        line = f"{at or time.monotonic_ns()} driver 0 0 * fault kind={kind} process={process}\n"
        with open(self.log, "ab", buffering=0) as log:
            log.write(line.encode())

    def signal(self, name, number, kind):
        at = time.monotonic_ns()  # somebody else may go on before the signal is sent, as it seems here
        self.processes[name].send_signal(number)
        self.fault(kind, name, at)

    def kill(self, name):
        self.killed.add(name)
        # Who is doomed may have died just now, and others went on, before the time was taken here.
        self.signal(name, signal.SIGKILL, "died" if name in self.doomed else "kill")

    def freeze(self, name):
        self.signal(name, signal.SIGSTOP, "freeze")

    def thaw(self, name):
        self.signal(name, signal.SIGCONT, "thaw")

    def events(self):
        return parse(self.log.read_text())

    def wait_for(self, what, process=None, count=1, seconds=PATIENCE):
        """The count-th event of that name (of that process); with a limit."""
        end = time.monotonic() + seconds
        while True:
            found = [e for e in self.events() if e.what == what and process in (None, e.process)]
            if len(found) >= count:
                return found[count - 1]
            if time.monotonic() > end:
                raise RuntimeError(f"no {what} of {process or 'anybody'} within {seconds} s:\n{self.report()}")
            time.sleep(0.005)

    def finish(self, seconds=PATIENCE):
        """Wait until all who were not killed have ended. Complaints about how."""
        end, complaints = time.monotonic() + seconds, []
        for name, process in self.processes.items():
            try:
                status = process.wait(max(0.01, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                complaints.append(f"{name} does not end")
                process.send_signal(signal.SIGCONT)
                process.kill()
                continue
            if status == -signal.SIGKILL and name not in self.killed:
                self.fault("died", name)  # by its own hand: crash=
                self.killed.add(name)
            elif status != 0 and name not in self.killed:
                complaints.append(f"{name} ended with {status}: {self.report()}")
        return complaints

    def resources(self):
        """What effects there are in the end: see worker.c."""
        return {path.name.removeprefix("log."): int.from_bytes(path.read_bytes(), "little")
                for path in self.folder.glob("log.*") if path.stat().st_size}

    def report(self):
        return self.said.read_text()[-2000:]

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        if not os.environ.get("WEFT_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
