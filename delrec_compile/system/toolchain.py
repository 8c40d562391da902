"""The C compilers and archiver of a build: those of this machine, and the ziglang wheel's."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from delrec_compile.errors import CompilerCrash, ToolchainError
from delrec_compile.system.extras import install
from delrec_compile.system.folders import work_folder
from delrec_compile.system.process import limit_s, refuse_full, run_program, timeout_message

LOGGER = logging.getLogger(__name__)
CROSS_HINT = install("cross")
INSTALL_HINT = f"{CROSS_HINT} (or: apt-get install gcc)"
TIMEOUT_S = 600.0  # the first link for a core builds Zig's runtime: seconds; a libc: a minute
ZIG = (sys.executable, "-P", "-m", "ziglang")  # -P: no file of the working folder is run
ODD = re.compile(
    r"['\"\\%#$:]"
)  # Zig's dependency files and its linker read these in their own way
FLAG = re.compile("-I|--?[a-z-]+=")
FLAGS = ("-fPIC", "-g0", "-ffp-contract=off", "-Wall", "-Wextra")


def words(variable: str) -> list[str]:
    """The command in $CC or $CXX; one that is no line for a shell is a single word."""
    text = os.environ.get(variable, "")
    try:
        return shlex.split(text)
    except ValueError:  # an open quote
        return [text]


def cc(cross: str = "", cpu: str = "") -> list[str]:
    """The command of the host's C compiler: $CC, cc, gcc, clang, or the one in the ziglang wheel.

    cross: another machine's triple, such as `aarch64-linux-gnu.2.17`; the ziglang wheel compiles for
    it. cpu: of that machine, as Zig names it; empty: the oldest. Raises ToolchainError, which names
    the package to install.
    """
    if cross:
        return zig_command("cc", cross, cpu)
    for command in (words("CC"), ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    if has_zig():
        return zig_command("cc")
    raise ToolchainError(
        f"no C compiler found (looked for $CC, cc, gcc, clang, ziglang); {INSTALL_HINT}"
    )


def cxx() -> list[str]:
    """The command of the host's C++ compiler: $CXX, c++, g++, clang++, or the ziglang wheel's."""
    for command in (words("CXX"), ["c++"], ["g++"], ["clang++"]):
        if command and shutil.which(command[0]):
            return command
    if has_zig():
        return zig_command("c++")
    raise ToolchainError(
        f"no C++ compiler found (looked for $CXX, c++, g++, clang++); {INSTALL_HINT}"
    )


def has_zig() -> bool:
    """Whether the ziglang wheel is installed."""
    return importlib.util.find_spec("ziglang") is not None


def zig_command(tool: str, triple: str = "", cpu: str = "") -> list[str]:
    """The command of a tool of the ziglang wheel: `cc`, `c++` or `ar`.

    triple, cpu: machine to compile for, as Zig names it; empty: this one. Raises ToolchainError.
    """
    if not has_zig():
        where = f"no compiler for {triple}" if triple else f"no {tool}"
        raise ToolchainError(f"{where}: the ziglang wheel is missing; {CROSS_HINT}")
    target = ["-target", triple] if triple else []
    return [*ZIG, tool, *target, *([f"-mcpu={cpu}"] if cpu else [])]


def run_cc(*arguments: str | Path, cross: str = "", cpu: str = "") -> None:
    """Runs the compiler. Raises CompilerCrash with its first error."""
    run_tool([*cc(cross, cpu), *map(str, arguments)])


def run_cxx(*arguments: str | Path) -> None:
    """Runs the C++ compiler. Raises CompilerCrash with its first error."""
    run_tool([*cxx(), *map(str, arguments)])


def archive(objects: Sequence[Path], out: Path, *, cross: str = "") -> None:
    """Objects -> a static library, the same bytes each time. Raises ToolchainError, CompilerCrash."""
    command = ["ar"]
    if cross or shutil.which("ar") is None:
        if not has_zig():
            raise ToolchainError(f"no archiver found (looked for ar, ziglang); {INSTALL_HINT}")
        command = zig_command("ar")
    run_tool([*command, "rcsD", str(out), *map(str, objects)])


def run_tool(command: Sequence[str]) -> None:
    """Runs a compiler. Raises CompilerCrash with its first error; the cause holds its output.

    It may take 10 minutes, or $DELREC_TIMEOUT, and ends with this process. Raises InputError when a
    disk is full.
    """
    limit = limit_s(TIMEOUT_S)
    LOGGER.debug("%s", shlex.join(command))
    zig = tuple(command[: len(ZIG)]) == ZIG
    tool = f"zig {command[len(ZIG)]}" if zig else command[0]
    try:
        with work_folder() as temporary:  # a compiler that is killed leaves its files in TMPDIR
            own = [_plain(word, temporary) for word in command] if zig else command
            done = run_program(own, limit, env={**os.environ, "TMPDIR": str(temporary)})
    except subprocess.TimeoutExpired as error:
        raise CompilerCrash(timeout_message(tool, limit, str(error.stderr or ""))) from error
    if done.returncode:
        refuse_full(done.stderr, *map(Path, command))
        lines = done.stderr.splitlines() or ["no message"]
        errors = [s for s in lines if "error:" in s] or [s for s in lines if "error" in s] or lines
        raise CompilerCrash(f"{tool} failed: {errors[0]}") from RuntimeError(done.stderr)


def _plain(word: str, links: Path) -> str:
    """A word of a command of Zig, by way of a link where its path has characters that Zig misreads."""
    odd, flag = list(ODD.finditer(word)), FLAG.match(word)
    start = flag.end() if flag else 0
    end = word.find("/", odd[-1].end()) if odd else -1
    if end < 0 or word.startswith(ZIG[0]):
        return word
    folder = str(Path(word[start:end]).absolute())
    link = links / hashlib.sha256(folder.encode()).hexdigest()[:16]
    if not link.is_symlink():
        link.symlink_to(folder)
    return f"{word[:start]}{link}{word[end:]}"
