# SPDX-License-Identifier: MIT
"""The rows of the benchmark: who runs each, over how many operations, towards which goal.

What one operation of a row is stands in bench/README.md.
"""

from dataclasses import dataclass, field

QUICK_SHARE = 5  # a quick run does a fifth of the operations, where n is not the size of a thing

# What is compared: nanoseconds, CPU time, bytes, or the time that one in a thousand takes longer than.
TIME, CPU, RSS, TAIL = "time", "cpu", "rss", "tail"


@dataclass(frozen=True)
class Goal:
    """weft's figure is at most ratio times that of the fastest of the subjects."""

    ratio: float
    subjects: tuple
    undisturbed: bool = False  # compare the best parts of all rounds: the work is the same few instructions each time
    of: str = ""  # the row whose figures are compared, if it is another one


@dataclass(frozen=True)
class Row:
    section: str
    bench: str
    n: int
    subjects: tuple  # besides weft
    sized: bool = False  # n is the size of a thing, not a number of repetitions
    n_of: dict = field(default_factory=dict)  # for a subject that is slower or faster by far
    goals: tuple = ()
    most: float = None  # a goal that is no ratio, in the unit of what is compared
    gathers: bool = False  # CPU time has in it what comes before the time that is told
    left_out: str = ""
    in_quick: bool = True
    metric: str = TIME
    procs: tuple = ()  # instead of those asked for
    rounds_most: int = 99  # for what takes long and varies little

    @property
    def name(self):
        return f"{self.bench}/{self.n}" if self.sized else self.bench

    @property
    def grows(self):
        return self.bench.startswith("growth_")

    def operations(self, subject, quick):
        n = self.n_of.get(subject, self.n)
        return n if self.sized or not quick else max(1, n // QUICK_SHARE)


M = 1_000_000
SPAWN = ("go", "go_yield")
GO = ("go",)
BOTH = ("go", "tokio")


def rows(section, *made):
    return [Row(section, *args, **options) for args, options in made]


def row(*args, **options):
    return args, options


def goal(ratio, *subjects, **options):
    return Goal(ratio, subjects, **options)


def growing(bench, sizes, subjects, **options):
    """A row for each size, of which a quick run takes the middle ones."""
    return [row(bench, n, subjects, sized=True, procs=(2,), rounds_most=3 if n < M else 1, in_quick=n == 10_000,
                **options) for n in sizes]


TO_MILLION = (1, 1_000, 10_000, 100_000, M)

ROWS = [
    *rows(
        "Tasks",
        row("spawn_join", M, (*SPAWN, "tokio", "fiber", "tbb", "openmp", "glib", "bare"),
            n_of={"fiber": M // 5, "glib": M // 5},
            goals=(goal(0.10, *SPAWN), goal(3, "bare")), most=75),
        row("spawn_tree", M // 2, ("go", "tokio", "fiber", "tbb", "openmp", "bare"),
            n_of={"fiber": M // 50, "openmp": M // 10}, goals=(goal(0.10, "go"),)),
        row("skynet", M, (*BOTH, "bare"), sized=True, goals=(goal(0.15, "go"),), in_quick=False, rounds_most=3),
        row("skynet", M // 10, ("go", "tokio", "fiber", "bare"), n_of={"fiber": M // 100}, sized=True,
            goals=(goal(0.15, "go"),)),
        row("sleepers", M // 10, (*BOTH, "bare"), sized=True, metric=CPU, goals=(goal(0.3, "go"),), rounds_most=3,
            left_out="the figure is CPU time of a nap"),
        row("start", 1, ("tokio", "pthread"),
            left_out="from nothing to the end of the first task; Go starts before main"),
        row("idle", 1, BOTH, metric=CPU, rounds_most=2, in_quick=False,
             left_out="the figure is CPU time of an idle second"),
    ),
    *rows(
        "Groups and flights",
        row("group_go", M, (*SPAWN, "tokio", "tbb", "bare"), goals=(goal(0.10, *SPAWN),)),
        row("group_limit16", M // 2, (*BOTH, "bare"), goals=(goal(0.15, "go"),)),
        row("group_ctx_fan10", M // 20, (*BOTH, "bare"), goals=(goal(0.20, "go"),)),
        row("flight_solo", M, (*GO, "bare"), goals=(goal(0.25, "go"),)),
        row("flight_keys", M, (*GO, "bare"), goals=(goal(0.25, "go"),)),
        row("flight_hot", 512_000, (*GO, "bare"), goals=(goal(0.25, "go"),)),
        row("flight_stampede", 1, (*GO, "bare"), sized=True, gathers=True, goals=(goal(0.2, "go"),)),
        row("flight_stampede", 1_000, (*GO, "bare"), sized=True, gathers=True, goals=(goal(0.2, "go"),)),
        row("flight_stampede", 100_000, (*GO, "bare"), sized=True, gathers=True, goals=(goal(0.2, "go"),)),
        row("ctx_cancel_fan", 1_000, (*BOTH, "bare"), sized=True, gathers=True, goals=(goal(0.25, "go"),)),
        row("ctx_cancel_fan", 100_000, (*BOTH, "bare"), sized=True, gathers=True, goals=(goal(0.25, "go"),)),
    ),
    *rows(
        "Once, wait group, locks",
        row("once_hit", 100 * M, ("go", "tokio", "tbb", "nsync", "glib", "pthread", "bare"),
            n_of={"pthread": 20 * M, "nsync": 20 * M},
            goals=(goal(1.05, "bare", undisturbed=True),)),
        row("once_value_hit", 50 * M, (*BOTH, "bare"), n_of={"go": 10 * M}, goals=(goal(0.2, "go"),)),
        row("waitgroup_add_done", 10 * M, ("go", "tokio", "nsync", "bare"), n_of={"nsync": 2 * M},
            goals=(goal(1.05, "bare", undisturbed=True),)),
        row("mutex_uncontended", 10 * M, ("go", "tokio", "fiber", "tbb", "nsync", "glib", "pthread", "bare"),
            goals=(goal(1.05, "bare", undisturbed=True),)),
        row("mutex_contended_0", 5 * M, ("go", "tokio", "fiber", "nsync", "pthread", "bare"),
            n_of={"pthread": 2 * M, "nsync": M // 2},
            goals=(goal(0.5, "go"), goal(1.0, "go", of="lag_mutex_0"))),
        row("mutex_contended_100", M, ("go", "tokio", "fiber", "nsync", "pthread", "bare"),
            n_of={"nsync": M // 2}, goals=(goal(0.5, "go"), goal(1.0, "go", of="lag_mutex_100"))),
        row("rwmutex_read", 10 * M, ("go", "tokio", "nsync", "pthread"), in_quick=False),
        row("rwmutex_mixed", M, ("go", "tokio", "nsync", "pthread"), n_of={"nsync": M // 4}, in_quick=False),
    ),
    *rows(
        "Conds and channels",
        row("cond_pingpong", M, ("go", "tokio", "fiber", "nsync", "pthread", "bare"),
            n_of={"nsync": 20_000, "pthread": 20_000},
            goals=(goal(0.2, "go"),)),
        row("cond_barrier32", 640_000, ("go", "tokio", "fiber", "nsync", "pthread", "bare"),
            n_of={"nsync": 19_200, "pthread": 19_200},
            goals=(goal(0.2, "go"),)),
        row("cond_barrier1000", 500_000, ("go", "tokio", "fiber", "nsync", "pthread", "bare"),
            n_of={"nsync": 10_000, "pthread": 10_000},
            goals=(goal(0.2, "go"),), in_quick=False),
        row("chan_pingpong", 500_000, ("go", "tokio", "fiber", "bare"), n_of={"fiber": 100_000},
            goals=(goal(0.25, "go"),)),
        row("chan_buffered128", M, ("go", "tokio", "fiber", "tbb", "bare"), n_of={"tbb": 200_000},
            goals=(goal(0.25, "go"),)),
        row("select_pingpong", 500_000, (*BOTH, "bare"), goals=(goal(0.25, "go"),)),
    ),
    *rows(
        "Descriptors",
        *(row(bench, 20_000, (*BOTH, "pthread", "bare")) for bench in ("fd_pingpong", "fd_echo100", "fd_serve100")),
    ),
    *rows(
        "Plain threads",
        row("thread_once", 100 * M, ("tbb", "nsync", "glib", "pthread"), n_of={"nsync": 20 * M, "pthread": 20 * M},
            goals=(goal(1.0, "nsync", "pthread"),)),
        row("thread_mutex", 5 * M, ("tbb", "nsync", "glib", "pthread"), goals=(goal(1.0, "nsync", "pthread"),)),
        row("thread_sema", 5 * M, ("pthread", "bare"), goals=(goal(1.0, "pthread"),)),
        row("thread_sema_pingpong", 20_000, ("pthread", "bare"), goals=(goal(1.0, "pthread"),)),
        row("thread_cond_pingpong", 20_000, ("nsync", "glib", "pthread", "bare"),
            goals=(goal(1.0, "nsync", "pthread"),)),
        *(row(bench, n, (), sized=True, procs=(2,), in_quick=False, left_out="weft alone")
          for bench in ("thread_chan", "thread_flight") for n in (2, 8, 32)),
    ),
    *rows(
        "Tails",
        row("lag_mutex_0", 640_000, BOTH, metric=TAIL, goals=(goal(1.0, "go"),), in_quick=False),
        row("lag_mutex_100", 640_000, BOTH, metric=TAIL, goals=(goal(1.0, "go"),), in_quick=False),
        row("lag_cond", 500_000, BOTH, metric=TAIL),
        row("lag_flight", 320_000, GO, metric=TAIL),
        row("lag_chan", 250_000, BOTH, metric=TAIL),
        row("lag_chan", 250_000, BOTH, metric=TAIL, sized=True, procs=(8,)),
        row("lag_chan_busy", 10_000, BOTH, metric=TAIL, procs=(2,), rounds_most=2),
        row("lag_chan_hog", 50_000, BOTH, n_of={"tokio": 100}, metric=TAIL),
        row("lag_chan_blocking", 50_000, BOTH, metric=TAIL),
        row("lag_chan_silent", 20_000, GO, metric=TAIL, rounds_most=2,
            left_out="as lag_chan_blocking, where the calls do not tell weft's runtime", in_quick=False),
        row("lag_spawn_hog", 10_000, BOTH, metric=TAIL, rounds_most=2, in_quick=False),
    ),
    *rows(
        "Growth",
        *growing("growth_spawn", (1_000, 10_000, 100_000, M, 10 * M), (*SPAWN, "tokio", "tbb", "openmp", "bare")),
        *growing("growth_waiters", TO_MILLION, (*BOTH, "bare"), gathers=True),
        *growing("growth_keys", TO_MILLION, (*GO, "bare")),
        *growing("growth_ctx_deep", TO_MILLION, (*BOTH, "bare")),
        *growing("growth_ctx_wide", TO_MILLION, (*BOTH, "bare")),
        *growing("growth_timers", TO_MILLION, BOTH),
        *growing("growth_descriptors", TO_MILLION[:-1], (*BOTH, "bare"), gathers=True),
    ),
    *rows(
        "Memory",
        row("blocked_rss", 100_000, ("go", "tokio", "fiber"), sized=True, metric=RSS, most=4.6 * 1024, procs=(2,),
            rounds_most=2),
        row("blocked_rss", M, BOTH, sized=True, metric=RSS, most=4.6 * 1024, procs=(2,), in_quick=False,
             rounds_most=1),
        *(row(bench, 100_000, BOTH, sized=True, metric=RSS, procs=(2,), in_quick=False, rounds_most=1)
          for bench in ("blocked_rss_3k", "blocked_rss_12k")),
    ),
]
