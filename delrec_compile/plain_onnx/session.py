"""A plain step called from Python: its library, its sources compiled here, or a chip in an emulator."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.host_library import compile_library
from delrec_compile.artifact.plain import PlainArtifact, load_plain_artifact
from delrec_compile.errors import DataError, InputError
from delrec_compile.plain_onnx.build import ENTRIES
from delrec_compile.runners.library import entry_points, load_library
from delrec_compile.runners.memory import aligned, pointer
from delrec_compile.system.folders import work_folder


class PlainSession:
    """One stream. Inputs are any float32 values; nothing rounds them.

    Of C sources for any machine, it compiles and loads a library. Raises InputError for a chip's.
    """

    def __init__(self, artifact: PlainArtifact | Path | str) -> None:
        self.artifact = (
            artifact if isinstance(artifact, PlainArtifact) else load_plain_artifact(artifact)
        )
        m = self.artifact.manifest
        self._entry = entry_points(_library(self.artifact), m.name, ENTRIES)
        size, needed = int(self._entry["state_bytes"]()), sum(v.bytes for v in m.state)
        if size < needed:  # it holds the workspace of a step too
            raise InputError(
                f"the state of {self.artifact.path} takes {size} bytes in its library and "
                f"{needed} in its manifest; build it again"
            )
        self._state = aligned(size, np.uint8)
        self.inputs, self.outputs = m.inputs, m.outputs
        self.reset()

    def reset(self) -> None:
        """Sets the state to zero."""
        self._entry["reset"](pointer(self._state))

    def run(self, x: F32) -> F32:
        """Outputs (steps, outputs) of x, (steps, inputs); the state continues from the last call."""
        x = checked(x, self.inputs)
        y = np.empty((len(x), self.outputs), np.float32)
        self.run_in_place(x, y)
        return y

    def run_in_place(self, x: F32, y: F32) -> None:
        """`run` between arrays of the caller, float32 and contiguous, unchecked."""
        steps = ctypes.c_int32(len(x))
        self._entry["run"](pointer(self._state), pointer(x), steps, pointer(y))

    def self_test(self) -> bool:
        """Whether the recorded outputs are reproduced."""
        return int(self._entry["self_test"]()) == 0


def checked(x: F32, inputs: int) -> F32:
    """x as contiguous float32. Raises DataError for another shape than [steps, inputs]."""
    if x.ndim != 2 or x.shape[1] != inputs:
        raise DataError(f"x has shape {list(x.shape)}; [steps, {inputs}] is required")
    return np.ascontiguousarray(x, np.float32)


def _library(artifact: PlainArtifact) -> ctypes.CDLL:
    m = artifact.manifest
    if artifact.library is not None:
        return load_library(artifact.library, m.files.get(m.main_file))
    if not m.runs_here:
        raise InputError(f"{artifact.path} is built for {m.machine}; 'check' emulates it")
    with work_folder() as folder:
        return load_library(compile_library(artifact.path, m.name, folder))
