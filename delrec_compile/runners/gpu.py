"""A network compiled for GPUs, called from Python: ctypes on its host library, many streams at once.

The same library runs on a GPU, or, where there is none, on the emulated driver.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.errors import DataError, DeviceError, InputError
from delrec_compile.runners.emulated import cuda
from delrec_compile.runners.library import load_library
from delrec_compile.runners.memory import pointer, values
from delrec_compile.runners.runner import KernelRunner, Trace, split_spikes
from delrec_compile.system.folders import work_folder

WHY = {-1: "invalid arguments", -2: "no CUDA driver", -3: "wrong outputs"}


class GpuSession(KernelRunner):
    """Streams of a network, side by side; the first call sets their number.

    name: `gpu` or `emulated`. how: description of where it runs. emulated: None looks for a GPU.
    Raises InputError for an artifact that is not for a GPU, DeviceError without one.
    """

    def __init__(self, artifact: Artifact | Path | str, *, emulated: bool | None = None) -> None:
        self.artifact = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
        m = self.artifact.manifest
        if not m.is_gpu:
            raise InputError(
                f"{self.artifact.path} is built for target '{m.target}', not for a GPU; use Session"
            )
        device = cuda.gpu() if not emulated else None
        if device is None and emulated is False:
            raise DeviceError("no GPU here; it can be emulated: see docs/cuda.md")
        self.prefix, self.streams = m.name, 0
        self.inputs, self.outputs = m.inputs, m.outputs
        self.name, self.how = ("gpu", f"device ({device})") if device else ("emulated", cuda.HOW)
        self.neurons = m.neurons
        library = self.artifact.library
        assert library is not None
        self._lib = load_library(library, m.files.get(m.main_file), shared=False)
        self._gpu = ctypes.c_void_p()
        self.driver: ctypes.CDLL | None = None
        if not device:
            self.emulate(self.artifact.path / "lib" / f"{self.prefix}.cu")

    def emulate(self, source: Path) -> None:
        """Runs these kernels on the CPU from now on."""
        self.close()
        with work_folder() as folder:
            path = cuda.write_driver(source, self.artifact.manifest.kernels, folder)
            self.driver = ctypes.CDLL(str(path))
            self._check("driver", str(path).encode())

    def open(self, streams: int) -> None:
        """Fresh streams, in place of those before."""
        self.close()
        out = ctypes.c_void_p()
        self._check("open", ctypes.byref(out), ctypes.c_int(0), ctypes.c_int32(streams))
        self._gpu, self.streams = out, streams

    def close(self) -> None:
        """Frees the memory of the GPU."""
        if self._gpu:
            self._entry("close")(self._gpu)
        self._gpu, self.streams = ctypes.c_void_p(), 0

    def reset(self) -> None:
        """Starts all streams anew."""
        self._check("reset", self._gpu)

    def run(self, x: F32) -> F32:
        """x: (T, streams, inputs). Returns (T, streams, outputs). The state goes on."""
        x = self._checked(x)
        y = np.empty((*x.shape[:2], self.outputs), np.float32)
        self._check("run", self._gpu, pointer(x), ctypes.c_int32(len(x)), pointer(y))
        return y

    def run_device(self, x: int, steps: int, y: int, stream: int = 0) -> None:
        """Same as `run`, on addresses of GPU memory, queued on a CUDA stream."""
        address = ctypes.c_uint64
        self._check(
            "run_device",
            self._gpu,
            address(x),
            ctypes.c_int32(steps),
            address(y),
            ctypes.c_void_p(stream),
        )

    def outputs_of(self, x: F32) -> F32:
        """Outputs from a fresh state."""
        self.restart(x.shape[1])
        return self.run(x)

    def trace_once(self, x: F32) -> Trace:
        """Outputs and spikes from a fresh state, with the tracing kernel alone."""
        self.restart(x.shape[1])
        x = self._checked(x)
        y = np.empty((*x.shape[:2], self.outputs), np.float32)
        spikes = np.empty((*x.shape[:2], sum(self.neurons)), np.uint8)
        steps = ctypes.c_int32(len(x))
        self._check("trace", self._gpu, pointer(x), steps, pointer(y), pointer(spikes))
        return Trace(y, split_spikes(spikes, self.neurons))

    def restart(self, streams: int) -> None:
        """Fresh streams of that number, in the memory of those before where they are as many."""
        if self.streams == streams:
            self.reset()
        else:
            self.open(streams)

    def self_test(self) -> bool:
        """Checks the tables, here and on the GPU, and runs the golden vectors on two streams."""
        code = int(self._entry("self_test")(ctypes.c_int(0)))
        if code not in (0, -3, -4):
            raise self._error("self_test", code)
        return code == 0

    def _checked(self, x: F32) -> F32:
        if x.ndim != 3 or x.shape[1:] != (self.streams, self.inputs):
            raise DataError(
                f"x has shape {list(x.shape)}; [steps, {self.streams}, {self.inputs}] is required"
            )
        real = self.artifact.manifest.input_bits is not None
        return np.ascontiguousarray(values(x, real), np.float32)

    def _entry(self, name: str) -> Any:
        return getattr(self._lib, f"{self.prefix}_{name}")

    def _check(self, name: str, *arguments: Any) -> None:
        code = int(self._entry(name)(*arguments))
        if code != 0:
            raise self._error(name, code)

    def _error(self, name: str, code: int) -> DeviceError:
        why = WHY.get(code, f"the driver's error {code}")
        return DeviceError(f"{self.prefix}_{name} failed on {self.how}: {why}")

    def __del__(self) -> None:
        if getattr(self, "_gpu", None):
            self.close()
