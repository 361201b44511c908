#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts in a real server against a model of them, step by step, in random order.

    test_redis_scripts.py            a few thousand steps; WEFT_TEST_LONG=1: 500,000
    WEFT_TEST_SEED=n, WEFT_TEST_STEPS=n, WEFT_TEST_SEEDS=n: so many walks

Time is the test's: the one line of the scripts that asks the server for it is replaced. What
expires or gets lost is deleted, or put back as it was earlier, by the test. After each step the
reply, the whole state and what was published have to be the model's; what has to hold whatever the
order (epochs grow, results are not overwritten by older ones, a living owner is left alone) is
checked on the replies alone.
"""

import os
import pathlib
import random
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "src/fleet/redis")]

import embed
from redis_server import PROGRAM, Client, RedisError, Server, encode
from tally import Tally

ASK = "local time = redis.call('TIME')"
FAKE = "local time = {ARGV[#ARGV - 1], ARGV[#ARGV]}"
KEYS = ["w:{00ff}:M", "w:{00ff}:R", "w:{00ff}:W", "w:{00ff}:T"]
HEAD = 107
FOREVER = 999999999999999
MINUTE = 60_000
LEASE, GRACE = 3 * MINUTE, MINUTE  # far from what passes really while the test runs
MRETS = [0, 500 * MINUTE, 2000 * MINUTE]
TURN = 250
BATCH = 100
PROCESSES = 3
GATE = "ab" * 16
LOSS = object()


class Model:
    """One key. Names of fields as in common.lua; every method is one script and returns its reply."""

    def __init__(self, alive):
        self.m, self.m_ttl, self.r, self.r_ttl, self.w, self.sent = {}, None, None, None, {}, 0
        self.alive, self.published = alive, [[] for _ in range(PROCESSES)]
        self.now_us = 1_790_000_000_000_000

    @property
    def now(self):
        return self.now_us // 1000

    def epoch(self):
        return int(self.m.get("e", 0))

    def result_epoch(self):
        return self.r["epoch"] if self.r else 0

    def result_bytes(self):
        r = self.r
        numbers = f"{r['deaths']:05d} {r['now']:015d} {r['took']:015d} {r['fresh']:015d} {r['stale']:015d}"
        return f"1 {r['epoch']:020d} {r['ending']} {r['err']:011d} {numbers}\n".encode() + r["payload"]

    def put(self, **fields):
        self.m.update({name: str(value) for name, value in fields.items()})

    def keep(self, mret):
        for_ever = not mret or self.r and self.r_ttl is None
        self.m_ttl = None if for_ever else max(mret, self.r_ttl or 0, self.m_ttl or 0)

    def drop(self, *names):
        for name in names:
            self.m.pop(name, None)

    def wake(self, message):
        for member in self.w:
            if self.lives(member):
                self.published[process_of(member)].append(message)
        self.w = {}

    def lives(self, member):
        return self.alive[process_of(member)]

    def one_will_lead(self):
        told = any(0 < int(self.m.get(field, 0)) - self.now <= TURN for field in ("aw", "nu"))
        return told or any(self.lives(member) and not member.endswith(" p") for member in self.w)

    def offer(self):
        if self.one_will_lead():
            self.m["aw"] = str(self.now + TURN)
        waited = len(self.w)
        self.wake(b"A 00ff")
        return waited

    def hand_over(self):
        waited = len(self.w)
        self.drop("nx", "nu")
        for member in sorted(self.w, key=lambda i: (self.w[i], i)):
            if member.endswith(" p"):
                continue
            del self.w[member]
            if self.lives(member):
                self.published[process_of(member)].append(b"A 00ff")
                self.m.update(nx=member, nu=str(self.now + TURN))
                break
        return waited

    def answer(self, verdict, epoch, first, second, result, a):
        reply = [verdict, epoch, first, second, self.now]
        if result:
            reply += [result if len(result) <= a["big"] else result[:HEAD], len(result)]
        return reply

    def sign(self, a, epoch, attempt, at, deaths):
        self.put(e=epoch, o=attempt, s="run", n=deaths, at=at, fp=a["fp"], k=a["key"], ks=4, am=a["once"], who=a["who"])

    def sign_again(self, a, epoch, attempt, deaths):
        self.sign(a, epoch, attempt, min(epoch // 1000, self.now), deaths)

    def waits(self, a, epoch, left, kept):
        if self.other(a):
            return [b"OTHER"]
        if kept:
            return self.answer(b"HIT", self.result_epoch(), 0, 0, kept, a)
        self.w.setdefault(a["member"], self.now)
        runs = self.m.get("s") == "run"
        who, inbox = (self.m.get(name, "") if runs else "" for name in ("who", "ib"))
        return [b"WAIT", epoch, left, who.encode(), inbox.encode()]

    def other(self, a):
        return bool(a["fp"]) and self.m.get("fp", "") not in ("", a["fp"])

    def usable(self, a):
        """hit, meanwhile or nothing."""
        r = self.r
        if not r:
            return None
        if a["known"]:
            return "hit" if r["epoch"] >= a["known"] else None
        if r["ending"] == 3:
            return "hit" if a["mode"] in "kpq" and self.now < r["fresh"] else None
        if r["ending"] != 0:
            return None
        fresh, good = self.now < r["fresh"], self.now < r["stale"]
        young = a["max_age"] and (a["max_age"] < 0 or self.now - r["now"] <= a["max_age"])
        if self.other(a) and good or {"k": fresh, "p": fresh or good, "q": fresh or good, "c": young}.get(a["mode"]):
            return "hit"
        return "meanwhile" if a["mode"] in "kr" and (fresh or good) else None

    def join(self, a):
        m, known = self.m, a["known"]
        if m.get("k", a["key"]) != a["key"]:
            return [b"CLASH"]
        use = self.usable(a)
        if use == "hit":
            if self.other(a):
                return [b"OTHER"]
            return self.answer(b"HIT", self.result_epoch(), 0, 0, self.result_bytes(), a)
        kept = self.result_bytes() if use and not self.other(a) else None
        if self.epoch() < known:
            other = self.other(a)
            self.sign_again(a, known, "?", int(m.get("n", 0)))
            self.put(l=LEASE, oa=self.now)
            self.keep(a["mret"])
            self.drop("u", "ib", "who")
            if other:
                return [b"OTHER"]
            return self.waits(a, known, LEASE, None)
        if a["attempt"] in m.get("f", "").split():
            return [b"OVER"]
        if m.get("o") == a["attempt"]:
            if m["s"] != "run":
                return [b"OVER"]
            self.put(u=self.now + LEASE, l=LEASE, ib=a["hint"])
            self.drop("oa")
            self.keep(a["mret"])
            return self.answer(b"LEAD", self.epoch(), int(m.get("n", 0)), 0, kept, a)
        if m.get("s") == "run":
            verdict = self.look_at_owner(a, kept)
            if verdict:
                return verdict
        if m.get("s") == "run" and m.get("am") == "1":
            m["s"], self.m_ttl = "lost", None
        if m.get("s") == "lost":
            self.wake(b"A 00ff")
            return [b"LOST"]
        if a["mode"] in "pq":
            if self.one_will_lead() and a["mode"] == "p":
                self.w.setdefault(a["member"], self.now)
                return [b"SOON", self.epoch()]
            self.w.pop(a["member"], None)
            return [b"DEAD" if m.get("s") == "run" and known else b"NONE"]
        turn = int(m.get("nu", 0)) - self.now
        if a["mode"] == "g" and m.get("s") == "idle" and m.get("nx", a["member"]) != a["member"] and 0 < turn <= TURN:
            return self.waits(a, self.epoch(), turn, kept)
        return self.lead(a, kept)

    def look_at_owner(self, a, kept):
        m = self.m
        until = int(m.get("u", 0))
        if until - self.now > 2 * int(m["l"]):
            until = self.now + int(m["l"])
            m["u"] = str(until)
        inbox = m.get("ib", "")
        seen = a["alive"] != "" and a["alive"] == m.get("who")
        manned = seen or inbox != "" and self.alive[int(inbox[-1])]
        ended = a["gone"] and a["gone"] == m.get("who") and until > self.now and not manned
        if until > self.now and not ended and (inbox == "" or manned):
            self.drop("oa")
            return self.waits(a, self.epoch(), until - self.now, kept)
        if int(m.get("oa", self.now + 1)) > self.now:
            m["oa"] = str(self.now)
        grace = 0 if ended else a["quick"] if until > self.now else GRACE
        end = int(m["oa"]) + (int(m["l"]) if m["o"] == "?" else grace)
        return self.waits(a, self.epoch(), end - self.now, kept) if end > self.now else None

    def lead(self, a, kept):
        state, deaths = self.m.get("s", "done"), int(self.m.get("n", 0))
        deaths = {"run": deaths + 1, "idle": deaths}.get(state, 0)
        if 0 < a["max_deaths"] <= deaths:
            self.wake(b"A 00ff")
            return [b"LOOP"]
        e = max(self.epoch() + 1, self.result_epoch() + 1, a["known"] + 1, self.now_us)
        self.sign(a, e, a["attempt"], self.now, deaths)
        self.put(u=self.now + LEASE, l=LEASE, ib=a["hint"])
        self.keep(a["mret"])
        self.drop("oa", "nx", "nu", "aw")
        self.w.pop(a["member"], None)
        return self.answer(b"LEAD", e, deaths, int(state == "run"), kept, a)

    def lost_record_of(self, a):
        return a["reclaim"] and self.epoch() < a["epoch"]

    def reclaimable(self, a):
        placeholder = self.m.get("s") == "run" and self.m["o"] == "?" and self.epoch() <= a["epoch"]
        return placeholder or self.lost_record_of(a)

    def owns(self, a):
        return self.m.get("o") == a["attempt"] and self.m["s"] in ("run", "lost")

    def may_renew(self, a):
        has_run = self.m.get("s") == "lost" and self.result_epoch() >= self.epoch()
        return self.owns(a) and not has_run

    def renew(self, a):
        if a["attempt"] in self.m.get("f", "").split():
            return [-1, 0]
        if self.may_renew(a):
            code = 1
        elif self.m.get("o") != a["attempt"] and self.reclaimable(a) and self.result_epoch() < a["epoch"]:
            code = 2
            self.sign_again(a, a["epoch"], a["attempt"], a["deaths"])
        else:
            return [0, 0]
        self.put(s="run", u=self.now + LEASE, l=LEASE, ib=a["hint"])
        self.keep(a["mret"])
        self.drop("oa")
        self.w = {member: since for member, since in self.w.items() if self.lives(member)}
        return [code, len(self.w), int(self.m.get("x") == a["attempt"])]

    def complete(self, a):
        if a["attempt"] in self.m.get("f", "").split():
            return -1
        if self.m.get("o") == a["attempt"] and self.m["s"] == "done":
            return 1
        own = self.m.get("o") == a["attempt"]
        if own:
            a = {**a, "epoch": max(a["epoch"], self.epoch())}
        if not (self.owns(a) if own else self.reclaimable(a)) or self.result_epoch() > a["epoch"]:
            return 0
        if a["bytes"] and self.sent != a["bytes"]:
            return -2
        ends = [FOREVER if a[name] < 0 else self.now + a[name] for name in ("fresh", "stale")]
        payload = b"x" * a["bytes"] or a["payload"]
        self.r = {"epoch": a["epoch"], "ending": a["ending"], "err": a["err"], "deaths": a["deaths"], "now": self.now,
                  "took": a["took"], "fresh": ends[0], "stale": ends[1], "payload": payload}
        times = [a["fresh"], a["stale"], a["linger"]]
        self.r_ttl = None if min(times) < 0 else max(*times, 1)
        lost = a["ending"] == 3 and a["once"] == 1
        if not own:
            self.sign_again(a, a["epoch"], a["attempt"], a["deaths"])
        self.put(e=a["epoch"], s="lost" if lost else "done", n=0)
        self.keep(0 if lost else a["mret"])
        self.drop("oa")
        small = not a["bytes"] and len(payload) <= a["inline"]
        self.wake(b"R 00ff " + self.result_bytes() if small else b"G 00ff")
        self.sent = 0 if a["bytes"] or a["ending"] == 3 else self.sent
        return 1

    def abort(self, a):
        state, left = self.m.get("s"), a["left"]
        owned = self.m.get("o") == a["attempt"] and state == "run"
        invited = a["gate"] and left != "" and state == "idle" and self.m.get("nx") == left
        if left:
            self.w.pop(left, None)
        if not owned and not invited:
            return [0, 0]
        self.put(s="idle")
        self.keep(a["mret"])
        self.drop("oa")
        return [1, self.hand_over() if a["gate"] else self.offer()]

    def forget(self, a):
        had = int(self.r is not None)
        self.r = self.r_ttl = None
        if self.m.get("s") == "run" and self.m["o"] != "?":
            self.m["f"], had = f"{self.m['o']} {self.m.get('f', '')}"[:16 * 33], 1
        self.put(e=max(self.epoch() + 1, self.now_us), o="", s="idle", n=0)
        self.keep(max(a["mret"], 20 * int(self.m.get("l", 0))))
        self.drop("oa", "u", "fp", "am", "nx", "nu")
        self.offer()
        return had

    def cancel(self, a):
        if self.m.get("s") != "run" or self.m["o"] == "?" or a["which"] not in (0, self.epoch()):
            return 0
        self.m["x"] = self.m["o"]
        return 1


SIGNED = "attempt fp key key_size once who "
ARGUMENTS = {
    "join": SIGNED + "member hint mode lease grace mret known max_deaths max_age big quick gone alive",
    "renew": SIGNED + "hint epoch deaths lease mret reclaim",
    "complete": SIGNED + "payload bytes epoch deaths ending err took fresh stale linger mret reclaim inline",
    "abort": "attempt mret gate left",
    "forget": "mret",
    "cancel": "which",
}


def channel(process):
    return f"w:ib:{process}"


def process_of(member):
    return int(member.split()[0][-1])


def sent_form(value):
    return int(value) if isinstance(value, bool) else value


class Walk:
    """Chooses steps, has the model predict them, and keeps what a real program would know."""

    def __init__(self, seed, server):
        self.random, self.server = random.Random(seed), server
        self.alive = [True] * PROCESSES
        self.model = Model(self.alive)
        self.attempts = []  # (attempt, epoch) that were led, the newest last
        self.last_granted = 0
        self.saved = None
        self.shas = {}
        self.client = server.client()
        self.inboxes = [server.client() for _ in range(PROCESSES)]
        for process, inbox in enumerate(self.inboxes):
            inbox.command("SUBSCRIBE", channel(process))
        for name in ARGUMENTS:
            text = embed.assemble(name)
            assert text.count(ASK) == 1
            self.shas[name] = self.client.command("SCRIPT", "LOAD", text.replace(ASK, FAKE)).decode()

    def arguments(self, script):
        pick, rng = self.random.choice, self.random
        recent = self.attempts[-4:] or [("none", 1)]
        attempt, epoch = pick(recent)
        if script == "join" and rng.random() < 0.9:
            attempt = f"{rng.getrandbits(128):032x}"
        process = rng.randrange(PROCESSES)
        known = pick([0, 0, 0, epoch, epoch])
        invites = "nx" in self.model.m and self.model.m["s"] == "idle"
        mode = pick("ccgggggg" if invites else "cckkkkrppqg")
        members = [channel(process) + tail for tail in ("", f" {GATE}", " p", " p")]
        return {
            "attempt": attempt, "member": members["gpq".find(mode) + 1], "mode": mode,
            "hint": channel(process) if rng.random() < 0.7 else "",
            "fp": pick(["", "", "", "a", "b"]) if rng.random() < 0.2 else "",
            "key_size": 4, "quick": pick([GRACE, GRACE // 5]),
            "key": "user" if script != "join" or rng.random() < 0.98 else "other", "who": f"who{process}",
            "lease": LEASE, "grace": GRACE,
            "mret": pick(MRETS), "known": known if script != "join" or attempt != epoch else 0,
            "max_deaths": pick([0, 0, 0, 2]), "once": int(rng.random() < 0.1), "epoch": epoch,
            "max_age": pick([0, MINUTE, 10 * MINUTE, -1]), "big": pick([120, 1000]), "bytes": pick([0, 0, 5, 6]),
            "reclaim": rng.random() < 0.8, "ending": pick([0, 0, 0, 1, 3]), "deaths": rng.randrange(9),
            "payload": bytes(rng.getrandbits(8) for _ in range(pick([0, 3, 20]))), "err": pick([0, -5, 7, -2147483648]),
            "gate": rng.randrange(2), "left": pick(["", "", *members]), "gone": pick(["", "",
            "", f"who{rng.randrange(PROCESSES)}"]),
            "alive": pick(["", "", f"who{rng.randrange(PROCESSES)}"]), "which": pick([0, epoch, self.model.epoch()]),
            "took": rng.randrange(10**6), "fresh": pick([0, 0, -1, MINUTE, 30 * MINUTE]),
            "stale": pick([0, 40 * MINUTE, -1]), "linger": 1000 * MINUTE, "inline": pick([0, 10]),
        }

    def choose(self):
        """One step: (commands to send, the reply of the first, a note)."""
        kind = self.random.choices(
            ["join", "renew", "complete", "abort", "forget", "cancel",
             "pass", "send", "lose", "save", "restore", "die", "rise"],
            [40, 20, 12, 4, 2, 2, 22, 6, 2, 1, 1, 2, 4])[0]
        if kind in ARGUMENTS:
            return self.run_script(kind)
        return getattr(self, "step_" + kind)()

    def run_script(self, script):
        a = self.arguments(script)
        before_owner, before_result = dict(self.model.m), self.model.result_epoch()
        alive = self.owner_lives()
        reply = getattr(self.model, script)(a)
        words = [sent_form(a[name]) for name in ARGUMENTS[script].split()]
        clock = [self.model.now_us // 1_000_000, self.model.now_us % 1_000_000]
        if script == "join" and reply[0] == b"LEAD":
            self.attempts.append((a["attempt"], reply[1]))
        promise = (script, a, before_owner, before_result, alive)
        return [["EVALSHA", self.shas[script], 4, *KEYS, *words, *clock]], reply, promise

    def owner_lives(self):
        m = self.model.m
        return (m.get("s") == "run" and int(m.get("u", 0)) > self.model.now
                and (m["ib"] == "" or self.alive[int(m["ib"][-1])]))

    def step_pass(self):
        most = self.random.choice([1, TURN, GRACE, LEASE, 5 * LEASE])
        self.model.now_us += self.random.randrange(1, most * 1000)
        if self.random.random() < 0.05:
            self.model.now_us -= self.random.randrange(60 * MINUTE * 1000)
        return [["PING"]], b"PONG", None

    def step_send(self):
        """A result too big for one command comes in pieces, or a piece of it is lost."""
        size, whole = self.random.choice([5, 6]), self.random.random() < 0.8
        self.model.sent = size if whole else 0
        mark = b"-" * HEAD if whole else b"-" * (HEAD - 1) + bytes(1)
        return [["SET", KEYS[3], mark + b"x" * size]], b"OK", None

    def step_lose(self):
        which = self.random.choice(["m", "r", "all"])
        gone = {"m": [KEYS[0]], "r": [KEYS[1]], "all": KEYS}[which]
        if which != "r":
            self.model.m, self.model.m_ttl = {}, None
        if which != "m":
            self.model.r = self.model.r_ttl = None
        if which == "all":
            self.model.w, self.model.sent = {}, 0
        return [["UNLINK", *gone]], None, LOSS

    def step_save(self):
        self.saved = (dict(self.model.m), dict(self.model.r) if self.model.r else None)
        return [["PING"]], b"PONG", None

    def step_restore(self):
        """The server is back with what it had on its disk."""
        if not self.saved or not self.saved[0]:
            return self.step_save()
        m, r = self.saved
        self.model.m, self.model.r, self.model.w = dict(m), dict(r) if r else None, {}
        self.model.sent = 0
        self.model.m_ttl = self.model.r_ttl = None
        commands = [["UNLINK", *KEYS], ["HSET", KEYS[0], *[word for pair in m.items() for word in pair]]]
        if r:
            commands.append(["SET", KEYS[1], self.model.result_bytes()])
        return commands, None, LOSS

    def step_die(self):
        return self.subscription(self.random.randrange(PROCESSES), False)

    def step_rise(self):
        dead = [process for process in range(PROCESSES) if not self.alive[process]]
        return self.subscription(dead[0], True) if dead else self.step_pass()

    def subscription(self, process, alive):
        self.alive[process] = alive
        return [("inbox", process, "SUBSCRIBE" if alive else "UNSUBSCRIBE")], None, None

    # What follows compares.

    def look(self):
        return [["HGETALL", KEYS[0]], ["PTTL", KEYS[0]], ["GET", KEYS[1]], ["PTTL", KEYS[1]],
                ["ZRANGE", KEYS[2], 0, -1, "WITHSCORES"]]

    def expected_state(self):
        model = self.model
        return dict(model.m), model.m_ttl, model.result_bytes() if model.r else None, model.r_ttl, dict(model.w)

    def compare_state(self, replies, expected):
        m, m_ttl, r, r_ttl, w = expected
        got = {k.decode(): v.decode() for k, v in zip(replies[0][::2], replies[0][1::2])}
        yield from [] if got == m else [f"M is {got}, expected {m}"]
        yield from [] if replies[2] == r else [f"R is {replies[2]}, expected {r}"]
        members = {x.decode(): int(since) for x, since in zip(replies[4][::2], replies[4][1::2])}
        yield from [] if members == w else [f"W is {members}, expected {w}"]
        for name, ttl, wanted, there in [("M", replies[1], m_ttl, m), ("R", replies[3], r_ttl, r)]:
            if there and not (ttl == -1 if wanted is None else wanted - 5 * MINUTE < ttl <= wanted):
                yield f"{name} expires in {ttl} ms, expected {wanted}"

    def check_promise(self, promise, reply):
        """What must hold whatever the model thinks."""
        if promise is LOSS:
            self.last_granted = 0
            return
        script, a, owner, result_epoch, alive = promise
        if script == "join" and reply[0] == b"LEAD" and owner.get("o") != a["attempt"]:
            if reply[1] <= self.last_granted:
                yield f"epoch {reply[1]} was granted after {self.last_granted}"
            if alive and a["known"] <= int(owner["e"]) and a["gone"] != owner["who"]:
                yield f"a living owner {owner} was replaced"
            self.last_granted = reply[1]
        if script == "complete" and reply == 1:
            if owner.get("o") == a["attempt"]:
                return
            if a["epoch"] < result_epoch:
                yield f"the result of {a['epoch']} replaced that of {result_epoch}"
            if owner.get("e") and int(owner["e"]) > a["epoch"]:
                yield f"{a['epoch']} completed under {owner}"
        if script == "join" and reply[0] == b"HIT" and reply[1] < a["known"]:
            yield f"{reply[1]} was given to one who waits for {a['known']}"

    def batch(self, count):
        """Run count steps; at most one change of a subscription, which ends the batch. Complaints."""
        out, steps = b"", []
        for _ in range(count):
            commands, reply, promise = self.choose()
            if isinstance(commands[0], tuple):
                break
            commands += self.look()
            out += b"".join(encode(*c) for c in commands)
            steps.append((commands, reply, promise, self.expected_state()))
        else:
            commands = None
        self.client.socket.sendall(out)
        for sent, reply, promise, state in steps:
            got = [self.client.receive() for _ in sent]
            yield from self.judge(sent, got, reply, promise, state)
        yield from self.compare_published()
        if commands:
            _, process, verb = commands[0]
            self.inboxes[process].send(verb, channel(process))
            self.inboxes[process].receive()

    def judge(self, sent, got, reply, promise, state):
        complaints = []
        if isinstance(got[0], RedisError) or reply is not None and got[0] != reply:
            complaints.append(f"replied {got[0]}, expected {reply}")
        if not complaints and promise:
            complaints += self.check_promise(promise, got[0])
        complaints += self.compare_state(got[-5:], state)
        return [f"{text}\n  after {sent[0]}" for text in complaints]

    def compare_published(self):
        for process, wanted in enumerate(self.model.published):
            got = []
            for _ in wanted:
                got.append(self.inboxes[process].receive()[2])
            if got != wanted:
                yield f"inbox {process} was sent {got}, expected {wanted}"
            wanted.clear()


def walk(seed, steps):
    with Server() as server:
        walker = Walk(seed, server)
        for done in range(0, steps, BATCH):
            complaints = list(walker.batch(BATCH))
            if complaints:
                return [f"seed {seed}, step {done} to {done + BATCH}:"] + complaints[:5]
    return []


class Scripts:
    """By the server's clock."""

    def __init__(self, server):
        self.server, self.inboxes = server, []
        for process in range(PROCESSES):
            self.inboxes.append(server.client())
            self.inboxes[-1].command("SUBSCRIBE", channel(process))

    def signed(self, attempt, once=False):
        return [attempt, "", "user", 4, int(once), "who"]

    def join(self, attempt, process, mode, known=0, mret=0):
        inbox = channel(process)
        member = f"{inbox} {GATE if mode == 'g' else 'p'}"
        return self.run("join", *self.signed(attempt), member, inbox, mode, LEASE, GRACE, mret, known, 0, 0, 1000,
                        GRACE, "", "")

    def renew(self, attempt, epoch):
        return self.run("renew", *self.signed(attempt), "", epoch, 0, LEASE, 0, 0)

    def complete(self, attempt, epoch, once=False, ending=0):
        words = "result", 0, epoch, 0, ending, 0, 0, -1, -1, -1, 0, 0, 100
        return self.run("complete", *self.signed(attempt, once), *words)

    def abort(self, attempt):
        return self.run("abort", attempt, 0, 1, "")

    def run(self, script, *words):
        return self.server.command("EVAL", embed.assemble(script), 4, *KEYS, *words)


