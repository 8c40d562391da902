"""A compiled network called from Python: ctypes on its C entry points, without copies."""

from __future__ import annotations

import ctypes
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.abi import BATCH, ENTRIES, STATE_ALIGN, WORK
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.errors import DataError, InputError
from delrec_compile.runners.library import entry_points, load_library
from delrec_compile.runners.memory import aligned, check_values, pointer, values
from delrec_compile.runners.runner import KernelRunner, Trace, split_spikes
from delrec_compile.system.files import check_files
from delrec_compile.system.folders import work_folder

PARTS_PER_THREAD = 8  # of a batch: streams differ in work, and threads in what else their core does


class SavedState(dict[str, NDArray[Any]]):
    """The state of a stream, by name. source: name, target and hashes of what it belongs to."""

    def __init__(
        self, source: tuple[str, ...], values: Iterable[tuple[str, NDArray[Any]]] = ()
    ) -> None:
        super().__init__(values)
        self.source = source


class Session(KernelRunner):
    """Streams of a compiled network, in this process; one, unless `streams` says more.

    streams: independent ones, side by side in memory. threads: that share a batch among them. x and y
    are the buffers that `step_in_place` reads and writes, (steps_per_call, inputs) and
    (steps_per_call, outputs), with several streams (streams, ...) of that; filling x yourself saves
    the copy.
    """

    name = "artifact"

    def __init__(self, artifact: Artifact | Path | str, streams: int = 1, threads: int = 1) -> None:
        for option, number in (("streams", streams), ("threads", threads)):
            if number < 1:
                raise DataError(f"{option} is {number}; at least 1 is required")
        self.artifact = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
        self.streams, self.threads = streams, min(threads, streams)
        m = self.artifact.manifest
        self.real = m.input_bits is not None
        if m.is_gpu:
            raise InputError(f"{self.artifact.path} is built for a GPU; use GpuSession")
        self._lib = self._open(m.name)
        self._entry = entry_points(self._lib, m.name, ENTRIES)
        self._entry[BATCH] = getattr(self._lib, f"{m.name}_{BATCH}", None)
        self._size = int(self._entry["state_bytes"]())
        end = max((v.offset + v.bytes for v in m.state), default=0)
        if not end <= self._size < end + STATE_ALIGN:
            raise InputError(
                f"the state of {self.artifact.path} takes {self._size} bytes in its library and "
                f"{end} in its manifest; build it again"
            )
        self._state = aligned(streams * self._size, np.uint8)
        self._state_at = ctypes.c_void_p(self._state.ctypes.data)
        lead = () if streams == 1 else (streams,)
        steps, dtype = m.steps_per_call, m.counts_dtype
        self.x = aligned(streams * steps * m.inputs, dtype)
        self.x = self.x.reshape(*lead, -1, m.inputs)
        self.y = aligned(streams * steps * m.outputs, np.float32)
        self.y = self.y.reshape(*lead, -1, m.outputs)
        self.step_in_place: Callable[[], Any] = functools.partial(
            self._entry["step"], self._state_at, pointer(self.x), pointer(self.y)
        )
        if streams > 1:
            self.step_in_place = functools.partial(self.run_in_place, self.x, self.y)
        self.reset()

    def _open(self, name: str) -> ctypes.CDLL:
        """The artifact's library; of C sources, one that is compiled now."""
        library, files = self.artifact.library, self.artifact.manifest.files
        if library is not None:
            return load_library(library, files.get(self.artifact.manifest.main_file))
        from delrec_compile.artifact.host_library import compile_library

        check_files(self.artifact.path, files)
        with work_folder() as folder:
            return load_library(compile_library(self.artifact.path, name, folder))

    @property
    def library(self) -> ctypes.CDLL:
        """The library itself, whose entry points are in the C header."""
        return self._lib

    def reset(self, stream: int | None = None) -> None:
        """Starts a stream afresh, or all of them."""
        self._entry["reset"](self._at(0 if stream is None else self._known(stream)))
        if stream is None:  # one copy: a call for each of 256 takes as long as four of their steps
            states = self._state.reshape(self.streams, self._size)
            states[1:] = states[0]

    def state(self, stream: int = 0) -> SavedState:
        """A copy of a stream's state, by the names of the manifest's `state`."""
        views = self._views(stream).items()
        return SavedState(self._source, ((name, view.copy()) for name, view in views))

    @property
    def _source(self) -> tuple[str, ...]:
        m = self.artifact.manifest
        return (m.name, m.target, m.source_sha256, m.golden_sha256)

    def load_state(self, state: Mapping[str, NDArray[Any]], stream: int = 0) -> None:
        """Restores a result of `state` in any stream of the same network and target.

        Raises DataError for the state of another network, other names, shapes or types, and values
        that no run makes. A plain dict, such as one from a file, says nothing of its network.
        """
        views = self._views(stream)
        if not isinstance(state, Mapping):
            raise DataError(f"the state is a {type(state).__name__}; needed: what `state` returns")
        if isinstance(state, SavedState) and state.source != self._source:
            raise DataError(
                f"the state is of {' on '.join(state.source[:2])}, this session of another network or "
                f"build ({' on '.join(self._source[:2])}); states do not pass between them"
            )
        if set(state) != set(views):
            raise DataError(f"the state has {', '.join(sorted(state))}; needed: {', '.join(views)}")
        for name, view in views.items():
            new = np.asarray(state[name])
            if new.shape != view.shape or new.dtype != view.dtype:
                raise DataError(
                    f"state '{name}' is {list(new.shape)} of {new.dtype}; "
                    f"needed: {list(view.shape)} of {view.dtype}"
                )
        check_values({name: np.asarray(value) for name, value in state.items()})
        for name, view in views.items():
            view[:] = state[name]

    def _views(self, stream: int) -> dict[str, NDArray[Any]]:
        """The members of a stream's state struct, but for the temporary arrays of a call."""
        own = self._state[self._known(stream) * self._size :]
        out = {}
        for v in self.artifact.manifest.state:
            if v.name.startswith(WORK):
                continue
            out[v.name] = own[v.offset : v.offset + v.bytes].view(np.dtype(v.dtype))
        return out

    def _known(self, stream: int) -> int:
        if not 0 <= stream < self.streams:
            raise DataError(f"stream {stream} of {self.streams}; streams are numbered from 0")
        return stream

    def _at(self, stream: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._state.ctypes.data + stream * self._size)

    def step(self, x: F32) -> F32:
        """`steps_per_call` time steps. Returns the buffer y, which the next call overwrites."""
        if x.size != self.x.size:
            raise DataError(f"x has shape {list(x.shape)}; {list(self.x.shape)} is required")
        self.x[:] = values(x, self.real).reshape(self.x.shape)
        self.step_in_place()
        return self.y

    def bind(self, x: NDArray[Any], y: F32) -> list[Callable[[], int]]:
        """Calls without arguments that read and write your arrays in place, for the least overhead.

        x: (calls, steps_per_call, inputs), or (calls, inputs) for one step per call, of the dtype
        of `self.x`; y: the same with outputs, float32; both C-contiguous. Returns one call
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

        With several streams (streams, T, inputs) and (streams, T, outputs). The states go on from the
        step before.
        """
        x = self._checked(x)
        y = np.empty((*x.shape[:-1], self.y.shape[-1]), np.float32)
        self.run_in_place(x, y)
        return y

    def run_in_place(self, x: NDArray[Any], y: F32) -> None:
        """`run` between your own arrays, of the dtypes of `self.x` and `self.y`, unchecked."""
        if self.streams == 1:
            self._entry["run"](self._state_at, pointer(x), ctypes.c_int32(len(x)), pointer(y))
        elif self.threads == 1:
            self._run_some(x, y, 0, self.streams)
        else:
            self._share(x, y)

    def _run_some(self, x: NDArray[Any], y: F32, first: int, last: int) -> None:
        """Streams first to last, without the interpreter's lock."""
        steps, batch = ctypes.c_int32(x.shape[1]), self._entry[BATCH]
        if batch is not None:
            parts = (pointer(x[first]), steps, pointer(y[first]))
            batch(self._at(first), ctypes.c_int32(last - first), *parts)
            return
        for b in range(first, last):
            self._entry["run"](self._at(b), pointer(x[b]), steps, pointer(y[b]))

    def _share(self, x: NDArray[Any], y: F32) -> None:
        """Each thread, this one included, takes parts of the batch until none is left."""
        size = max(1, self.streams // (self.threads * PARTS_PER_THREAD))
        parts = deque(range(0, self.streams, size))

        def work() -> None:
            while True:
                try:
                    first = parts.popleft()
                except IndexError:  # another thread took the last part
                    return
                self._run_some(x, y, first, min(first + size, self.streams))

        others = [self._pool.submit(work) for _ in range(self.threads - 1)]
        work()
        for other in others:
            other.result()

    @functools.cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads - 1)

    def self_test(self) -> bool:
        """Runs the golden vectors inside the library."""
        return int(self._entry["self_test"]()) == 0

    def trace_once(self, x: F32) -> Trace:
        """x: (T, samples, inputs), each sample from a fresh start; for sessions of one stream."""
        neurons = self.artifact.manifest.neurons
        ys, fired = [], []
        for row in self._samples(x):
            y = np.empty((len(row), self.y.shape[1]), np.float32)
            spikes = np.empty((len(row), sum(neurons)), np.uint8)
            self.reset()
            self._entry["trace"](
                self._state_at, pointer(row), ctypes.c_int32(len(row)), pointer(y), pointer(spikes)
            )
            ys.append(y)
            fired.append(spikes)
        return Trace(np.stack(ys, axis=1), split_spikes(np.stack(fired, axis=1), neurons))

    def outputs_of(self, x: F32) -> F32:
        """x: (T, samples, inputs), each sample from a fresh start; for sessions of one stream."""
        ys = []
        for row in self._samples(x):
            self.reset()
            ys.append(self.run(row))
        return np.stack(ys, axis=1)

    def _samples(self, x: F32) -> Iterator[NDArray[Any]]:
        """Each sample, (T, inputs), of the library's own dtype."""
        if self.streams > 1:
            raise DataError("a session of several streams has no trace; open one without streams")
        for b in range(x.shape[1]):
            yield self._checked(np.ascontiguousarray(x[:, b]))

    def _checked(self, x: NDArray[Any]) -> NDArray[Any]:
        lead, inputs = ([] if self.streams == 1 else [self.streams]), self.x.shape[-1]
        if x.ndim != len(lead) + 2 or [*x.shape[: len(lead)], x.shape[-1]] != [*lead, inputs]:
            needed = ", ".join(map(str, [*lead, "steps", inputs]))
            raise DataError(f"x has shape {list(x.shape)}; [{needed}] is required")
        return np.ascontiguousarray(values(x, self.real), self.x.dtype)
