#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the command can do stands in its help and in its manual:  test_manual.py PATH/TO/weft ROOT

The options are those of the tables that the programs read them with, in cli/*.c and cli/shared.h.
"""

import pathlib
import re
import subprocess
import sys

import command
from command import CommandTest, weft

root = pathlib.Path(sys.argv.pop(2)) if len(sys.argv) > 2 else None
TABLE_ROW = re.compile(r'\{"([a-z-]+)", (?:0|\'(.)\'), CLI_\w+,')
LONG = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
LETTER = re.compile(r"(?<![\w-])-([a-zA-Z0-9])\b")


def tables():
    """{command: the options in its tables}, as they are typed."""
    found = {}
    shared = (root / "cli" / "shared.h").read_text()
    for path in sorted((root / "cli").glob("*.c")):
        text = path.read_text()
        text += shared if "SHARED_OPTIONS(" in text else ""
        options = {"--help", "-h"}
        for name, letter in TABLE_ROW.findall(text):
            options |= {f"--{name}"} | ({f"-{letter}"} if letter else set())
        for name in re.findall(r'"usage: weft ([a-z]+)', text):
            found[name] = options
    return found


def spelt(text):
    return {f"--{name}" for name in LONG.findall(text)} | {f"-{letter}" for letter in LETTER.findall(text)}


def help_of(name):
    text = subprocess.run([weft, name, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [line[:24] for line in text.splitlines() if re.match(r" {2,6}-", line)]
    return spelt("\n".join(rows))


def manual_of(name):
    """What stands in front of a paragraph of the page's section OPTIONS; small commands have a part of weft.1."""
    page = root / "cli" / "man" / f"weft-{name}.1"
    if page.exists():
        section = page.read_text().split(".SH OPTIONS\n")[1].split("\n.SH ")[0]
    else:
        text = (root / "cli" / "man" / "weft.1").read_text()
        section = re.split(r"\n\.S[SH] ", text.split(f".SS weft {name} ")[1])[0]
    section = section.replace("\\-", "-")
    heads = [line for line in re.findall(r"^\.TP\n(.*)$", section, re.M)]
    return spelt(re.sub(r'[",]|\\f.', " ", "\n".join(heads)))


def words_of_help():
    text = subprocess.run([weft, "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return set(re.findall(r"^  ([a-z]+)", text, re.M))


class Manual(CommandTest):
    def test_tables_are_found(self):
        self.assertIn("--jobs", tables()["group"])
        self.assertIn("-j", tables()["group"])
        self.assertIn("--lease", tables()["flight"])
        self.assertEqual(set(tables()), words_of_help() - {"help", "version"})

    def test_options_are_those_of_the_help(self):
        for name, options in tables().items():
            with self.subTest(name):
                self.assertEqual(options - {"-h"}, help_of(name) - {"-h"})

    def test_options_are_those_of_the_manual(self):
        for name, options in tables().items():
            with self.subTest(name):
                self.assertEqual(options, manual_of(name))

    def test_options_are_known_to_the_command(self):
        for name in tables():
            for option in help_of(name) - {"--help", "-h"}:
                done = self.weft(name, option, "--no-such-option", "--no-such-option")
                self.assertEqual(done.returncode, 2)
                self.assertNotIn(f"unknown option '{option}'", done.stderr)

    def test_commands_are_in_the_help_and_in_the_manual(self):
        page = (root / "cli" / "man" / "weft.1").read_text()
        commands = set(re.findall(r"^\.BR? (\w+)", page.split(".SH COMMANDS")[1].split(".PP")[0], re.M))
        self.assertEqual(words_of_help(), commands)
        main = (root / "cli" / "main.c").read_text()
        self.assertEqual(set(re.findall(r'\{"([a-z]+)", cmd_', main)), commands)

    def complete(self, *words):
        script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weft; echo "${COMPREPLY[*]}"'
        argv = ["bash", "-c", script, "bash", root / "cli" / "completion" / "weft", weft, *words]
        done = subprocess.run(argv, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_completion_knows_commands_and_options(self):
        self.assertEqual(self.complete(""), words_of_help())
        self.assertEqual(self.complete("fl"), {"flight"})
        for name in ("group", "once", "doctor"):
            expected = {option for option in tables()[name] if option.startswith("--")}
            self.assertEqual(self.complete(name, "-"), expected)
        self.assertEqual(self.complete("group", "--ti"), {"--timeout"})
        self.assertIn("xargs", self.complete("group", "--", "xarg"))

    def test_pages_are_well_formed(self):
        for page in sorted((root / "cli" / "man").glob("*.1")):
            text = page.read_text()
            self.assertRegex(text, r'\n\.TH WEFT[A-Z-]* 1 "" weft "User Commands"\n\.SH NAME\n')
            for line in text.splitlines():
                self.assertNotRegex(line, r"(^|[^\\])--[a-z]", f"{page.name}: a minus is written \\-")


if __name__ == "__main__":
    command.main()