def gate_goes_to_who_would_have_it():
    with Server() as server:
        scripts = Scripts(server)
        epoch = scripts.join("first", 0, "g")[1]
        verdicts = [scripts.join("looks", 1, "p")[0]]
        time.sleep(0.005)  # of W
        verdicts.append(scripts.join("next", 2, "g")[0])
        scripts.abort("first")
        invited = server.command("HGET", KEYS[0], "nx").decode()
        verdicts.append(scripts.join("next", 2, "g", epoch)[0])
        wanted = [b"WAIT", b"WAIT", b"LEAD"], f"{channel(2)} {GATE}"
        return [] if (verdicts, invited) == wanted else [f"{verdicts}, and it was the turn of {invited}"]


def who_only_looks_waits_for_who_was_told_to_come():
    with Server() as server:
        scripts = Scripts(server)
        epoch = scripts.join("first", 0, "g")[1]
        scripts.join("next", 2, "g")
        scripts.join("looks", 1, "p")
        scripts.abort("first")
        verdicts = [scripts.join("looks", 1, mode, epoch)[0] for mode in "pq"]
        time.sleep(2 * TURN / 1000)
        verdicts.append(scripts.join("looks", 1, "p", epoch)[0])
        return [] if verdicts == [b"SOON", b"NONE", b"NONE"] else [str(verdicts)]


