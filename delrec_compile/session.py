"""A compiled network called from Python: ctypes on its plain C entry points, without copies."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.assemble import library_of
from delrec_compile.bare import ENTRIES
from delrec_compile.build import Artifact, load_artifact
from delrec_compile.errors import CompilerCrash, DataError, InputError

F32 = NDArray[np.float32]
MOST = (1 << 15) - 1  # what kernels multiply 16-bit weights by


@dataclass(frozen=True)
class Trace:
    """What an engine did. y: (T, batch, outputs). spikes: (T, batch, N) uint8, one per layer."""

    y: F32
    spikes: tuple[NDArray[np.uint8], ...]


class Session:
    """One stream of a compiled network, in this process.

    x and y are the buffers that `step_in_place` reads and writes, (steps_per_call, inputs) and
    (steps_per_call, outputs); filling x yourself saves the copy.
    """

    name = "artifact"

    def __init__(self, artifact: Artifact | Path | str) -> None:
        self.artifact = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
        m = self.artifact.manifest
        if m.get("form") == "cuda":
            raise InputError(
                f"{self.artifact.path} is for a GPU; GpuSession of session_gpu runs it"
            )
        self._lib = self._open(m["name"])
        self._entry = {e: getattr(self._lib, f"{m['name']}_{e}") for e in ENTRIES}
        self._state = aligned(int(self._entry["state_bytes"]()), np.uint8)
        self._state_at = ctypes.c_void_p(self._state.ctypes.data)
        self.x = aligned(m["steps_per_call"] * m["inputs"], np.dtype(m.get("counts", "float32")))
        self.x = self.x.reshape(-1, m["inputs"])
        self.y = aligned(m["steps_per_call"] * m["outputs"], np.float32)
        self.y = self.y.reshape(-1, m["outputs"])
        self.step_in_place = functools.partial(
            self._entry["step"], self._state_at, pointer(self.x), pointer(self.y)
        )
        self.reset()

    def _open(self, name: str) -> ctypes.CDLL:
        """The artifact's library; of C sources, one that is compiled now."""
        with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
            library = self.artifact.library
            if library is None:
                library = library_of(self.artifact.path, name, Path(folder))
            try:
                return ctypes.CDLL(str(library.absolute()))
            except OSError as error:
                raise InputError(f"{library} does not load here: {error}") from error

    def reset(self) -> None:
        """Starts a fresh stream."""
        self._entry["reset"](self._state_at)

    def step(self, x: F32) -> F32:
        """`steps_per_call` time steps. Returns the buffer y, which the next call overwrites."""
        if x.size != self.x.size:
            raise DataError(f"x has shape {list(x.shape)}; {list(self.x.shape)} is needed")
        self.x[:] = counts(x)
        self.step_in_place()
        return self.y

    def bind(self, x: NDArray[Any], y: F32) -> list[Callable[[], int]]:
        """Calls without arguments that read and write your arrays in place, for the least overhead.

        x: (calls, steps_per_call, inputs), or (calls, inputs) for one step per call, of the dtype of
        `self.x`, whole counts; y: the same with outputs, float32; both C-contiguous. Returns one call
        per first index. Use x and y as rings: fill x[k], call k, read y[k].
        """
        for name, array, like in (("x", x, self.x), ("y", y, self.y)):
            fits = array.size == len(array) * like.size and array.dtype == like.dtype
            if not fits or not array.flags.c_contiguous or len(x) != len(y):
                raise DataError(
                    f"{name} has shape {list(array.shape)} of {array.dtype}; needed: a contiguous "
                    f"[calls, {', '.join(map(str, like.shape))}] of {like.dtype}"
                )
        step = self._entry["step"]
        return [
            functools.partial(step, self._state_at, pointer(a), pointer(b))
            for a, b in zip(x, y, strict=True)
        ]

    def run(self, x: F32) -> F32:
        """x: (T, inputs), read in place when of the library's own dtype. Returns (T, outputs).

        The state goes on from the step before.
        """
        x = self._checked(x)
        y = np.empty((len(x), self.y.shape[1]), np.float32)
        self.run_in_place(x, y)
        return y

    def run_in_place(self, x: NDArray[Any], y: F32) -> None:
        """`run` between arrays of yours, of the dtypes of `self.x` and `self.y`, unchecked."""
        self._entry["run"](self._state_at, pointer(x), ctypes.c_int32(len(x)), pointer(y))

    def self_test(self) -> bool:
        """Runs the golden vectors inside the library."""
        return int(self._entry["self_test"]()) == 0

    def trace(self, x: F32) -> Trace:
        ys, fired = [], []
        sizes = [
            s["elements"] for n, s in self._variables() if n.startswith("l") and n.endswith("_v")
        ]
        for b in range(x.shape[1]):
            row = self._checked(np.ascontiguousarray(x[:, b]))
            y = np.empty((len(row), self.y.shape[1]), np.float32)
            spikes = np.empty((len(row), sum(sizes)), np.uint8)
            self.reset()
            self._entry["trace"](
                self._state_at, pointer(row), ctypes.c_int32(len(row)), pointer(y), pointer(spikes)
            )
            again = self._again(row)
            if not np.array_equal(again, y):
                raise CompilerCrash("the tracing kernel and the plain one differ: report this")
            ys.append(y)
            fired.append(spikes)
        every = np.stack(fired, axis=1)
        return Trace(np.stack(ys, axis=1), tuple(np.split(every, np.cumsum(sizes)[:-1], axis=2)))

    def _again(self, row: F32) -> F32:
        self.reset()
        return self.run(row)

    def _variables(self) -> list[tuple[str, Any]]:
        return list(self.artifact.manifest["state"].items())

    def _checked(self, x: F32) -> F32:
        if x.ndim != 2 or x.shape[1] != self.x.shape[1]:
            raise DataError(f"x has shape {list(x.shape)}; [steps, {self.x.shape[1]}] is needed")
        return np.ascontiguousarray(counts(x), self.x.dtype)


def counts(x: NDArray[Any]) -> NDArray[Any]:
    """x, when all of it are counts. Raises DataError."""
    if not ((x >= 0) & (x <= MOST) & (x == np.rint(x))).all():
        raise DataError(
            f"x holds a value that is no count; whole numbers from 0 to {MOST} are needed"
        )
    return x


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def aligned(size: int, dtype: Any, to: int = 64) -> NDArray[Any]:
    """Zeros at an address that is a multiple of `to` bytes."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + to, np.uint8)
    start = -raw.ctypes.data % to
    return raw[start : start + size * item].view(dtype)
