#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/cache_breakdown, from outside:  test_cache_breakdown.py PROGRAM"""

import socket
import sys
import unittest
import xml.etree.ElementTree

import case
import mariadb_server
import redis_server

QUICK = ["--during", "1s", "--lifetime", "300ms", "--rate", "400", "--keys", "4", "--slow", "60ms"]
WAYS = ["unprotected", "merged in each process", "lock and poll", "one call in the fleet"]


class CacheBreakdown(case.Case):
    options = "database cache data processes rate during lifetime keys slow connections seed svg json".split()
    bad = (["--processes", "0"], ["--processes", "33"], ["--during", "x"], ["--keys"])

    def setUp(self):
        self.index = self.folder() / "index"
        with open(self.index, "w") as f:
            for n in range(400):
                f.write(f"Package: p{n}\nDepends: p{n % 7} (>= 1), p{n % 11} | other, p{n // 2}:any\n\n")

    def check(self, *args):
        runs = self.result(*QUICK, "--data", self.index, *args)
        self.assertEqual([r["way"] for r in runs], WAYS)
        for r in runs:
            self.assertEqual((r["asked"], r["failed"]), (400, 0), r)
            self.assertGreaterEqual(r["queries"], 4, r)
        unprotected, merged, _, fleet = runs
        # Each process asks once for a value: four at most. In the fleet one does.
        self.assertGreater(unprotected["queries"], merged["queries"])
        self.assertEqual(fleet["queries"], fleet["expiries"], fleet)
        self.assertEqual(fleet["most_of_one"], 1, fleet)
        self.assertLess(2 * fleet["queries"], merged["queries"])
        return runs

    def test_without_servers(self):
        picture = self.folder() / "picture.svg"
        self.check("--svg", picture)
        text = "".join(xml.etree.ElementTree.parse(picture).getroot().itertext())
        for way in WAYS:
            self.assertIn(way, text)

    @unittest.skipIf(mariadb_server.MISSING or not redis_server.PROGRAM, "no servers")
    def test_with_redis_in_front_of_mariadb(self):
        with mariadb_server.Server() as database, redis_server.Server() as cache:
            runs = self.check("--database", database.url, "--cache", cache.url)
            packages = int(database.sql("SELECT COUNT(DISTINCT package) FROM needs")[0][0])
            self.assertEqual(packages, 400)
            # A kept value is one script, a new one two, whoever asks; renewals come on top of that.
            scripts = cache.calls()["evalsha"]
            self.assertGreaterEqual(scripts, runs[3]["queries"])
            self.assertLessEqual(scripts, runs[3]["commands"])

    def test_what_cannot_be_had_is_one_line(self):
        done = self.run_program("--data", "/nonexistent")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent", done.stderr)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            url = f"mysql://a:b@127.0.0.1:{s.getsockname()[1]}/c"
            self.assert_one_line(self.run_program("--database", url), 1, url)

    def test_options(self):
        self.check_options()


if __name__ == "__main__":
    case.main(CacheBreakdown)
