#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several processes, a real server, and what can go wrong:  test_redis_faults.py WORKER CLOCK [CASE…]

    WEFT_TEST_SEED=n    WEFT_TEST_LONG=1: each case many times, and a long random walk

A case breaks something at a known step and returns complaints, or why it is skipped; what holds always is decided by
checker.py from what the processes wrote down. They run beside each other, each with a server of its
own. At the end: how long takeovers and wake-ups took.
"""

import concurrent.futures
import contextlib
import fnmatch
import hashlib
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "src/fleet/redis")]

import checker
import embed
from certificates import Authority
from harness import Fleet
from ports import free_port
from proxy import Proxy
from redis_server import PROGRAM, RedisError, Server
from tally import Tally

LEASE, GRACE, POLL = 1500, 500, 500  # ms
QUICK = 200  # ms: the grace of an owner whose inbox is gone
TAKEOVER = 500  # ms: from an owner's death
OLD = 3100  # ms: a server that has run for so long is trusted
SLACK = 1500  # ms, of a busy machine
EHOSTDOWN, EOWNERDEAD, ELOOP, ENOENT, ENOSPC, EFBIG, ENOTSUP, ETIMEDOUT = -112, -130, -40, -2, -28, -27, -95, -110
AT_ONCE = 12
NOT_HERE = "not on this machine, or not as this user"

LONG = bool(os.environ.get("WEFT_TEST_LONG"))
other_clock = None
lags, takeovers, guard = [], {"this machine": [], "its inbox": [], "lease": []}, threading.Lock()
cases = {}


def case(function):
    cases[function.__name__] = function
    return function


class Scene:
    """A server, processes on it, and what is asked of them in the end."""

    def __init__(self, worker, seed, *options, **settings):
        self.server = Server(*options)
        self.fleet = Fleet(worker, self.server.url, seed, **{"lease_ms": LEASE, "grace_ms": GRACE, **settings})
        self.proxies, self.database = [], 0
        self.random = random.Random(seed)

    def proxy(self):
        self.proxies.append(Proxy(self.server.address))
        return self.proxies[-1]

    def leader(self, **settings):
        """A process that runs the function."""
        name = self.fleet.start(**settings)
        self.fleet.wait_for("start", name)
        return name

    def waiters(self, count=2, **settings):
        """Processes that wait for it: the server knows them."""
        names = [self.fleet.start(**settings) for _ in range(count)]
        for name in names:
            self.fleet.wait_for("call", name)
        return names

    def settled(self, names):
        """Wait until that many processes are in the set of those who wait."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.server.command("ZCARD", self.key("W")) >= names:
                return
            time.sleep(0.005)
        raise RuntimeError("the waiters do not come")

    def key(self, kind):
        found = self.server.command("KEYS", f"weft:*:{kind}")
        return found[0] if found else f"weft:none:{kind}"

    def leader_and_waiters(self, count=2, leader_settings=None, **settings):
        leader = self.leader(**{**settings, **(leader_settings or {})})
        names = self.waiters(count, **settings)
        self.settled(count)
        return leader, names

    def forget(self):
        record = self.key("M").decode()
        self.server.command("EVAL", embed.assemble("forget"), 4, *[record[:-1] + kind for kind in "MRWT"], 0)

    def finish(self, death=None, quiet=True, lag=False, **expected):
        complaints = self.fleet.finish()
        events = self.fleet.events()
        complaints += checker.check(events, **expected)
        story = checker.tell(events)
        with guard:
            lags.extend(checker.wake_lags(story) if lag else [])
            if death:
                takeovers[death].extend(checker.takeovers(story))
        return complaints + (self.left_behind() if quiet else [])

    def left_behind(self):
        """I5: in the end nobody waits and nothing runs."""
        client = self.server.client()
        client.command("SELECT", self.database)
        complaints = [f"I5: {k.decode()} is left" for k in client.command("KEYS", "*:W")]
        for key in client.command("KEYS", "*:M"):
            if client.command("HGET", key, "s") == b"run":
                complaints.append(f"I5: {key.decode()} says that it runs")
        for key in client.command("KEYS", "*:T:*"):
            if client.command("PTTL", key) == -1:
                complaints.append(f"I5: {key.decode()} stays for ever")
        client.close()
        return complaints

    def runs(self):
        return [e for e in self.fleet.events() if e.what == "start"]

    def answers(self, process=None):
        return [e for e in self.fleet.events()
                if e.what in ("accept", "give_up") and process in (None, e.process)]

    def close(self):
        self.fleet.close()
        for proxy in self.proxies:
            proxy.close()
        self.server.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def expect(complaints, condition, text):
    if not condition:
        complaints.append(text)


# ---- nothing goes wrong ----


@case
def many_ask_and_one_runs(worker, seed):
    with Scene(worker, seed, tasks=8, threads=3, calls=12, keys=4, sleep_ms=20, fail_pct=10, cancel_pct=10) as s:
        for _ in range(4):
            s.fleet.start()
        return s.finish(lag=True)


@case
def kept_results_are_given_and_refreshed(worker, seed):
    with Scene(worker, seed, tasks=6, calls=40, keys=3, sleep_ms=10, mode=1, keep_ms=100, stale_ms=100,
               pause_ms=20) as s:
        for _ in range(3):
            s.fleet.start()
        return s.finish()


@case
def forgetting_voids_the_run(worker, seed):
    with Scene(worker, seed, tasks=4, calls=20, keys=2, sleep_ms=20, forget_pct=15) as s:
        for _ in range(3):
            s.fleet.start()
        return s.finish(lapses=[(0, 2**63)], ordered=False)


@case
def commands_are_counted(worker, seed):
    """I10: hit 1, uncontended 2, a waiter 1 and one message."""
    with Scene(worker, seed, sleep_ms=1200, mode=1, keep_ms=60_000) as s:
        leader, waiters = s.leader_and_waiters(4)
        complaints = s.finish(lag=True)
        lasted = {a.process: (a.at - s.fleet.wait_for("call", a.process).at) / 1e6 for a in s.answers()}
        lags = sorted(checker.wake_lags(checker.tell(s.fleet.events())))
        expect(complaints, lags[len(lags) // 2] < POLL / 2, f"news takes {lags} ms")
        s.fleet.start(calls=20)
        complaints += s.fleet.finish()
        counters = {e.process: e.number("commands") for e in s.fleet.events() if e.what == "counters"}
        expect(complaints, counters[leader] <= 2 + lasted[leader] // (LEASE / 4), f"the leader sent {counters[leader]}")
        expect(complaints, counters["p5"] == 20, f"20 hits took {counters['p5']} commands")
        for name in waiters:
            expect(complaints, counters[name] <= 1 + lasted[name] // POLL, f"I10: {name} waited with {counters[name]}")
        calls = s.server.calls()
        expect(complaints, calls["publish"] == 4, f"I10: {calls['publish']} messages to 4 waiters")
        return complaints


@case
def big_results_come_in_pieces(worker, seed):
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500) as s:
        s.leader_and_waiters(2)
        return s.finish(most_runs=1)


@case
def results_of_every_size_come_as_they_were(worker, seed):
    with Scene(worker, seed, sleep_ms=1500, lease_ms=4 * LEASE) as s:
        complaints, way = [], s.proxy()
        for size in 4096, 4097, (64 << 10), (64 << 10) + 1, 1 << 20, (1 << 20) + 1:
            s.server.command("FLUSHALL")
            way.passed.clear()
            names = [s.leader(url=way.url, size=size), *s.waiters(2, url=way.url, size=size)]
            s.settled(2)
            for name in names:
                s.fleet.wait_for("accept", name)
            one = 64 << 10 < size <= 1 << 20  # comes by itself, and not through a script
            expect(complaints, way.passed[b"GET"] == 2 * one, f"{size} bytes: {way.passed}")
            expect(complaints, (way.passed[b"SETRANGE"] > 0) == (size > 64 << 10), f"{size} bytes: {way.passed}")
        return complaints + s.finish(most_runs=6, ordered=False, lapses=[(0, 2**63)])


@case
def result_whose_pieces_are_lost_is_sent_again(worker, seed):
    """By a server that has too little memory, or was started anew: what comes then is behind zeros."""
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500, lease_ms=4 * LEASE) as s:
        way = s.proxy()
        way.before("SETRANGE", 3, lambda: s.server.command("DEL", *s.server.command("KEYS", "*:T:*")))
        s.leader(url=way.url)
        s.waiters(2)
        s.settled(2)
        complaints = s.finish(most_runs=1)
        expect(complaints, way.passed[b"SETRANGE"] == 10, f"pieces were sent: {way.passed}")
        return complaints


@case
def result_whose_pieces_are_lost_each_time_finds_no_room(worker, seed):
    """It is sent three times, and not for ever."""
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500, lease_ms=4 * LEASE) as s:
        way = s.proxy()

        def lose():
            s.server.command("DEL", *s.server.command("KEYS", "*:T:*"))
            way.before("SETRANGE", 5, lose)

        way.before("SETRANGE", 3, lose)
        leader, waiters = s.leader(url=way.url), s.waiters(2)
        s.settled(2)
        complaints = s.finish(most_runs=1)
        expect(complaints, way.passed[b"SETRANGE"] == 15, f"pieces were sent: {way.passed}")
        own, told = s.answers(leader)[0], [s.answers(name)[0].values["err"] for name in waiters]
        expect(complaints, own.values.get("unstored") == "1", f"the leader: {own.values}")
        expect(complaints, told == 2 * [str(ENOSPC)], f"who waits was told {told}")
        return complaints


@case
def lease_is_kept_while_a_result_is_sent(worker, seed):
    """Over a way on which that takes twice as long as a lease."""
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500) as s:
        way = s.proxy()
        way.before("SET", 1, lambda: setattr(way, "delay", LEASE / 1000 / 5))
        s.leader(url=way.url)
        s.waiters(2)
        s.settled(2)
        complaints = s.finish(most_runs=1)
        expect(complaints, way.passed[b"SETRANGE"] == 5, f"pieces were sent: {way.passed}")
        return complaints


