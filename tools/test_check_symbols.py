#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_symbols.py reads declarations, maps and libraries rightly, and finds each difference."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import check_symbols
from tally import run_unittests

HEADER = """
#define WEFT_API __attribute__((visibility("default")))
/* WEFT_API int weft_not_me(void); */
WEFT_API int weft_plain(int n);
WEFT_API void weft_wrapped(weft_fn fn,
			   void *arg) WEFT_PRIV_WARN_UNUSED;
WEFT_API struct weft_key *weft_pointer(void);
WEFT_API __attribute__((format(printf, 1, 2))) _Noreturn void weft_attributed(const char *format, ...);
WEFT_PRIV_COLD WEFT_API void weft_cold_slow(int (*fn)(void *), void *arg);
WEFT_API extern const int weft_number;
WEFT_API extern int weft_table[4];
int weft_not_exported(void);
"""
DECLARED = {
    "weft_plain",
    "weft_wrapped",
    "weft_pointer",
    "weft_attributed",
    "weft_cold_slow",
    "weft_number",
    "weft_table",
}


def build_library(folder, names, map_names):
    """A shared library that defines names, all visible, under a map that exports map_names."""
    source, version, library = folder / "l.c", folder / "l.map", folder / "l.so"
    source.write_text("".join(f"int {name};\n" for name in names))
    version.write_text(check_symbols.map_text(map_names))
    subprocess.run(["cc", "-shared", "-fPIC", f"-Wl,--version-script={version}", source, "-o", library], check=True)
    return library


class Symbols(unittest.TestCase):
    def test_every_form_of_declaration_is_read(self):
        self.assertEqual(DECLARED, check_symbols.declared(HEADER))

    def test_written_map_reads_back(self):
        self.assertEqual(DECLARED, check_symbols.named_by_map(check_symbols.map_text(DECLARED)))

    def test_comments_in_a_map_name_nothing(self):
        text = "WEFT_0 {\n global:\n /* weft_old; */ weft_new;\n local: *;\n};\n"
        self.assertEqual({"weft_new"}, check_symbols.named_by_map(text))

    def test_library_exports_are_read_without_version_nodes(self):
        with tempfile.TemporaryDirectory() as folder:
            library = build_library(pathlib.Path(folder), ["weft_a", "weft_b", "weft__inside"], ["weft_a", "weft_b"])
            self.assertEqual({"weft_a", "weft_b"}, check_symbols.exported(library))

    def test_library_without_a_mapped_symbol_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            library = build_library(pathlib.Path(folder), ["weft_a"], ["weft_a", "weft_gone"])
            found = check_symbols.differences("map", {"weft_a", "weft_gone"}, "lib", check_symbols.exported(library))
            self.assertEqual(["weft_gone: in map, not in lib"], found)

    def test_differences_name_both_sides(self):
        found = check_symbols.differences("map", {"a", "b"}, "headers", {"b", "c"})
        self.assertEqual(["a: in map, not in headers", "c: in headers, not in map"], found)

    def test_command_fails_on_a_difference_and_passes_after_write(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "include").mkdir()
            (root / "src").mkdir()
            (root / "include" / "x.h").write_text("WEFT_API int weft_a(void);\nWEFT_API int weft_b(void);\n")
            (root / "src" / "weft.map").write_text(check_symbols.map_text(["weft_a"]))
            library = build_library(root, ["weft_a", "weft_b"], ["weft_a", "weft_b"])
            command = [sys.executable, check_symbols.__file__]
            before = subprocess.run([*command, library, root], capture_output=True, text=True)
            self.assertEqual(1, before.returncode)
            self.assertIn("weft_b: in the headers, not in src/weft.map", before.stdout)
            subprocess.run([*command, "--write", root], check=True)
            self.assertEqual(0, subprocess.run([*command, library, root], capture_output=True).returncode)

    def test_each_library_has_its_own_headers(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "include" / "weft").mkdir(parents=True)
            (root / "src" / "fleet").mkdir(parents=True)
            (root / "include" / "weft" / "once.h").write_text("WEFT_API int weft_a(void);\n")
            (root / "include" / "weft" / "fleet.h").write_text("WEFT_API int weft_b(void);\n")
            subprocess.run([sys.executable, check_symbols.__file__, "--write", root], check=True)
            for name, map_name, symbol in (
                ("libweft.so.0", "src/weft.map", "weft_a"),
                ("libweft-fleet.so.0", "src/fleet/weft-fleet.map", "weft_b"),
            ):
                self.assertEqual({symbol}, check_symbols.named_by_map((root / map_name).read_text()))
                library = build_library(root, [symbol], [symbol])
                library.rename(root / name)
                command = [sys.executable, check_symbols.__file__, root / name, root]
                self.assertEqual(0, subprocess.run(command, capture_output=True).returncode)


if __name__ == "__main__":
    sys.exit(run_unittests())
