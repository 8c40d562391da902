"""One stream of millions of steps: equal bits in all engines to the end, in constant memory.

    python -m benchmarks.trust.endurance --steps 10000000

The stream goes through the library of this machine and through portable C in step: in calls of many
steps by the Session API, and in C, a step per call; its first steps through the NumPy reference too. The
clock starts shortly before it turns over. Exit code 6 where an output differs or memory grows.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import drawn_graphs
from benchmarks.staged import artifact_here
from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import ParityError
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.runners.library import load_library
from delrec_compile.runners.memory import CLOCK_MASK, pointer
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.session import Session
from delrec_compile.system import toolchain

SEED = 48  # a graph with delays on its input and in cycles, of eight neurons
CALL = 20_000  # steps
REFERENCE = 2_000
GROWTH = 4 << 20  # bytes, of all that the process holds
TURN = 1 << 16  # a multiple of what every ring divides
PAGE = os.sysconf("SC_PAGE_SIZE")
# as a program in C calls the library, step after step
DRIVER = """
#include <stddef.h>
typedef int step_of(void *state, const void *x, float *y);
int drive(step_of *step, void *state, const char *x, size_t bytes, float *y, size_t outputs,
    size_t steps)
{
    int refused = 0;
    for (size_t t = 0; t < steps; t++) {
        refused |= step(state, x + t * bytes, y + t * outputs);
    }
    return refused;
}
"""
Run = Callable[[NDArray[Any]], F32]


def inputs(network: Any, steps: int) -> Iterator[NDArray[np.uint8]]:
    """Counts (steps of a call, inputs), call after call; silences and full rows among them."""
    r = np.random.default_rng(7)
    for at in range(0, steps, CALL):
        drawn = r.integers(0, 256, (min(CALL, steps - at), network.inputs), dtype=np.uint8)
        x = (drawn > 200).astype(np.uint8) * min(int(network.max_input), 255)
        x[100:400], x[400:403] = 0, min(int(network.max_input), 255)
        yield x


def artifacts(numeric: str, folder: Path) -> tuple[Any, list[Artifact]]:
    """The network whose reference is to be run, and what it is compiled to."""
    network = drawn_graphs.graph(SEED)
    integer = None if numeric == "float32" else quantise(network, numeric)
    targets = ("x86_64", "portable_c")
    built = [artifact_here(network, t, folder / f"{t}-{numeric}", integer) for t in targets]
    return integer or network, built


def engines(built: Sequence[Artifact], folder: Path) -> dict[str, Run]:
    """Each engine as a function of the x of a call."""
    drive, out = _driver(folder), {}
    for artifact in built:
        for way in ("session", "C"):
            session = Session(artifact)
            state = session.state()
            state["clock"][:] = CLOCK_MASK + 1 - TURN
            session.load_state(state)
            run = session.run if way == "session" else _step_by_step(session, drive)
            out[f"{artifact.manifest.target}, {way}"] = _of_counts(run, session.x.dtype)
    return out


def _of_counts(run: Run, kind: Any) -> Run:
    return lambda x: run(x.astype(kind))


def _driver(folder: Path) -> Any:
    source, library = folder / "drive.c", folder / "drive.so"
    if not library.exists():
        source.write_text(DRIVER)
        command = [*toolchain.cc(), "-O2", "-shared", "-fPIC", str(source), "-o", str(library)]
        subprocess.run(command, check=True)
    return load_library(library)["drive"]


def _step_by_step(session: Session, drive: Any) -> Run:
    name = session.artifact.manifest.name
    step = ctypes.cast(session.library[f"{name}_step"], ctypes.c_void_p)
    size, outputs = (ctypes.c_size_t(n) for n in (session.x.nbytes, session.y.size))

    def run(x: NDArray[Any]) -> F32:
        y = np.empty((len(x), session.y.size), np.float32)
        steps = ctypes.c_size_t(len(x))
        if drive(step, session._state_at, pointer(x), size, pointer(y), outputs, steps) != 0:
            raise ParityError("a step was refused")
        return y

    return run


def measure(network: Any, built: Sequence[Artifact], steps: int, folder: Path) -> dict[str, Any]:
    """One stream. Raises ParityError where an engine gives other bits, or memory grows."""
    runs = engines(built, folder)
    began, done, held, nonzero = time.monotonic(), 0, 0, 0
    for x in inputs(network, steps):
        ys = {name: run(x) for name, run in runs.items()}
        first = next(iter(ys.values()))
        if done == 0:
            ys["reference"] = _reference(network, x[:REFERENCE])
        for name, y in ys.items():
            _same(name, y, first[: len(y)], done)
        done, nonzero = done + len(x), nonzero + int(np.count_nonzero(first))
        if done == min(5 * CALL, steps):
            held = _held()
    grown = _held() - held
    if grown > GROWTH:
        raise ParityError(f"memory grew by {grown} bytes in {done} steps")
    told = {"steps": done, "engines": list(runs), "outputs_not_0": nonzero}
    return {**told, "grown_bytes": grown, "seconds": round(time.monotonic() - began, 1)}


def _reference(network: Any, x: NDArray[np.uint8]) -> F32:
    return ReferenceRunner(network).trace(x[:, None].astype(np.float32)).y[:, 0]


def _same(name: str, y: F32, want: F32, done: int) -> None:
    if not np.array_equal(y + np.float32(0), want + np.float32(0)):
        at = done + int(np.flatnonzero((y != want).any(axis=1))[0])
        raise ParityError(f"{name}: the outputs of step {at} are others")


def _held() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust.endurance")
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--numeric", action="append", choices=("float32", "int8", "int16"))
    options = parser.parse_args(argv)
    for numeric in options.numeric or ("float32", "int8", "int16"):
        with tempfile.TemporaryDirectory(prefix="delrec-trust-") as folder:
            try:
                network, built = artifacts(numeric, Path(folder))
                result = measure(network, built, options.steps, Path(folder))
                print(json.dumps({"numeric": numeric, **result}), flush=True)
            except ParityError as error:
                print(f"error: {numeric}: {error}", file=sys.stderr)
                return ParityError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