@case
def pieces_that_nobody_completes_go_away(worker, seed):
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500) as s:
        way = s.proxy()
        leader = s.leader(url=way.url)
        way.before("SET", 1, lambda: s.fleet.kill(leader))  # the mark that they are put behind
        s.waiters(2)
        s.settled(2)
        return s.finish(most_runs=2) + pieces_left(s)


def pieces_left(s):
    left = [s.server.command("PTTL", key) for key in s.server.command("KEYS", "*:T:*")]
    return [] if len(left) == 1 and left[0] > 0 else [f"the time that pieces have: {left}"]


@case
def piece_that_is_put_behind_nothing_goes_away(worker, seed):
    """As one does that comes late, when all was completed."""
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500) as s:
        way = s.proxy()
        leader = s.leader(url=way.url)

        def lose():
            s.server.command("DEL", *s.server.command("KEYS", "*:T:*"))
            way.before("SETRANGE", 1, lambda: s.fleet.kill(leader))

        way.before("SETRANGE", 3, lose)
        s.waiters(2)
        s.settled(2)
        return s.finish(most_runs=2) + pieces_left(s)


@case
def piece_that_is_sent_again_behind_nothing_goes_away(worker, seed):
    """The last one, over a new connection; its sender dies before it learns that something is missing."""
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500, lease_ms=4 * LEASE) as s:
        way = s.proxy()
        leader = s.leader(url=way.url)

        def lose():
            s.server.command("DEL", *s.server.command("KEYS", "*:T:*"))
            way.cut()

        way.before("SETRANGE", 5, lose)
        way.trap(hashlib.sha1(embed.assemble("complete").encode()).hexdigest(), "before", lambda: s.fleet.kill(leader))
        s.waiters(2)
        s.settled(2)
        complaints = s.finish(most_runs=2) + pieces_left(s)
        expect(complaints, way.passed[b"SETRANGE"] == 6, f"pieces were sent: {way.passed}")
        return complaints


@case
def results_that_fit_no_message_are_fetched(worker, seed):
    with Scene(worker, seed, size=100_000, sleep_ms=1500) as s:
        s.leader_and_waiters(2)
        return s.finish(most_runs=1)


# ---- processes die, or seem to ----


def death(worker, seed, **crash):
    """An owner on this machine: its end is seen, and need not be waited for."""
    with Scene(worker, seed, sleep_ms=1000 if crash else 60_000, lease_ms=4 * LEASE) as s:
        leader, _ = s.leader_and_waiters(3, leader_settings=crash, sleep_ms=1000)
        if not crash:
            asked = waits(s.server)
            s.fleet.kill(leader)
            second = s.fleet.wait_for("start", count=2).process
            while waits(s.server) < asked + 2:  # those who wait for it have seen that it lives
                time.sleep(0.005)
            s.fleet.kill(second)
        complaints = s.finish(death="this machine", most_runs=3)
        took = checker.takeovers(checker.tell(s.fleet.events()))
        expect(complaints, len(took) == (1 if crash else 2), f"{len(took)} takeovers")
        expect(complaints, min(took) < QUICK and max(took) < TAKEOVER, f"I6: the takeovers took {took} ms")
        return complaints


@case
def killed_leader_is_replaced(worker, seed):
    return death(worker, seed)


@case
def leader_that_dies_at_its_end_is_replaced(worker, seed):
    return death(worker, seed, crash=2)


def waits(server):
    return server.calls().get("zadd", 0)


def evalshas(server):
    return server.calls().get("evalsha", 0)


@case
def killed_leader_elsewhere_is_replaced(worker, seed):
    """Its process cannot be watched from here: its inbox is. Killed when the waiter has just asked, at worst. An owner
    that lived would have been left the time to renew."""
    lease = 4000
    elsewhere = ["unshare", "--pid", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*elsewhere, "true"], stderr=subprocess.DEVNULL).returncode:
        return NOT_HERE
    with Scene(worker, seed, sleep_ms=300, lease_ms=lease, grace_ms=lease) as s:
        leader = s.leader(prefix=elsewhere, sleep_ms=60_000)
        s.waiters(1)
        s.settled(1)
        time.sleep(OLD / 1000)
        asked = waits(s.server)
        while waits(s.server) == asked:
            time.sleep(0.002)
        s.fleet.kill(leader)
        complaints = s.finish(death="its inbox", most_runs=2)
        took = checker.takeovers(checker.tell(s.fleet.events()))
        expect(complaints, len(took) == 1 and lease / 4 < took[0] < lease / 4 + TAKEOVER,
               f"I6: the takeover took {took} ms")
        return complaints


def signed(worker, seed, change, inbox=False, then=lambda scene: None):
    """The record says that somebody else runs, as change makes of its words: host, pid, start, space, boot,
    badge. Without its inbox only these words, and the lease, tell whether it lives."""
    with Scene(worker, seed, sleep_ms=1500, deaf=1, lease_ms=4 * LEASE) as s:
        s.leader()
        who = s.server.command("HGET", s.key("M"), "who").decode().split()
        s.server.command("HSET", s.key("M"), "who", " ".join(change(who)), *([] if inbox else ["ib", ""]))
        s.waiters(2)
        s.settled(2)
        then(s)
        complaints = s.finish(lapses=[(0, 2**63)])
        return complaints, len(s.runs())


@case
def pid_of_another_machine_says_nothing(worker, seed):
    complaints, runs = signed(worker, seed, lambda who: [who[0], "999999999", *who[2:4], "0" * 32, who[5]])
    expect(complaints, runs == 1, f"{runs} runs")
    complaints_2, runs = signed(worker, seed, lambda who: [who[0], "999999999", who[2], "1", *who[4:]])
    expect(complaints_2, runs == 1, f"{runs} runs")
    return complaints + complaints_2


@case
def pid_that_is_used_again_is_another_process(worker, seed):
    """… whose end is not the owner's."""
    other = subprocess.Popen(["sleep", "60"])

    def end(s):
        asked = evalshas(s.server)
        while evalshas(s.server) < asked + 2:  # both have looked at its pid
            time.sleep(0.002)
        other.kill()
        other.wait()

    complaints, runs = signed(worker, seed, lambda who: [who[0], str(other.pid), *who[2:]], then=end)
    expect(complaints, runs == 1, f"{runs} runs")
    return complaints


@case
def owner_on_a_copy_of_this_machine_is_none_of_its_processes(worker, seed):
    """It has the same boot, and its pid is nobody's here, or another one's. Its badge cannot be seen."""
    badge = "0" * 32
    complaints, runs = signed(worker, seed, lambda who: [who[0], "999999999", *who[2:5], badge])
    expect(complaints, runs == 1, f"{runs} runs, though it may live")
    other = subprocess.Popen(["sleep", "60"])
    start = pathlib.Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[19]

    def end(s):
        asked = evalshas(s.server)
        while evalshas(s.server) < asked + 2:
            time.sleep(0.002)
        other.kill()
        other.wait()

    more, runs = signed(worker, seed, lambda who: [who[0], str(other.pid), start, *who[3:5], badge], then=end)
    expect(complaints, runs == 1, f"{runs} runs, after the end of another one")
    return complaints + more


def stop_without_inbox(s, leader):
    """For longer than an owner without an inbox is left to say so; who sees its process knows better."""
    s.fleet.freeze(leader)
    s.server.command("CLIENT", "KILL", "TYPE", "pubsub")
    time.sleep((GRACE + QUICK + POLL) / 1000 * 1.5)
    s.fleet.thaw(leader)


@case
def stopped_owner_lives_though_its_inbox_is_cut(worker, seed):
    with Scene(worker, seed, sleep_ms=3000, lease_ms=4 * LEASE) as s:
        leader, _ = s.leader_and_waiters(2)
        stop_without_inbox(s, leader)
        return s.finish(most_runs=1)


@case
def stopped_owner_lives_for_who_has_no_descriptors(worker, seed):
    """Not to be able to look for its badge is not to see that it has none."""
    unlooked = ["env", "ASAN_OPTIONS=detect_leaks=0"]  # which takes descriptors
    with Scene(worker, seed, sleep_ms=3000, lease_ms=4 * LEASE) as s:
        leader, waiters = s.leader_and_waiters(2, prefix=unlooked)
        asked = evalshas(s.server)
        while evalshas(s.server) < asked + 2:  # both have seen its process
            time.sleep(0.002)
        for name in waiters:
            resource.prlimit(s.fleet.processes[name].pid, resource.RLIMIT_NOFILE, (3, 3))
        stop_without_inbox(s, leader)
        return s.finish(most_runs=1)


@case
def owner_that_has_become_another_program_is_none(worker, seed):
    """Its process is there, and was watched; its badge and its inbox are gone."""
    with Scene(worker, seed, sleep_ms=300, lease_ms=4 * LEASE) as s:
        leader, _ = s.leader_and_waiters(2, leader_settings={"sleep_ms": 1500, "crash": 4})
        gone, second = s.fleet.wait_for("end", leader), s.fleet.wait_for("start", count=2)
        s.fleet.kill(leader)
        complaints = s.finish(most_runs=2, lapses=[(0, 2**63)])
        took = (second.at - gone.at) / 1e6
        expect(complaints, took < 2 * LEASE, f"I6: the takeover took {took:.0f} ms")
        return complaints


@case
def owner_that_seems_to_have_started_at_another_time_lives(worker, seed):
    """Name spaces of times tell different ones of the same process."""
    complaints, runs = signed(worker, seed, lambda who: [*who[:2], str(int(who[2]) + 1), *who[3:]])
    expect(complaints, runs == 1, f"{runs} runs")
    return complaints


@case
def owner_with_an_inbox_lives_whatever_its_pid_says(worker, seed):
    complaints, runs = signed(worker, seed, lambda who: [who[0], "999999999", *who[2:]], inbox=True)
    expect(complaints, runs == 1, f"{runs} runs")
    return complaints


@case
def leader_that_dies_after_storing_has_stored(worker, seed):
    with Scene(worker, seed, sleep_ms=1200) as s:
        s.leader_and_waiters(2, leader_settings={"crash": 3})
        return s.finish(most_runs=1)


