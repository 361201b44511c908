# SPDX-License-Identifier: MIT
"""What must be true of the events that the processes of a fleet wrote down.

The log alone decides: no process checks anything itself. One host, so its monotonic clock orders
all lines. A lapse is a stretch of time in which an owner may have been replaced through a fault that
the driver wrote down too.
"""

from collections import defaultdict
from dataclasses import dataclass, field

MILLISECOND = 1_000_000
PATIENCE = 10_000 * MILLISECOND  # so long before a run one who is given it may have asked
GROUP_SLACK = 100 * MILLISECOND  # from a child's last line to its end being seen
FORGET_SLACK = 1_000 * MILLISECOND  # from a run being granted to its first line, when the machine is busy


@dataclass
class Event:
    at: int
    process: str
    pid: int
    call: int
    key: str
    what: str
    values: dict

    def __getitem__(self, name):
        return self.values[name]

    def number(self, name):
        return int(self.values[name])


def parse(text):
    events = []
    for line in text.split("\n")[:-1]:
        at, process, pid, call, key, what, *values = line.split()
        events.append(Event(int(at), process, int(pid), int(call), key, what,
                            dict(value.split("=", 1) for value in values)))
    return sorted(events, key=lambda e: e.at)


@dataclass
class Run:
    process: str
    key: str
    epoch: int
    start: int
    end: int = None
    took_over: int = 0
    sum: str = ""
    err: int = 0
    died: bool = False


@dataclass
class Story:
    """The events, put together."""

    events: list
    runs: list = field(default_factory=list)
    calls: dict = field(default_factory=dict)  # (process, call): its event
    answers: dict = field(default_factory=lambda: defaultdict(list))
    deaths: dict = field(default_factory=dict)  # process: when
    last: int = 0


def tell(events):
    story, running = Story(events), {}
    for e in events:
        story.last = max(story.last, e.at)
        if e.what == "fault" and e["kind"] == "kill":
            story.deaths[e["process"]] = e.at
        elif e.what == "fault" and e["kind"] == "died":  # by its own hand, after its last event
            ats = (x.at for x in events if x.process == e["process"])
            story.deaths[e["process"]] = max(ats, default=e.at)
        elif e.what == "start" and e.number("e"):
            run = Run(e.process, e.key, e.number("e"), e.at, took_over=e.number("n"))
            running[e.process, e.key, e.number("e")] = run
            story.runs.append(run)
        elif e.what == "end" and e.number("e"):
            run = running[e.process, e.key, e.number("e")]
            run.end, run.sum, run.err = e.at, e["sum"], e.number("err")
        elif e.what == "call":
            story.calls[e.process, e.call] = e
        elif e.what in ("accept", "give_up"):
            story.answers[e.process, e.call].append(e)
    answered = {(e.process, e["e"]) for answers in story.answers.values() for e in answers if e.what == "accept"}
    for run in story.runs:
        run.died = run.process in story.deaths and (run.process, str(run.epoch)) not in answered
        if run.end is None:
            run.end = story.deaths.get(run.process, story.last)
    return story


def by_key(runs):
    keys = defaultdict(list)
    for run in runs:
        keys[run.key].append(run)
    return keys


def no_overlap(story, lapses=()):
    """I1, I2: the runs of a key do not overlap, but for those that began in a lapse."""
    for key, runs in by_key(story.runs).items():
        runs.sort(key=lambda r: r.start)
        for i, run in enumerate(runs):
            for later in runs[i + 1:]:
                if later.start < run.end and not any(a <= later.start <= b for a, b in lapses):
                    yield f"I1: {key}: {later.process} began while {run.process} ran"


def few_runs(story, most):
    """I1, I2: so many runs a key at most."""
    for key, runs in by_key(story.runs).items():
        if len(runs) > most:
            yield f"I2: {key}: {len(runs)} runs, expected {most} at most"


def epochs_grow(story):
    """I3: as they were granted; a run that is forgotten before it starts may start after the next."""
    forgets = [(e.key, e.at) for e in story.events if e.what == "forget"]
    for key, runs in by_key(story.runs).items():
        runs.sort(key=lambda r: r.start)
        for run, later in zip(runs, runs[1:]):
            voided = any(k == key and run.start - FORGET_SLACK < at < later.start + FORGET_SLACK for k, at in forgets)
            if later.epoch == run.epoch or (later.epoch < run.epoch and not voided):
                yield f"I3: {key}: epoch {later.epoch} after {run.epoch}"


