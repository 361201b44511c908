#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the benchmark's driver and table, without a benchmark."""

import json
import pathlib
import random
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import bench_docs
import bench_plot
import bench_table
from bench_measure import Failed, Skipped, alternate, first_cpus, run_once, summary
from bench_rows import ROWS
from tally import run_unittests

SPAWN = next(row for row in ROWS if row.name == "spawn_join")
ONCE = next(row for row in ROWS if row.name == "once_hit")
ABOUT = {"rounds": 3, "quick": True, "date": "today", "commit": "abc", "cpus": 2, "cpu": "a CPU", "kernel": "6",
         "load": 0.5, "missing": {"go": "go is not installed"}, "skipped": [],
         "failures": ["spawn_join P=2 weft: no end after 1 s"]}


def line(ns, **more):
    return {"bench": "spawn_join", "n": 10, "ns_per_op": ns, "rss_bytes": 4096, "cpu_seconds": 0.1,
            "version": "v"} | more


def result(row, subject, *ns):
    return summary(row, subject, 1, [line(each) for each in ns])


def subject_program(folder, text):
    program = pathlib.Path(folder) / "subject"
    program.write_text("#!/bin/sh\n" + text)
    program.chmod(0o755)
    return program


class Measuring(unittest.TestCase):
    def alternate(self, subjects, rounds, run, brief=0):
        return alternate(subjects, rounds, run, random.Random(1), brief)

    def test_bench_runs_each_subject_once_a_round_in_an_order_that_changes(self):
        order = []

        def run(subject):
            order.append(subject)
            return subject.upper()

        measured, failed = self.alternate("abc", 8, run)
        each = ["".join(order[i:i + 3]) for i in range(0, 24, 3)]
        self.assertEqual({"abc"}, {"".join(sorted(round)) for round in each})
        self.assertEqual({"a", "b", "c"}, {round[0] for round in each})
        self.assertEqual(measured, {"a": ["A"] * 8, "b": ["B"] * 8, "c": ["C"] * 8})
        self.assertEqual(failed, {})

    def test_bench_does_more_rounds_where_they_are_brief(self):
        def rounds(asked, brief):
            return len(self.alternate("a", asked, len, brief)[0]["a"])

        self.assertEqual([6, 3, 1], [rounds(3, brief=60), rounds(3, brief=0), rounds(1, brief=60)])

    def test_bench_goes_on_without_a_subject_that_failed(self):
        def run(subject):
            if subject == "a":
                raise Failed("broken")
            return 1

        measured, failed = self.alternate("ab", 2, run)
        self.assertEqual(measured, {"b": [1, 1]})
        self.assertEqual(str(failed["a"]), "broken")

    def test_bench_gives_a_subject_as_many_cpus_as_workers(self):
        with tempfile.TemporaryDirectory() as folder:
            program = subject_program(folder, """echo "{\\"cpus\\":$(nproc)}"\n""")
            for procs in 1, 2:
                self.assertEqual(run_once(program, "spawn_join", 7, procs), {"cpus": len(first_cpus(procs))})

    def test_bench_passes_arguments_and_reads_the_line(self):
        with tempfile.TemporaryDirectory() as folder:
            program = subject_program(folder, """echo "{\\"args\\":\\"$*\\"}"\n""")
            self.assertEqual(run_once(program, "spawn_join", 7, 2), {"args": "spawn_join --n 7 --procs 2"})

    def test_bench_names_the_status_of_a_failed_subject(self):
        with tempfile.TemporaryDirectory() as folder:
            program = subject_program(folder, "echo no memory >&2; exit 3\n")
            with self.assertRaisesRegex(Failed, "status 3: no memory"):
                run_once(program, "spawn_join", 7, 2)

    def test_bench_tells_what_the_machine_cannot_do_from_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            program = subject_program(folder, "echo no descriptors >&2; exit 77\n")
            with self.assertRaisesRegex(Skipped, "^no descriptors$"):
                run_once(program, "spawn_join", 7, 2)

    def test_bench_results_have_the_promised_keys(self):
        keys = {"bench", "subject", "threads", "n", "median_ns", "min_ns", "max_ns", "rss_bytes"}
        summed = result(SPAWN, "weft", 5, 1, 3)
        self.assertLessEqual(keys, set(summed))
        self.assertEqual([summed[k] for k in ("median_ns", "min_ns", "max_ns")], [3, 1, 5])

    def test_bench_results_have_the_ends_of_all_that_is_compared(self):
        lines = [line(1, cpu_seconds=cpu, rss_bytes=rss, p999_ns=tail) for cpu, rss, tail in ((1, 8, 5), (3, 4, 6))]
        summed = summary(SPAWN, "weft", 1, lines)
        ends = [summed[f"{end}_{key}"] for key in ("cpu_seconds", "rss_bytes", "p999_ns") for end in ("min", "max")]
        self.assertEqual([1, 3, 4, 8, 5, 6], ends)


