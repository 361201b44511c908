#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A trace in a real viewer, in a real browser:  view_trace.py PATH/TO/traced

Chromium (Debian's) shows the file in speedscope, whose package from npm is in the folder that
WEFT_SPEEDSCOPE names: npm pack speedscope && tar xf speedscope-*.tgz. Without both it is skipped.
The browser is spoken to through a pipe; the viewer's files come from 127.0.0.1.
"""

import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from tally import run_unittests  # noqa: E402

PROGRAM = None
LIMIT_SECONDS = 90
STATE = """JSON.stringify({title: document.title, text: document.body.innerText, complaints: window.complaints})"""
LISTEN = """window.complaints = []; console.error = window.alert = text => window.complaints.push(String(text))"""


class Browser:
    """Its DevTools protocol over the descriptors 3 and 4."""

    def __init__(self, folder):
        read_end, self.out = os.pipe()
        self.into, write_end = os.pipe()

        def descriptors():
            for high, low, end in ((100, 3, read_end), (101, 4, write_end)):
                os.dup2(end, high)
            os.dup2(100, 3)
            os.dup2(101, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--no-first-run", "--disable-background-networking", f"--user-data-dir={folder}"],
            preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_end)
        os.close(write_end)
        self.buffer, self.count, self.session = b"", 0, None

    def call(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (answer := self.read()).get("id") != self.count:
            pass
        return answer["result"]

    def read(self):
        while b"\0" not in self.buffer:
            part = os.read(self.into, 1 << 16)
            if not part:
                raise unittest.SkipTest("chromium does not start here")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
        self.call("Page.navigate", url=url)

    def state(self):
        result = self.call("Runtime.evaluate", expression=STATE, returnByValue=True)["result"]
        return json.loads(result["value"])

    def close(self):
        self.process.kill()
        self.process.wait()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class View(unittest.TestCase):
    def test_a_viewer_shows_the_tracks_of_a_trace(self):
        release = pathlib.Path(os.environ.get("WEFT_SPEEDSCOPE", "/nowhere")) / "dist" / "release"
        if shutil.which("chromium") is None:
            self.skipTest("chromium is not installed")
        if not (release / "index.html").is_file():
            self.skipTest("WEFT_SPEEDSCOPE does not name the folder of npm's speedscope")
        with tempfile.TemporaryDirectory() as folder:
            site = pathlib.Path(folder) / "site"
            shutil.copytree(release, site)
            env = {**os.environ, "WEFT_TRACE": str(site / "trace.json")}
            subprocess.run([PROGRAM], env=env, check=True, timeout=60)
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            browser = Browser(pathlib.Path(folder) / "browser")
            try:
                base = f"http://127.0.0.1:{server.server_port}"
                browser.open(f"{base}/index.html#profileURL={base}/trace.json")
                end = time.monotonic() + LIMIT_SECONDS
                while "trace.json" not in (state := browser.state())["title"] and time.monotonic() < end:
                    time.sleep(0.5)
            finally:
                browser.close()
                server.shutdown()
        self.assertEqual(state["complaints"], [])
        self.assertIn("trace.json", state["title"])
        self.assertRegex(state["text"], r"worker \d+ \(pid 1, tid \d+\) \(\d+/\d+\)")


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop())
    sys.exit(run_unittests())
