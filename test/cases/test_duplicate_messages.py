#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/duplicate_messages, from outside:  test_duplicate_messages.py PROGRAM"""

import unittest

import case
import mariadb_server
import redis_server

QUICK = ["--messages", "90", "--poison", "1", "--crashes", "4"]


class DuplicateMessages(case.Case):
    options = "database queue at messages accounts consumers crashes poison redeliver work lease seed json".split()
    bad = (["--messages", "0"], ["--crashes", "51"], ["--lease", "1ms"])

    def check(self, *args):
        every, one, guarded = self.result(*QUICK, *args)
        self.assertGreater(every["twice"], 10)
        self.assertLess(one["twice"], every["twice"])
        for run in (every, one, guarded):
            self.assertGreater(run["consumers_died"], 0)
            self.assertGreaterEqual(run["dead_letters"], 1, run)
        # The guarantee: each message once, and the receipt is the one that was accepted.
        self.assertEqual((guarded["twice"], guarded["wrong_receipts"], guarded["missing"]), (0, 0, 0), guarded)
        self.assertEqual(guarded["paid"], 89)
        return guarded

    def test_without_servers(self):
        self.check()

    def test_says_what_was_saved(self):
        done = self.run_program("--messages", "30", "--crashes", "0", "--poison", "0", "--work", "1ms")
        self.assertRegex(done.stdout, r"\n\d+ payments were saved from being made twice, \d+ receipts from being wr")

    def test_without_crashes_one_run_is_enough(self):
        _, one, _ = self.result(*QUICK, "--crashes", "0", "--poison", "0", "--lease", "3s")
        self.assertEqual((one["twice"], one["wrong_receipts"], one["missing"], one["paid"]), (0, 0, 0, 90), one)

    @unittest.skipIf(mariadb_server.MISSING or not redis_server.PROGRAM, "no servers")
    def test_a_redis_stream_and_mariadb(self):
        with mariadb_server.Server() as database, redis_server.Server() as redis:
            servers = ["--database", database.url, "--queue", redis.url, "--at", redis.url]
            self.check(*servers)
            # The balances are those of the last, guarded run, and the database's own sum of them.
            paid = int(database.sql("SELECT COUNT(*) FROM payments")[0][0])
            self.assertEqual(paid, 89)
            dead = redis.command("XRANGE", "weft:payments:dead", "-", "+")
            self.assertEqual({entry[1][1][:6] for entry in dead}, {b"poison"})
            self.assertEqual(redis.command("XLEN", "weft:payments"), 0)
            # What a run has left in the fleet is nothing to the next.
            _, one, _ = self.result(*QUICK, *servers, "--crashes", "0", "--poison", "0")
            self.assertEqual((one["missing"], one["dead_letters"]), (0, 0), one)

    def test_what_cannot_be_had_is_one_line(self):
        done = self.run_program("--database", "oracle:x")
        self.assert_one_line(done, 1, "no URL of a database")
        done = self.run_program("--queue", "sqlite:/nonexistent/queue")
        self.assert_one_line(done, 1, "/nonexistent/queue")

    def test_options(self):
        self.check_options()


if __name__ == "__main__":
    case.main(DuplicateMessages)
