#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the cases of test_api.c or test_gate.c on a Redis server:  test_redis_api.py PROGRAM"""

import os
import subprocess
import sys

from redis_server import PROGRAM, Server


def main():
    if PROGRAM is None:
        print("skip fleets_on_redis: no redis-server\n0 passed, 0 failed, 1 skipped")
        return 77
    with Server() as server:
        place = f"unix:{server.unix}"
        return subprocess.run(sys.argv[1:], env={**os.environ, "WEFT_TEST_PLACE": place}).returncode


if __name__ == "__main__":
    sys.exit(main())
