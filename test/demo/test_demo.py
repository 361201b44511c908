#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weft demo, from outside:  test_demo.py PATH/TO/weft

Small made-up package indexes, so that a run takes half a second; the answers are computed here
again, by another way. Standard library only.
"""

import json
import os
import pathlib
import pty
import random
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import run_unittests  # noqa: E402

QUICK = ["--rate", "400", "--duration", "500ms", "--lifetime", "100ms", "--connections", "4"]
NOBODY = 65534
LAYERS, WIDTH = 12, 40
weft = None


def index(seed=1):
    """A made-up package index, and who needs whom: {package: set of names}."""
    rng, needs = random.Random(seed), {}
    for layer in range(LAYERS):
        for n in range(WIDTH):
            below = [f"p{rng.randrange(layer)}-{rng.randrange(1 + n // 4)}" for _ in range(3 if layer else 0)]
            needs[f"p{layer}-{n}"] = set(below)
    needs["lone"] = {"not-listed"}
    stanzas = []
    for package, names in needs.items():
        depends = ", ".join(f"{name}:any (>= 1.0)" if i % 2 else f"{name} | p0-39" for i, name in enumerate(names))
        stanzas.append(f"Package: {package}\nVersion: 1\nDepends: {depends}\nDescription: some\n more\n .\n")
    for package, names in needs.items():
        if names and package != "lone":
            needs[package] = names | {"p0-39"}
    needs["lone"].add("p0-39")
    return "\n".join(stanzas) + "\n", needs


def closure(needs, package):
    reverse, found, todo = {}, set(), [package]
    for who, names in needs.items():
        for name in names:
            reverse.setdefault(name, set()).add(who)
    while todo:
        for who in reverse.get(todo.pop(), ()):
            if who not in found:
                found.add(who)
                todo.append(who)
    return found - {package}


def mark(name):
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    h = (h ^ h >> 16) * 0x7FEB352D & 0xFFFFFFFF
    h = (h ^ h >> 15) * 0x846CA68B & 0xFFFFFFFF
    return h ^ h >> 16


def can_mount():
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0


class Demo(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weft-demo-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.cache = self.dir / "cache"
        self.text, self.needs = index()
        self.data = self.dir / "index"
        self.data.write_text(self.text)
        self.env = {**os.environ, "HOME": str(self.dir), "XDG_CACHE_HOME": ""}

    def argv(self, *args):
        return [weft, "demo", "--data", str(self.data), "--cache", str(self.cache), *args]

    def run_it(self, argv, **more):
        usual = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": self.env}
        return subprocess.run(argv, cwd=self.dir, text=True, **{**usual, **more})

    def demo(self, *args, **more):
        return self.run_it(self.argv(*QUICK, *args), **more)

    def result(self, *args):
        done = self.demo("--json", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def databases(self):
        return sorted(path.name for path in self.cache.glob("*")) if self.cache.exists() else []

    def assert_trouble(self, done, *words):
        """One line on stderr, after the lines of progress, and nothing left behind."""
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stdout, "", done)
        errors = [line for line in done.stderr.splitlines() if not line.startswith("reading the package index")]
        self.assertEqual(len(errors), 1, done)
        for word in ("weft", *words):
            self.assertIn(word, errors[0], done.args)

    def start(self, args):
        return subprocess.Popen(self.argv(*args), text=True, cwd=self.dir, env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for_line(self, process, beginning):
        seen = [""]
        while not seen[-1].startswith(beginning):
            seen.append(process.stderr.readline())
            self.assertNotEqual(seen[-1], "", f"it ended before: {seen}")

    # What it answers

    def test_answers_are_what_another_way_finds(self):
        hot = self.result("--no-svg")["answers"]["hot"]
        self.assertEqual(len(hot), 8)
        for answer in hot:
            broken = closure(self.needs, answer["package"])
            self.assertEqual(answer["breaks"], len(broken), answer)
            self.assertEqual(answer["checksum"], sum(map(mark, broken)), answer)

    def test_most_depended_on_is_hottest(self):
        hot = self.result("--no-svg")["answers"]["hot"]
        self.assertEqual(hot[0]["package"], "p0-39")

    def test_runs_agree_and_ask_the_same(self):
        result = self.result("--no-svg")
        self.assertEqual([run["run"] for run in result["runs"]], ["unprotected", "one_lock", "singleflight"])
        self.assertTrue(result["answers"]["agree"])
        self.assertGreater(result["answers"]["compared"], 0)
        for run in result["runs"]:
            self.assertTrue(run["complete"])
            self.assertEqual(run["asked"], 200)
            self.assertEqual(run["answered"] + run["late"], 200)
            self.assertLessEqual(run["p50_ms"], run["p99_ms"])
            self.assertLessEqual(run["p99_ms"], run["max_ms"])
            self.assertGreaterEqual(run["queries"], run["queries_executed"])

    def test_singleflight_never_asks_the_same_twice_at_once(self):
        runs = {run["run"]: run for run in self.result("--no-svg", "--rate", "20000", "--lifetime", "5ms")["runs"]}
        self.assertEqual(runs["singleflight"]["most_same_at_once"], 1)
        self.assertEqual(runs["singleflight"]["queries_redundant"], 0)
        self.assertEqual(runs["one_lock"]["most_at_once"], 1)

    def test_deadline_bounds_the_run(self):
        result = self.result("--no-svg", "--deadline", "200ms", "--rate", "20000", "--lifetime", "1ms")
        for run in result["runs"]:
            self.assertLess(run["elapsed_s"], 0.5 + 0.2 + 2)

    def spoil_meanwhile(self, sql):
        """Change the database between the runs, behind the demo's back."""
        argv = [*QUICK, "--rate", "20", "--duration", "1500ms", "--no-svg"]
        process = self.start(argv)
        self.wait_for_line(process, "one lock")
        with sqlite3.connect(self.cache / self.databases()[0]) as db:
            db.execute(sql)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def test_answers_that_differ_are_told(self):
        done = self.spoil_meanwhile("DELETE FROM depends")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("DISAGREE", done.stdout)

    def test_first_error_stops_everything(self):
        done = self.spoil_meanwhile("DROP TABLE depends")
        self.assertEqual((done.returncode, done.stdout), (2, ""), done)
        self.assertNotIn("singleflight", done.stderr)
        self.assertIn("no such table", done.stderr.splitlines()[-1])

    # What it shows

    def test_table_names_the_runs(self):
        done = self.demo("--no-svg")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("unprotected", "one lock", "singleflight", "p99", "agree", "p0-39"):
            self.assertIn(word, done.stdout)

    def test_picture_is_well_formed(self):
        svg = self.dir / "out.svg"
        self.assertEqual(self.result("--svg", str(svg))["svg"], str(svg))
        text = "".join(xml.etree.ElementTree.parse(svg).getroot().itertext())
        for word in ("unprotected", "one lock", "singleflight", "latency", "queries", "seconds", "deadline"):
            self.assertIn(word, text)
        self.assertEqual([path.name for path in self.dir.glob("out*")], ["out.svg"])

    def test_picture_is_here_unless_told(self):
        self.result()
        self.assertTrue((self.dir / "weft-demo.svg").exists())

    def test_log_gets_lines_and_terminal_gets_one(self):
        log = self.demo("--no-svg", "--duration", "1500ms")
        self.assertIn("asked", log.stderr)
        self.assertNotIn("\r", log.stderr)
        try:
            main, terminal = pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminal: {error}")
        self.demo("--no-svg", stdout=subprocess.DEVNULL, stderr=terminal)
        os.close(terminal)
        shown = os.read(main, 1 << 16).decode()
        os.close(main)
        self.assertGreater(shown.count("\r"), 6)
        self.assertIn("singleflight", shown)
        self.assertEqual(shown.count("\n"), 0, "the index was read before: nothing stays")

    # The database

    def test_second_run_reads_nothing(self):
        self.assertIn("read the package index", self.demo("--no-svg").stderr)
        before = [(path.name, path.stat().st_mtime_ns) for path in self.cache.iterdir()]
        self.assertNotIn("read the package index", self.demo("--no-svg").stderr)
        self.assertEqual(before, [(path.name, path.stat().st_mtime_ns) for path in self.cache.iterdir()])

    def test_changed_index_is_read_again(self):
        self.demo("--no-svg")
        self.data.write_text(self.text + "Package: newcomer\nDepends: p0-39\n\n")
        self.assertIn("read the package index", self.demo("--no-svg").stderr)
        self.assertEqual(len(self.databases()), 1)

    def test_spoilt_database_is_made_again(self):
        self.demo("--no-svg")
        (self.cache / self.databases()[0]).write_bytes(b"spoilt" * 1000)
        self.assertIn("read the package index", self.demo("--no-svg").stderr)
        self.assertTrue(self.result("--no-svg")["answers"]["agree"])

    def test_what_a_killed_one_left_does_no_harm(self):
        self.demo("--no-svg")
        name = self.databases()[0]
        (self.cache / name).rename(self.cache / (name + ".part"))
        self.assertEqual(self.demo("--no-svg").returncode, 0)
        self.assertEqual(self.databases(), [name])

    def test_two_at_once_share_it(self):
        both = [subprocess.Popen(self.argv(*QUICK, "--no-svg"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(2)]
        self.assertEqual([process.wait() for process in both], [0, 0])
        self.assertEqual(len(self.databases()), 1)

    def test_dpkg_status_counts_only_what_is_installed(self):
        self.data.write_text("Package: a\nStatus: install ok installed\nDepends: b\n\n"
                             "Package: b\nStatus: install ok installed\n\n"
                             "Package: c\nStatus: deinstall ok config-files\nDepends: b\n\n")
        result = self.result("--no-svg")
        self.assertEqual(result["packages"], 2)
        self.assertEqual(result["answers"]["hot"][0], {"package": "b", "breaks": 1, "checksum": mark("a")})

    def test_form_of_dependencies(self):
        self.data.write_text("Package: a\nPre-Depends: b:any (>= 1:2~) | c [amd64 !i386] <!nocheck>,d(<<2),\n e|f\n\n")
        self.demo("--no-svg")
        with sqlite3.connect(self.cache / self.databases()[0]) as db:
            names = {name for (name,) in db.execute("SELECT name FROM package WHERE NOT listed")}
        self.assertEqual(names, {"b", "c", "d", "e", "f"})

    def test_works_without_home(self):
        env = {name: value for name, value in self.env.items() if name not in ("HOME", "XDG_CACHE_HOME")}
        done = self.run_it([weft, "demo", "--data", self.data, "--no-svg", *QUICK], env=env)
        for path in re.findall(r"into (/tmp/weft-\d+/packages-[0-9a-f]+\.db)", done.stderr):
            pathlib.Path(path).unlink()
            if not any(pathlib.Path(path).parent.iterdir()):
                pathlib.Path(path).parent.rmdir()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("HOME is not set", done.stderr)

    # Trouble

    def test_arguments_that_are_wrong(self):
        for args, word in [
            (["--what"], "--what"), (["--what=1"], "--what"), (["what"], "what"), (["-x"], "-x"), ([""], ""),
            (["--rate"], "--rate"), (["--rate", "x"], "'x'"), (["--rate", "-5"], "-5"), (["--rate", "0"], "'0'"),
            (["--rate", "nan"], "nan"), (["--rate", "inf"], "inf"), (["--rate", "0x10"], "0x10"),
            (["--rate", "1e9"], "1e9"), (["--rate", "10 "], "10 "), (["--rate="], "''"),
            (["--duration", "10parsecs"], "parsecs"), (["--duration", "0"], "'0'"), (["--lifetime", "1d"], "1d"),
            (["--deadline", "0ms"], "0ms"), (["--skew", "9"], "9"), (["--seed", "-1"], "-1"),
            (["--seed", "18446744073709551616"], "2^64"), (["--connections", "1.5"], "1.5"),
            (["--connections", "0"], "'0'"), (["--connections", "100000"], "100000"), (["--json=1"], "no value"),
            (["--rate", "100000", "--duration", "1h"], "--duration"), (["--duration", "61m"], "61m"),
            (["--rate", "100000", "--duration", "5s", "--deadline", "60s"], "wait"), (["--data", ""], "--data"),
        ]:
            self.assert_trouble(self.run_it([weft, "demo", "--no-svg", *args]), word)

    def test_words_that_are_wrong(self):
        for args, word in [([], "no command"), (["weave"], "weave"), (["version", "x"], "'x'"), (["help", "x"], "'x'")]:
            self.assert_trouble(self.run_it([weft, *args]), word)

    def test_help_and_version(self):
        for args in (["help"], ["--help"], ["demo", "--help"], ["version"], ["--version"]):
            done = self.run_it([weft, *args])
            self.assertEqual((done.returncode, done.stderr), (0, ""), args)
            self.assertIn("weft", done.stdout)

    def test_data_that_is_no_index(self):
        cut = self.text[: len(self.text) // 2].rstrip("\n") + "x"
        for name, content in {
            "empty": b"", "text": b"Dear reader,\n", "zeros": bytes(1 << 21),
            "noise": random.Random(1).randbytes(1 << 20), "no-package": b"Version: 1\n\n",
            "two-in-one": b"Package: a\nPackage: b\n\n", "cut": cut.encode(),
            "long": b"Package: " + b"a" * (1 << 21) + b"\n\n", "late": self.text.encode() + b"\x7fELF\n",
            "blank": b" Package: a\n", "spaces": b"Package: a b\n\n",
        }.items():
            self.data.write_bytes(content)
            self.assert_trouble(self.demo("--no-svg"), str(self.data))
            self.assertEqual(self.databases(), [], name)

    def test_data_that_is_no_file(self):
        for path, word in [("/nonexistent/index", "No such file"), ("/dev/zero", "regular"), ("/tmp", "directory")]:
            self.assert_trouble(self.demo("--no-svg", "--data", path), path, word)

    def test_cache_that_is_no_directory(self):
        self.cache.write_text("a file")
        self.assert_trouble(self.demo("--no-svg"), str(self.cache), "--cache")

    def as_nobody(self, directory, *args):
        """Run in a directory that may not be written, as a user who is not root."""
        if os.getuid() != 0:
            done = None
            directory.chmod(0o555)
            try:
                done = self.run_it(self.argv(*QUICK, *args))
            finally:
                directory.chmod(0o755)
            return done
        self.dir.chmod(0o755)
        copy = shutil.copy(weft, self.dir / "weft")
        return self.run_it([copy, *self.argv(*QUICK, *args)[1:]], user=NOBODY, group=NOBODY, extra_groups=[])

    def test_cache_that_may_not_be_written(self):
        self.cache.mkdir(mode=0o755)
        self.assert_trouble(self.as_nobody(self.cache, "--no-svg"), str(self.cache), "Permission denied", "--cache")
        self.assertEqual(self.databases(), [])

    def test_cache_that_may_not_be_written_but_has_it(self):
        self.demo("--no-svg")
        self.cache.chmod(0o755)
        for path in self.cache.iterdir():
            path.chmod(0o644)
        self.assertEqual(self.as_nobody(self.cache, "--no-svg").returncode, 0)

    def test_picture_that_cannot_be_written(self):
        for path in (self.dir, self.dir / "no" / "such.svg", pathlib.Path("/dev/null"), pathlib.Path("/proc/x.svg")):
            self.assert_trouble(self.demo("--svg", str(path)), str(path), "--svg")
        self.assertEqual(self.databases(), [])
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def on_tmpfs(self, options, argv):
        if not can_mount():
            self.skipTest("may not mount a file system")
        self.cache.mkdir(exist_ok=True)
        script = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && "$@"; s=$?; ls "$CACHE" >&2; exit $s'
        return self.run_it(["unshare", "-rm", "sh", "-c", script, "sh", options, str(self.cache), *argv],
                           env={**self.env, "CACHE": str(self.cache)})

    def test_full_disk(self):
        for size in ("4k", "8k", "24k"):
            done = self.on_tmpfs(f"size={size}", self.argv(*QUICK, "--no-svg"))
            self.assert_trouble(done, str(self.cache), "full")  # the ls adds no line: nothing is left

    def test_full_disk_for_the_picture(self):
        self.demo("--no-svg")
        argv = self.argv(*QUICK)
        argv[argv.index("--cache") + 1] = str(self.dir / "other")
        done = self.on_tmpfs("size=4k", [*argv, "--svg", str(self.cache / "out.svg")])
        self.assertEqual(done.returncode, 2)
        self.assertIn("No space left", done.stderr)
        self.assertIn("singleflight", done.stdout, "the table is told all the same")
        self.assertNotIn("out.svg\n", done.stderr)

    def test_read_only_file_system(self):
        done = self.on_tmpfs("ro", self.argv(*QUICK, "--no-svg"))
        self.assert_trouble(done, str(self.cache), "Read-only")

    def test_file_size_limit(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

        self.assert_trouble(self.demo("--no-svg", preexec_fn=limit), str(self.cache))
        self.assertEqual(self.databases(), [])

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            done = self.demo("--no-svg", stdout=full)
        self.assertEqual(done.returncode, 2)
        self.assertIn("No space left", done.stderr)

    # Ctrl-C

    def interrupt(self, number, when, *args):
        """Send a signal when a line of progress begins with when. Returns status, stdout, stderr, seconds."""
        process = self.start(["--no-svg", *args])
        self.wait_for_line(process, when)
        start = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err, time.monotonic() - start

    def test_interrupt_in_a_run(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            status, out, err, seconds = self.interrupt(number, "unprotected", "--duration", "60s")
            self.assertEqual(status, 128 + number, err)
            self.assertLess(seconds, 10)
            self.assertIn("run 1 of 3", out)
            self.assertIn("asked", out)

    def test_interrupt_in_json(self):
        status, out, err, _ = self.interrupt(signal.SIGINT, "unprotected", "--duration", "60s", "--json")
        self.assertEqual(status, 130, err)
        result = json.loads(out)
        self.assertTrue(result["interrupted"])
        self.assertEqual([run["complete"] for run in result["runs"]], [False])

    def test_interrupt_while_the_index_is_read(self):
        with self.data.open("w") as f:
            for n in range(400_000):
                f.write(f"Package: p{n}\nDepends: p{n // 2}, p{n // 3}, p{n // 5}\n\n")
        status, out, err, seconds = self.interrupt(signal.SIGINT, "reading")
        self.assertEqual(status, 130, err)
        self.assertLess(seconds, 10)
        self.assertIn("before the first run", out)
        self.assertEqual(self.databases(), [])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: test_demo.py PATH/TO/weft")
    weft = os.path.abspath(sys.argv.pop())
    sys.exit(run_unittests())
