# SPDX-License-Identifier: MIT
"""The rows of the benchmark: who runs each, over how many operations, towards which goal.

What one operation of a row is stands in bench/README.md.
"""

from dataclasses import dataclass, field

QUICK_SHARE = 5  # a quick run does a fifth of the operations, where n is not the size of a thing


@dataclass(frozen=True)
class Goal:
    """weft's time is at most ratio times that of the fastest of the subjects."""

    ratio: float
    subjects: tuple
    undisturbed: bool = False  # compare the best rounds: the work is the same few instructions each time


@dataclass(frozen=True)
class Row:
    bench: str
    n: int
    subjects: tuple  # besides weft
    sized: bool = False  # n is the size of a crowd, not a number of repetitions
    n_of: dict = field(default_factory=dict)  # for a subject that is slower or faster by far
    goal: Goal = None
    left_out: str = ""
    in_quick: bool = True
    bytes_each: bool = False  # what is compared is rss_bytes, not time

    @property
    def name(self):
        return f"{self.bench}/{self.n}" if self.sized else self.bench

    def operations(self, subject, quick):
        n = self.n_of.get(subject, self.n)
        return n if self.sized or not quick else n // QUICK_SHARE


M = 1_000_000
SPAWN = ("go", "go_yield")
NO_THREADS = "pthread: 10^6 threads make no sense"

ROWS = [
    Row("spawn_join", M, SPAWN, goal=Goal(0.2, SPAWN), left_out=NO_THREADS),
    Row("group_go", M, SPAWN, goal=Goal(0.2, SPAWN), left_out="pthread: glibc has no errgroup"),
    Row("once_hit", 100 * M, ("go", "pthread", "bare"), n_of={"pthread": 20 * M},
        goal=Goal(1.05, ("bare",), undisturbed=True)),
    Row("waitgroup_add_done", 10 * M, ("go", "bare"), left_out="pthread: glibc has no wait group"),
    Row("mutex_uncontended", 10 * M, ("go", "pthread", "bare")),
    Row("mutex_contended_0", 5 * M, ("go", "pthread"), n_of={"pthread": 2 * M}),
    Row("mutex_contended_100", M, ("go", "pthread")),
    Row("rwmutex_read", 10 * M, ("go", "pthread")),
    Row("rwmutex_mixed", M, ("go", "pthread")),
    Row("cond_pingpong", M, ("go", "pthread"), n_of={"pthread": 20_000}, goal=Goal(0.4, ("go",))),
    Row("cond_barrier32", 640_000, ("go", "pthread"), n_of={"pthread": 19_200}),
    Row("chan_pingpong", 500_000, ("go",), goal=Goal(0.25, ("go",))),
    Row("chan_buffered128", M, ("go",), goal=Goal(0.25, ("go",))),
    Row("select_pingpong", 500_000, ("go",), goal=Goal(0.25, ("go",))),
    Row("flight_solo", M, ("go",), left_out="pthread: glibc has no singleflight"),
    Row("flight_hot", 512_000, ("go",)),
    Row("flight_stampede", 1, ("go",), sized=True),
    Row("flight_stampede", 1_000, ("go",), sized=True),
    Row("flight_stampede", 100_000, ("go",), sized=True),
    Row("ctx_cancel_fan", 1_000, ("go",), sized=True, left_out="pthread: glibc has no contexts"),
    Row("ctx_cancel_fan", 100_000, ("go",), sized=True),
    Row("blocked_rss", 100_000, ("go",), sized=True, bytes_each=True, left_out=NO_THREADS),
    Row("blocked_rss", M, ("go",), sized=True, bytes_each=True, in_quick=False),
    Row("thread_once", 100 * M, ("pthread",), n_of={"pthread": 20 * M}),
    Row("thread_mutex", 5 * M, ("pthread",)),
    Row("thread_cond_pingpong", 20_000, ("pthread",)),
]
