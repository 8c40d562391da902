"""The C compiler and linker of a build, and what to do when there is none."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from delrec_compile.errors import CompilerCrash, ToolchainError

MEND = "pip install 'delrec-compile[cross]' (or: apt-get install gcc)"
MEND_CROSS = "pip install 'delrec-compile[cross]'"


def cc(cross: str = "") -> list[str]:
    """The command of the host's C compiler: $CC, cc, gcc, clang, or the one in the ziglang wheel.

    cross: another machine's triple, such as `aarch64-linux-gnu.2.17`; the ziglang wheel compiles
    for it. Raises ToolchainError with the line that mends it.
    """
    if cross:
        if importlib.util.find_spec("ziglang") is None:
            raise ToolchainError(
                f"no compiler for {cross}: the ziglang wheel is missing; {MEND_CROSS}"
            )
        return [sys.executable, "-m", "ziglang", "cc", "-target", cross]
    for command in (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise ToolchainError(f"no C compiler found (looked for $CC, cc, gcc, clang, ziglang); {MEND}")


def cxx() -> list[str]:
    """The command of the host's C++ compiler: $CXX, c++, g++, clang++, or the ziglang wheel's."""
    for command in (shlex.split(os.environ.get("CXX", "")), ["c++"], ["g++"], ["clang++"]):
        if command and shutil.which(command[0]):
            return command
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++"]
    raise ToolchainError(f"no C++ compiler found (looked for $CXX, c++, g++, clang++); {MEND}")


def run_cc(*arguments: str | Path, cross: str = "") -> None:
    """Runs the compiler. Raises CompilerCrash with its first error."""
    _run([*cc(cross), *map(str, arguments)])


def run_cxx(*arguments: str | Path) -> None:
    """Runs the C++ compiler. Raises CompilerCrash with its first error."""
    _run([*cxx(), *map(str, arguments)])


def archive(objects: Sequence[Path], out: Path, *, cross: str = "") -> None:
    """Objects -> a static library, the same bytes each time. Raises ToolchainError, CompilerCrash."""
    command = ["ar"]
    if cross or shutil.which("ar") is None:
        if importlib.util.find_spec("ziglang") is None:
            raise ToolchainError(f"no archiver found (looked for ar, ziglang); {MEND}")
        command = [sys.executable, "-m", "ziglang", "ar"]
    _run([*command, "rcsD", str(out), *map(str, objects)])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.splitlines() or ["no message"]
        first = next((s for s in lines if "error" in s), lines[0])
        raise CompilerCrash(f"{command[0]} failed: {first}")


FLAGS = ("-fPIC", "-ffp-contract=off", "-Wall", "-Wextra")