@case
def frozen_leader_is_replaced_and_refused(worker, seed):
    with Scene(worker, seed, sleep_ms=600) as s:
        leader, waiters = s.leader_and_waiters(2)
        s.fleet.freeze(leader)
        s.fleet.wait_for("start", count=2)
        begun = time.monotonic_ns()
        for name in waiters:
            s.fleet.wait_for("accept", name)
        s.fleet.thaw(leader)
        complaints = s.finish(most_runs=2, lapses=[(0, begun)])
        old = s.runs()[0]
        took = (s.runs()[1].at - old.at) / 1e6
        with guard:
            takeovers["lease"].append(took)
        expect(complaints, took < LEASE + GRACE + POLL + SLACK, f"I6: the takeover took {took:.0f} ms")
        for answer in s.answers():
            if answer.what == "accept" and answer["unstored"] == "0":
                expect(complaints, answer["e"] != old["e"], f"{answer.process} was given the old run's result")
        return complaints


@case
def leader_frozen_for_less_than_its_lease_goes_on(worker, seed):
    with Scene(worker, seed, sleep_ms=1000) as s:
        leader, _ = s.leader_and_waiters(2)
        s.fleet.freeze(leader)
        time.sleep(LEASE / 3000)
        s.fleet.thaw(leader)
        return s.finish(most_runs=1)


@case
def process_that_stood_still_looks_again_before_it_gives_up(worker, seed):
    """Its time has passed, and the answers of a healthy server are there."""
    with Scene(worker, seed, tasks=6, pause_ms=200, calls=10**6, keys=10**6, lease_ms=10_000) as s:
        proxy = s.proxy()
        name = s.fleet.start(url=proxy.url)
        s.fleet.wait_for("accept", name, count=10)
        proxy.delay = 0.05
        for _ in range(4):
            s.fleet.wait_for("accept", name, count=len(s.answers(name)) + 1)
            time.sleep(0.05)
            s.fleet.freeze(name)
            time.sleep(2.5)
            s.fleet.thaw(name)
        s.fleet.wait_for("accept", name, count=len(s.answers(name)) + 2)
        s.fleet.kill(name)
        s.fleet.finish()
        given_up = [a.values for a in s.answers(name) if a.what == "give_up"]
        return [f"it was told {given_up[:3]}"] if given_up else []


@case
def server_that_never_answers_is_given_up_in_time(worker, seed):
    with Scene(worker, seed) as s, socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        name = s.fleet.start(url=f"redis://127.0.0.1:{mute.getsockname()[1]}/0")
        asked = s.fleet.wait_for("call", name).at
        took = (s.fleet.wait_for("give_up", name).at - asked) / 1e9
        s.fleet.kill(name)
        s.fleet.finish()
        return [] if took < 2.8 else [f"it took {took:.2f} s"]


def late(worker, seed, command, delay, expected, **settings):
    """The first such command is on its way for longer than a lease."""
    with Scene(worker, seed, lease_ms=600, grace_ms=200, obey=1, deaf=0, **settings) as s:
        way = s.proxy()
        way.before(command, 1, lambda: time.sleep(delay))
        name = s.fleet.start(url=way.url)
        complaints = s.fleet.finish() if settings else s.finish(most_runs=1)
        sent = [e.number("commands") for e in s.fleet.events() if e.what == "counters"]
        expect(complaints, sent == [expected], f"{sent} commands")
        expect(complaints, not any(e.what == "lost" or e.values.get("held") == "0" for e in s.fleet.events()),
               f"it began without a lease: {[(e.what, e.values) for e in s.fleet.events() if e.process == name]}")
        return complaints


@case
def lease_is_counted_from_when_the_question_is_sent(worker, seed):
    """Connecting takes longer than a lease."""
    return late(worker, seed, "SCRIPT", 0.9, 2)


@case
def lease_that_is_over_when_it_comes_is_given_back(worker, seed):
    """And asked for again: the answer comes late but once."""
    return late(worker, seed, "EVALSHA", 0.9, 4)


@case
def gate_is_not_passed_with_a_lease_that_is_over(worker, seed):
    return late(worker, seed, "EVALSHA", 0.9, 4, gate=1)


@case
def run_whose_lease_is_too_short_for_the_way_is_given_up(worker, seed):
    """A renewal takes longer than is left when the lease comes, each time."""
    with Scene(worker, seed, lease_ms=500, grace_ms=200, sleep_ms=1000, obey=1) as s:
        way = s.proxy()
        way.distance = 0.3
        name = s.fleet.start(url=way.url)
        s.fleet.finish()
        told, said = s.answers(name), s.fleet.report()
        complaints = s.left_behind()
        expect(complaints, [a.values.get("err") for a in told] == [str(EHOSTDOWN)], f"{[a.values for a in told]}")
        expect(complaints, len(s.runs()) == 3, f"{len(s.runs())} runs")
        expect(complaints, said.count("too long for a lease of 500 ms") == 1, f"it said: {said}")
        alone = s.fleet.start(url=way.url, down_run=1, max_takeovers=1)
        s.fleet.finish()
        expect(complaints, [a.values.get("alone") for a in s.answers(alone)] == ["1"] and len(s.runs()) == 5,
               f"{[a.values for a in s.answers(alone)]}, {len(s.runs())} runs")
        return complaints


@case
def killed_waiter_is_no_matter(worker, seed):
    with Scene(worker, seed, sleep_ms=600) as s:
        _, waiters = s.leader_and_waiters(2)
        s.fleet.kill(waiters[0])
        return s.finish(most_runs=1)


@case
def who_waits_is_counted_until_it_leaves_or_is_killed(worker, seed):
    with Scene(worker, seed, sleep_ms=4000) as s:
        _, waiters = s.leader_and_waiters(3)
        s.fleet.kill(waiters[0])
        leaver = s.waiters(1, wait_ms=600, hold=1)[0]
        s.settled(3)
        complaints = until_count(s, 2)
        s.fleet.kill(leaver)
        return complaints + s.finish(most_runs=1)


def until_count(s, wanted):
    end = time.monotonic() + 3
    while s.server.command("ZCARD", s.key("W")) != wanted:
        if time.monotonic() > end:
            return [f"{s.server.command('ZCARD', s.key('W'))} are counted, and {wanted} wait"]
        time.sleep(0.01)
    return []


@case
def waiter_that_slept_through_asks_again(worker, seed):
    with Scene(worker, seed, sleep_ms=300) as s:
        leader, waiters = s.leader_and_waiters(1)
        s.fleet.freeze(waiters[0])
        s.fleet.wait_for("bye", leader)
        time.sleep(5.3)  # longer than results linger
        s.fleet.thaw(waiters[0])
        return s.finish(most_runs=2)


def who_is_to_take_over_is_stopped(worker, seed, told, most, meanwhile):
    """For one who starts nothing: whether that one comes is not known, but it is not looked for without end."""
    with Scene(worker, seed, sleep_ms=300) as s:
        leader, waiters = s.leader_and_waiters(1, leader_settings={"sleep_ms": 60_000})
        passive = s.fleet.start(passive=1)
        s.settled(2)
        s.fleet.freeze(waiters[0])
        asked = waits(s.server)
        while waits(s.server) == asked:  # it has seen that the leader lives
            time.sleep(0.005)
        s.fleet.kill(leader)
        killed = time.monotonic_ns()
        while not s.answers(passive) and time.monotonic_ns() - killed < 20e9:
            meanwhile(s)
            time.sleep(0.02)
        answer = s.fleet.wait_for("give_up", passive)
        commands = s.fleet.wait_for("counters", passive).number("commands")
        s.fleet.thaw(waiters[0])
        complaints = s.finish(most_runs=2)
        took = (answer.at - killed) / 1e6
        expect(complaints, answer.number("err") == told, f"it was told {answer.values}")
        expect(complaints, LEASE + GRACE <= took < LEASE + GRACE + POLL + SLACK, f"it took {took:.0f} ms")
        expect(complaints, commands < most, f"it asked {commands} times")
        return complaints


@case
def wait_ends_though_who_is_to_take_over_is_stopped(worker, seed):
    return who_is_to_take_over_is_stopped(worker, seed, EOWNERDEAD, 30, lambda scene: None)


@case
def wait_ends_though_the_key_is_forgotten_again_and_again(worker, seed):
    return who_is_to_take_over_is_stopped(worker, seed, ENOENT, 300, Scene.forget)


@case
def at_most_once_ends_with_its_leader(worker, seed):
    with Scene(worker, seed, sleep_ms=3000, at_most_once=1) as s:
        leader, waiters = s.leader_and_waiters(2)
        begun = s.server.command("PTTL", s.key("M"))
        s.fleet.kill(leader)
        complaints = s.finish(most_runs=1)
        expect(complaints, begun == s.server.command("PTTL", s.key("M")) == -1, "that it has begun will be forgotten")
        for name in waiters:
            answer = s.answers(name)[0]
            expect(complaints, answer.what == "give_up" and answer.number("err") == EOWNERDEAD,
                   f"{name} was told {answer.what} {answer.values}")
        return complaints


@case
def once_has_one_result_whatever_dies(worker, seed):
    with Scene(worker, seed, "--appendonly", "yes", "--appendfsync", "always", mode=2, tasks=4, calls=40, keys=30,
               sleep_ms=80, pause_ms=60, effect=1) as s:
        for _ in range(4):
            s.fleet.start()
        s.fleet.wait_for("accept", count=10)
        for _ in range(3):
            time.sleep(s.random.uniform(0.05, 0.4))
            s.fleet.kill(s.random.choice([n for n in s.fleet.processes if n not in s.fleet.killed]))
            s.fleet.start()
        s.server.kill()
        s.server.start()
        complaints = s.finish(quiet=False)
        story = checker.tell(s.fleet.events())
        complaints += list(checker.one_result(story)) + list(checker.one_effect(story, s.fleet.resources()))
        runs, keys = len(story.runs), len({r.key for r in story.runs})
        print(f"# once: {runs} runs of {keys} keys, {runs - keys} of them again after a death; effects without a "
              "guard: {} of {} keys".format(*checker.effects_without_guard(story)))
        return complaints


