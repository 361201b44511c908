# SPDX-License-Identifier: MIT
"""What the tests of the command share: running it, and looking at processes from outside."""

import os
import pathlib
import pty
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import run_unittests  # noqa: E402

LIMIT_SECONDS = 60
# Who starts us in the background may ignore these, and so would what we start.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
weft = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH/TO/weft")
    del sys.argv[1:]
    sys.exit(run_unittests())


def until(condition, what="it happens"):
    """Wait until condition() is true, and return what it returned."""
    end = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.002)
    raise AssertionError(f"waited in vain until {what}")


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def has_stopped(pid):
    """D: a shell waits in vfork(2) for a child that was stopped before its exec."""
    return state_of(pid) in "TD"


def ignore_children():
    """What some callers do: the kernel buries their children then, and ours, if we let it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def can_mount():
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weft-cli-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
        self.env["XDG_RUNTIME_DIR"] = str(self.dir)

    def options(self, more):
        usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": self.env}
        if "input" in more:
            del usual["stdin"]
        return {"cwd": self.dir, "restore_signals": True, **usual, **more}

    def descriptors(self, most):
        """Options of weft(): it has no more than that. A sanitizer that looks for leaks would need some itself."""
        return {"env": {**self.env, "ASAN_OPTIONS": "detect_leaks=0"},
                "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))}

    def weft(self, *args, **more):
        text = more.pop("text", True)
        return subprocess.run([weft, *map(str, args)], text=text, timeout=LIMIT_SECONDS, **self.options(more))

    def start(self, *args, **more):
        process = subprocess.Popen([weft, *map(str, args)], text=True, **self.options(more))
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def finish(self, process):
        out, err = process.communicate(timeout=LIMIT_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def pid_in(self, name):
        """The number that a command writes to a file, once it is there."""
        path = self.dir / name
        return int(until(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text(), name))

    def assert_done(self, done, status, out=None):
        self.assertEqual(done.returncode, status, done)
        if out is not None:
            self.assertEqual(done.stdout, out, done)

    def assert_trouble(self, done, *words, status=2):
        """One line on stderr, and nothing else."""
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, "", done)
        self.assertEqual(done.stderr.count("\n"), 1, done)
        for word in ("weft", *words):
            self.assertIn(word, done.stderr, done.args)


class Terminal:
    """A pseudo-terminal with a process in it, whose controlling terminal it is."""

    def __init__(self, test, *argv, **more):
        try:
            pid, self.fd = pty.fork()
        except OSError as error:
            test.skipTest(f"no terminal: {error}")
        if pid == 0:
            try:
                os.chdir(test.dir)
                os.execvpe(argv[0], argv, {**test.env, **more.get("env", {})})
            finally:
                os._exit(127)
        self.pid, self.shown, self.status = pid, "", None
        test.addCleanup(self.close)

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def type(self, text):
        os.write(self.fd, text.encode())

    def read(self):
        """Returns False at the end."""
        if not select.select([self.fd], [], [], 0.05)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)

    def until(self, text):
        until(lambda: self.read() and text in self.shown, f"the terminal shows {text!r}, not only {self.shown!r}")

    def wait(self):
        while self.read():
            pass
        self.status = os.waitpid(self.pid, 0)[1]
        return self.status
