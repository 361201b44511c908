#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What flock, xargs -P, GNU parallel and weft do with the same work:  test_peers.py PATH/TO/weft

Each case asks a question of all of them and prints the answers, and what it has measured; of weft, and only of weft, it
demands the right one. A peer that is not installed is named.
"""

import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
import unittest

import command
from command import CommandTest, is_alive, until, weft

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fleet"))
import redis_server  # noqa: E402

ROUNDS = 11
PEERS = ("flock", "xargs", "parallel", "weft")


def is_there(tool):
    if tool == "parallel":  # moreutils has another one of that name
        words = subprocess.run(["sh", "-c", "parallel --version"], capture_output=True, stdin=subprocess.DEVNULL)
        return b"GNU parallel" in words.stdout
    return tool == "weft" or shutil.which(tool) is not None


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Peers(CommandTest):
    def setUp(self):
        super().setUp()
        self.env |= {"WEFT_AT": f"dir:{self.dir}/place", "HOME": str(self.dir)}
        (self.dir / ".parallel").mkdir()
        (self.dir / ".parallel" / "will-cite").touch()

    def run_it(self, argv, **more):
        return subprocess.run(argv, text=True, timeout=command.LIMIT_SECONDS, **self.options(more))

    def ask(self, question, answers, right=True):
        """answers: {tool: function}, which may return more than yes or no; {tool: None} cannot be asked."""
        said = {}
        for tool in PEERS:
            if answers.get(tool) is None:
                said[tool] = "-"
            elif not is_there(tool):
                said[tool] = "not installed"
            else:
                said[tool] = answers[tool]()
                for path in self.dir.glob("*.tmp"):
                    path.unlink()
        words = {True: "yes", False: "no"}
        print(f"# {question}: " + ", ".join(f"{tool} {words.get(answer, answer)}" for tool, answer in said.items()))
        if right is not None:
            self.assertEqual(said["weft"], right, question)

    # A pool

    def pool(self, tool, *lines, jobs=3):
        """Shell lines at the same time, the first failure stops the rest if the tool can do that."""
        argv = {
            "xargs": ["xargs", f"-P{jobs}", "-d\n", "-n1", "sh", "-c"],
            "parallel": ["parallel", "-q", f"-j{jobs}", "--halt", "now,fail=1", "sh", "-c"],
            "weft": [weft, "group", f"-j{jobs}", "--", "sh", "-c"],
        }[tool]
        return self.run_it(argv, input="".join(f"{line}\n" for line in lines))

    def pools(self, question, check, right=True):
        self.ask(question, {tool: lambda tool=tool: check(tool) for tool in ("xargs", "parallel", "weft")}, right)

    def test_status_of_the_first_failure_is_the_status(self):
        self.pools("exits with the failed command's status", lambda tool: self.pool(tool, "exit 42").returncode == 42)

    def test_failure_ends_the_siblings(self):
        def check(tool):
            self.pool(tool, "sleep 0.1; date +%s.%N >at.tmp; exit 9", "sleep 2; touch late.tmp")
            quick = time.time() - float((self.dir / "at.tmp").read_text()) < 1.5
            return quick and not (self.dir / "late.tmp").exists()

        self.pools("the first failure ends the siblings", check)

    def test_failure_ends_grandchildren_of_other_sessions(self):
        def check(tool):
            away = "setsid sh -c 'echo $$ >away.tmp; exec sleep 8' & wait"
            self.pool(tool, away, "until [ -s away.tmp ]; do sleep 0.01; done; exit 9")
            pid = int((self.dir / "away.tmp").read_text())
            alive = is_alive(pid)
            if alive:
                os.kill(pid, signal.SIGKILL)
            return not alive

        ask = {tool: lambda tool=tool: check(tool) for tool in ("parallel", "weft")}
        self.ask("… and their descendants in other sessions", ask)

    def test_lines_do_not_tear(self):
        half = "for i in 1 2 3 4 5 6; do printf aaaa; sleep 0.01; echo bbbb; done"

        def check(tool):
            return set(self.pool(tool, *[half] * 3).stdout.splitlines()) == {"aaaabbbb"}

        self.pools("lines are never torn", check)

    def test_output_in_order(self):
        def check(tool):
            order = {"xargs": [], "parallel": ["-k"], "weft": ["--order"]}[tool]
            argv = {"xargs": ["xargs", "-P3", "-d\n", "-n1", "sh", "-c"],
                    "parallel": ["parallel", "-q", "-j3", *order, "sh", "-c"],
                    "weft": [weft, "group", "-j3", *order, "sh", "-c"]}[tool]
            lines = "".join(f"sleep 0.{3 - n}; echo {n}\n" for n in range(3))
            return self.run_it(argv, input=lines).stdout == "0\n1\n2\n"

        self.pools("prints in the order of the input", check)

    def test_lines_are_told_apart(self):
        def check(tool):
            argv = {"xargs": ["xargs", "-P2", "-n1", "echo"], "parallel": ["parallel", "--tag", "echo"],
                    "weft": [weft, "group", "--tag", "echo"]}[tool]
            return sorted(self.run_it(argv, input="a\nb\n").stdout.splitlines()) == ["a\ta", "b\tb"]

        self.pools("says whose line it is", check)

    def test_own_failure_is_told_from_the_commands(self):
        """A limit of time that is reached, and a key that is taken, beside a command that ends like that."""
        def check(tool):
            if tool == "flock":
                holder = self.locked(tool, "echo >up.tmp; exec sleep 3")
                until(lambda: (self.dir / "up.tmp").exists())
                own = self.run_it(["flock", "-n", "-E", "200", "lock", "true"]).returncode
                self.end(holder)
                return own == 200 and self.run_it(["flock", "-E", "200", "free", "sh", "-c", "exit 1"]).returncode == 1
            argv = {"parallel": ["parallel", "-q", "--timeout", "0.2", "sh", "-c"],
                    "weft": [weft, "group", "-E", "200", "--timeout", "0.2", "sh", "-c"]}[tool]
            late = self.run_it(argv, input="exec sleep 3\n").returncode
            return all(self.run_it(argv, input=f"exit {n}\n").returncode == n != late for n in (1, 124, 143, 255))

        ask = {tool: lambda tool=tool: check(tool) for tool in ("flock", "parallel", "weft")}
        self.ask("own failures never look like the command's", ask)

    def test_time_from_failure_to_the_signal(self):
        def measure(tool):
            best = []
            for _ in range(7 if tool == "weft" else 3):
                hears = "trap 'date +%s.%N >term.tmp; exit' TERM; touch up.tmp; while :; do sleep 0.01; done"
                fails = "until [ -e up.tmp ]; do sleep 0.01; done; date +%s.%N >at.tmp; exit 9"
                self.pool(tool, hears, fails)
                best.append(float((self.dir / "term.tmp").read_text()) - float((self.dir / "at.tmp").read_text()))
                (self.dir / "up.tmp").unlink()
            self.signal_seconds = min(best)
            return f"{1000 * min(best):.1f} ms (median {1000 * statistics.median(best):.1f})"

        ask = {tool: lambda tool=tool: measure(tool) for tool in ("parallel", "weft")}
        self.ask("from a failure to SIGTERM in a shell that looks every 10 ms", ask, right=None)
        self.assertLess(self.signal_seconds, 0.5)

    def test_time_from_failure_to_return(self):
        def measure(tool):
            best = []
            for _ in range(7 if tool == "weft" else 3):
                sibling = "exec sleep 1.5" if tool == "xargs" else "exec sleep 9"
                self.pool(tool, "sleep 0.1; date +%s.%N >at.tmp; exit 9", sibling)
                best.append(time.time() - float((self.dir / "at.tmp").read_text()))
            self.stop_seconds = min(best)
            return f"{1000 * min(best):.1f} ms (median {1000 * statistics.median(best):.1f})"

        self.pools("from a failure to the return (xargs waits for a sibling of 1.5 s)", measure, right=None)
        self.assertLess(self.stop_seconds, 0.5)

    # One run for a key

    def locked(self, tool, script):
        lock = str(self.dir / "lock")
        argv = {
            "flock": ["flock", lock, "sh", "-c", script],
            "parallel": ["sem", "--id", "k", "--fg", "sh", "-c", f"'{script}'"],
            "weft": [weft, "flight", "k", "--", "sh", "-c", script],
        }[tool]
        return subprocess.Popen(argv, text=True, **self.options({}))

    def keys(self, question, check, right=True):
        self.ask(question, {tool: lambda tool=tool: check(tool) for tool in ("flock", "parallel", "weft")}, right)

    def test_never_two_at_once_for_a_key(self):
        script = "mkdir busy.tmp || touch two.tmp; sleep 0.1; rmdir busy.tmp"

        def check(tool):
            for process in [self.locked(tool, script) for _ in range(3)]:
                self.finish(process)
            return not (self.dir / "two.tmp").exists()

        self.keys("never two at once for a key", check)

    def test_losers_get_the_output_and_the_status(self):
        script = "echo >>runs.tmp; sleep 0.6; echo result; echo why >&2; exit 3"

        def check(tool):
            done = [self.finish(process) for process in [self.locked(tool, script) for _ in range(3)]]
            once = len((self.dir / "runs.tmp").read_text().splitlines()) == 1
            return once and all((d.returncode, d.stdout, d.stderr) == (3, "result\n", "why\n") for d in done)

        self.keys("one run, whose output and status all are given", check)

    def test_call_in_the_midst_of_a_run_joins_it(self):
        script = "echo >>runs.tmp; until [ -e go.tmp ]; do sleep 0.01; done; wc -l <runs.tmp"

        def check(tool):
            first = self.locked(tool, script)
            until(lambda: (self.dir / "runs.tmp").exists())
            second = self.locked(tool, script)
            time.sleep(0.3)
            (self.dir / "go.tmp").touch()
            return [self.finish(process).stdout for process in (first, second)] == ["1\n", "1\n"]

        self.keys("a call in the midst of a run joins it", check)

    def test_who_joins_sees_the_output_as_it_comes(self):
        script = "echo early; touch up.tmp; sleep 0.6; echo late"

        def check(tool):
            first = self.locked(tool, script)
            until(lambda: (self.dir / "up.tmp").exists())
            second = self.locked(tool, script)
            line = second.stdout.readline()
            joined = first.poll() is None and line == "early\n"
            return [self.finish(process).returncode for process in (first, second)] == [0, 0] and joined

        self.keys("… and sees the output from its start on, and as it comes", check)

    def with_server(self, check):
        """check(url), with a Redis server on loopback."""
        with redis_server.Server() as server:
            return check(server.url)

    @staticmethod
    def host(name, *argv):
        return ["unshare", "-ru", "sh", "-c", 'echo "$0" >/proc/sys/kernel/hostname; exec "$@"', name, *argv]

    @unittest.skipUnless(redis_server.PROGRAM, "no redis-server")
    def test_one_run_for_a_key_on_several_hosts(self):
        if self.run_it(self.host("a", "true")).returncode:
            self.skipTest("may not be another host")
        script = "echo >>runs.tmp; sleep 0.6; hostname"

        def check(url):
            argv = [weft, "flight", "--at", url, "k", "sh", "-c", script]
            calls = [subprocess.Popen(self.host(name, *argv), text=True, **self.options({})) for name in "abc"]
            said = {self.finish(process).stdout for process in calls}
            return len(said) == 1 and said < {"a\n", "b\n", "c\n"} and (self.dir / "runs.tmp").stat().st_size == 1

        self.ask("one run for a key on several hosts", {"weft": lambda: self.with_server(check)})

    def test_lost_lease_ends_the_work(self):
        def check():
            script = "[ -e pid.tmp ] && exit; echo $$ >pid.tmp; exec sleep 9"
            argv = [weft, "flight", "--lease", "200ms", "k", "sh", "-c", script]
            first = subprocess.Popen(argv, text=True, **self.options({}))
            path = self.dir / "pid.tmp"
            pid = int(until(lambda: path.exists() and path.read_text().strip()))
            behind = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(behind, signal.SIGSTOP)
            self.run_it(argv)  # takes over
            os.kill(behind, signal.SIGCONT)
            return (self.finish(first).returncode, is_alive(pid)) == (70, False)

        self.ask("whose lease was lost, as after a pause, ends its work", {"weft": check})

    def test_killed_wrapper_takes_its_command_along(self):
        def check(tool):
            process = self.locked(tool, "echo $$ >pid.tmp; exec sleep 5")
            path = self.dir / "pid.tmp"
            pid = int(until(lambda: path.exists() and path.read_text().strip()))
            process.kill()
            process.wait()
            end = time.monotonic() + 2
            while is_alive(pid) and time.monotonic() < end:
                time.sleep(0.005)
            alive = is_alive(pid)
            if alive:
                os.kill(pid, signal.SIGKILL)
            self.end(process)
            return not alive

        self.keys("kill -9 of the wrapper ends the command", check)

    def takeover(self, tool):
        script = "[ -e first.tmp ] && { date +%s.%N >at.tmp; exit; }; echo $$ >first.tmp; exec sleep 3"
        holder = self.locked(tool, script)
        first = self.dir / "first.tmp"
        pid = int(until(lambda: first.exists() and first.read_text().strip()))
        other = self.locked(tool, script)
        time.sleep(0.2)
        start = time.time()
        victim = pid
        if tool == "weft":
            victim = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(victim, signal.SIGKILL)
        self.finish(other)
        self.finish(holder)
        return float((self.dir / "at.tmp").read_text()) - start

    def test_takeover_when_the_holder_is_killed(self):
        def measure(tool):
            self.took = self.takeover(tool)
            return f"{1000 * self.took:.1f} ms"

        ask = {tool: lambda tool=tool: measure(tool) for tool in ("flock", "weft")}
        self.ask("from the death of the holder's command, or of weft, to the next run", ask, right=None)
        self.assertLess(self.took, 3)

    @unittest.skipUnless(redis_server.PROGRAM, "no redis-server")
    def test_takeover_over_a_server(self):
        def measure(url):
            self.env["WEFT_AT"] = url
            self.took = self.takeover("weft")
            return f"{1000 * self.took:.1f} ms"

        self.ask("… over a server", {"weft": lambda: self.with_server(measure)}, right=None)
        self.assertLess(self.took, 0.5)

    def test_once_is_remembered(self):
        def check():
            runs = [self.run_it([weft, "once", "k", "sh", "-c", "echo >>runs.tmp; echo x"]).stdout for _ in range(2)]
            return runs == ["x\n"] * 2 and len((self.dir / "runs.tmp").read_text().splitlines()) == 1

        self.ask("a second call is given what the first one printed", {"weft": check})

    def test_once_for_a_while_and_once_a_tick(self):
        def runs(*options, pause=0):
            argv = [weft, "once", *options, "k", "sh", "-c", "echo >>runs.tmp"]
            for _ in range(2):
                self.run_it(argv)
                time.sleep(pause)
            count = len((self.dir / "runs.tmp").read_text().splitlines())
            (self.dir / "runs.tmp").unlink()
            self.run_it([weft, "forget", "k"])
            return count

        def check():
            return (runs("--ttl", "60s"), runs("--ttl", "50ms", pause=0.1), runs("--every", "1h"),
                    runs("--every", "200ms", pause=0.4)) == (1, 2, 1, 2)

        self.ask("once for a while, or once a tick", {"weft": check})

    def test_old_result_while_one_run_replaces_it(self):
        script = "echo >>runs.tmp; [ $(wc -l <runs.tmp) = 1 ] || sleep 1; wc -l <runs.tmp"

        def check():
            argv = [weft, "flight", "--keep", "50ms", "--stale", "60s", "k", "sh", "-c", script]
            self.run_it(argv)
            time.sleep(0.1)
            start = time.monotonic()
            old = [self.run_it(argv).stdout for _ in range(3)]
            quick = time.monotonic() - start < 0.8
            until(lambda: self.run_it(argv).stdout == "2\n", "the new one is there")
            return quick and old == ["1\n"] * 3

        self.ask("an old result at once, while one run replaces it", {"weft": check})

    def test_number_that_grows_from_run_to_run(self):
        def check():
            epochs = [int(self.run_it([weft, "flight", "k", "sh", "-c", "echo $WEFT_EPOCH"]).stdout) for _ in range(3)]
            return epochs == sorted(set(epochs))

        self.ask("a number that grows from run to run, to refuse late ones", {"weft": check})

    # What it costs

    def test_cost_above_the_bare_command(self):
        subjects = {
            "true": ["true"], "flock": ["flock", "lock", "true"], "xargs": ["xargs", "-n1", "true"],
            "weft group": [weft, "group", "true", ":::", "x"], "weft flight": [weft, "flight", "k", "true"],
        }
        taken = {name: [] for name in subjects}
        computed = {name: [] for name in subjects}
        for _ in range(ROUNDS):  # in turn, so that a busy machine is busy for all
            for name, argv in subjects.items():
                start, cpu = time.perf_counter(), cpu_of_children()
                self.assertEqual(self.run_it(argv, input="x\n").returncode, 0)
                taken[name].append(time.perf_counter() - start)
                computed[name].append(cpu_of_children() - cpu)
        if is_there("parallel"):
            start = time.perf_counter()
            self.run_it(["parallel", "true", ":::", "x"])
            taken["parallel, once,"] = [time.perf_counter() - start]
        bare = min(taken["true"])
        costs = {name: 1000 * (min(times) - bare) for name, times in taken.items() if name != "true"}
        print(f"# above a bare true ({1000 * bare:.1f} ms), least of {ROUNDS}: " +
              ", ".join(f"{name} +{cost:.1f} ms" for name, cost in costs.items()))
        # How long it takes is the machine's mood, too; what it computes is not.
        for name in ("weft group", "weft flight"):
            self.assertLess(min(computed[name]) - min(computed["true"]), 0.005, name)


if __name__ == "__main__":
    command.main()