def accepted_is_current(story):
    """
    I4: who asks is not given a run that was over, in this process: until it learns of the end it lets its
    callers share. What was not stored is its own callers' only.
    """
    runs = {(run.key, run.epoch): run for run in story.runs}
    unstored, over, learnt, left = {}, {}, {}, {}
    for (process, call), answers in story.answers.items():
        for e in (e for e in answers if e.what == "accept"):
            run = e.key, e.number("e")
            if e["unstored"] == "1":
                unstored[run] = process
            if e["led"] == "1":
                over[run] = e.at
    asked_first = {}  # (process, key): when they asked
    for (process, call), e in story.calls.items():
        asked_first.setdefault((process, e.key), []).append(e.at)
    for (process, call), answers in story.answers.items():
        for e in (e for e in answers if e.what == "accept"):
            run = e.key, e.number("e")
            began, end = runs[run].start if run in runs else 0, over.get(run, story.last)
            if story.calls[process, call].at <= end:
                learnt[run, process] = max(e.at, learnt.get((run, process), 0))
            # Those who share a flight are answered together; one who asked in time may have left since.
            elif any(began - PATIENCE <= at <= end for at in asked_first[process, e.key]):
                left[run, process] = min(e.at, left.get((run, process), e.at))
    for (process, call), answers in story.answers.items():
        for e in answers:
            if e.what != "accept" or e["alone"] == "1":
                continue
            run, asked = (e.key, e.number("e")), story.calls[process, call].at
            if run not in runs:
                yield f"I4: {e.key}: {process} was given {e['e']}, which nobody ran"
            elif e["kept"] == "0" and asked > max(
                    over.get(run, story.last), learnt.get((run, process), left.get((run, process), 0))):
                yield f"I4: {e.key}: {process} was given {e['e']}, which was over when it asked"
            elif unstored.get(run, process) != process:
                yield f"I4: {e.key}: {process} was given {e['e']}, which was not stored"


def accepted_grows(story):
    """I4: in a process, who asks after somebody was given a run is not given an older one."""
    ends = defaultdict(list)  # (process, key): (when answered, when asked, epoch)
    for (process, call), answers in story.answers.items():
        for e in answers:
            if e.what == "accept" and e["alone"] == "0" and e["unstored"] == "0":
                ends[process, e.key].append((e.at, story.calls[process, call].at, e.number("e")))
    for (process, key), given in ends.items():
        given.sort()
        newest, i = 0, 0
        for _, asked, epoch in sorted(given, key=lambda g: g[1]):
            while i < len(given) and given[i][0] < asked:
                newest, i = max(newest, given[i][2]), i + 1
            if epoch < newest:
                yield f"I4: {key}: {process} was given {epoch} after {newest}"


def nobody_is_lost(story, bound_ms):
    """I5: every call has one answer, in time, unless its process died."""
    for (process, call), asked in story.calls.items():
        answers = story.answers.get((process, call), [])
        if len(answers) > 1:
            yield f"I5: call {call} of {process} was answered {len(answers)} times"
        elif not answers and process not in story.deaths:
            yield f"I5: call {call} of {process} for {asked.key} was never answered"
        elif answers and answers[0].at - asked.at > bound_ms * MILLISECOND:
            yield f"I5: call {call} of {process} took {(answers[0].at - asked.at) // MILLISECOND} ms"


def same_bytes(story):
    """I7: everybody who was given a run was given the same."""
    runs = {(run.key, run.epoch): run for run in story.runs if run.sum}
    for answers in story.answers.values():
        for e in answers:
            if e.what == "accept" and e["alone"] == "0":
                run = runs.get((e.key, e.number("e")))
                if run and (run.sum, run.err) != (e["sum"], e.number("err")):
                    yield f"I7: {e.key}: {e.process} was given other bytes than {e['e']} made"


def one_result(story):
    """I8: of what runs once, everybody is given the same run, whatever died; how often it ran is another matter."""
    given = defaultdict(set)
    for answers in story.answers.values():
        for e in answers:
            if e.what == "accept" and e["unstored"] == "0" and e["err"] == "0":
                given[e.key].add(e["e"])
    for key, epochs in given.items():
        if len(epochs) > 1:
            yield f"I8: {key}: {len(epochs)} results of what runs once"


