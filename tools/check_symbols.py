#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that three lists agree: what a library exports, what its symbol map names, and what its
public headers declare with WEFT_API.

    check_symbols.py LIBRARY [ROOT]     check libweft.so or libweft-fleet.so
    check_symbols.py --write [ROOT]     write the maps from the headers
"""

import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass

from check_layers import blank_comments
from tally import Tally


@dataclass
class Library:
    map: str
    version_node: str
    headers: str  # a pattern: those it has to itself


LIBWEFT = Library("src/weft.map", "WEFT_0", "")  # has all others
LIBRARIES = {"libweft-fleet": Library("src/fleet/weft-fleet.map", "WEFT_FLEET_0", "weft/fleet*.h")}

HELPER_MACROS = re.compile(r"\bWEFT_PRIV_\w+(\s*\([^()]*\))?|\bWEFT_API\b")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")


def declared_name(declaration):
    """The name that one declaration declares: before its parameters, or last before [ = ;"""
    bare = HELPER_MACROS.sub(" ", ATTRIBUTE.sub(" ", declaration))
    function = re.search(r"(\w+)\s*\(", bare)
    return function[1] if function else re.findall(r"\w+", re.split(r"[\[=]", bare)[0])[-1]


def declared(header_text):
    code = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", blank_comments(header_text), flags=re.M)
    return {declared_name(m[0]) for m in re.finditer(r"\bWEFT_API\b[^;{]*", code)}


def library_of(path):
    """By its name: libweft-fleet.so.0 and the like; all others are libweft."""
    return LIBRARIES.get(pathlib.Path(path).name.split(".")[0], LIBWEFT)


def headers(root, library):
    found = set((root / "include").rglob("*.h"))
    own = {name: set((root / "include").glob(other.headers)) for name, other in LIBRARIES.items()}
    taken = set().union(*own.values())
    return sorted(next((own[n] for n, other in LIBRARIES.items() if other is library), found - taken))


def declared_by_headers(root, library=LIBWEFT):
    return {name for header in headers(root, library) for name in declared(header.read_text())}


def named_by_map(text):
    code = blank_comments(text)
    global_part = code.split("global:", 1)[1].split("local:", 1)[0] if "global:" in code else ""
    return {name.strip() for name in global_part.split(";") if name.strip()}


def exported(library):
    """Every dynamic symbol that the library defines, without the version nodes themselves."""
    lines = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=posix", library], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    rows = [line.split() for line in lines]
    return {row[0].split("@")[0] for row in rows if row[1] != "A"}


def map_text(names, library=LIBWEFT):
    lines = "".join(f"\t\t{name};\n" for name in sorted(names))
    return f"{library.version_node} {{\n\tglobal:\n{lines}\tlocal:\n\t\t*;\n}};\n"


def differences(left_name, left, right_name, right):
    return [f"{name}: in {left_name}, not in {right_name}" for name in sorted(left - right)] + [
        f"{name}: in {right_name}, not in {left_name}" for name in sorted(right - left)
    ]


def main():
    writing = sys.argv[1:2] == ["--write"]
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[1])
    if writing:
        for library in [LIBWEFT, *LIBRARIES.values()]:
            names = declared_by_headers(root, library)
            if names:
                (root / library.map).write_text(map_text(names, library))
        return 0
    library = library_of(sys.argv[1])
    in_headers = declared_by_headers(root, library)
    in_map, in_library = named_by_map((root / library.map).read_text()), exported(sys.argv[1])
    tally = Tally()
    undeclared = differences("the headers", in_headers, library.map, in_map)
    tally.check("symbol_map_names_what_the_headers_declare", undeclared)
    unmapped = differences(library.map, in_map, "the library", in_library)
    tally.check("library_exports_what_the_symbol_map_names", unmapped)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
