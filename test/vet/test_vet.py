#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weft-vet, from outside:  test_vet.py PATH/TO/weft-vet BUILD ROOT

Each file in bad/ says in comments what has to be found on which line ("expect: weft-copy", once for
each finding), each in good/ has nothing; missing findings fail, and so do others. BUILD is a build
folder of this project, ROOT its sources: there is nothing to be found. Standard library only.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))
from tally import run_unittests  # noqa: E402

FINDING = re.compile(r"(.+?):(\d+):(\d+): warning: (.+) \[(weft-\w+)\]")
NOTE = re.compile(r"(.+?):(\d+):(\d+): note: (.+)")
EXPECTED = re.compile(r"expect: (weft-\w+(?: weft-\w+)*)")
COMPILERS = {".c": ["cc", "-std=gnu11"], ".cc": ["c++", "-std=c++17"]}
COPY = "#include <weft.h>\nvoid f(weft_mutex *a, weft_mutex *b) { *a = *b; }\n"
CLEAN = "#include <weft.h>\nvoid f(weft_mutex *a) { weft_mutex_lock(a); }\n"
vet = build = root = None


def run(*args, cwd=None):
    result = subprocess.run(
        [vet, *map(str, args)], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    return result.returncode, result.stdout, result.stderr


def compiler(suffix=".c"):
    return [*COMPILERS[suffix], f"-I{root}/include"]


def findings(output):
    """[(file, line, check)], and every line has to be a finding or a note."""
    found = []
    for line in output.splitlines():
        match = FINDING.fullmatch(line)
        if match:
            found.append((match[1], int(match[2]), match[5]))
        elif not NOTE.fullmatch(line):
            raise AssertionError(f"neither a finding nor a note: {line}")
    return found


def expected(path):
    return [
        (str(path.relative_to("/")), number, check)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in [EXPECTED.search(line)]
        if match
        for check in match[1].split()
    ]


class Corpus(unittest.TestCase):
    def check(self, path):
        status, out, err = run(path, "--", *compiler(path.suffix), cwd="/")
        wanted, found = collections.Counter(expected(path)), collections.Counter(findings(out))
        self.assertEqual("", err)
        self.assertEqual((collections.Counter(), collections.Counter()), (wanted - found, found - wanted), out)
        self.assertEqual(1 if wanted else 0, status)


def add_corpus():
    """A case for each file."""
    for path in sorted([*HERE.glob("good/*.c*"), *HERE.glob("bad/*.c*")]):
        name = f"test_{path.parent.name}_{path.stem}" + ("" if path.suffix == ".c" else "_" + path.suffix[1:])
        setattr(Corpus, name, lambda self, path=path: self.check(path))


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def database(self, *entries, folder="build"):
        """Entries are file names in the folder above, or whole entries."""
        whole = [
            e
            if isinstance(e, dict)
            else {
                "directory": str(self.folder / folder),
                "file": f"../{e}",
                "arguments": [*compiler(), "-c", f"../{e}", "-o", f"{e}.o"],
            }
            for e in entries
        ]
        return self.write(f"{folder}/compile_commands.json", json.dumps(whole))

    def run_here(self, *args):
        return run(*args, cwd=self.folder)

    def assert_trouble(self, result, *words):
        """Exit status 2, nothing found, and one line with these words."""
        status, out, err = result
        self.assertEqual((2, ""), (status, out), err)
        self.assertRegex(err, r"\Aweft-vet: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, err)


class Database(InFolder):
    def test_all_files_are_checked(self):
        self.write("a.c", COPY)
        self.write("sub/b.c", COPY)
        self.write("clean.c", CLEAN)
        self.database("a.c", "sub/b.c", "clean.c")
        status, out, err = self.run_here("-p", "build")
        self.assertEqual((1, ""), (status, err))
        self.assertEqual([("a.c", 2, "weft-copy"), ("sub/b.c", 2, "weft-copy")], findings(out))

    def test_clean_files_give_status_0_and_no_output(self):
        self.write("clean.c", CLEAN)
        self.database("clean.c")
        self.assertEqual((0, "", ""), self.run_here("-p", "build"))

    def test_only_named_files_are_checked(self):
        self.write("a.c", COPY)
        self.write("b.c", COPY)
        self.database("a.c", "b.c")
        _, out, _ = self.run_here("-pbuild", "./b.c")
        self.assertEqual([("b.c", 2, "weft-copy")], findings(out))

    def test_commands_may_be_one_string(self):
        self.write("a.c", "#ifdef WANTED\n" + COPY + "#endif\n")
        command = " ".join([*compiler(), "-DWANTED='a b'", "-c ../a.c"])
        self.database({"directory": str(self.folder / "build"), "file": "../a.c", "command": command})
        self.assertEqual(1, self.run_here("-p", "build")[0])

    def test_cxx_is_read_as_cxx(self):
        copy = "auto f = [](weft_mutex *m) { std::memcpy(m, m, 4); };\n"
        self.write("a.cc", "#include <cstring>\n#include <weft.h>\n" + copy)
        args = [*compiler(".cc"), "-c", "../a.cc"]
        self.database({"directory": str(self.folder / "build"), "file": "../a.cc", "arguments": args})
        status, out, err = self.run_here("-p", "build")
        self.assertEqual((1, ""), (status, err))
        self.assertEqual([("a.cc", 3, "weft-copy")], findings(out))

    def test_each_configuration_of_a_file_is_checked(self):
        self.write("a.c", "#ifdef SECOND\n" + COPY + "#endif\n")
        entries = [
            {
                "directory": str(self.folder / "build"),
                "file": "../a.c",
                "arguments": [*compiler(), *more, "-c", "../a.c"],
            }
            for more in ([], ["-DSECOND"])
        ]
        self.database(*entries)
        self.assertEqual(1, self.run_here("-p", "build")[0])

    def test_flags_and_warnings_of_other_compilers_do_not_matter(self):
        self.write("a.c", CLEAN + "static int unused;\n")
        args = ["gcc", f"-I{root}/include", "-Wall", "-Werror", "-Wno-such", "-fno-such-flag", "-O9", "-c", "../a.c"]
        self.database({"directory": str(self.folder / "build"), "file": "../a.c", "arguments": args})
        self.assertEqual((0, "", ""), self.run_here("-p", "build"))

    def test_other_languages_are_passed_over(self):
        self.write("clean.c", CLEAN)
        self.write("a.S", "nop\n")
        self.database("a.S", "clean.c")
        self.assertEqual((0, "", ""), self.run_here("-p", "build"))

    def test_finding_in_a_shared_header_is_reported_once(self):
        self.write("shared.h", COPY.replace("void", "static inline void"))
        for name in ("a.c", "b.c", "c.c"):
            self.write(name, '#include "shared.h"\n')
        self.database("a.c", "b.c", "c.c")
        status, out, _ = self.run_here("-p", "build")
        self.assertEqual((1, [("shared.h", 2, "weft-copy")]), (status, findings(out)))

    def test_file_of_two_commands_is_reported_once(self):
        self.write("a.c", COPY)
        self.database("a.c", "a.c")
        self.assertEqual(1, len(findings(self.run_here("-p", "build")[1])))

    def test_system_headers_are_not_checked(self):
        self.write("system/copies.h", COPY)
        self.write("a.c", "#include <copies.h>\n")
        args = [*compiler(), "-isystem", "../system", "-c", "../a.c"]
        self.database({"directory": str(self.folder / "build"), "file": "../a.c", "arguments": args})
        self.assertEqual((0, "", ""), self.run_here("-p", "build"))


class Form(InFolder):
    def test_note_says_where_the_object_is(self):
        self.write(
            "a.c",
            "#include <weft.h>\n"
            "struct inner { int n; struct { weft_mutex lock; } deep; };\n"
            "struct outer { struct inner all[3]; };\n"
            "void f(struct outer *a, struct outer *b) { *a = *b; }\n",
        )
        self.assertEqual(
            "a.c:4:44: warning: assignment copies 'struct outer', which holds a weft_mutex [weft-copy]\n"
            "a.c:2:43: note: the weft_mutex is its '.all[].deep.lock'\n",
            self.run_here("a.c", "--", *compiler())[1],
        )

    def test_note_names_the_member_of_a_nameless_one(self):
        self.write(
            "a.c",
            "#include <weft.h>\n"
            "struct s { union { int n; weft_once once; }; };\n"
            "void f(struct s *a, struct s *b) { *a = *b; }\n",
        )
        self.assertIn("the weft_once is its '.once'", self.run_here("a.c", "--", *compiler())[1])

    def test_object_itself_needs_no_note(self):
        self.write("a.c", COPY)
        self.assertEqual(
            "a.c:2:40: warning: assignment copies a weft_mutex [weft-copy]\n",
            self.run_here("a.c", "--", *compiler())[1],
        )

    def test_struct_without_a_tag_is_called_by_its_typedef(self):
        marked = 'typedef struct __attribute__((annotate("weft_nocopy"))) { int fd; } handle;\n'
        self.write("t.c", marked + "void f(handle *a, handle *b) { *a = *b; }\n")
        status, out, err = self.run_here("t.c", "--", *compiler())
        self.assertEqual((1, "t.c:2:32: warning: assignment copies a handle [weft-copy]\n", ""), (status, out, err))

    def test_way_out_has_a_note_of_the_beginning(self):
        self.write(
            "a.c",
            "#include <weft.h>\n"
            "int f(int n) { weft_ctx c; weft_ctx_init(&c, NULL);\n"
            "if (n) return 1;\n"
            "weft_ctx_fini(&c); return 0; }\n",
        )
        self.assertEqual(
            "a.c:3:8: warning: 'c' is not finished on this way out [weft-ctx]\n"
            "a.c:2:28: note: it is initialised here\n",
            self.run_here("a.c", "--", *compiler())[1],
        )

    def test_several_files_may_be_named_with_a_compiler(self):
        self.write("a.c", COPY)
        self.write("b.c", COPY)
        self.assertEqual(2, len(findings(self.run_here("a.c", "b.c", "--", *compiler())[1])))

    def test_paths_are_as_short_as_the_folder_allows(self):
        path, other = self.write("sub/a.c", COPY), self.folder / "other"
        other.mkdir()
        for folder, shown in ((self.folder, "sub/a.c"), (path.parent, "a.c"), (other, str(path))):
            out = run(path, "--", *compiler(), cwd=folder)[1]
            self.assertEqual([(shown, 2, "weft-copy")], findings(out))


class Options(InFolder):
    def setUp(self):
        super().setUp()
        self.write(
            "a.c", COPY + "int g(weft_ctx *p) { weft_ctx c; weft_ctx_init(&c, p); return weft_ctx_err(&c); }\n"
        )

    def checks(self, *options):
        status, out, err = self.run_here(*options, "a.c", "--", *compiler())
        self.assertEqual((1 if out else 0, ""), (status, err))
        return [check for _, _, check in findings(out)]

    def test_all_checks_are_on(self):
        self.assertEqual(["weft-copy", "weft-ctx"], self.checks())

    def test_disable_turns_checks_off(self):
        self.assertEqual(["weft-ctx"], self.checks("--disable", "copy"))
        self.assertEqual([], self.checks("--disable=copy,ctx"))

    def test_enable_after_disable_all_leaves_one(self):
        self.assertEqual(["weft-ctx"], self.checks("--disable=all", "--enable=ctx"))

    def test_list_names_the_checks(self):
        status, out, err = self.run_here("--list")
        self.assertEqual((0, ""), (status, err))
        self.assertEqual(["copy", "add", "ctx"], [line.split()[0] for line in out.splitlines()])

    def test_help_and_version(self):
        self.assertEqual((0, ""), self.run_here("--help")[::2])
        self.assertIn("usage: weft-vet", self.run_here("--help")[1])
        self.assertRegex(self.run_here("--version")[1], r"\Aweft-vet \d+\.\d+\.\d+\n\Z")

    def test_manual_names_every_option_and_check(self):
        manual = (root / "vet/weft-vet.1").read_text().replace("\\-", "-")
        for word in ["-p", "--enable", "--disable", "--list", "--version", "--help", "copy", "add", "ctx"]:
            self.assertIn(word, manual)


class Trouble(InFolder):
    def test_nothing_said(self):
        self.assert_trouble(self.run_here(), "-p BUILD_DIR")

    def test_file_without_a_way_to_compile_it(self):
        self.write("a.c", CLEAN)
        self.assert_trouble(self.run_here("a.c"), "-p BUILD_DIR")

    def test_unknown_option(self):
        self.assert_trouble(self.run_here("--frob", "-p", "build"), "unknown option '--frob'")

    def test_option_without_its_value(self):
        self.assert_trouble(self.run_here("-p"), "-p needs a value")
        self.assert_trouble(self.run_here("--enable"), "--enable needs a value")

    def test_unknown_check(self):
        self.assert_trouble(self.run_here("--enable", "copy,frob"), "unknown check 'frob'")
        self.assert_trouble(self.run_here("--disable="), "unknown check ''")

    def test_no_compiler_or_no_files(self):
        self.assert_trouble(self.run_here("a.c", "--"), "no compiler")
        self.assert_trouble(self.run_here("--", "cc"), "no files")
        self.assert_trouble(self.run_here("-p", "build", "a.c", "--", "cc"), "do not go together")

    def test_no_database(self):
        self.assert_trouble(self.run_here("-p", "build"), "build/compile_commands.json")

    def test_database_that_is_none(self):
        for text in ("", "{", "[1, 2]", '[{"file": "a.c"}]', "\0\1\2"):
            with self.subTest(text):
                self.write("build/compile_commands.json", text)
                self.assert_trouble(self.run_here("-p", "build"), "build/compile_commands.json")

    def test_database_that_compiles_nothing(self):
        self.database()
        self.assert_trouble(self.run_here("-p", "build"), "compiles no C")

    def test_file_that_is_not_in_the_database(self):
        self.write("a.c", CLEAN)
        self.write("b.c", COPY)
        self.database("a.c")
        self.assert_trouble(self.run_here("-p", "build", "b.c"), "b.c: not in build/compile_commands.json")

    def test_file_that_does_not_exist(self):
        self.database("gone.c")
        self.assert_trouble(self.run_here("-p", "build"), "gone.c: no such file")
        self.assert_trouble(self.run_here("-p", "build", "never.c"), "never.c: no such file")
        self.assert_trouble(self.run_here("never.c", "--", "cc"), "never.c: no such file")

    def test_folder_of_a_command_that_does_not_exist(self):
        self.write("a.c", CLEAN)
        self.database({"directory": "/no/such", "file": str(self.folder / "a.c"), "arguments": ["cc", "a.c"]})
        self.assert_trouble(self.run_here("-p", "build"), "/no/such: no such folder")

    def test_file_that_does_not_parse(self):
        self.write("a.c", "int f(void) { return 1 }\nint g(void) { return 2 }\n")
        self.assert_trouble(self.run_here("a.c", "--", "cc"), "a.c does not parse", "a.c:1:23", "expected ';'")

    def test_header_that_is_not_found(self):
        self.write("a.c", "#include <no/such.h>\n")
        self.assert_trouble(self.run_here("a.c", "--", "cc"), "a.c does not parse", "'no/such.h' file not found")

    def test_command_that_compiles_nothing(self):
        self.write("a.c", CLEAN)
        self.assert_trouble(self.run_here("a.c", "--", "cc", "-E", "-x"), "a.c does not parse")

    def test_command_without_a_word(self):
        self.write("a.c", CLEAN)
        for words in ([], ["-c"], ["-o"], ["-o", "a.o"]):
            with self.subTest(words):
                self.database({"directory": str(self.folder), "file": "a.c", "arguments": words})
                self.assert_trouble(self.run_here("-p", "build"), "a.c does not parse", "names no compiler")

    def test_the_other_files_are_checked_all_the_same(self):
        self.write("broken.c", "int f(\n")
        self.write("a.c", COPY)
        self.database("broken.c", "a.c")
        status, out, err = self.run_here("-p", "build")
        self.assertEqual((2, 1), (status, err.count("\n")))
        self.assertEqual([("a.c", 2, "weft-copy")], findings(out))

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([vet, "--list"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((2, "weft-vet: cannot write the output\n"), (result.returncode, result.stderr))


class Project(InFolder):
    def test_every_type_that_refuses_copies_carries_the_mark(self):
        headers = "".join(header.read_text() for header in sorted(root.glob("include/weft/*.h")))
        types = re.findall(r"^\tWEFT_PRIV_NOCOPY\((\w+)\)", headers, re.M)
        self.assertGreater(len(types), 10)
        lines = [f"void f_{t}({t} *a, {t} *b) {{ *a = *b; }}" for t in types]
        self.write("a.c", "#include <weft.h>\n#include <weft/fleet.h>\n" + "\n".join(lines) + "\n")
        out = self.run_here("a.c", "--", *compiler())[1]
        self.assertEqual([f"assignment copies a {t}" for t in types], re.findall(r"warning: (.*) \[", out))

    def test_no_false_alarm_in_this_project(self):
        self.assertEqual((0, "", ""), run("-p", build, cwd=root))


if __name__ == "__main__":
    vet, build, root = (pathlib.Path(arg).resolve() for arg in sys.argv[1:4])
    add_corpus()
    sys.exit(run_unittests())
