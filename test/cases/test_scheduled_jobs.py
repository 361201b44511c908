#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/scheduled_jobs, from outside:  test_scheduled_jobs.py PROGRAM"""

import case

QUICK = ["--every", "600ms", "--skew", "150ms", "--ticks", "3", "--lease", "300ms"]


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


    def test_options(self):
        self.check_options()


if __name__ == "__main__":
    case.main(ScheduledJobs)