def one_effect(story, resources):
    """
    I8: what happened to a resource that knows each key happened once for each result that was given, whatever died.
    resources: what is in each of them in the end, the token of the run whose effect it is, by key.
    """
    applied = defaultdict(list)
    for e in story.events:
        if e.what == "effect" and e["applied"] == "1":
            applied[e.key].append(e.number("e"))
    given = {e.key for answers in story.answers.values() for e in answers if e.what == "accept" and e["err"] == "0"}
    for key in given | set(resources):
        if len(applied[key]) > 1:
            yield f"I8: {key}: {len(applied[key])} effects of what runs once"
        if key not in resources:
            yield f"I8: {key}: a result was given, and there is no effect"
        elif applied[key] and applied[key] != [resources[key]]:
            yield f"I8: {key}: the effect is that of {resources[key]}, and was applied by {applied[key]}"


def effects_without_guard(story):
    """How many effects there would have been in a resource that does not know its keys, and of how many keys."""
    events = [e for e in story.events if e.what == "effect"]
    return len(events), len({e.key for e in events})


def group_ended(events):
    """
    I9: after the first failure of a group no child started, all descendants were gone when it returned, and its
    status is the first failure's. Children write start, child and end err=; who ran the group writes returned status=,
    and an event alive for each process that was there still.
    """
    failures = [e for e in events if e.what == "end" and e.number("err")]
    returned = next(e for e in events if e.what == "returned")
    first = min(failures, key=lambda e: e.at) if failures else None
    for e in events:
        if e.what == "alive":
            yield f"I9: {e.process} lived when its group had returned"
        if first and e.what == "start" and e.at > first.at + GROUP_SLACK:
            yield f"I9: {e.process} began {(e.at - first.at) / MILLISECOND:.0f} ms after {first.process} had failed"
        if e.at > returned.at and e.what in ("start", "child", "end"):
            yield f"I9: {e.process} did something after its group had returned"
    # Of those that failed at about the same time, the one whose end was seen first.
    early = {e.number("err") for e in failures if e.at <= first.at + GROUP_SLACK} or {0}
    if returned.number("status") not in early:
        yield f"I9: the status is {returned['status']}, and the first failure {first and first['err']}"


def takeovers(story):
    """How long, in ms, from the death of an owner to the next run of its key."""
    times = []
    for runs in by_key(story.runs).values():
        runs.sort(key=lambda r: r.start)
        times += [(later.start - run.end) / MILLISECOND for run, later in zip(runs, runs[1:]) if run.died]
    return times


def wake_lags(story):
    """How long, in ms, from the end of a run to the answers of those who waited in other processes."""
    runs = {(run.key, run.epoch): run for run in story.runs if not run.died}
    return [(e.at - runs[e.key, e.number("e")].end) / MILLISECOND
            for (process, call), answers in story.answers.items() for e in answers
            if e.what == "accept" and e["kept"] == "0" and (e.key, e.number("e")) in runs
            and runs[e.key, e.number("e")].process != process
            and story.calls[process, call].at < runs[e.key, e.number("e")].end]


def check(events, bound_ms=35_000, lapses=(), most_runs=None, ordered=True):
    """Complaints about all that holds whatever the faults were."""
    story = tell(events)
    complaints = list(no_overlap(story, lapses)) + list(same_bytes(story)) + list(nobody_is_lost(story, bound_ms))
    complaints += accepted_is_current(story)
    if ordered:
        complaints += list(epochs_grow(story)) + list(accepted_grows(story))
    if most_runs is not None:
        complaints += few_runs(story, most_runs)
    return complaints


def histogram(name, values, width=40):
    """Lines that show how values, in ms, are spread; powers of two."""
    if not values:
        return [f"# {name}: none"]
    values = sorted(values)
    at = lambda q: values[min(len(values) - 1, int(len(values) * q))]
    lines = [f"# {name}: {len(values)}, p50 {at(0.5):.2f} ms, p99 {at(0.99):.2f} ms, most {values[-1]:.2f} ms"]
    buckets = defaultdict(int)
    for value in values:
        edge = 0.125
        while edge < value:
            edge *= 2
        buckets[edge] += 1
    for edge in sorted(buckets):
        bar = "*" * max(1, round(width * buckets[edge] / len(values)))
        lines.append(f"#   <= {edge:8.3f} ms {buckets[edge]:6} {bar}")
    return lines