@case
def poison_stops_after_three_deaths(worker, seed):
    with Scene(worker, seed, crash=1, sleep_ms=100) as s:
        for _ in range(5):
            s.fleet.start()
        complaints = s.finish(quiet=False, most_runs=3)
        expect(complaints, len(s.runs()) == 3, f"{len(s.runs())} runs, expected 3")
        told = [a.number("err") for a in s.answers()]
        expect(complaints, told == [ELOOP, ELOOP], f"the last two were told {told}")
        return complaints


@case
def lease_is_kept_while_all_workers_compute(worker, seed):
    with Scene(worker, seed, burn_ms=2 * LEASE + 500) as s:
        s.leader_and_waiters(2, leader_settings={"spin_tasks": 4})
        return s.finish(most_runs=1)


# ---- the server ----


@case
def stalled_server_costs_nobody_a_lease(worker, seed):
    with Scene(worker, seed, sleep_ms=2000) as s:
        s.leader_and_waiters(2)
        s.server.freeze()
        time.sleep(0.9)
        s.server.thaw()
        return s.finish(most_runs=1)


@case
def nobody_begins_beside_a_deaf_function_after_a_long_stall(worker, seed):
    """The lease is lost by the clock, but nobody has taken over: the owner goes on renewing."""
    with Scene(worker, seed, sleep_ms=6000, deaf=1) as s:
        s.leader_and_waiters(2)
        s.server.freeze()
        time.sleep(2.2)
        s.server.thaw()
        return s.finish(most_runs=1)


@case
def long_stall_cancels_and_one_runs_again(worker, seed):
    with Scene(worker, seed, sleep_ms=3000, obey=1) as s:
        leader, _ = s.leader_and_waiters(2)
        s.server.freeze()
        s.fleet.wait_for("lost", leader)
        s.server.thaw()
        complaints = s.finish(most_runs=2)
        expect(complaints, all(a.what == "accept" and a["err"] == "0" for a in s.answers()),
               f"told {[a.values for a in s.answers()]}")
        return complaints


@case
def paused_server_costs_nobody_a_lease(worker, seed):
    with Scene(worker, seed, sleep_ms=2000) as s:
        s.leader_and_waiters(2)
        s.server.command("CLIENT", "PAUSE", 900, s.random.choice(["ALL", "WRITE"]))
        return s.finish(most_runs=1)


@case
def busy_server_costs_nobody_a_lease(worker, seed):
    with Scene(worker, seed, sleep_ms=2000) as s:
        s.leader_and_waiters(2)
        s.server.command("CONFIG", "SET", "busy-reply-threshold", 100)
        client = s.server.client()
        client.send("EVAL", "while true do end", 0)
        time.sleep(0.9)
        s.server.command("SCRIPT", "KILL")
        client.close()
        return s.finish(most_runs=1)


def restart(worker, seed, *options, kill_leader=False, empty=False):
    with Scene(worker, seed, *options, sleep_ms=3000) as s:
        leader, _ = s.leader_and_waiters(2)
        s.server.kill()
        if kill_leader:
            s.fleet.kill(leader)
        s.server.start(empty=empty)
        return s.finish(most_runs=2 if kill_leader else 1)


@case
def server_that_lost_its_data_is_told_again(worker, seed):
    return restart(worker, seed, empty=True)


@case
def server_that_kept_its_data_goes_on(worker, seed):
    return restart(worker, seed, "--appendonly", "yes", "--appendfsync", "always")


@case
def server_that_was_away_for_long_costs_nobody_a_lease(worker, seed):
    """Whoever comes back first does not find the others dead."""
    with Scene(worker, seed, "--appendonly", "yes", "--appendfsync", "always", sleep_ms=5000, deaf=1, grace_ms=1000,
               lease_ms=4 * LEASE) as s:
        s.leader_and_waiters(4)
        s.server.kill()
        time.sleep(1.5)
        s.server.start()
        return s.finish(most_runs=1)


@case
def server_and_leader_die_together(worker, seed):
    return restart(worker, seed, empty=True, kill_leader=True)


@case
def server_with_an_old_copy_is_told_again(worker, seed):
    """What it had on its disk is the record of an earlier run."""
    with Scene(worker, seed, sleep_ms=100) as s:
        s.fleet.start()
        s.fleet.finish()
        s.server.command("SAVE")
        s.leader_and_waiters(2, sleep_ms=3000)
        s.server.kill()
        s.server.start()
        return s.finish(most_runs=2)


@case
def flushed_server_is_told_again(worker, seed):
    with Scene(worker, seed, sleep_ms=2500) as s:
        s.leader_and_waiters(2)
        s.server.command("FLUSHALL")
        return s.finish(most_runs=1)


@case
def flushed_scripts_are_sent_again(worker, seed):
    with Scene(worker, seed, sleep_ms=1500) as s:
        s.leader_and_waiters(2)
        s.server.command("SCRIPT", "FLUSH")
        return s.finish(most_runs=1)


@case
def full_server_takes_the_result_of_who_leads(worker, seed):
    with Scene(worker, seed, sleep_ms=2500) as s:
        s.leader_and_waiters(2)
        s.server.command("CONFIG", "SET", "maxmemory", 1)
        complaints = s.finish(most_runs=1)
        for answer in s.answers():
            expect(complaints, answer.what == "accept" and answer["unstored"] == "0", f"{answer.what} {answer.values}")
        new = s.fleet.start(keys=50)
        s.fleet.finish()
        told = s.answers(new)[0]
        expect(complaints, told.what == "give_up" and told.number("err") == ENOSPC or told.values.get("shared") == "1",
               f"a new one was told {told.what} {told.values}")
        return complaints


@case
def full_server_takes_a_result_of_less_than_a_mebibyte(worker, seed):
    """It has no room for the pieces, but scripts may use more."""
    with Scene(worker, seed, sleep_ms=2500, size=500_000) as s:
        s.leader_and_waiters(2)
        s.server.command("CONFIG", "SET", "maxmemory", 1)
        complaints = s.finish(most_runs=1)
        for answer in s.answers():
            expect(complaints, answer.what == "accept" and answer["unstored"] == "0", f"{answer.what} {answer.values}")
        return complaints


def no_room(worker, seed, setting, too_small, enough, told, later, **settings):
    """A result that finds no room: who waits is told why at once, and later no one runs it again, until forgotten."""
    with Scene(worker, seed, size=5_000_000, sleep_ms=1500, **settings) as s:
        leader, waiters = s.leader_and_waiters(2)
        s.server.command("CONFIG", "SET", setting, too_small)
        complaints = s.fleet.finish()
        s.server.command("CONFIG", "SET", setting, enough)
        own = s.answers(leader)[0]
        took = (own.at - s.fleet.wait_for("end", leader).at) / 1e6
        expect(complaints, own.what == "accept" and own["unstored"] == "1", f"the leader: {own.what} {own.values}")
        expect(complaints, took < LEASE / 2, f"it took {took:.0f} ms to find that there is no room")
        for name in waiters:
            expect(complaints, s.answers(name)[0].number("err") == told, f"{name} was told {s.answers(name)[0].values}")
        expect(complaints, not s.server.command("KEYS", "*:T:*"), "pieces are left")
        time.sleep(LEASE / 1000)
        new = s.fleet.start()
        complaints += s.fleet.finish()
        answer = s.answers(new)[0]
        if later:
            expect(complaints, answer.what == "give_up" and answer.number("err") == later, f"later: {answer.values}")
            s.server.command("FLUSHALL")
        else:
            expect(complaints, answer.what == "accept" and len(s.runs()) == 2, f"later: {answer.values}")
        return complaints + s.finish(most_runs=1 if later else 2)


@case
def result_without_room_is_made_again_by_a_plain_call(worker, seed):
    return no_room(worker, seed, "maxmemory", 1, 0, ENOSPC, 0)


@case
def result_without_room_is_not_made_again_at_most_once(worker, seed):
    return no_room(worker, seed, "maxmemory", 1, 0, ENOSPC, EOWNERDEAD, at_most_once=1)


@case
def result_without_room_is_not_made_again_once(worker, seed):
    return no_room(worker, seed, "maxmemory", 1, 0, ENOSPC, ENOSPC, mode=2)


@case
def result_that_is_too_large_for_the_server_is_not_made_again_once(worker, seed):
    return no_room(worker, seed, "proto-max-bulk-len", 2 << 20, 512 << 20, EFBIG, EFBIG, mode=2)


