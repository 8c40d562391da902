"""One process of a footprint: it runs a sample, and is watched while it does."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import CompilerCrash
from delrec_compile.evaluation.footprint.programs import Program

TIMEOUT_S = 120.0

KB = 1024


@dataclass(frozen=True)
class ProcessRun:
    """One process that ran a sample.

    y: outputs (T, outputs). start_ms, start_cpu_ms: wall and CPU time until the first output.
    rss_bytes: peak resident memory. state_bytes: size of its state.
    """

    y: F32
    start_ms: float
    start_cpu_ms: float
    rss_bytes: int
    state_bytes: int


def run_program(program: Program, x: F32, streams: int = 1) -> ProcessRun:
    """A fresh process from its start to its last answer. Raises CompilerCrash when it dies."""
    command = [*program.command, *([str(streams)] if streams > 1 else [])]
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, bufsize=0)
        watch = threading.Timer(TIMEOUT_S, process.kill)
        watch.start()
        try:
            return _exchange(program, process, x, start)
        except (EOFError, BrokenPipeError) as error:
            process.wait()
            log.seek(0)
            raise CompilerCrash(_crash_message(program, process.returncode, log.read())) from error
        finally:
            watch.cancel()
            process.kill()
            process.communicate()


def _exchange(
    program: Program, process: subprocess.Popen[bytes], x: F32, start: float
) -> ProcessRun:
    """Row by row, so that the first answer is timed and no pipe fills up."""
    to, of = process.stdin, process.stdout
    assert to is not None
    assert of is not None
    answers = []
    size, first, cpu = 0, start, 0.0
    for at in range(0, len(x) - program.steps + 1, program.steps):
        to.write(x[at : at + program.steps].astype(program.counts).tobytes())
        if at == 0:
            size = int.from_bytes(_exactly(of, 4), "little")
        answers.append(_exactly(of, program.steps * program.outputs * 4))
        if at == 0:
            first, cpu = time.perf_counter(), _cpu_ms(process.pid)
    y = np.frombuffer(b"".join(answers), np.float32).reshape(-1, program.outputs)
    return ProcessRun(y, (first - start) * 1e3, cpu, _resident(process.pid), size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = stream.read(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    most = [s.split()[1] for s in lines if s.startswith("VmHWM:")]
    if not most:
        raise EOFError  # it is dead
    return int(most[0]) * KB


def _cpu_ms(pid: int) -> float:
    """CPU time so far of all threads that live; 0 where the kernel does not count it."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # a thread that ended meanwhile
            total += int(task.read_text().split()[0])
    return total / 1e6


def _crash_message(program: Program, code: int, log: bytes) -> str:
    if -code == signal.SIGILL:
        return "this processor lacks an instruction of the artifact; build it again with --cpu"
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    lines = log.decode("utf-8", "replace").strip().splitlines()
    return f"the process of {program.name} ended with {how}" + (f": {lines[-1]}" if lines else "")
