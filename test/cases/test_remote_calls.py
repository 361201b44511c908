#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/remote_calls, from outside:  test_remote_calls.py PROGRAM

The service is the program's own, or one written here that counts for itself. Standard library only.
"""

import collections
import http.server
import socket
import threading
import time

import case


class Service(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, delay=0.05, status=200):
        super().__init__(("127.0.0.1", 0), Handler)
        self.delay, self.status = delay, status
        self.count, self.now, self.most = 0, collections.Counter(), 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that leaves is no error here."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        with server.lock:
            server.count += 1
            server.now[self.path] += 1
            server.most = max(server.most, server.now[self.path])
        time.sleep(server.delay)
        with server.lock:
            server.now[self.path] -= 1
        body = self.path.encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


QUICK = ["--callers", "300", "--during", "400ms", "--urls", "10", "--patience", "20ms"]


class RemoteCalls(case.Case):
    options = "upstream callers during urls delay patience connections seed json".split()
    bad = (["--callers", "0"], ["--callers", "x"], ["--delay"], ["--delay", "1h"], ["--delay", "nan"])

    def service(self, **options):
        service = Service(**options)
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        return service

    def test_identical_requests_become_one(self):
        own, merged, leaving = self.result(*QUICK)
        self.assertEqual(own["answered"], 300)
        self.assertEqual(own["requests"], 300)
        self.assertEqual(merged["answered"], 300)
        # Ten urls, each asked for at most once in 100 ms, for half a second.
        self.assertLess(merged["requests"], 10 * 7)
        self.assertEqual(leaving["answered"] + leaving["left"], 300)
        self.assertEqual(leaving["failed"], 0)

    def test_callers_leave_in_time_and_do_not_disturb_others(self):
        _, merged, leaving = self.result("--callers", "300", "--during", "300ms", "--urls", "3", "--delay", "300ms")
        self.assertGreaterEqual(leaving["left"], 80)
        self.assertLess(leaving["leave_p99_ns"], 200e6)
        self.assertEqual(leaving["failed"], 0)

    def test_requests_that_nobody_waits_for_are_given_up(self):
        runs = self.result("--callers", "60", "--during", "1s", "--urls", "10000", "--delay", "500ms")
        self.assertEqual([r["abandoned"] for r in runs[:2]], [0, 0])
        self.assertGreaterEqual(runs[2]["abandoned"], 15)

    def test_the_service_counts_the_same_requests(self):
        service = self.service()
        runs = self.result(*QUICK, "--upstream", service.url)
        self.assertEqual(runs[0]["requests"], 300)
        self.assertEqual(sum(r["failed"] for r in runs), 0)
        # One that was given up before it had a connection was never sent.
        self.assertLessEqual(service.count, sum(r["requests"] for r in runs))
        self.assertGreaterEqual(service.count, runs[0]["requests"] + runs[1]["requests"])

    def test_a_service_that_answers_with_an_error(self):
        service = self.service(status=503)
        done = self.run_program(*QUICK, "--upstream", service.url)
        self.assert_one_line(done, 1, "calls failed")

    def test_no_service(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        done = self.run_program("--callers", "20", "--during", "10ms", "--upstream", f"http://127.0.0.1:{port}")
        self.assert_one_line(done, 1, "60 calls failed")

    def test_no_url(self):
        done = self.run_program("--callers", "20", "--during", "10ms", "--upstream", "gopher://x")
        self.assert_one_line(done, 1, "60 calls failed")

    def test_options(self):
        self.check_options()


if __name__ == "__main__":
    case.main(RemoteCalls)
