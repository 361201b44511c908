#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/distributed_lock, from outside:  test_distributed_lock.py PROGRAM"""

import unittest

import case
import redis_server

QUICK = ["--requests", "100", "--nodes", "3"]


class DistributedLock(case.Case):
    options = "at nodes requests work poll patience json".split()
    bad = (["--nodes", "0"], ["--requests", "x"], ["--poll", "0ms"])

    def check(self, *args):
        each, gate = self.result(*QUICK, *args)
        for run in (each, gate):
            self.assertEqual((run["done"], run["failed"], run["broken"], run["late"]), (300, 0, 0, 0), run)
            self.assertEqual(run["value"], 300, run)
        # A request that contends for itself locks and unlocks, and looks again in between.
        self.assertGreaterEqual(each["commands"], 600)
        self.assertLess(gate["commands"], each["commands"] / 2)  # a twentieth, where nothing else runs
        self.assertGreater(gate["hand_overs"], 200)

    def test_without_servers(self):
        self.check()

    def test_with_work_in_it(self):
        self.check("--work", "1ms", "--poll", "5ms")

    @unittest.skipUnless(redis_server.PROGRAM, "no redis-server")
    def test_over_redis(self):
        with redis_server.Server() as server:
            self.check("--at", server.url)

    def test_patience_ends(self):
        done = self.run_program("--json", "--requests", "20", "--nodes", "2", "--work", "50ms", "--patience", "300ms")
        self.assertEqual(done.returncode, 1)
        self.assertIn('"broken": 0', done.stdout)

    def test_no_such_place(self):
        done = self.run_program("--requests", "1", "--nodes", "1", "--at", "ftp:x")
        self.assertEqual(done.returncode, 1)
        self.assert_one_line(done, 1, "distributed_lock: node 1")

    def test_options(self):
        self.check_options()


if __name__ == "__main__":
    case.main(DistributedLock)
