"""The compiled network, in its native loop over time and called step by step."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
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

# `run` of a library may compute ahead in time, which a stream that comes step by step does not allow
LOOP = """
#include <stdint.h>
#include <stddef.h>
typedef int32_t (*step_t)(void *state, const void *x, void *y);
void loop(step_t step, void *state, const char *x, char *y, size_t x_bytes, size_t y_bytes,
          int32_t calls)
{
    for (int32_t k = 0; k < calls; ++k) {
        step(state, x + (size_t)k * x_bytes, y + (size_t)k * y_bytes);
    }
}
"""


class Ours(Baseline):
    """`run` of the library on whole samples; each lies ready in the library's own dtype."""

    form = "whole samples natively"

    def __init__(self, session: Session, name: str = "ours") -> None:
        self.name = name
        self.session = session
        self.integer_network = session.artifact.integer
        self.x: NDArray[Any] = np.empty((0, 0, 0), np.float32)
        self.y: F32 = np.empty((0, 0, 0), np.float32)

    def take(self, x: F32) -> None:
        self.x = np.ascontiguousarray(x.transpose(1, 0, 2), self.session.x.dtype)
        self.y = np.empty((*self.x.shape[:2], self.session.y.shape[-1]), np.float32)

    def run(self) -> None:
        for x, y in zip(self.x, self.y, strict=True):
            self.session.reset()
            self.session.run_in_place(x, y)

    def read(self) -> F32:
        return self.y.transpose(1, 0, 2)


class OursStep(Ours):
    """`step` of the library in a native loop: as `run`, but every step before the next is known."""

    form = "native loop of steps"

    def __init__(self, session: Session, name: str = "ours") -> None:
        super().__init__(session, name)
        with work_folder() as folder:
            source, library = folder / "loop.c", folder / "loop.so"
            source.write_text(LOOP)
            toolchain.run_cc("-O2", "-fPIC", "-shared", source, "-o", library)
            self.loop = load_library(library).loop

    def run(self) -> None:
        self.session.reset()
        per_call = len(self.session.x)
        sizes = [ctypes.c_size_t(a[0, :per_call].nbytes) for a in (self.x, self.y)]
        step: Any = self.session.step_in_place
        calls = ctypes.c_int32(self.x.shape[1] // per_call)
        self.loop(step.func, step.args[0], pointer(self.x), pointer(self.y), *sizes, calls)


class OursBatch(Ours):
    """All streams of a batch in one call."""

    form = "native call for all streams"

    def run(self) -> None:
        self.session.reset()
        self.session.run_in_place(self.x, self.y)


class OursPython(Ours):
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