@case
def server_that_cannot_save_is_waited_for(worker, seed):
    with Scene(worker, seed, sleep_ms=2500) as s:
        s.leader_and_waiters(2)
        folder = s.server.folder / "gone"
        folder.mkdir()
        s.server.command("CONFIG", "SET", "save", "900 1")
        s.server.command("CONFIG", "SET", "dir", str(folder))
        folder.rmdir()
        s.server.command("BGSAVE")
        until_misconf(s.server)
        time.sleep(1)
        s.server.command("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        return s.finish(most_runs=1)


def until_misconf(server):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            server.command("SET", "probe", 1)
        except RedisError as error:
            if "MISCONF" in str(error):
                return
        time.sleep(0.01)
    raise RuntimeError("the server goes on saving")


@case
def demoted_server_is_waited_for(worker, seed):
    with Scene(worker, seed, sleep_ms=2500) as s:
        s.leader_and_waiters(2)
        s.server.command("REPLICAOF", "127.0.0.1", "1")
        time.sleep(1)
        s.server.command("REPLICAOF", "NO", "ONE")
        return s.finish(most_runs=1)


@case
def failover_that_lost_the_record_is_told_again(worker, seed):
    with Scene(worker, seed, sleep_ms=3000) as s, s.server.replica() as replica:
        proxy = s.proxy()
        replica.promote()  # so that it does not see what comes now
        s.fleet.url = proxy.url
        s.leader_and_waiters(2)
        old = s.server
        proxy.server = replica.address
        old.kill()
        proxy.cut()
        s.server = replica
        complaints = s.finish(most_runs=1)
        s.server = old
        return complaints


def clock(worker, seed, seconds):
    """The server's clock is set while a call runs."""
    with Scene(worker, seed, sleep_ms=3000) as s:
        s.server.close()
        s.server = Server(start=False)
        clock = s.server.folder / "clock"
        s.server.prefix = set_clock(clock, 0)
        s.server.start()
        s.fleet.url = s.server.url
        s.leader_and_waiters(2)
        before = int(s.server.command("TIME")[0])
        with open(clock, "r+b") as file:  # in place: it is mapped
            file.write(seconds.to_bytes(8, "little", signed=True))
        moved = int(s.server.command("TIME")[0]) - before
        complaints = s.finish(most_runs=1)
        expect(complaints, abs(moved - seconds) < 5, f"the clock moved by {moved} s")
        return complaints


def set_clock(path, seconds):
    path.write_bytes(seconds.to_bytes(8, "little", signed=True))
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"  # or it refuses to be second
    return ["env", f"ASAN_OPTIONS={options}", f"LD_PRELOAD={other_clock}", f"OTHER_CLOCK={path}"]


@case
def clocks_of_the_processes_do_not_matter(worker, seed):
    with Scene(worker, seed, tasks=4, calls=12, keys=2, sleep_ms=20, mode=1, keep_ms=200, stale_ms=100) as s:
        for seconds in (-86400, -1, 3600, 0):
            s.fleet.start(prefix=set_clock(s.fleet.folder / f"clock{seconds}", seconds))
        complaints = s.finish()
        expect(complaints, len(s.answers()) == 4 * 48, f"{len(s.answers())} answers")
        return complaints


@case
def clock_of_the_server_jumps_forward(worker, seed):
    return clock(worker, seed, 3600)


@case
def clock_of_the_server_jumps_back(worker, seed):
    return clock(worker, seed, -3600)


# ---- the way to the server ----


def lost_reply(worker, seed, nth, **settings):
    with Scene(worker, seed, sleep_ms=900, **settings) as s:
        proxy = s.proxy()
        proxy.lose_reply("EVALSHA", nth)
        leader = s.fleet.start(url=proxy.url)
        s.fleet.wait_for("start", leader)
        s.waiters(2)
        s.settled(2)
        complaints = s.finish(most_runs=1)
        expect(complaints, proxy.lost == 1, f"{proxy.lost} replies were lost")
        return complaints


@case
def reply_to_join_is_lost(worker, seed):
    return lost_reply(worker, seed, 1)


@case
def reply_to_renew_is_lost(worker, seed):
    return lost_reply(worker, seed, 2)


@case
def key_is_forgotten_while_the_reply_to_join_is_lost(worker, seed):
    """The function has not begun: what it gives counts, though it must not run twice."""
    with Scene(worker, seed, sleep_ms=900, at_most_once=1) as s:
        proxy, forgotten = s.proxy(), threading.Event()

        def forget():
            s.forget()
            forgotten.set()

        proxy.trap(hashlib.sha1(embed.assemble("join").encode()).hexdigest(), "after", forget)
        leader = s.fleet.start(url=proxy.url)
        s.fleet.wait_for("start", leader)
        s.waiters(2)
        s.settled(2)
        complaints = s.finish(most_runs=1)
        expect(complaints, forgotten.is_set(), "join was never sent")
        expect(complaints, all(a.what == "accept" and a["unstored"] == "0" for a in s.answers()),
               f"told {[a.values for a in s.answers()]}")
        return complaints


def at_script(script, when):
    """The owner is killed, or only loses a reply, at one script of its own; others wait for it."""
    sha = hashlib.sha1(embed.assemble(script).encode()).hexdigest()
    # Who gives up does not wait for the reply: its process stays, or the proxy has hung up before it comes.
    own = {"wait_ms": 1500, "obey": 1, "sleep_ms": 60_000, "hold": 1} if script == "abort" else {}

    def run(worker, seed):
        with Scene(worker, seed, sleep_ms=900) as s:
            proxy, sprung = s.proxy(), threading.Event()

            def spring():
                if when != "lost":
                    s.fleet.kill(leader)
                sprung.set()

            if script == "join":
                leader = "p0"
                proxy.trap(sha, "before" if when == "before" else "after", spring)
            leader = s.fleet.start(url=proxy.url, **own)
            if script != "join":
                s.fleet.wait_for("start", leader)
            waiters = s.waiters(2, wait_ms=20_000)
            if script != "join":
                s.settled(2)
                proxy.trap(sha, "before" if when == "before" else "after", spring)
            complaints = [] if sprung.wait(10) else [f"{script} was never sent"]
            if own:
                for name in waiters:
                    s.fleet.wait_for("accept", name)
                s.fleet.kill(leader)
            # An owner that is lost between its end and its result has run for nobody.
            complaints += s.finish(most_runs=1 if when == "lost" and not own else 2, quiet=when == "lost")
            for name in waiters:
                told = s.answers(name)[0]
                expect(complaints, told.what == "accept" and told["err"] == "0", f"{name}: {told.what} {told.values}")
            return complaints

    run.__name__ = f"reply_to_{script}_is_lost_once" if when == "lost" else f"owner_is_killed_{when}_{script}"
    return case(run)


for script_name in "join", "renew", "complete", "abort":
    for moment in "before", "after", "lost":
        at_script(script_name, moment)


def at_order(order, settings, when):
    """A run and those who wait for it, where who forgets or cancels it is killed, or only loses the reply."""
    sha = hashlib.sha1(embed.assemble(order).encode()).hexdigest()

    def run(worker, seed):
        with Scene(worker, seed, sleep_ms=1500) as s:
            proxy, sprung = s.proxy(), threading.Event()

            def spring():
                if when != "lost":
                    s.fleet.kill("other")
                sprung.set()

            leader, waiters = s.leader_and_waiters(2)
            proxy.trap(sha, "before" if when == "before" else "after", spring)
            s.fleet.start("other", url=proxy.url, **settings)
            complaints = [] if sprung.wait(10) else [f"{order} was never sent"]
            complaints += s.finish(lapses=[(0, 2**63)], ordered=False)
            told = [e["err"] for e in s.fleet.events() if e.what == order]
            allowed = [["0"], [str(ENOENT)]][: 1 + (order == "cancel")]  # sent again, to a run that it has ended
            expect(complaints, told in (allowed if when == "lost" else [[]]), f"who does it was told {told}")
            least, most = (1, 1) if when == "before" or order == "cancel" else (2, 3)  # sent again it may void another
            expect(complaints, least <= len(s.runs()) <= most, f"{len(s.runs())} runs")
            cancelled = any(e.what == "lost" for e in s.fleet.events())
            expect(complaints, cancelled == (order == "cancel" and when != "before"), f"cancelled: {cancelled}")
            for name in leader, *waiters:
                expect(complaints, s.answers(name)[0].what == "accept", f"{name} was told {s.answers(name)[0].values}")
            own = s.answers(leader)[0].values
            expect(complaints, own.get("led") == "1", f"the leader was given another one's: {own}")
            return complaints

    run.__name__ = f"reply_to_{order}_is_lost_once" if when == "lost" else f"process_is_killed_{when}_{order}"
    return case(run)


for moment in "before", "after", "lost":
    at_order("forget", {"forget_pct": 100}, moment)
    at_order("cancel", {"cancels": 1}, moment)


@case
def process_without_descriptors_goes_on_when_it_has_some(worker, seed):
    """One that leads, and one that waits. Their connections break, and cannot be made again."""
    with Scene(worker, seed, sleep_ms=2500, lease_ms=4 * LEASE) as s:
        s.fleet.url = s.proxy().url
        names = [s.leader(), *s.waiters(1)]
        s.settled(1)
        limits = {}
        for name in names:
            pid = s.fleet.processes[name].pid
            limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[pid][1]))
        s.proxies[0].cut()
        time.sleep(0.6)
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        complaints = s.finish(most_runs=1)
        expect(complaints, "Too many open files" in s.fleet.report(), f"they said: {s.fleet.report()}")
        return complaints


@case
def process_is_not_opened_without_descriptors(worker, seed):
    with Scene(worker, seed, sleep_ms=10) as s:
        statuses = set()
        for most in range(5, 26):
            name = s.fleet.start(prefix=["prlimit", f"--nofile={most}"])
            statuses.add(s.fleet.processes[name].wait(60))
            s.fleet.killed.add(name)
        told = {a.what for a in s.answers()}
        complaints = s.finish(most_runs=21)
        expect(complaints, statuses <= {0, 1, 127} and told <= {"accept", "give_up"}, f"{statuses} {told}")
        expect(complaints, "accept" in told and 0 in statuses, f"none of them had enough: {statuses} {told}")
        return complaints


@case
def nice_owner_beside_busy_ones_loses_nothing_but_time(worker, seed):
    if not LONG:
        return "with WEFT_TEST_LONG=1"
    with Scene(worker, seed, sleep_ms=2500, wait_ms=30_000) as s:
        burners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2 * os.cpu_count())]
        try:
            s.leader_and_waiters(2, leader_settings={"prefix": ["nice", "-n", "19"]})
            return s.finish(lapses=[(0, 2**63)])
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()


@case
def server_that_takes_no_scripts_is_none(worker, seed):
    """What is entrusted to a connection is sent by the names of scripts alone. It is tried again."""
    with Scene(worker, seed, calls=10**6, pause_ms=50) as s:
        s.server.command("ACL", "SETUSER", "default", "-script|load")
        name = s.fleet.start()
        refused = s.fleet.wait_for("give_up", name)
        before = len([a for a in s.answers(name) if a.what == "accept"])
        s.server.command("ACL", "SETUSER", "default", "+script|load")
        s.fleet.wait_for("accept", name)
        s.fleet.kill(name)
        complaints = s.fleet.finish()
        expect(complaints, refused.number("err") == EHOSTDOWN and before == 0, f"{refused.values}, {before} accepted")
        expect(complaints, "NOPERM" in s.fleet.report(), f"it said: {s.fleet.report()}")
        return complaints


