# SPDX-License-Identifier: MIT
"""A port of 127.0.0.1 for a server to listen on."""

import pathlib
import random
import socket


def free_port():
    """Nobody's now, and none that the kernel may give to a connection before the server has it."""
    first_given = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(min(10_000, first_given // 2), first_given)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
