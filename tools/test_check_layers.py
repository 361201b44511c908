#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_layers.py finds each kind of offence in a small tree, and nothing in a clean one."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import check_layers
from tally import run_unittests

LAYERS = """
# layer  | files          | may include     | public headers
base     | src/base       |                 | base.h atomic.h
plat     | src/plat       | base            |
sync     | src/sync       | base plat       | once.h
umbrella | include/weft.h | base sync       |
cli      | cli            | public          |
test     | test           | public door     |
door     | test/door.h    | public base plat sync |
only include/weft/atomic.h : <stdatomic.h> memory_order_ __atomic_
only src/plat : system headers
"""

CLEAN = {
    "tools/layers.txt": LAYERS,
    "include/weft.h": "#include <weft/base.h>\n#include <weft/atomic.h>\n#include <weft/once.h>\n",
    "include/weft/base.h": "#include <stddef.h>\n",
    "include/weft/atomic.h": "#include <stdatomic.h>\n#define load(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)\n",
    "include/weft/once.h": '#include <weft/base.h>\n#include "atomic.h"\n',
    "src/base/list.h": "#include <weft/base.h>\n/* not __atomic_, not memory_order_relaxed */\n",
    "src/plat/futex.h": '#include "base/list.h"\n',
    "src/plat/futex.c": '#include "futex.h"\n#include <linux/futex.h>\n#include <errno.h>\n',
    "src/sync/once.c": '#include "plat/futex.h"\n#include <weft/once.h>\nstatic const char *s = "__atomic_";\n',
    "cli/cli.h": "#include <weft.h>\n",
    "cli/main.c": '#include "cli.h"\n#include <unistd.h>\n#include <weft/once.h>\n',
    "test/door.h": '#include "../src/plat/futex.h"\n',
    "test/unit/once.c": '#include "door.h"\n#include <weft/once.h>\n',
}


KINDS = ("layering", "public", "umbrella", "words", "system")


def plant(folder, files):
    root = pathlib.Path(folder)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


class Layers(unittest.TestCase):
    def complaints(self, changes=None):
        """What check_layers says about the clean tree with these files added or replaced."""
        with tempfile.TemporaryDirectory() as folder:
            root = plant(folder, {**CLEAN, **(changes or {})})
            check = check_layers.Check(root)
            return {kind: getattr(check, kind) for kind in KINDS}

    def assert_offence(self, kind, path, text):
        """This file is complained about once, in this kind and in no other."""
        found = self.complaints({path: text})
        self.assertEqual({k: int(k == kind) for k in KINDS}, {k: len(found[k]) for k in KINDS}, found)

    def test_clean_tree_has_no_complaints(self):
        self.assertEqual({kind: [] for kind in KINDS}, self.complaints())

    def test_command_fails_on_an_offence_and_only_then(self):
        for files, status in ((CLEAN, 0), ({**CLEAN, "src/base/hash.c": '#include "plat/futex.h"\n'}, 1)):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, check_layers.__file__, plant(folder, files)]
                result = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual(status, result.returncode, result.stdout)

    def test_lower_layer_including_a_higher_one_is_found(self):
        self.assert_offence("layering", "src/base/hash.c", '#include "plat/futex.h"\n')

    def test_lower_layer_including_a_higher_public_header_is_found(self):
        self.assert_offence("layering", "src/plat/stack.c", "#include <weft/once.h>\n")

    def test_include_relative_to_the_file_is_followed(self):
        self.assert_offence("layering", "src/base/hash.c", '#include "../plat/futex.h"\n')

    def test_include_with_odd_spacing_is_found(self):
        self.assert_offence("layering", "src/base/hash.c", '\t#  include"plat/futex.h"\n')

    def test_include_after_a_comment_is_found(self):
        self.assert_offence("layering", "src/base/hash.c", '/* a\n comment */ #include "plat/futex.h"\n')

    def test_include_inside_a_comment_is_ignored(self):
        found = self.complaints({"src/base/hash.c": '/*\n#include "plat/futex.h"\n*/\n'})
        self.assertEqual([], found["layering"])

    def test_include_through_a_macro_is_found(self):
        self.assert_offence("layering", "src/base/hash.c", "#include HEADER\n")

    def test_include_of_a_missing_file_is_found(self):
        self.assert_offence("layering", "src/base/hash.c", '#include "gone.h"\n')

    def test_library_including_the_umbrella_is_found(self):
        self.assert_offence("layering", "src/sync/cond.c", "#include <weft.h>\n")

    def test_program_including_the_inside_is_found(self):
        self.assert_offence("layering", "cli/cmd_demo.c", '#include "plat/futex.h"\n')

    def test_test_passing_by_the_door_is_found(self):
        self.assert_offence("layering", "test/unit/futex.c", '#include "plat/futex.h"\n')

    def test_program_including_a_test_header_is_found(self):
        self.assert_offence("layering", "cli/cmd_demo.c", '#include "door.h"\n')

    def test_file_in_no_layer_is_found(self):
        self.assert_offence("layering", "include/weft/stray.h", "")
        self.assert_offence("layering", "src/stray/stray.c", "")

    def test_public_header_including_a_private_one_is_found(self):
        found = self.complaints({"include/weft/once.h": '#include "../../src/base/list.h"\n'})
        self.assertEqual(1, len(found["public"]))

    def test_public_header_including_a_system_header_is_found(self):
        self.assert_offence("public", "include/weft/once.h", "#include <pthread.h>\n")

    def test_public_header_missing_from_the_umbrella_is_found(self):
        self.assert_offence("umbrella", "include/weft.h", "#include <weft/base.h>\n#include <weft/atomic.h>\n")

    def test_atomics_outside_their_home_are_found(self):
        self.assert_offence("words", "src/plat/lock.c", "int f(int *p) { return __atomic_load_n(p, 5); }\n")
        self.assert_offence("words", "include/weft/once.h", "#include <stdatomic.h>\n")
        self.assert_offence("words", "src/sync/mutex.c", "x = load_explicit(p, memory_order_relaxed);\n")

    def test_system_header_in_a_second_home_is_none(self):
        homes = LAYERS.replace("only src/plat :", "only src/plat src/base/os :")
        found = self.complaints({"tools/layers.txt": homes, "src/base/os/file.c": "#include <unistd.h>\n"})
        self.assertEqual([], found["system"])

    def test_system_header_outside_plat_is_found(self):
        self.assert_offence("system", "src/sync/mutex.c", "#include <errno.h>\n#include <sys/mman.h>\n")

    def test_layer_that_does_not_exist_is_refused(self):
        with self.assertRaises(ValueError):
            check_layers.Rules("base | src/base | cellar | base.h\n")


if __name__ == "__main__":
    sys.exit(run_unittests())