@case
def greeting_is_said_at_once(worker, seed):
    """Its last word is at the server before the reply to the first one is back."""
    with Scene(worker, seed, lease_ms=10_000) as s:
        way, said = s.proxy(), []
        way.distance = 0.5

        def hear():
            said.append(time.monotonic())
            way.before("INFO", 1, hear)

        way.before("SELECT", 1, hear)
        s.fleet.start(url=way.url)
        complaints = s.finish(most_runs=1)
        expect(complaints, len(said) == 2 and said[1] - said[0] < way.distance, f"said at {said}")
        expect(complaints, s.fleet.report() == "", f"it said: {s.fleet.report()}")
        return complaints


@case
def who_gives_up_while_it_is_connected_says_so(worker, seed):
    """No reply of the greeting is late by itself, but they come one after another."""
    with Scene(worker, seed, calls=2) as s:
        way = s.proxy()
        way.delay = 0.7
        name = s.fleet.start(url=way.url)
        complaints = s.fleet.finish()
        told = [a.values.get("err") for a in s.answers(name)]
        expect(complaints, told[0] == str(EHOSTDOWN), f"told {told}")
        expect(complaints, s.fleet.report().count("still connecting") == 1, f"it said: {s.fleet.report()!r}")
        return complaints


@case
def commands_that_come_twice_count_once(worker, seed):
    with Scene(worker, seed, tasks=4, calls=10, keys=3, sleep_ms=20, fail_pct=10, cancel_pct=10) as s:
        proxy = s.proxy()
        proxy.twice("EVALSHA")
        for _ in range(3):
            s.fleet.start(url=proxy.url)
        complaints = s.finish()
        expect(complaints, proxy.repeated > 50, f"only {proxy.repeated} commands came twice")
        return complaints


@case
def slow_way_is_no_matter(worker, seed):
    with Scene(worker, seed, tasks=2, calls=4, keys=2, sleep_ms=50) as s:
        proxy = s.proxy()
        proxy.delay = 0.02
        for _ in range(3):
            s.fleet.start(url=proxy.url)
        return s.finish()


def passages(s):
    """Who passed the gate, in order; and complaints, where two were inside or a token was smaller than one before."""
    complaints, inside, last = [], None, (0, 0)
    order = []
    for e in s.fleet.events():
        if e.what == "in":
            token = e.number("e"), e.number("seq")
            expect(complaints, inside is None, f"{e.process} came in while {inside} was")
            expect(complaints, token > last, f"{token} after {last}")
            inside, last = e.process, token
            order.append(e.process)
        elif e.what == "out":
            inside = None
    return order, complaints