class Table(unittest.TestCase):
    def verdict(self, row, **ns):
        by_subject = {subject: result(row, subject, *times) for subject, times in ns.items()}
        return bench_table.verdict(row, row.goals[0], by_subject)

    def test_bench_goal_counts_against_the_fastest_form(self):
        self.assertIn("met", self.verdict(SPAWN, weft=[10], go=[1000], go_yield=[100]))
        self.assertIn("met, but 0.50", self.verdict(SPAWN, weft=[50], go=[1000], go_yield=[100]))
        self.assertIn("NOT MET (3.00)", self.verdict(SPAWN, weft=[300], go=[1000], go_yield=[100]))
        self.assertIn("not measured", self.verdict(SPAWN, weft=[300]))

    def test_bench_goal_of_a_few_instructions_compares_undisturbed_rounds(self):
        self.assertTrue(self.verdict(ONCE, weft=[1.0, 9, 9], bare=[1.0, 1.1, 1.1]).endswith(": met"))

    def test_bench_goal_of_a_few_instructions_compares_the_best_parts_where_both_tell_them(self):
        slow = summary(ONCE, "weft", 2, [line(3.0, best_ns_per_op=1.02), line(2.0, best_ns_per_op=1.2)])
        for best, wanted in ((1.0, ": met"), (0.5, "NOT MET (2.04)")):
            by_subject = {"weft": slow, "bare": summary(ONCE, "bare", 2, [line(2.0, best_ns_per_op=best)])}
            self.assertTrue(bench_table.verdict(ONCE, ONCE.goals[0], by_subject).endswith(wanted))
        untold = {"weft": slow, "bare": summary(ONCE, "bare", 2, [line(2.0)])}
        self.assertTrue(bench_table.verdict(ONCE, ONCE.goals[0], untold).endswith(": met"))

    def test_bench_table_names_what_is_missing_and_what_failed(self):
        text = bench_table.render([result(SPAWN, "weft", 50)], ABOUT)
        self.assertIn("MISSING go: go is not installed", text)
        self.assertIn("FAILED spawn_join P=2 weft", text)

    def test_bench_growth_is_judged_over_all_sizes(self):
        sizes = [row for row in ROWS if row.bench == "growth_waiters"]
        costs = {row.n: summary(row, "weft", 2, [line(100) | {"n": row.n}]) for row in sizes}
        self.assertIn("met (1.00)", bench_table.growth_verdict(sizes[-1], costs.values()))
        costs[100_000]["median_ns"] = 250
        self.assertIn("NOT MET (2.50)", bench_table.growth_verdict(sizes[-1], costs.values()))
        del costs[100_000]
        self.assertIn("not measured", bench_table.growth_verdict(sizes[-1], costs.values()))
        self.assertEqual(bench_table.growth_verdict(sizes[0], costs.values()), "")

    def test_bench_tails_are_compared_where_they_are_longest(self):
        lag = next(row for row in ROWS if row.name == "lag_mutex_0")
        tail = {"p50_ns": 1, "p99_ns": 2}
        by_subject = {"weft": summary(lag, "weft", 1, [line(9, **tail, p999_ns=30)]),
                      "go": summary(lag, "go", 1, [line(1, **tail, p999_ns=40)])}
        self.assertIn("met", bench_table.verdict(lag, lag.goals[0], by_subject))
        self.assertEqual(bench_table.cell(lag, "go", by_subject), "1.00 / 2.00 / 40.0 (0.75)")