def runs_are_forgotten_one_after_another():
    """Each owner goes on, and is told so when it renews."""
    with Server() as server:
        scripts = Scripts(server)
        attempts = [f"{i:032x}" for i in range(1, 18)]
        epochs = []
        for attempt in attempts:
            epochs.append(scripts.join(attempt, 0, "c")[1])
            scripts.run("forget", 0)
        told = [scripts.renew(attempt, epoch)[0] for attempt, epoch in zip(attempts, epochs)]
        return [] if told == [0] + 16 * [-1] else [f"they were told {told}"]


def record_stays_while_a_forgotten_owner_may_take_it_back():
    """Whatever the one who comes next asks for. Gone, it would be taken for lost."""
    with Server() as server:
        scripts, times = Scripts(server), []
        for mret in 0, 30 * LEASE:
            scripts.join(f"owner {mret}", 0, "c", mret=mret)
            scripts.run("forget", 10 * MINUTE)
            times.append(server.command("PTTL", KEYS[0]) / LEASE)
            scripts.join(f"next {mret}", 0, "c", mret=10 * MINUTE)
            times.append(server.command("PTTL", KEYS[0]) / LEASE)
            scripts.run("forget", 10 * MINUTE)
        good = all(wanted - 1 < got <= wanted for wanted, got in zip([20, 20, 30, 30], times))
        return [] if good else [f"it stays for {times} leases"]