@case
def gate_is_not_kept_from_who_is_far(worker, seed):
    """Two are near, and want it all the time; their questions are always there first."""
    with Scene(worker, seed, gate=1, sleep_ms=1, lease_ms=4 * LEASE) as s:
        far = s.proxy()
        far.delay = 0.03
        near = [s.fleet.start(tasks=8, calls=10**6) for _ in range(2)]
        for name in near:
            s.fleet.wait_for("in", name)
        name = s.fleet.start(url=far.url, tasks=4, calls=80)
        began = s.fleet.wait_for("call", name).at
        last = s.fleet.wait_for("counters", name).at
        for other in near:
            s.fleet.kill(other)
        complaints = s.fleet.finish()
        order, wrong = passages(s)
        turns = [a for a, b in zip(order, order[1:] + [None]) if a != b]
        own = [i for i, process in enumerate(turns) if process == name]
        between = sorted(b - a - 1 for a, b in zip(own, own[1:]))
        expect(complaints, order.count(name) == 320, f"it passed {order.count(name)} times of 320")
        expect(complaints, between[len(between) // 2] <= 4, f"so many turns of others between its own: {between}")
        print(f"# a gate 30 ms away: 320 passages in {(last - began) / 1e9:.1f} s; turns of others between: {between}")
        return complaints + wrong


@case
def gate_is_unlocked_though_the_server_stands_still(worker, seed):
    with Scene(worker, seed, gate=1, sleep_ms=600, lease_ms=4 * LEASE) as s:
        first = s.fleet.start()
        s.fleet.wait_for("in", first)
        second = s.fleet.start(wait_ms=20_000)
        s.settled(1)
        s.server.freeze()
        out, gone = s.fleet.wait_for("out", first), s.fleet.wait_for("out_of_it", first)
        s.server.thaw()
        complaints = s.fleet.finish()
        took = (gone.at - out.at) / 1e6
        expect(complaints, took < 500, f"unlocking took {took:.0f} ms")
        expect(complaints, passages(s)[0] == [first, second], f"{passages(s)[0]} passed")
        return complaints + passages(s)[1] + s.left_behind()


def unlock_while(worker, seed, *options, broken, mended, lease):
    """The server has not answered for so long that all else that is sent fails at once; the unlocking is kept."""
    with Scene(worker, seed, *options, gate=1, lease_ms=lease, wait_ms=30_000) as s:
        first = s.fleet.start(sleep_ms=3400, hold=1)
        s.fleet.wait_for("in", first)
        second = s.fleet.start(sleep_ms=1)
        s.settled(1)
        broken(s.server)
        s.fleet.wait_for("out_of_it", first)
        mended(s.server)
        back = time.monotonic_ns()
        came = s.fleet.wait_for("in", second)
        s.fleet.kill(first)
        complaints = s.fleet.finish()
        took = (came.at - back) / 1e6
        expect(complaints, took < 2000, f"the next one came in {took:.0f} ms later")
        return complaints + passages(s)[1] + s.left_behind()


@case
def gate_is_unlocked_though_the_server_has_stood_still(worker, seed):
    return unlock_while(worker, seed, broken=Server.freeze, mended=Server.thaw, lease=4000)


@case
def gate_is_unlocked_though_the_server_was_away(worker, seed):
    def come_back(server):
        time.sleep(0.6)  # it is tried to connect meanwhile
        server.start()

    return unlock_while(worker, seed, "--appendonly", "yes", "--appendfsync", "always", broken=Server.kill,
                        mended=come_back, lease=20_000)


@case
def gate_is_unlocked_though_the_server_is_loading(worker, seed):
    def save(server):
        server.command("EVAL", "for i = 1, 20000 do redis.call('SET', i, '') end", 0)
        server.command("SAVE")
        server.kill()

    return unlock_while(worker, seed, "--key-load-delay", "50", "--loading-process-events-interval-bytes", "1024",
                        broken=save, mended=Server.start, lease=20_000)


@case
def gate_is_unlocked_though_the_server_has_lost_its_scripts(worker, seed):
    return unlock_while(worker, seed, broken=lambda server: server.command("SCRIPT", "FLUSH"),
                        mended=lambda server: None, lease=16_000)


@case
def call_is_given_up_though_the_server_stands_still(worker, seed):
    """Nor does its process stay until it can be told."""
    with Scene(worker, seed, lease_ms=20_000, grace_ms=5000) as s:
        first = s.leader(sleep_ms=60_000, obey=1, wait_ms=1000)
        second = s.fleet.start(sleep_ms=1)
        s.settled(1)
        s.server.freeze()
        left, gone = s.fleet.wait_for("give_up", first), s.fleet.wait_for("bye", first)
        s.server.thaw()
        back = time.monotonic_ns()
        begun = s.fleet.wait_for("start", second)
        complaints = s.finish(most_runs=2)
        for what, took in ("leaving", gone.at - left.at), ("what came next", begun.at - back):
            expect(complaints, took < 1000 * 10**6, f"{what} took {took / 1e6:.0f} ms")
        return complaints


@case
def call_is_given_up_though_the_server_was_away(worker, seed):
    with Scene(worker, seed, "--appendonly", "yes", "--appendfsync", "always", lease_ms=20_000, grace_ms=5000) as s:
        first = s.leader(sleep_ms=60_000, obey=1, wait_ms=1000, hold=1)
        second = s.fleet.start(sleep_ms=1)
        s.settled(1)
        s.server.kill()
        s.fleet.wait_for("lost", first)
        time.sleep(0.3)  # it is tried to connect meanwhile
        s.server.start()
        back = time.monotonic_ns()
        took = (s.fleet.wait_for("start", second).at - back) / 1e6
        s.fleet.kill(first)
        complaints = s.finish(most_runs=2)
        expect(complaints, took < 2000, f"the next one began {took:.0f} ms later")
        return complaints


@case
def run_that_could_not_be_stored_is_given_up(worker, seed):
    with Scene(worker, seed, "--appendonly", "yes", "--appendfsync", "always", lease_ms=1000, grace_ms=8000) as s:
        first = s.leader(sleep_ms=300, hold=1, deaf=1)
        second = s.fleet.start(sleep_ms=1)
        s.settled(1)
        s.server.kill()
        answer = s.fleet.wait_for("accept", first)
        s.server.start()
        back = time.monotonic_ns()
        took = (s.fleet.wait_for("start", second).at - back) / 1e6
        s.fleet.kill(first)
        complaints = s.finish(most_runs=2, lapses=[(0, 2**63)])
        expect(complaints, answer["unstored"] == "1", "it was stored")
        expect(complaints, took < 3000, f"the next one began {took:.0f} ms later")
        return complaints


@case
def what_is_entrusted_is_not_kept_for_ever(worker, seed):
    """An unlocking, until lease and grace are over."""
    with Scene(worker, seed, gate=1, sleep_ms=300, lease_ms=1000, grace_ms=300) as s:
        name = s.fleet.start(hold=1)
        s.fleet.wait_for("in", name)
        s.server.kill()
        s.fleet.wait_for("out_of_it", name)
        time.sleep(2)
        s.server.start()
        end = time.monotonic() + 5
        while "script|load" not in s.server.calls() and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        calls, complaints = s.server.calls(), []
        expect(complaints, "script|load" in calls and "evalsha" not in calls, f"it was sent: {calls}")
        s.fleet.kill(name)
        return complaints + s.fleet.finish()


@case
def gate_goes_on_when_who_is_next_leaves(worker, seed):
    """It is so far away that it has left before it is told that it is its turn."""
    with Scene(worker, seed, gate=1, sleep_ms=10, lease_ms=4 * LEASE) as s:
        far = s.proxy()
        near = s.fleet.start(tasks=2, calls=200)
        leaver = s.fleet.start(url=far.url, calls=14, wait_ms=60, pause_ms=500)
        s.fleet.wait_for("give_up", leaver)
        far.delay = 0.15
        complaints = s.fleet.finish()
        order, wrong = passages(s)
        expect(complaints, len(order) + len(s.answers(leaver)) == 414, f"{len(order)} passed")
        expect(complaints, all(a.number("err") == ETIMEDOUT for a in s.answers(leaver)), "another error")
        ins = [e.at for e in s.fleet.events() if e.what == "in"]
        gaps = [(b - a) // 10**6 for a, b in zip(ins, ins[1:]) if b - a > 180e6]
        expect(complaints, len(gaps) < 3, f"nobody was inside for {gaps} ms")
        return complaints + wrong + s.left_behind()


@case
def cut_leader_is_replaced_and_stops(worker, seed):
    with Scene(worker, seed, sleep_ms=4000) as s:
        proxy = s.proxy()
        leader = s.fleet.start(url=proxy.url)
        s.fleet.wait_for("start", leader)
        s.waiters(2, sleep_ms=300)
        s.settled(2)
        proxy.stall()
        lost = s.fleet.wait_for("lost", leader)
        second = s.fleet.wait_for("start", count=2)
        proxy.go_on()
        complaints = s.finish(most_runs=2, lapses=[(0, lost.at + 20_000_000)])
        expect(complaints, lost.at < second.at, "the old leader stopped after the new one had begun")
        return complaints


@case
def cut_waiter_comes_back(worker, seed):
    with Scene(worker, seed, sleep_ms=1500) as s:
        proxy = s.proxy()
        s.leader()
        waiter = s.fleet.start(url=proxy.url)
        s.settled(1)
        proxy.stall()
        time.sleep(1)
        proxy.go_on()
        complaints = s.finish(most_runs=1)
        expect(complaints, s.answers(waiter)[0].what == "accept", "the waiter gave up")
        return complaints


@case
def connections_break_again_and_again(worker, seed):
    with Scene(worker, seed, tasks=3, calls=15, keys=3, sleep_ms=60, pause_ms=30) as s:
        proxy = s.proxy()
        for _ in range(3):
            s.fleet.start(url=proxy.url)
        s.fleet.wait_for("start")
        for _ in range(15):
            time.sleep(s.random.uniform(0.02, 0.2))
            proxy.cut()
        return s.finish()


@case
def broken_inbox_is_repaired(worker, seed):
    with Scene(worker, seed, sleep_ms=1500, lease_ms=4 * LEASE) as s:
        leader, waiters = s.leader_and_waiters(2)
        s.server.command("CLIENT", "KILL", "TYPE", "pubsub")
        complaints = s.finish(most_runs=1)
        end = s.fleet.wait_for("end", leader).at
        for name in waiters:
            lag = (s.answers(name)[0].at - end) / 1e6
            expect(complaints, lag < 2 * POLL + SLACK, f"{name} was answered after {lag:.0f} ms")
        return complaints


@case
def owner_whose_inbox_is_gone_for_good_lives(worker, seed):
    """It says so at once, long before it would renew; who waits elsewhere cannot see its process."""
    complaints, runs = signed(worker, seed, lambda who: [*who[:4], "0" * 32, who[5]], inbox=True,
                              then=lambda s: s.server.command("ACL", "SETUSER", "default", "resetchannels"))
    expect(complaints, runs == 1, f"{runs} runs")
    return complaints


def with_user(worker, seed, rules):
    with Scene(worker, seed, sleep_ms=1000) as s:
        s.server.command("ACL", "SETUSER", "app", "on", ">p%w", *rules)
        s.fleet.url, s.database = f"redis://app:p%25w@127.0.0.1:{s.server.port}/3?ns=shop", 3
        s.leader()
        s.waiters(2)
        complaints = s.finish(most_runs=1)
        expect(complaints, len(s.answers()) == 3 and all(a.what == "accept" for a in s.answers()), s.fleet.report())
        return complaints, s.fleet.report(), s.server.info("keyspace")


@case
def user_with_the_documented_rights_can_do_all(worker, seed):
    rights = "resetkeys ~shop:{* resetchannels &shop:ib:*  -@all +evalsha +eval +script|load +select +subscribe +info"
    rights += " +client|setname +time +get +getrange +set +setrange +strlen +del +rename +pexpire +persist +pttl +hmget"
    rights += " +hget +hset +hdel +hgetall +zadd +zrem +zrange +zcard +publish +pubsub|numsub +scan"
    complaints, said, space = with_user(worker, seed, rights.split())
    expect(complaints, said == "", f"it was told: {said}")
    expect(complaints, "db3" in space, f"database 3 is empty: {space}")
    return complaints


@case
def user_without_channels_is_slower(worker, seed):
    complaints, said, _ = with_user(worker, seed, ["allkeys", "resetchannels", "+@all"])
    expect(complaints, "no inbox" in said, f"it was told: {said!r}")
    return complaints


@case
def socket_in_a_folder_will_do(worker, seed):
    with Scene(worker, seed, sleep_ms=1500) as s:
        s.fleet.url, s.database = f"unix:{s.server.unix}?db=2", 2
        s.leader()
        s.waiters(2)
        complaints = s.finish(most_runs=1)
        expect(complaints, "db2" in s.server.info("keyspace"), "database 2 is empty")
        return complaints


@case
def nobody_waits_for_a_server_that_is_not_there(worker, seed):
    with Scene(worker, seed, calls=5) as s:
        s.server.kill()
        name = s.fleet.start()
        complaints = s.fleet.finish()
        told = s.answers(name)
        expect(complaints, [a.number("err") for a in told] == 5 * [EHOSTDOWN], f"told {[a.values for a in told]}")
        expect(complaints, told[-1].at - told[0].at < 500e6, "the breaker does not open")
        alone = s.fleet.start(down_run=1)
        complaints += s.fleet.finish()
        expect(complaints, all(a.what == "accept" and a["alone"] == "1" for a in s.answers(alone)),
               f"told {[a.values for a in s.answers(alone)]}")
        return complaints


@case
def wrong_password_is_told(worker, seed):
    with Scene(worker, seed) as s:
        s.server.command("CONFIG", "SET", "requirepass", "right")
        s.fleet.url = f"redis://:wrong@127.0.0.1:{s.server.port}"
        name = s.fleet.start()
        complaints = s.fleet.finish()
        expect(complaints, s.answers(name)[0].number("err") == EHOSTDOWN, str(s.answers(name)[0].values))
        expect(complaints, "WRONGPASS" in s.fleet.report() and "wrong@" not in s.fleet.report(), s.fleet.report())
        return complaints


@case
def server_that_knows_no_passwords_is_told_of_without_them(worker, seed):
    """It repeats the words of a command that it does not know."""
    with Scene(worker, seed, "--rename-command", "AUTH", "") as s:
        s.fleet.url = f"redis://:secret@127.0.0.1:{s.server.port}"
        s.fleet.start()
        complaints = s.fleet.finish()
        expect(complaints, "AUTH" in s.fleet.report() and "secret" not in s.fleet.report(), s.fleet.report())
        return complaints


@case
def server_that_evicts_runs_nothing_once(worker, seed):
    with Scene(worker, seed, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru", mode=2) as s:
        name = s.fleet.start()
        complaints = s.fleet.finish()
        expect(complaints, s.answers(name)[0].number("err") == ENOTSUP, str(s.answers(name)[0].values))
        expect(complaints, "noeviction" in s.fleet.report(), f"it was told: {s.fleet.report()!r}")
        plain = s.fleet.start(mode=0)
        complaints += s.fleet.finish()
        expect(complaints, s.answers(plain)[0].what == "accept", str(s.answers(plain)[0].values))
        return complaints


class Secure(Scene):
    """A server that speaks TLS; ns= and the like are options of the url."""

    def __init__(self, worker, seed, name="IP:127.0.0.1", clients="no", **settings):
        super().__init__(worker, seed, **settings)
        self.server.close()
        self.server = Server(start=False)
        folder = self.server.folder
        self.authority = Authority(folder)
        self.authority.certify("server", name)
        self.server.port, self.port = free_port(), free_port()  # only now: certificates take a while
        self.server.options = ["--tls-port", self.port, "--tls-ca-cert-file", self.authority.path, "--tls-cert-file",
                               folder / "server.pem", "--tls-key-file", folder / "server.key", "--tls-auth-clients",
                               clients]
        self.server.start()
        self.fleet.url = self.url(cafile=self.authority.path)

    def url(self, **options):
        return f"rediss://127.0.0.1:{self.port}?" + "&".join(f"{name}={value}" for name, value in options.items())

    def told(self, url):
        """What a process that asks by this url is told, and what it says."""
        before = len(self.fleet.report())
        name = self.fleet.start(url=url)
        complaints = self.fleet.finish()
        answers = self.answers(name)
        return complaints, answers[0].values.get("err") if answers else None, self.fleet.report()[before:]


def has_tls(program):
    return "libssl" in subprocess.run(["ldd", program], capture_output=True, text=True).stdout


def secure(function):
    """A case for which the worker, and the server, have to be built with TLS."""
    def run(worker, seed):
        if not (has_tls(worker) and has_tls(PROGRAM) and shutil.which("openssl")):
            return NOT_HERE
        return function(worker, seed)
    run.__name__ = function.__name__
    return case(run)


@secure
def calls_are_shared_over_tls(worker, seed):
    with Secure(worker, seed, size=3_000_000, sleep_ms=1500) as s:
        s.leader_and_waiters(3)
        complaints = s.finish(most_runs=1)
        expect(complaints, len(s.answers()) == 4 and all(a["unstored"] == "0" for a in s.answers()), s.fleet.report())
        expect(complaints, s.fleet.report() == "", f"it was told: {s.fleet.report()}")
        return complaints


@secure
def connections_over_tls_are_made_again(worker, seed):
    with Secure(worker, seed, tasks=4, threads=2, calls=20, keys=3, sleep_ms=20, size=20_000, pause_ms=20) as s:
        for _ in range(3):
            s.fleet.start()
        s.fleet.wait_for("start")
        for kind in ["normal", "pubsub"] * 6:
            time.sleep(s.random.uniform(0.02, 0.15))
            s.server.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        return s.finish()


@secure
def certificates_have_to_be_good(worker, seed):
    with Secure(worker, seed) as s:
        complaints, err, said = s.told(s.url(ns="a"))
        expect(complaints, err == str(EHOSTDOWN) and "certificate" in said, f"by an unknown authority: {err} {said}")
        _, err, said = s.told(s.url(cafile=s.server.folder / "server.key"))
        expect(complaints, "cafile" in said and not s.runs(), f"no certificates: {said}")
        _, err, said = s.told(s.url(cafile=s.server.folder / "none.pem"))
        expect(complaints, "cafile: No such file" in said, f"no file: {said}")
        _, err, said = s.told(f"redis://127.0.0.1:{s.port}")
        expect(complaints, err == str(EHOSTDOWN), f"without TLS: {err} {said}")
        _, err, said = s.told(f"rediss://127.0.0.1:{s.server.port}")
        expect(complaints, err == str(EHOSTDOWN) and "TLS" in said, f"TLS where there is none: {err} {said}")
        _, err, said = s.told(s.fleet.url)
        expect(complaints, err == "0", f"as it is: {err} {said}")
        return complaints


@contextlib.contextmanager
def trickle(server):
    """A port from which connections lead to server, a few bytes at a time: no record comes as a whole."""
    def pass_on(source, target):
        with contextlib.suppress(OSError):
            while block := source.recv(3000):
                target.sendall(block)
                time.sleep(0.0001)
            target.shutdown(socket.SHUT_WR)

    def listen(listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                other = socket.create_connection(server)
                other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in ((client, other), (other, client)):
                    threading.Thread(target=pass_on, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


@secure
def errors_of_others_are_none_of_tls(worker, seed):
    """What a program that uses OpenSSL leaves behind in a thread's queue, while records come in pieces."""
    with Secure(worker, seed, mode=1, keep_ms=60_000, size=300_000) as s:
        s.fleet.start()
        complaints = s.fleet.finish()
        s.server.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")  # a reason to warn
        s.server.command("CONFIG", "SET", "maxmemory", "100mb")
        with trickle(("127.0.0.1", s.port)) as port:
            s.port = port
            name = s.fleet.start(url=s.url(cafile=s.authority.path), foreign=1, calls=3)
            complaints += s.fleet.finish()
        said = s.fleet.report()
        expect(complaints, [a["kept"] for a in s.answers(name)] == ["1"] * 3, "it was not given what is kept")
        expect(complaints, said.count("\n") == 1 and "noeviction" in said, f"it said: {said}")
        return complaints


@secure
def server_that_hangs_up_while_hands_are_shaken_is_said_to(worker, seed):
    with Secure(worker, seed) as s, socket.create_server(("127.0.0.1", 0)) as listener:
        def hang_up():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    client.recv(1)
                    client.close()

        threading.Thread(target=hang_up, daemon=True).start()
        complaints, err, said = s.told(f"rediss://127.0.0.1:{listener.getsockname()[1]}?cafile={s.authority.path}")
        expect(complaints, err == str(EHOSTDOWN), f"told {err}")
        expect(complaints, "TLS: the connection was closed" in said, f"it said: {said}")
        return complaints


@secure
def certificate_of_another_host_is_refused(worker, seed):
    with Secure(worker, seed, name="IP:127.0.0.2,DNS:elsewhere") as s:
        complaints, err, said = s.told(s.fleet.url)
        expect(complaints, err == str(EHOSTDOWN) and "IP address mismatch" in said, f"{err} {said}")
        return complaints


@secure
def certificate_of_our_own_is_shown(worker, seed):
    with Secure(worker, seed, clients="yes") as s:
        s.authority.certify("client", "DNS:client")
        complaints, err, said = s.told(s.fleet.url)
        expect(complaints, err == str(EHOSTDOWN), f"without one: {err} {said}")
        own = {"cert": s.server.folder / "client.pem", "key": s.server.folder / "client.key"}
        _, err, said = s.told(s.url(cafile=s.authority.path, **own))
        expect(complaints, err == "0", f"with one: {err} {said}")
        locked = s.server.folder / "locked.key"
        s.authority.openssl("pkcs8", "-topk8", "-in", own["key"], "-out", locked, "-passout", "pass:secret")
        _, err, said = s.told(s.url(cafile=s.authority.path, cert=own["cert"], key=locked))
        expect(complaints, err is None and "key: bad decrypt" in said, f"a key that is locked: {err} {said}")
        return complaints


@case
def cable_of_the_leader_is_cut(worker, seed):
    """Hosts are network name spaces; a link that goes down says nothing."""
    if os.geteuid() != 0 or shutil.which("ip") is None or not Cable.can_be_laid():
        return NOT_HERE
    with Cable(f"weft{os.getpid() % 10000}{seed % 10}") as cable, Scene(worker, seed, sleep_ms=5000) as s:
        s.server.close()
        s.server = Server(host=cable.here)
        s.fleet.url = s.server.url
        leader = s.fleet.start(prefix=["ip", "netns", "exec", cable.name])
        s.fleet.wait_for("start", leader)
        s.waiters(2, sleep_ms=300)
        s.settled(2)
        cable.cut()
        lost = s.fleet.wait_for("lost", leader)
        second = s.fleet.wait_for("start", count=2)
        cable.mend()
        complaints = s.finish(most_runs=2, lapses=[(0, lost.at + 20_000_000)])
        took = (second.at - lost.at) / 1e6
        expect(complaints, 0 < took < LEASE + GRACE + POLL + SLACK, f"I6: taken over {took:.0f} ms after the lease")
        return complaints


class Cable:
    """A name space that is joined to this one by a pair of devices."""

    def __init__(self, name):
        self.name, self.device = name, f"{name[:12]}a"
        octet = 10 + hash(name) % 200
        self.here, self.there = f"10.{octet}.77.1", f"10.{octet}.77.2"

    def ip(self, *words, check=True):
        return subprocess.run(["ip", *words], check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @classmethod
    def can_be_laid(cls):
        """Some containers let nobody into a name space, though they let them make one."""
        probe = cls(f"weftp{os.getpid() % 10000}")
        probe.ip("netns", "add", probe.name, check=False)
        entered = probe.ip("netns", "exec", probe.name, "true", check=False)
        probe.ip("netns", "del", probe.name, check=False)
        return entered.returncode == 0

    def __enter__(self):
        self.ip("netns", "add", self.name)
        self.ip("link", "add", self.device, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self.ip("addr", "add", f"{self.here}/24", "dev", self.device)
        self.ip("link", "set", self.device, "up")
        self.ip("netns", "exec", self.name, "ip", "addr", "add", f"{self.there}/24", "dev", "eth0")
        self.ip("netns", "exec", self.name, "ip", "link", "set", "eth0", "up")
        return self

    def cut(self):
        self.ip("link", "set", self.device, "down")

    def mend(self):
        self.ip("link", "set", self.device, "up")

    def __exit__(self, *_):
        self.ip("netns", "del", self.name, check=False)
        self.ip("link", "del", self.device, check=False)


# ---- all at once ----


def walk(worker, seed, seconds):
    """Processes come and go, the server and the way to it break; the invariants that hold in all faults."""
    settings = {"tasks": 4, "calls": 10**6, "keys": 6, "sleep_ms": 60, "pause_ms": 30, "fail_pct": 5, "cancel_pct": 5,
                "wait_ms": 8000}
    with Scene(worker, seed, **settings) as s:
        proxy = s.proxy()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            alive = [n for n in s.fleet.processes if n not in s.fleet.killed]
            if len(alive) < 4:
                s.fleet.start(url=s.random.choice([proxy.url, s.server.url]))
                continue
            time.sleep(s.random.uniform(0.05, 0.6))
            s.random.choice([lambda: s.fleet.kill(s.random.choice(alive)), lambda: blink(s, alive), proxy.cut,
                             lambda: hiccup(s), lambda: s.server.command("CLIENT", "KILL", "TYPE", "pubsub")])()
        for name in s.fleet.processes:
            if name not in s.fleet.killed:
                s.fleet.kill(name)
        # Leases lapse only through freezes here, which are shorter than one.
        return s.finish(quiet=False, lapses=[])


def blink(s, alive):
    name = s.random.choice(alive)
    s.fleet.freeze(name)
    time.sleep(LEASE / 4000)
    s.fleet.thaw(name)


def hiccup(s):
    s.server.freeze()
    time.sleep(s.random.uniform(0.1, 1.0))
    s.server.thaw()


@case
def everything_breaks_at_random(worker, seed):
    return walk(worker, seed, 120 if LONG else 6)


def attempt(worker, name, seed):
    try:
        return cases[name](worker, seed)
    except Exception:
        return [traceback.format_exc()]


def run_case(worker, name, seed, times):
    """Complaints of the first time that has some; or why it is skipped."""
    for i in range(times):
        result = attempt(worker, name, seed + i)
        complaints = result[0] if isinstance(result, tuple) else result
        if isinstance(complaints, str):
            return complaints
        if complaints:
            return [f"seed {seed + i}"] + list(complaints)[:8]
    return []


def main():
    tally = Tally()
    global other_clock
    worker, other_clock = map(os.path.abspath, sys.argv[1:3])
    chosen = sys.argv[3:] or fnmatch.filter(cases, os.environ.get("WEFT_TEST_CASE", "*"))
    seed = int(os.environ.get("WEFT_TEST_SEED", time.time_ns() % 10**6))
    print(f"# seed {seed}")
    if PROGRAM is None:
        for name in chosen:
            tally.skip(name, "no redis-server")
        return tally.finish()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        times = 5 if LONG else 1
        started = {name: pool.submit(run_case, worker, name, seed, 1 if name.startswith("everything") else times)
                   for name in reversed(chosen)}
        for name in chosen:
            complaints = started[name].result()
            if isinstance(complaints, str):
                tally.skip(name, complaints)
            else:
                tally.check(name, complaints)
    for kind, values in takeovers.items():
        print("\n".join(checker.histogram(f"takeovers noticed by {kind}", values)))
    print("\n".join(checker.histogram("wake-ups", lags)))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
