"""A call in a forked process with limits: how it ended, how long it took, how much memory it had."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import DelrecError

SECONDS, ADDRESSES = 30, 6 << 30  # CPU time of a case, and address space beyond what its parent has
ACCEPTED, REFUSED, INTERNAL, SIGNAL = "accepted", "refused", "internal error", "signal"


@dataclass(frozen=True)
class Outcome:
    """kind: ACCEPTED, REFUSED, INTERNAL or SIGNAL. said: the message, or repr of the value."""

    kind: str
    said: str
    cpu_s: float
    resident_bytes: int

    @property
    def is_fault(self) -> bool:
        return self.kind in (INTERNAL, SIGNAL)


def isolated(call: Callable[..., Any], *arguments: Any, seconds: int = SECONDS) -> Outcome:
    """The outcome of `call(*arguments)` in a fork; memory counts what the process had before, too."""
    read, write = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(read)
        _limit(seconds)
        os.write(write, _said(call, arguments).encode(errors="backslashreplace")[:60_000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status, used = os.wait4(process, 0)
    cpu, resident = used.ru_utime + used.ru_stime, used.ru_maxrss << 10
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Outcome(SIGNAL, name, cpu, resident)
    kind, _, text = said.partition("\n")
    return Outcome(kind or INTERNAL, text, cpu, resident)


def _limit(seconds: int) -> None:
    signal.alarm(60 + 10 * seconds)  # of the clock: a process that sleeps for ever
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _said(call: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    try:
        return f"{ACCEPTED}\n{call(*arguments)!r:.200}"
    except DelrecError as error:
        return f"{REFUSED}\n{type(error).__name__}: {error}"
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{INTERNAL}\n{error!r} in {last.filename}:{last.lineno}"
