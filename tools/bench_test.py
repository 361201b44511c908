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
import bench_figures
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
        return str(bench_table.verdict(row, row.goals[0], by_subject))

    def test_bench_goal_counts_against_the_fastest_form(self):
        self.assertIn(": met (0.10)", self.verdict(SPAWN, weft=[10], go=[1000], go_yield=[100]))
        self.assertIn("NOT MET (0.50)", self.verdict(SPAWN, weft=[50], go=[1000], go_yield=[100]))
        self.assertIn("not measured", self.verdict(SPAWN, weft=[300]))

    def test_bench_goal_tells_what_the_rounds_say_where_they_do_not_agree(self):
        self.assertIn(": met (0.05)", self.verdict(SPAWN, weft=[40, 50, 60], go=[800, 1000, 1200]))
        self.assertIn(": met (0.09, rounds 0.08 to 0.11)", self.verdict(SPAWN, weft=[90, 90, 96], go=[800, 1000, 1200]))
        self.assertIn("NOT MET (0.101)", self.verdict(SPAWN, weft=[101], go=[1000]))

    def test_bench_ratio_is_the_median_of_the_rounds_ratios_as_both_are_disturbed_together(self):
        self.assertIn(": met (0.08)", self.verdict(SPAWN, weft=[40, 80, 30], go=[400, 1000, 375]))
        weft, go = result(SPAWN, "weft", 40, 80, 30), result(SPAWN, "go", 400, 1000, 375)
        self.assertEqual("400 (0.08)", bench_table.cell(SPAWN, "go", {"weft": weft, "go": go}))
        del weft["each"]
        self.assertEqual("400 (0.10)", bench_table.cell(SPAWN, "go", {"weft": weft, "go": go}))

    def test_bench_ratio_of_cpu_times_is_that_of_an_operation(self):
        sleepers = next(row for row in ROWS if row.name == "sleepers/100000")
        weft, go = (summary(sleepers, "weft", 1, [line(1, cpu_seconds=cpu) | {"n": n} for cpu in (1, 2, 6)])
                    for n in (10, 5))
        self.assertEqual([0.5, 0.5, 0.5], bench_table.ratios(sleepers, weft, go))

    def test_bench_goal_that_is_no_ratio_is_judged_too(self):
        def judged(*ns):
            return bench_table.verdict_text(SPAWN, 1, {"weft": result(SPAWN, "weft", *ns)}, [])

        self.assertTrue(judged(74, 75, 75).endswith("<= 75 ns: met"))
        self.assertTrue(judged(74, 76, 77).endswith("<= 75 ns: NOT MET (rounds 74.0 to 77.0)"))

    def test_bench_goal_of_a_few_instructions_compares_undisturbed_rounds(self):
        self.assertTrue(self.verdict(ONCE, weft=[1.0, 9, 9], bare=[1.0, 1.1, 1.1]).endswith(": met (1.00)"))

    def test_bench_goal_of_a_few_instructions_compares_the_best_parts_where_both_tell_them(self):
        slow = summary(ONCE, "weft", 2, [line(3.0, best_ns_per_op=1.02), line(2.0, best_ns_per_op=1.2)])

        def judged(*lines):
            by_subject = {"weft": slow, "bare": summary(ONCE, "bare", 2, lines)}
            return str(bench_table.verdict(ONCE, ONCE.goals[0], by_subject))

        self.assertEqual("fastest parts <= 1.05 x bare: met (1.02)", judged(line(2.0, best_ns_per_op=1.0)))
        self.assertEqual("fastest parts <= 1.05 x bare: NOT MET (2.04)", judged(line(2.0, best_ns_per_op=0.5)))
        self.assertEqual("fastest passes <= 1.05 x bare: met (1.00)", judged(line(2.0)))

    def test_bench_lock_is_judged_by_its_tail_too(self):
        lock, lag = (next(row for row in ROWS if row.name == name) for name in ("mutex_contended_100", "lag_mutex_100"))
        results = [result(lock, "weft", 40), result(lock, "go", 100),
                   summary(lag, "weft", 1, [line(1, p999_ns=20)]), summary(lag, "go", 1, [line(1, p999_ns=10)]),
                   summary(lag, "weft", 2, [line(1, p999_ns=10)]), summary(lag, "go", 2, [line(1, p999_ns=10)])]
        by_subject = {r["subject"]: r for r in results[:2]}
        for procs, wanted in ((1, "NOT MET (2.00)"), (2, "met (1.00)")):
            self.assertEqual(f"<= 0.5 x go: met (0.40); p99.9 of lag_mutex_100 <= 1 x go: {wanted}",
                             bench_table.verdict_text(lock, procs, by_subject, results))

    def test_bench_noise_is_of_what_is_compared(self):
        sleepers = next(row for row in ROWS if row.name == "sleepers/100000")
        lines = [line(ns, cpu_seconds=cpu) for ns, cpu in ((1, 2), (9, 2), (5, 3))]
        self.assertEqual("50%", bench_table.noise_text(sleepers, summary(sleepers, "weft", 1, lines)))
        self.assertEqual("160%", bench_table.noise_text(SPAWN, summary(SPAWN, "weft", 1, lines)))
        self.assertEqual("", bench_table.noise_text(SPAWN, summary(SPAWN, "weft", 1, lines[:1])))

    def test_bench_table_names_what_is_missing_and_what_failed(self):
        text = bench_table.render([result(SPAWN, "weft", 50)], ABOUT)
        self.assertIn("MISSING go: go is not installed", text)
        self.assertIn("FAILED spawn_join P=2 weft", text)

    def test_bench_growth_is_judged_over_all_sizes(self):
        sizes = [row for row in ROWS if row.bench == "growth_waiters"]
        costs = {row.n: summary(row, "weft", 2, [line(100) | {"n": row.n}]) for row in sizes}

        def judged(row=sizes[-1]):
            return str(bench_table.growth_verdict(row, costs.values()))

        self.assertEqual("flat within 2 x from 1 to 1,000,000: met (1.00)", judged())
        costs[1]["median_ns"] = 300
        costs[100_000]["median_ns"] = 190
        self.assertIn("NOT MET (3.00, from 1,000 on 1.90)", judged())
        self.assertEqual("None", judged(sizes[0]))
        del costs[100_000]
        self.assertIn("not measured", judged())

    def test_bench_growth_has_that_of_bare_beside_it(self):
        sizes = [row for row in ROWS if row.bench == "growth_waiters"]
        results = [summary(row, subject, 2, [line(ns) | {"n": row.n}])
                   for row in sizes for subject, ns in (("weft", 100), ("bare", 10 + row.n / 100_000))]
        self.assertTrue(str(bench_table.growth_verdict(sizes[-1], results)).endswith(": met (1.00, bare 2.00)"))
        self.assertTrue(str(bench_table.growth_verdict(sizes[-1], results[:-1])).endswith(": met (1.00)"))

    def test_bench_growth_is_judged_up_to_what_the_machine_can_do(self):
        sizes = [row for row in ROWS if row.bench == "growth_descriptors"]
        costs = [summary(row, "weft", 2, [line(100) | {"n": row.n}]) for row in sizes[:-1]]
        self.assertEqual("flat within 2 x from 1 to 10,000: met (1.00)",
                         str(bench_table.growth_verdict(sizes[-2], costs)))

    def test_bench_tails_are_compared_where_they_are_longest(self):
        lag = next(row for row in ROWS if row.name == "lag_mutex_0")
        tail = {"p50_ns": 1, "p99_ns": 2}
        by_subject = {"weft": summary(lag, "weft", 1, [line(9, **tail, p999_ns=30)]),
                      "go": summary(lag, "go", 1, [line(1, **tail, p999_ns=40)])}
        self.assertIn(": met (0.75)", str(bench_table.verdict(lag, lag.goals[0], by_subject)))
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
            "### Start\n\nRows: `spawn_*` P=1, `idle`.\n" +
            "".join(f"<!-- figures {name} -->\n<!-- end of figures -->\n" for name in bench_figures.WRITERS))
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
            self.assertIn("| spawn_join, P=1 | 50.0 (10,000,000) ns | go 1,000 (10,000,000), 0.05 x |", text)
            self.assertIn("medians of 1 rounds; load 0.5 at the start.", text)
            self.assertIn("bench/results/2026-01-02-2x-intel-xeon-cpu-2-ghz.json", text)
            self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
            self.assertIn("Missing: go", bench_docs.contents(root)[root / "docs" / "benchmarks.md"])

    def test_bench_calls_a_machine_busy_by_the_load_at_the_end(self):
        self.assertTrue(bench_table.was_busy({"cpus": 2, "load": 2.5}))
        self.assertFalse(bench_table.was_busy({"cpus": 2, "load": 2.5, "load_at_end": 1.5}))
        self.assertTrue(bench_table.was_busy({"cpus": 2, "load": 0.5, "load_at_end": 2.5}))

    def tables(self, *results):
        """name: lines of a document with these results, cells apart"""
        with tempfile.TemporaryDirectory() as folder:
            root = self.root(folder, *results)
            text = bench_docs.contents(root)[root / "docs" / "benchmarks.md"]
            return {name: [[cell.strip() for cell in line.split("|")[1:-1]] for line in body.splitlines()[2:]]
                    for name, body in bench_docs.re.findall(r"<!-- figures (\w+) -->\n(.*?)<!-- end", text, 16)}

    def test_bench_documents_lead_from_each_unmet_goal_to_its_reason_or_say_there_is_none(self):
        ns = {"weft": 100, "go": 500, "bare": 20}
        results = [summary(SPAWN, s, procs, [line(each)]) for s, each in ns.items() for procs in (1, 2)]
        lines = self.tables(*results)["unmet"]
        against_go = [each for each in lines if "x go" in each[2]]
        self.assertEqual(["40%", "[Start](#start)"], against_go[0][3:])
        self.assertEqual(["40%", "not explained"], against_go[1][3:])

    def test_bench_documents_do_not_hold_bare_against_the_goal_of_another_row(self):
        lock, lag = (next(row for row in ROWS if row.name == name) for name in ("mutex_contended_0", "lag_mutex_0"))
        results = [*(result(lock, subject, ns) for subject, ns in (("weft", 90), ("go", 100), ("bare", 40))),
                   *(summary(lag, subject, 1, [line(1, p50_ns=1, p99_ns=1, p999_ns=ns)])
                     for subject, ns in (("weft", 20), ("go", 10)))]
        lines = [each[2:4] for each in self.tables(*results)["unmet"] if each[0] == lock.name]
        self.assertEqual([["<= 0.5 x go: NOT MET (0.90)", "80%"],
                          ["p99.9 of lag_mutex_0 <= 1 x go: NOT MET (2.00)", ""]], lines)

    def test_bench_documents_hold_the_most_that_bare_takes_against_growth(self):
        sizes = [row for row in ROWS if row.bench == "growth_waiters"]
        results = [summary(row, subject, 2, [line(ns) | {"n": row.n}])
                   for row in sizes for subject, ns in (("weft", 100 if row.n < 1_000_000 else 300),
                                                        ("bare", 150 if row.n == 10_000 else 50))]
        lines = self.tables(*results)["unmet"]
        self.assertEqual([("growth_waiters/1000000", "75%")], [(each[0], each[3]) for each in lines])
        self.assertIn("(3.00, bare 3.00)", lines[0][2])

    def test_bench_documents_tell_where_a_peer_is_ahead_without_a_goal(self):
        idle = next(row for row in ROWS if row.name == "idle")
        start = next(row for row in ROWS if row.name == "start")
        lines = self.tables(*(summary(row, s, 1, [line(ns, cpu_seconds=ns)]) for row in (idle, start)
                              for s, ns in (("weft", 2), ("tokio", 4 if row == start else 1))))["behind"]
        self.assertEqual(["idle"], [each[0] for each in lines])
        self.assertEqual("[Start](#start)", lines[0][-1])

    def test_bench_documents_tell_where_weft_keeps_to_one_cpu(self):
        def made(row, weft_cpu):
            return [summary(row, s, 2, [line(100, cpu_seconds=cpu * 1e-6)])
                    for s, cpu in (("weft", weft_cpu), ("go", 2))]

        lines = self.tables(*made(SPAWN, 1), *made(ONCE, 2))["on_one"]
        self.assertEqual([["spawn_join", "1.0", "2.0", "1.00 x", "0.50 x"]], lines)

    def test_bench_documents_that_were_changed_by_hand_are_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            root = self.root(folder, result(SPAWN, "weft", 50), result(SPAWN, "go", 1000))
            for path, text in bench_docs.contents(root).items():
                path.write_text(text)
            self.assertEqual([], bench_docs.check(root))
            readme = root / "README.md"
            readme.write_text(readme.read_text().replace("50.0 (", "5.0 ("))
            self.assertEqual(1, len(bench_docs.check(root)))


if __name__ == "__main__":
    sys.exit(run_unittests())
