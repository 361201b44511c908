# SPDX-License-Identifier: MIT
"""A connection to a server that goes wrong on request.

    proxy = Proxy(server.address)           clients connect to proxy.address
    proxy.delay = 0.05                      every reply comes later by that, one after another
    proxy.distance = 0.05                   … of the connections that are made from now on, though they come together
    proxy.stall(); proxy.go_on()            nothing passes, either way
    proxy.cut()                             all connections break; new ones work
    proxy.refuse(); proxy.accept()          … or do not
    proxy.lose_reply("EVALSHA", after=3)    the reply to the 3rd such command from now on is lost, and the
                                            connection with it
    proxy.trap(sha, "after", kill)          kill() is called where the script has been executed, and its reply does
                                            not come back; "before": neither does it reach the server
    proxy.twice("EVALSHA")                  every such command reaches the server twice; one reply comes back

It reads whole commands and replies, so it knows which reply is whose.
"""

import collections
import queue
import socket
import threading
import time


class Proxy:
    def __init__(self, server):
        self.server = server
        self.delay = self.distance = 0
        self.lock = threading.Lock()
        self.open = threading.Event()
        self.open.set()
        self.refusing = False
        self.losing = None  # (command, how many are left)
        self.awaited = None  # [command, how many are left, what to do]
        self.doubled = None
        self.trapped = None  # (sha, when, what to do)
        self.lost = self.repeated = 0
        self.passed = collections.Counter()  # commands, by their names
        self.sockets = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = self.listener.getsockname()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.address[1]}/0"

    def stall(self):
        self.open.clear()

    def go_on(self):
        self.open.set()

    def cut(self):
        with self.lock:
            for s in self.sockets:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def refuse(self):
        self.refusing = True
        self.cut()

    def accept(self):
        self.refusing = False

    def lose_reply(self, command, after=1):
        self.losing = [command.encode(), after]

    def trap(self, sha, when, spring):
        self.trapped = (sha.encode(), when, spring)

    def before(self, command, nth, act):
        """Call act when the nth such command has come, and before the server has it."""
        self.awaited = [command.encode(), nth, act]

    def twice(self, command):
        self.doubled = command.encode() if command else None

    def close(self):
        self.listener.close()
        self.refuse()

    def _listen(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self.server)
            except OSError:
                client.close()
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.sockets |= {client, server}
            pair = _Pair(self, client, server)
            for target in (pair.commands, pair.replies):
                threading.Thread(target=target, daemon=True).start()

    def _ends(self, *sockets):
        with self.lock:
            for s in sockets:
                self.sockets.discard(s)
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def _read_value(file):
    """One command or reply, as its bytes; None at the end."""
    line = file.readline()
    if not line.endswith(b"\r\n"):
        return None
    if line[:1] not in b"$*" or line[1:2] == b"-":
        return line
    count = int(line[1:-2])
    if line[:1] == b"$":
        return line + file.read(count + 2)
    parts = [_read_value(file) for _ in range(count)]
    return None if None in parts else line + b"".join(parts)


def _name(command):
    words = command.split(b"\r\n", 3)
    return words[2].upper() if len(words) > 2 else b""


class _Line:
    """What is sent comes out in order, so many seconds later."""

    def __init__(self, target, seconds):
        self.target, self.seconds, self.queue = target, seconds, queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def sendall(self, data):
        self.queue.put((time.monotonic() + self.seconds, data))

    def _run(self):
        try:
            while True:
                due, data = self.queue.get()
                time.sleep(max(0, due - time.monotonic()))
                self.target.sendall(data)
        except OSError:
            pass


class _Pair:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.line = _Line(client, proxy.distance) if proxy.distance else client
        self.owed = []  # of each command on its way: "pass", "lose" or "swallow"
        self.lock = threading.Lock()

    def fate(self, name, command):
        trapped = self.proxy.trapped
        if trapped and name == b"EVALSHA" and trapped[0] in command[:100]:
            self.proxy.trapped, self.spring = None, trapped[2]
            return trapped[1]
        awaited = self.proxy.awaited
        if awaited and name == awaited[0]:
            awaited[1] -= 1
            if awaited[1] == 0:
                awaited[2]()
        losing = self.proxy.losing
        if losing and name == losing[0]:
            losing[1] -= 1
            if losing[1] == 0:
                self.proxy.losing = None
                return "lose"
        return "pass"

    def commands(self):
        file = self.client.makefile("rb")
        try:
            while (command := _read_value(file)) is not None:
                self.proxy.open.wait()
                name = _name(command)
                self.proxy.passed[name] += 1
                double = name == self.proxy.doubled
                fate = self.fate(name, command)
                if fate == "before":
                    self.spring()
                    break
                with self.lock:
                    self.owed += ["swallow"] * double + [fate]
                self.proxy.repeated += double
                self.server.sendall(command * (2 if double else 1))
        except OSError:
            pass
        self.proxy._ends(self.client, self.server)

    def replies(self):
        file = self.server.makefile("rb")
        try:
            while (reply := _read_value(file)) is not None:
                self.proxy.open.wait()
                if self.proxy.delay:
                    time.sleep(self.proxy.delay)
                with self.lock:
                    fate = self.owed.pop(0) if self.owed else "pass"
                if fate == "lose":
                    self.proxy.lost += 1
                    break
                if fate == "after":
                    self.spring()
                    break
                if fate == "pass":
                    self.line.sendall(reply)
        except OSError:
            pass
        self.proxy._ends(self.client, self.server)
