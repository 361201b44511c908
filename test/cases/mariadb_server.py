# SPDX-License-Identifier: MIT
"""A mariadbd for a test: on a free port of 127.0.0.1, in a folder of its own, gone with the test.

    with Server() as server:
        server.url                              # mysql://weft:…@127.0.0.1:PORT/weft
        server.sql("SELECT COUNT(*) FROM t")    # rows of strings
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from ports import free_port

START_SECONDS = 60
MISSING = next((p for p in ("mariadbd", "mariadb-install-db", "mariadb")
                if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin")), None)


def program(name):
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")


class Server:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-mariadb-"))
        self.socket, self.log = self.folder / "socket", self.folder / "log"
        self.port = free_port()
        self.process = None
        try:
            self.install()
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        return f"mysql://weft:se'cret@127.0.0.1:{self.port}/weft"

    def install(self):
        with open(self.log, "a") as log:
            subprocess.run(
                [program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
                 "--auth-root-authentication-method=normal", "--force", *self.user()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)

    @staticmethod
    def user():
        return ["--user=root"] if os.geteuid() == 0 else []

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [program("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
                 f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid",
                 "--innodb-flush-log-at-trx-commit=2", "--max-connections=500", *self.user()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.sql("CREATE DATABASE IF NOT EXISTS weft; CREATE USER IF NOT EXISTS weft@'%' "
                         "IDENTIFIED BY 'se''cret'; GRANT ALL ON weft.* TO weft@'%'", database="")
                return
            except subprocess.CalledProcessError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("mariadbd does not start:\n" + self.log.read_text()) from None
                time.sleep(0.05)

    def sql(self, text, database="weft"):
        done = subprocess.run(
            [program("mariadb"), "--no-defaults", "-uroot", f"--socket={self.socket}", "-NB", "-e", text, database],
            capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
