#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check what a user gets:  check_install.py BUILD [ROOT]

Installs into an empty folder, then compiles the program that README.md shows with what pkg-config
says, shared and static, and compares its output with the one that README.md shows after it. The
same with examples/fleet.c where libweft-fleet was built, and the comment at its end. Then the flags
with which meson compiles a program whose subproject weft is.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from check_output import expected_output
from tally import Tally

EXAMPLE = re.compile(r"```c\n(.*?)```.*?```text\n(.*?)```", re.S)


def run(*command, **environment):
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{result.stdout}")
    return result.stdout


def install(build, folder):
    """Returns the folder that holds weft.pc."""
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", DESTDIR=str(folder))
    return next(folder.rglob("weft.pc")).parent


def flags(folder, pc_folder, option, package="weft", *more):
    """What pkg-config says, as if the folder were the root of the file system."""

    def ask(*options):
        return run("pkg-config", *options, package, PKG_CONFIG_PATH=str(pc_folder)).strip()

    prefix = ask("--variable=prefix")
    return ask(f"--define-variable=prefix={folder}{prefix}", option, *more).split()


def compile_and_run(folder, source, compile_flags, link_flags, library_folder):
    program = folder / "program"
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    run("cc", *warnings, *compile_flags, source, "-o", program, *link_flags)
    return run(program, LD_LIBRARY_PATH=str(library_folder))


def check(tally, name, action):
    try:
        tally.check(name, action())
    except (RuntimeError, OSError, StopIteration) as error:
        tally.fail(name, error)


def differs(output, expected, where="README.md"):
    return [] if output == expected else [f"printed:\n{output}\n{where} says:\n{expected}"]


def check_fleet(tally, folder, installed, pc_folder):
    source = pathlib.Path(__file__).parents[1] / "examples" / "fleet.c"
    expected = expected_output(source.read_text())
    cflags = ["-D_DEFAULT_SOURCE", *flags(installed, pc_folder, "--cflags", "weft-fleet")]

    def shared():
        link = flags(installed, pc_folder, "--libs", "weft-fleet")
        return differs(compile_and_run(folder, source, cflags, link, pc_folder.parent), expected, source.name)

    def static():
        ours = {f"-l{name}": pc_folder.parent / f"lib{name}.a" for name in ("weft-fleet", "weft")}
        said = flags(installed, pc_folder, "--libs", "weft-fleet", "--static")
        link = [ours.get(flag, flag) for flag in said] + ["-pthread"]
        return differs(compile_and_run(folder, source, cflags, link, pc_folder.parent), expected, source.name)

    check(tally, "fleet_program_runs_with_the_shared_library", shared)
    check(tally, "fleet_program_runs_with_the_static_library", static)


SUBPROJECT_USER = """project('user', 'c')
foreach name : ['weft', 'weft-sim', 'weft-fleet']
  executable('uses-' + name, 'user.c', dependencies: dependency(name, fallback: 'weft'))
endforeach
"""


def check_subproject(tally, folder, root):
    def carries_fexceptions():
        (folder / "subprojects").mkdir(parents=True)
        (folder / "subprojects" / "weft").symlink_to(root.resolve())
        (folder / "meson.build").write_text(SUBPROJECT_USER)
        (folder / "user.c").write_text("int main(void) { return 0; }\n")
        disabled = [f"-Dweft:{name}=disabled" for name in ("cli", "vet", "cases", "redis")]
        left_out = ["-Dweft:tests=false", "-Dweft:bench=false"]
        run("meson", "setup", *disabled, *left_out, folder / "build", folder)
        commands = json.loads((folder / "build" / "compile_commands.json").read_text())
        users = [command for command in commands if command["file"].endswith("user.c")]
        without = [command["output"] for command in users if "-fexceptions" not in command["command"].split()]
        return [] if len(users) == 3 and not without else [f"{len(users)} programs; without it: {without}"]

    check(tally, "subproject_carries_fexceptions", carries_fexceptions)


def main():
    build = sys.argv[1]
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[1])
    program, expected = EXAMPLE.search((root / "README.md").read_text()).groups()
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = folder / "readme.c"
        source.write_text(program)
        installed = folder / "installed"
        pc_folder = install(build, installed)
        library_folder = pc_folder.parent
        cflags = flags(installed, pc_folder, "--cflags")

        def carries_fexceptions():
            return [] if "-fexceptions" in cflags else [f"--cflags gives {cflags}"]

        def shared():
            link = flags(installed, pc_folder, "--libs")
            return differs(compile_and_run(folder, source, cflags, link, library_folder), expected)

        def static():
            link = [library_folder / "libweft.a", "-pthread"]
            return differs(compile_and_run(folder, source, cflags, link, library_folder), expected)

        check(tally, "pkg_config_carries_fexceptions", carries_fexceptions)
        check(tally, "readme_program_runs_with_the_shared_library", shared)
        check(tally, "readme_program_runs_with_the_static_library", static)
        if (pc_folder / "weft-fleet.pc").exists():
            check_fleet(tally, folder, installed, pc_folder)
        check_subproject(tally, folder / "user", pathlib.Path(root))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