def attempt_that_was_forgotten_leads_no_more():
    """Its asker, whom the first reply did not reach, asks with another one; a join that comes late undoes nothing."""
    with Server() as server:
        scripts = Scripts(server)
        verdicts = [scripts.join("first", 0, "c")[0]]
        scripts.run("forget", 0)
        verdicts.append(scripts.join("first", 0, "c")[0])
        verdict, epoch = scripts.join("other", 0, "c")[:2]
        told = scripts.renew("other", epoch)[0]
        verdicts.append(scripts.join("first", 0, "c")[0])
        wanted = [b"LEAD", b"OVER", b"OVER"], b"LEAD", 1
        return [] if (verdicts, verdict, told) == wanted else [f"{verdicts}, then {verdict}, renewed: {told}"]


def who_is_told_of_nothing_waits_no_more():
    with Server() as server:
        scripts = Scripts(server)
        epoch = scripts.join("first", 0, "g")[1]
        verdicts = [scripts.join("looks", 1, "p")[0]]
        scripts.abort("first")
        verdicts.append(scripts.join("looks", 1, "p", epoch)[0])
        left = server.command("ZCARD", KEYS[2])
        return [] if (verdicts, left) == ([b"WAIT", b"NONE"], 0) else [f"{verdicts}, and {left} wait"]


