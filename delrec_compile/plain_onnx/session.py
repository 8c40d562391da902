"""The library of a plain step, called from Python."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.plain import PlainArtifact, load_plain_artifact
from delrec_compile.errors import DataError, InputError
from delrec_compile.plain_onnx.build import ENTRIES
from delrec_compile.runners.library import entry_points, load_library
from delrec_compile.runners.memory import aligned, pointer


class PlainSession:
    """One stream. Inputs are any float32 values; nothing rounds them."""

    def __init__(self, artifact: PlainArtifact | Path | str) -> None:
        self.artifact = (
            artifact if isinstance(artifact, PlainArtifact) else load_plain_artifact(artifact)
        )
        m = self.artifact.manifest
        library = load_library(self.artifact.library, m.files.get(m.main_file))
        self._entry = entry_points(library, m.name, ENTRIES)
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
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise DataError(f"x has shape {list(x.shape)}; [steps, {self.inputs}] is required")
        x = np.ascontiguousarray(x, np.float32)
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
