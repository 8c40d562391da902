"""Child processes: started so that none outlives this one, how one ended, and its answer."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from delrec_compile import errors
from delrec_compile.errors import DelrecError, InputError, UsageError

LIMIT = "DELREC_TIMEOUT"  # environment variable: seconds that a child or a compiler may take
TMP = "DELREC_TMP"  # environment variable of a child: the folder that its own one lies in
LITTLE = 1 << 21  # bytes; a tool that failed on a full disk has removed its own files by then
FULL = re.compile("No space left|NoSpaceLeft|quota exceeded", re.I)  # as libc and Zig have it
# `end_with_parent` without the package, which would cost more than many a program does; and the
# signals that Python ignores are again as a program expects them
PROGRAM = """
import os, sys
from signal import SIG_DFL, SIGKILL, SIGPIPE, SIGXFSZ, signal
pipe = int(sys.argv[1])
if not os.fork():
    for stream in (0, 1, 2):
        os.close(stream)
    os.read(pipe, 1)
    os.killpg(0, SIGKILL)
os.close(pipe)
for ignored in (SIGPIPE, SIGXFSZ):
    signal(ignored, SIG_DFL)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Group:
    """An interpreter that runs `code`, and every process it starts: a group that ends as one.

    The first argument of the code is a file descriptor for `end_with_parent`. flags: of the
    interpreter. options: of Popen.
    """

    def __init__(
        self, code: str, *arguments: str, flags: Sequence[str] = ("-P",), **options: Any
    ) -> None:
        read, self._held = os.pipe()
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, *flags, "-c", code, str(read), *arguments],
                pass_fds=(read,),
                start_new_session=True,
                **options,
            )
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(read)

    def end(self) -> int:
        """Kills what still runs; the return code of the interpreter."""
        # the process that watches the pipe is in the group, so that its number is not another's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        os.close(self._held)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return self.process.wait()


def end_with_parent(pipe: int) -> None:
    """In a child: ends its group when the parent closes the other end of the pipe, or dies.

    A process of its own waits for that, since this one may be in native code for long.
    """
    if os.fork():
        os.close(pipe)
        return
    for stream in (0, 1, 2):
        os.close(stream)
    os.read(pipe, 1)
    os.killpg(0, signal.SIGKILL)


def run_program(
    command: Sequence[str | Path], limit: float, **options: Any
) -> subprocess.CompletedProcess[str]:
    """`run_bytes` of a program whose output is UTF-8 text."""
    try:
        done = run_bytes(command, limit, **options)
    except subprocess.TimeoutExpired as late:
        said = [(part or b"").decode(errors="replace") for part in (late.output, late.stderr)]
        raise subprocess.TimeoutExpired(late.cmd, limit, *said) from None
    output, errors = (part.decode(errors="replace") for part in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, output, errors)


def run_bytes(
    command: Sequence[str | Path], limit: float, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end, with no input. options: of Popen.

    What it started ends with it, and all of it where this process is killed. Raises
    subprocess.TimeoutExpired, with the output so far, after `limit` seconds.
    """
    pipe, words = subprocess.PIPE, list(map(str, command))
    options = {"stdout": pipe, "stderr": pipe, **options, "stdin": subprocess.DEVNULL}
    group = Group(PROGRAM, *words, flags=("-I", "-S"), **options)
    try:
        output, errors = group.process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as late:
        raise subprocess.TimeoutExpired(words, limit, late.output, late.stderr) from None
    finally:
        group.end()
    return subprocess.CompletedProcess(words, group.process.returncode, output, errors or b"")


def limit_s(default: float) -> float:
    """Seconds that a child may take: $DELREC_TIMEOUT, or the default. Raises UsageError."""
    text = os.environ.get(LIMIT)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(f"{LIMIT}={text}: a number of seconds above 0 is required")
    return seconds


def ending(code: int) -> str:
    """A process's return code in words: `signal SIGSEGV` or `exit code 1`."""
    if code >= 0:
        return f"exit code {code}"
    names = {int(s): s.name for s in signal.Signals}
    return f"signal {names.get(-code, -code)}"


def crash_message(function: str, code: int, stderr: str, stdout: str = "") -> str:
    """One line about a process that died: how, the last line it printed, the place of its log."""
    last = (stderr.strip().splitlines() or ["no message"])[-1]
    return f"the process of {function} died with {ending(code)} ({last}){kept_log(stdout + stderr)}"


def timeout_message(function: str, seconds: float, output: str) -> str:
    """One line about a process that took too long, with the place of its log."""
    return (
        f"{function} took more than {seconds:g} s and was stopped; allow more with {LIMIT}="
        f"SECONDS{kept_log(output) if output else ''}"
    )


def kept_log(text: str) -> str:
    """`; its log: <path>` of a new file with the text; empty where none can be written."""
    try:
        handle, log = tempfile.mkstemp(prefix="delrec-crash-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
    except OSError:
        return ""
    return f"; its log: {log}"


def refuse_full(text: str, *places: Path) -> None:
    """Raises InputError where the output of a process says that a disk is full, or one is.

    places: files that the process wrote: looked at where it names no error, as not every tool does.
    """
    temporary = Path(tempfile.gettempdir())
    why = [line.strip() for line in text.splitlines() if FULL.search(line)]
    if places and "error:" not in text:
        folders = {place.parent for place in places if place.is_absolute()} | {temporary}
        why += [f"no space left in {folder}" for folder in sorted(folders) if _is_full(folder)]
    if why:
        raise InputError(
            f"a disk is full: {why[0]}; free some space, or set TMPDIR to another disk "
            f"(temporary files are in {os.environ.get(TMP, temporary)})"
        )


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < LITTLE
    except OSError:
        return False


def resolve(name: str) -> Any:
    """The object of a `module:name` string."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def error_answer(error: DelrecError) -> dict[str, Any]:
    """The answer of a child whose call raised an error of this package."""
    return {"error": type(error).__name__, "message": str(error)}


def value_of(answer: dict[str, Any]) -> Any:
    """The value of a child's answer. Raises the error that it holds."""
    if "error" in answer:
        raise getattr(errors, answer["error"], DelrecError)(answer["message"])
    return answer["value"]
