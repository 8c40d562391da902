"""The compiled network, in its native loop over time and called step by step."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, Numeric
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.assemble import recompile_integer
from delrec_compile.evaluation.baselines.baseline import Baseline, Workload
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.runners.library import load_library
from delrec_compile.runners.memory import pointer
from delrec_compile.runners.session import Session
from delrec_compile.system import toolchain
from delrec_compile.system.folders import work_folder

# samples one after the other, `steps` steps in a call: `run` of a library may compute ahead in time,
# which a stream that comes step by step does not allow
LOOP = """
#include <stddef.h>
#include <stdint.h>
typedef int32_t run_t(void *state, const void *x, int32_t steps, void *y);
typedef void reset_t(void *state);
void loop(run_t *run, reset_t *reset, void *state, const char *x, char *y, size_t x_row, size_t y_row,
          int32_t samples, int32_t total, int32_t steps)
{
    for (int32_t k = 0; k < samples; ++k, x += (size_t)total * x_row, y += (size_t)total * y_row) {
        reset(state);
        for (int32_t t = 0; t + steps <= total; t += steps) {
            run(state, x + (size_t)t * x_row, steps, y + (size_t)t * y_row);
        }
    }
}
"""


class _Own(Baseline):
    """The library; samples lie ready in its own dtype, one after the other."""

    def __init__(self, session: Session, name: str) -> None:
        self.name = name
        self.session = session
        self.integer_network = session.artifact.integer
        self.x: NDArray[Any] = np.empty((0, 0, 0), np.float32)
        self.y: F32 = np.empty((0, 0, 0), np.float32)

    def take(self, x: F32) -> None:
        self.x = np.ascontiguousarray(x.transpose(1, 0, 2), self.session.x.dtype)
        self.y = np.empty((*self.x.shape[:2], self.session.y.shape[-1]), np.float32)

    def read(self) -> F32:
        return self.y.transpose(1, 0, 2)


class Ours(_Own):
    """`run` of the library on whole samples, all of them in one native loop."""

    form = "whole samples natively"

    def __init__(self, session: Session, name: str = "ours") -> None:
        super().__init__(session, name)
        with work_folder() as folder:
            source, library = folder / "loop.c", folder / "loop.so"
            source.write_text(LOOP)
            toolchain.run_cc("-O2", "-fPIC", "-shared", source, "-o", library)
            self.loop = load_library(library).loop
        prefix = session.artifact.manifest.name
        self.entries = [getattr(session.library, f"{prefix}_{n}") for n in ("run", "reset")]

    def steps_per_call(self) -> int:
        """Of the samples in `x`."""
        return len(self.x[0])

    def run(self) -> None:
        rows = [ctypes.c_size_t(a[0, :1].nbytes) for a in (self.x, self.y)]
        sizes = [ctypes.c_int32(n) for n in (*self.x.shape[:2], self.steps_per_call())]
        state: Any = self.session.step_in_place
        self.loop(*self.entries, state.args[0], pointer(self.x), pointer(self.y), *rows, *sizes)

    def timed(self, samples: Sequence[F32]) -> int:
        self.take(np.concatenate(samples, axis=1))
        return self.time_run()


class OursStep(Ours):
    """`step` of the library in the same loop: every step before the next is known."""

    form = "native loop of steps"

    def steps_per_call(self) -> int:
        return len(self.session.x)


class OursBatch(_Own):
    """All streams of a batch in one call."""

    form = "native call for all streams"

    def run(self) -> None:
        self.session.reset()
        self.session.run_in_place(self.x, self.y)


class OursPython(_Own):
    """The compiled step, one call from Python per step, on bound arrays."""

    form = "one bound call per step"

    def __init__(self, session: Session) -> None:
        super().__init__(session, "ours_python")
        self.steps: list[Callable[[], int]] = []

    def take(self, x: F32) -> None:
        per_call = len(self.session.x)
        calls = len(x) // per_call
        own = np.ascontiguousarray(x[: calls * per_call, 0], self.session.x.dtype)
        self.x = own.reshape(calls, *self.session.x.shape)
        self.y = np.empty((calls, *self.session.y.shape), np.float32)
        self.steps = self.session.bind(self.x, self.y)

    def run(self) -> None:
        self.session.reset()
        for step in self.steps:
            step()

    def read(self) -> F32:
        return self.y.reshape(-1, 1, self.y.shape[2])


def ours(
    artifact: Artifact, network: Network, work: Workload, name: str = "ours"
) -> list[Baseline]:
    """The artifact in its best form for the workload."""
    if work.batch > 1:
        return [OursBatch(Session(artifact, streams=work.batch), name)]
    return [(Ours if work.hoists else OursStep)(Session(artifact), name)]


def ours_python(artifact: Artifact, network: Network, work: Workload) -> list[Baseline]:
    """The artifact, called once per step."""
    return [OursPython(Session(artifact))]


def ours_int8(artifact: Artifact, network: Network, work: Workload) -> list[Baseline]:
    """The same network in int8, compiled now as the artifact was."""
    integer = quantise(network, Numeric.INT8)
    with work_folder() as root:
        integer_checkpoint.save(integer, root / integer_checkpoint.NAME)
        manifest = recompile_integer(root, integer, artifact.manifest)
        return ours(Artifact(root, manifest), network, work, "ours_int8")