def late_renewal_does_not_revive_what_has_run():
    """… once, and found no room for its result."""
    with Server() as server:
        scripts = Scripts(server)
        epoch = scripts.join("owner", 0, "c")[1]
        told = [scripts.complete("owner", epoch, once=True, ending=3), scripts.renew("owner", epoch)[0]]
        verdict = scripts.join("next", 1, "c")[0]
        return [] if (told, verdict) == ([1, 0], b"LOST") else [f"{told}, then {verdict}"]


def who_cannot_be_told_undoes_nothing():
    """The user has no channels: all that is to be said is replied."""
    with Server() as server:
        scripts = Scripts(server)
        epoch = scripts.join("owner", 0, "c")[1]
        verdicts = [scripts.join("waits", 1, "c")[0]]
        server.command("ACL", "SETUSER", "default", "resetchannels")
        try:
            told = scripts.complete("owner", epoch)
        except RedisError as error:
            told = error
        left = server.command("ZCARD", KEYS[2])
        verdicts.append(scripts.join("waits", 1, "c", epoch)[0])
        wanted = [b"WAIT", b"HIT"], 1, 0
        return [] if (verdicts, told, left) == wanted else [f"{verdicts}, the owner was told {told}, and {left} wait"]


def main():
    tally = Tally()
    single = [gate_goes_to_who_would_have_it, who_only_looks_waits_for_who_was_told_to_come,
              runs_are_forgotten_one_after_another, record_stays_while_a_forgotten_owner_may_take_it_back,
              attempt_that_was_forgotten_leads_no_more, who_is_told_of_nothing_waits_no_more,
              late_renewal_does_not_revive_what_has_run, who_cannot_be_told_undoes_nothing]
    if PROGRAM is None:
        for name in ["scripts_do_what_their_model_does", *[case.__name__ for case in single]]:
            tally.skip(name, "no redis-server")
        return tally.finish()
    for case in single:
        tally.check(case.__name__, case())
    seed = int(os.environ.get("WEFT_TEST_SEED", time.time_ns() % 10**9))
    steps = int(os.environ.get("WEFT_TEST_STEPS", 500_000 if os.environ.get("WEFT_TEST_LONG") else 4_000))
    seeds = int(os.environ.get("WEFT_TEST_SEEDS", 1))
    print(f"# seed {seed}, {steps} steps")
    complaints = next(filter(None, (walk(seed + i, steps) for i in range(seeds))), [])
    tally.check("scripts_do_what_their_model_does", complaints)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
