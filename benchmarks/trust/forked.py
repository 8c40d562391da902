"""Commands in forks of this process, which has imported what they import: a run costs its work alone.

The command, and every interpreter that it starts, is a fork; compilers and emulators are real processes.
A fork may be killed at one of its changes of the disk: files opened to write, renames, removals, and
half-way through what it appends.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.trust.commands import SECONDS, Done, environment
from delrec_compile.cli import app
from delrec_compile.system import folders, tvm_loader

# of prctl: a signal at the parent's death; orphans of this process's children become its own
DEATH_SIGNAL, SUBREAPER = 1, 36
POLL_S = 0.01
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
IMPORTS = (
    "delrec_compile.compiler.assemble",
    "delrec_compile.compiler.build",
    "delrec_compile.evaluation.compare.run",
    "delrec_compile.evaluation.latency.bench",
    "delrec_compile.evaluation.proof",
    "delrec_compile.interop.source",
    "delrec_compile.network.onnx_step.export",
    "delrec_compile.training.loop",
    "delrec_compile.tuning.tune",
)
Change = Callable[[], None]
_OWN: set[int] = set()  # children that are no commands


def prepare() -> None:
    """Imports what commands import; to be called before the first run. Orphans come to this process."""
    tvm_loader.load()
    import torch

    for name in ("onnxruntime", *IMPORTS):
        importlib.import_module(name)
    torch.set_num_threads(1)  # a fork has no threads of a pool, and would wait for them
    _OWN.update(_children())
    _prctl(SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@dataclass
class Counter:
    """Changes of the disk by a run and its forks. at: number of the one that kills it; -1: none."""

    at: int = -1
    _shared: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 8))

    @property
    def seen(self) -> int:
        return int.from_bytes(self._shared[:8], "little")

    def install(self) -> None:
        """In the fork of a command: counts from here on."""
        own = os.getpid()

        def change(half: Change = lambda: None) -> None:
            number = self.seen
            self._shared[:8] = (number + 1).to_bytes(8, "little")
            if number == self.at:
                half()
                os.kill(own, signal.SIGKILL)

        sys.addaudithook(_auditor(change))
        _hook_writes(change)
        renamed = folders._renamed

        def counted(*arguments: Any) -> bool:
            change()
            done = renamed(*arguments)
            change()
            return done

        folders._renamed = counted  # type: ignore[assignment]


def _auditor(change: Callable[..., None]) -> Callable[[str, tuple[Any, ...]], None]:
    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and arguments[2] & WRITES and arguments[0] != os.devnull
        if opened or event in CHANGES:
            change()

    return audit


def _hook_writes(change: Callable[..., None]) -> None:
    write = os.write

    def counted(file: int, data: Any) -> int:
        if stat.S_ISREG(os.fstat(file).st_mode):
            change(lambda: write(file, bytes(data)[: len(data) // 2]) and None)
        return write(file, data)

    os.write = counted


class Forking(subprocess.Popen[Any]):
    """A process; an interpreter that would run a text becomes a fork that runs it."""

    def __init__(self, words: Sequence[str], **options: Any) -> None:
        if words[:3] == [sys.executable, "-P", "-c"]:
            options["preexec_fn"] = lambda: _interpret(words[3], list(words[4:]), options)
        super().__init__(words, **options)


def _interpret(code: str, arguments: list[str], options: Mapping[str, Any]) -> NoReturn:
    """After the fork, with the standard streams in place: never comes back."""
    try:
        _close_all_but(0, 1, 2, *options.get("pass_fds", ()))
        _settle(options.get("env"))
        sys.argv = ["-c", *arguments]
        exec(code, {"__name__": "__main__"})
        code_of_exit = 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code_of_exit = 1
    _leave(code_of_exit)


def start(
    words: Sequence[str | Path],
    cwd: Path,
    environment: Mapping[str, str],
    install: Change | None = None,
    output: int | None = None,
) -> int:
    """The number of a process that runs a command, in a session of its own.

    install: called before the command. output: file descriptor for both streams; None: no words.
    """
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        _become(words, cwd, environment, install, output)
    return process


def run(
    *words: str | Path,
    cwd: Path,
    changed: Mapping[str, str | None] | None = None,
    install: Change | None = None,
) -> Done:
    """Like `commands.run`; both streams as errors."""
    with tempfile.TemporaryFile() as said:
        process = start(words, cwd, environment(changed), install, said.fileno())
        code = ended(process, SECONDS)
        said.seek(0)
        return Done(code, "", said.read().decode(errors="replace"))


def _become(
    words: Sequence[str | Path],
    cwd: Path,
    environment: Mapping[str, str],
    install: Change | None,
    output: int | None,
) -> NoReturn:
    code: Any = 1
    try:
        os.setsid()
        _prctl(DEATH_SIGNAL, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDWR)
        for stream, source in ((0, null), (1, output or null), (2, output or null)):
            os.dup2(source, stream)
        _close_all_but(0, 1, 2)
        os.chdir(cwd)
        _settle(environment)
        sys.argv = ["delrec-compile", *map(str, words)]
        subprocess.Popen = Forking  # type: ignore[assignment,misc]
        if install is not None:
            install()
        app.main()
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    _leave(code if isinstance(code, int) else 1)


def ended(process: int, seconds: float) -> int:
    """The exit code of a child, or minus the signal that ended it; SIGKILL after so many seconds."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_S)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def orphans(seconds: float) -> list[int]:
    """Children of this process that are alive after so many seconds, without those of `prepare`."""
    last = time.monotonic() + seconds
    while True:
        found = _children() - _OWN
        alive = {process for process in found if os.waitpid(process, os.WNOHANG)[0] == 0}
        if not alive or time.monotonic() > last:
            return sorted(alive)
        time.sleep(POLL_S)


def _children() -> set[int]:
    files = Path("/proc/self/task").glob("*/children")
    return {int(number) for file in files for number in file.read_text().split()}


def _settle(environment: Mapping[str, str] | None) -> None:
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    tempfile.tempdir = None
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (open(n, "w", closefd=False) for n in (1, 2))  # noqa: SIM115


def _close_all_but(*kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