class Pictures(unittest.TestCase):
    def draw(self, *results):
        return bench_plot.draw(list(results), ABOUT)

    def test_bench_picture_has_a_dot_for_each_subject_of_a_row(self):
        pictures = self.draw(result(SPAWN, "weft", 50), result(SPAWN, "go", 1000), result(SPAWN, "tokio", 400))
        self.assertEqual(["rows.svg"], list(pictures))
        picture = xml.etree.ElementTree.fromstring(pictures["rows.svg"])
        titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
        self.assertLessEqual({"weft: 1.00", "go: 20.00", "tokio: 8.00"}, set(titles))

    def test_bench_picture_of_growth_has_a_curve_for_each_subject(self):
        sizes = [row for row in ROWS if row.bench == "growth_timers"]
        results = [summary(row, subject, 2, [line(100) | {"n": row.n}]) for row in sizes for subject in ("weft", "go")]
        self.assertEqual(2, self.draw(*results)["growth.svg"].count("<polyline"))

    def test_bench_picture_keeps_what_is_out_of_all_proportion_on_the_paper(self):
        pictures = self.draw(result(SPAWN, "weft", 1), result(SPAWN, "go", 1e9))
        picture = xml.etree.ElementTree.fromstring(pictures["rows.svg"])
        dots = [float(dot.get("cx")) for dot in picture.iter("{http://www.w3.org/2000/svg}circle")]
        self.assertLess(max(dots), float(picture.get("width")))

    def test_bench_subjects_all_have_a_colour(self):
        self.assertEqual(set(bench_table.ORDER), set(bench_plot.COLOURS))
        self.assertLessEqual({subject for row in ROWS for subject in row.subjects}, set(bench_table.ORDER))


class Documents(unittest.TestCase):
    def root(self, folder, *results):
        root = pathlib.Path(folder)
        (root / "docs").mkdir()
        (root / "README.md").write_text("before\n<!-- figures front -->\nold\n<!-- end of figures -->\nafter\n")
        (root / "docs" / "benchmarks.md").write_text(
            "<!-- figures full -->\n<!-- end of figures -->\n<!-- figures memory -->\n<!-- end of figures -->\n")
        if results:
            (root / "build").mkdir()
            about = ABOUT | {"date": "2026-01-02 03:04 UTC", "cpu": "Intel(R) Xeon(R) CPU @ 2 GHz"}
            (root / "build" / "results.json").write_text(json.dumps(results))
            (root / "build" / "machine.json").write_text(json.dumps(about))
            (root / "bench").mkdir()
            bench_docs.take(root, root / "build")
        return root

    def test_bench_documents_say_so_when_nothing_is_recorded(self):
        with tempfile.TemporaryDirectory() as folder:
            root = self.root(folder)
            self.assertEqual(f"before\n<!-- figures front -->\n{bench_docs.NOTHING}<!-- end of figures -->\nafter\n",
                             bench_docs.contents(root)[root / "README.md"])

    def test_bench_documents_have_the_recorded_figures_with_their_origin(self):
        with tempfile.TemporaryDirectory() as folder:
            root = self.root(folder, result(SPAWN, "weft", 50), result(SPAWN, "go", 1000))
            text = bench_docs.contents(root)[root / "README.md"]
            self.assertIn("| spawn_join, P=1 | 50.0 ns | go 1,000, 0.05 x | go 1,000, 0.05 x |", text)
            self.assertIn("bench/results/2026-01-02-2x-intel-xeon-cpu-2-ghz.json", text)
            self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
            self.assertIn("Missing: go", bench_docs.contents(root)[root / "docs" / "benchmarks.md"])

    def test_bench_documents_that_were_changed_by_hand_are_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            root = self.root(folder, result(SPAWN, "weft", 50), result(SPAWN, "go", 1000))
            for path, text in bench_docs.contents(root).items():
                path.write_text(text)
            self.assertEqual([], bench_docs.check(root))
            readme = root / "README.md"
            readme.write_text(readme.read_text().replace("50.0 ns", "5.0 ns"))
            self.assertEqual(1, len(bench_docs.check(root)))


if __name__ == "__main__":
    sys.exit(run_unittests())
