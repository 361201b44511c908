# SPDX-License-Identifier: MIT
"""A redis-server for a test: on a free port of 127.0.0.1, in a folder of its own, gone with the test.

    with Server() as server:
        server.command("SET", "k", "v")
        server.kill(); server.start()           # -9, and again with what was on the disk
        server.kill(); server.start(empty=True)
        server.freeze(); server.thaw()
        with server.replica() as replica: replica.promote()
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from ports import free_port

START_SECONDS = 20
PROGRAM = shutil.which("redis-server")


class RedisError(Exception):
    pass


def encode(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Client:
    """One connection. Errors of the server are returned by receive(), and raised by command()."""

    def __init__(self, address, timeout=10):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        self.socket.sendall(encode(*words))

    def receive(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2]
        return [self.receive() for _ in range(int(rest))]

    def command(self, *words):
        self.send(*words)
        reply = self.receive()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def close(self):
        self.file.close()
        self.socket.close()


class Server:
    def __init__(self, *options, prefix=(), start=True, host="127.0.0.1"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-redis-"))
        self.host, self.port = host, free_port()
        self.unix = str(self.folder / "socket")
        self.options, self.prefix = list(options), list(prefix)
        self.process = None
        if start:
            self.start()

    @property
    def address(self):
        return self.host, self.port

    @property
    def url(self):
        return f"redis://{self.host}:{self.port}/0"

    def start(self, empty=False):
        if empty:
            for path in list(self.folder.glob("*.rdb")) + [self.folder / "appendonlydir"]:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        fixed = ["--port", self.port, "--bind", self.host, "--dir", self.folder, "--unixsocket", self.unix]
        fixed += ["--daemonize", "no", "--save", "", "--protected-mode", "no", "--enable-protected-configs", "yes"]
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                [str(word) for word in [*self.prefix, PROGRAM, *fixed, *self.options]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.wait_until_ready()

    def wait_until_ready(self):
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                client = Client(self.unix)
                client.send("PING")
                reply = client.receive()
                client.close()
                if not isinstance(reply, RedisError) or "NOAUTH" in str(reply):
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("redis-server does not start:\n" + (self.folder / "log").read_text())
            time.sleep(0.01)

    def client(self, timeout=10):
        return Client(self.unix, timeout)

    def command(self, *words):
        client = self.client()
        try:
            return client.command(*words)
        finally:
            client.close()

    def info(self, section):
        lines = self.command("INFO", section).decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def calls(self):
        """How often each command was called, so far."""
        stats = self.info("commandstats")
        return {name.removeprefix("cmdstat_"): int(text.split(",")[0].removeprefix("calls="))
                for name, text in stats.items()}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def replica(self):
        replica = Server("--replicaof", f"{self.host} {self.port}", host=self.host)
        end = time.monotonic() + START_SECONDS
        while replica.info("replication").get("master_link_status") != "up":
            if time.monotonic() > end:
                raise RuntimeError("the replica does not follow")
            time.sleep(0.02)
        return replica

    def promote(self):
        self.command("REPLICAOF", "NO", "ONE")

    def close(self):
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
