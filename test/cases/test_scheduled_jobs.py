#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/scheduled_jobs, from outside:  test_scheduled_jobs.py PROGRAM"""

import os
import re
import shutil
import subprocess
import time
import unittest

import case
import redis_server

QUICK = ["--every", "600ms", "--skew", "150ms", "--ticks", "3", "--lease", "300ms"]
TICK_MS = 2000


class ScheduledJobs(case.Case):
    options = "at command nodes ticks every skew lease seed json".split()
    bad = (["--nodes", "0"], ["--every", "1s", "--skew", "500ms"], ["--ticks", "x"])

    def check(self, *args, nodes=5):
        ticks = self.result(*QUICK, "--nodes", nodes, "--command", "date +%N; exit 7", *args)
        self.assertEqual([t["tick"] for t in ticks], [1, 2, 3])
        for t in ticks:
            dies = t["tick"] == 2
            self.assertEqual((t["failed"], t["same"], t["status"]), (0, True, 7), t)
            # In the middle one the node that runs the job may be the one that dies of it.
            self.assertIn(t["runs"], (1, 2) if dies else (1,), t)
            self.assertGreaterEqual(t["fired"], nodes - 1, t)
            self.assertGreater(t["last_ms"] - t["first_ms"], 100, t)
        return ticks

    def test_without_servers(self):
        self.check()

    def test_the_node_that_dies_is_taken_over_from(self):
        # Its clock is ahead of all others, so that it is first.
        ticks = self.check("--seed", 3)
        self.assertEqual(ticks[1]["runs"], 2, ticks)
        self.assertEqual(ticks[2]["fired"], 4, ticks)

    @unittest.skipUnless(redis_server.PROGRAM, "no redis-server")
    def test_over_redis(self):
        with redis_server.Server() as server:
            self.check("--at", server.url)

    @unittest.skipUnless(redis_server.PROGRAM and shutil.which("faketime"), "no redis-server or no faketime")
    def test_clocks_that_are_really_off(self):
        """Each node a process of its own under faketime, as on machines without NTP."""
        with redis_server.Server() as server:
            first = int((time.time() * 1000 + 1500) // TICK_MS * TICK_MS + TICK_MS)
            nodes = []
            for n, off in enumerate((-0.7, -0.2, 0.3, 0.8), 1):
                nodes.append(subprocess.Popen(
                    ["faketime", "-f", f"{off:+}s", self.program, f"--node={n}", f"--first-tick={first}", "--ticks=2",
                     f"--every={TICK_MS}ms", "--skew=900ms", "--at", server.url, "--command", "date +%N; exit 5"],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    env={**os.environ, "DONT_FAKE_MONOTONIC": "1"}))
            lines = [line for node in nodes for line in node.communicate(timeout=60)[0].split("\n") if line]
        form = r"node (\d+) tick (\d+) at (-?\d+) +(\w+) token (\d+) took -?\d+ status (\d+): (\d+)"
        told = [re.fullmatch(form, line) for line in lines]
        self.assertTrue(all(told), lines)
        for tick in "12":
            of_tick = [m for m in told if m[2] == tick]
            self.assertEqual(len(of_tick), 4, lines)
            self.assertEqual(sorted(m[4] for m in of_tick), ["led", "told", "told", "told"], lines)
            self.assertEqual(len({(m[5], m[6], m[7]) for m in of_tick}), 1, lines)
            self.assertEqual(of_tick[0][6], "5")

    def test_options(self):
        self.check_options()


if __name__ == "__main__":
    case.main(ScheduledJobs)
