"""Runners: one call for every engine, `trace(x) -> outputs and spikes`, and what they run on."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from delrec_compile import checkpoint
from delrec_compile.build import Artifact, load_artifact
from delrec_compile.data.events import Events, load_events, load_words
from delrec_compile.errors import CompilerCrash, DataError, InputError
from delrec_compile.network import Network
from delrec_compile.onnx_model import StepModel, load_model
from delrec_compile.ops.leaky_readout import decide

F32 = NDArray[np.float32]
BATCH = 64
WORDS = "words"


@dataclass(frozen=True)
class Trace:
    """What an engine did. y: (T, batch, outputs). spikes: (T, batch, N) uint8, one per layer."""

    y: F32
    spikes: tuple[NDArray[np.uint8], ...]


class Runner(Protocol):
    """An engine with a network loaded. Every trace starts from a fresh state."""

    name: str

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs) counts."""
        ...


class ReferenceRunner:
    """The plain NumPy reference."""

    name = "reference"

    def __init__(self, network: Network) -> None:
        self.network = network

    def trace(self, x: F32) -> Trace:
        state, ys = self.network.reset(x.shape[1]), []
        spikes: list[list[F32]] = [[] for _ in self.network.layers]
        for row in x:
            y, state = self.network.step(row, state, spikes=[s.append for s in spikes])
            ys.append(y)
        return Trace(np.stack(ys), tuple(np.stack(s).astype(np.uint8) for s in spikes))


class TorchRunner:
    """The frozen network in eager PyTorch: the reference of parity."""

    name = "torch"

    def __init__(self, network: Network) -> None:
        from delrec_compile.step import Step

        self.step = Step(network)
        # membranes before the reset, of the last trace: they tell how near a spike was to none
        self.membranes: list[F32] = []

    def trace(self, x: F32) -> Trace:
        import torch

        state, ys = self.step.reset(x.shape[1]), []
        spikes: list[list[Any]] = [[] for _ in self.step.network.layers]
        membranes: list[list[Any]] = [[] for _ in spikes]
        for row in torch.from_numpy(x):
            y, fired, before, state = self.step.inside(row, state)
            ys.append(y.numpy())
            for i, (s, m) in enumerate(zip(fired, before, strict=True)):
                spikes[i].append(s.numpy().astype(np.uint8))
                membranes[i].append(m.numpy())
        self.membranes = [np.stack(m) for m in membranes]
        return Trace(np.stack(ys), tuple(np.stack(s) for s in spikes))


class OnnxRunner:
    """A portable step in ONNX Runtime, one thread."""

    name = "onnxruntime"

    def __init__(self, model: StepModel) -> None:
        import onnx
        from onnx import TensorProto, helper

        self.model = model
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        made = {name for node in proto.graph.node for name in node.output}
        prefixes = [""] if model.unroll == 1 else [f"t{k}_" for k in range(model.unroll)]
        self.spike_names: list[list[str]] = []
        while f"{prefixes[0]}l{len(self.spike_names)}_spikes" in made:
            row = [f"{p}l{len(self.spike_names)}_spikes" for p in prefixes]
            self.spike_names.append(row)
            proto.graph.output.extend(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in row
            )
        self.session = onnx_session(proto.SerializeToString())
        self.outputs = [o.name for o in self.session.get_outputs()]

    def trace(self, x: F32) -> Trace:
        unroll, batch = self.model.unroll, x.shape[1]
        padded = np.concatenate([x, np.zeros((-len(x) % unroll, *x.shape[1:]), np.float32)])
        state = {
            f"past_{s.name}": np.zeros((batch, *s.shape), np.float32) for s in self.model.state
        }
        ys: list[F32] = []
        spikes: list[list[F32]] = [[] for _ in self.spike_names]
        for t in range(0, len(padded), unroll):
            feed = {"x": padded[t] if unroll == 1 else padded[t : t + unroll], **state}
            result = dict(zip(self.outputs, self.session.run(None, feed), strict=True))
            state = {f"past_{s.name}": result[f"present_{s.name}"] for s in self.model.state}
            ys.extend([result["y"]] if unroll == 1 else result["y"])
            for kept, names in zip(spikes, self.spike_names, strict=True):
                kept.extend(result[name] for name in names)
        steps = len(x)
        fired = tuple(np.stack(s[:steps]).astype(np.uint8) for s in spikes)
        return Trace(np.stack(ys[:steps]), fired)


class Session:
    """One stream of a compiled network, in this process.

    x and y are the buffers that `step_in_place` reads and writes, (steps_per_call, inputs) and
    (steps_per_call, outputs); filling x yourself saves the copy.
    """

    name = "artifact"

    def __init__(self, artifact: Artifact | Path | str) -> None:
        self.artifact = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
        m = self.artifact.manifest
        try:
            self._lib = ctypes.CDLL(str(self.artifact.library.absolute()))
        except OSError as error:
            raise InputError(f"{self.artifact.library} does not load here: {error}") from error
        self._entry = {e: getattr(self._lib, f"{m['name']}_{e}") for e in ENTRIES}
        self._state = aligned(int(self._entry["state_bytes"]()), np.uint8)
        self._state_at = ctypes.c_void_p(self._state.ctypes.data)
        self.x = aligned(m["steps_per_call"] * m["inputs"], np.float32)
        self.x = self.x.reshape(-1, m["inputs"])
        self.y = aligned(m["steps_per_call"] * m["outputs"], np.float32)
        self.y = self.y.reshape(-1, m["outputs"])
        self.step_in_place = functools.partial(
            self._entry["step"], self._state_at, pointer(self.x), pointer(self.y)
        )
        self.reset()

    def reset(self) -> None:
        """Starts a fresh stream."""
        self._entry["reset"](self._state_at)

    def step(self, x: F32) -> F32:
        """`steps_per_call` time steps. Returns the buffer y, which the next call overwrites."""
        if x.size != self.x.size:
            raise DataError(f"x has shape {list(x.shape)}; {list(self.x.shape)} is needed")
        self.x[:] = x
        self.step_in_place()
        return self.y

    def run(self, x: F32) -> F32:
        """x: (T, inputs) float32, read in place. Returns (T, outputs); the state goes on."""
        x = self._checked(x)
        y = np.empty((len(x), self.y.shape[1]), np.float32)
        self._entry["run"](self._state_at, pointer(x), ctypes.c_int32(len(x)), pointer(y))
        return y

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
        return np.ascontiguousarray(x, np.float32)


ENTRIES = ("reset", "step", "run", "trace", "state_bytes", "self_test")


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def aligned(size: int, dtype: Any, to: int = 64) -> NDArray[Any]:
    """Zeros at an address that is a multiple of `to` bytes."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + to, np.uint8)
    start = -raw.ctypes.data % to
    return raw[start : start + size * item].view(dtype)


def onnx_session(model: bytes) -> Any:
    """ONNX Runtime on one thread, without spinning."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class Opened:
    """A runner on a file, with what its outputs mean."""

    runner: Runner
    inputs: int
    decision: str
    labels: tuple[str, ...]
    dt_ms: float


def open_runner(path: Path | str) -> Opened:
    """A runner for an artifact folder, or for an ONNX file in ONNX Runtime."""
    path = Path(path)
    if path.is_dir():
        session = Session(path)
        net = checkpoint.load(path / "network.safetensors")
        return Opened(session, net.inputs, net.readout.decision, net.labels, net.dt_ms)
    model = load_model(path)
    return Opened(OnnxRunner(model), model.inputs, model.decision, model.labels, model.dt_ms)


@dataclass(frozen=True)
class Answers:
    """Classes of a run. expected: what the labels say. labels: names of the classes, or empty."""

    engine: str
    words: int
    steps: int
    labels: tuple[str, ...]
    classes: tuple[int, ...]
    expected: tuple[int, ...]
    accuracy: float
    spikes_per_step: float


def run(path: Path | str, words: Events) -> Answers:
    """Runs the words through an artifact or an ONNX file."""
    opened = open_runner(path)
    fitting(words, opened.inputs)
    classes: list[int] = []
    spikes = 0
    for _, x in batches(words):
        trace = opened.runner.trace(x)
        classes.extend(decide(opened.decision, trace.y).tolist())
        spikes += sum(int(s.sum()) for s in trace.spikes)
    right = sum(c == t for c, t in zip(classes, words.labels.tolist(), strict=True))
    return Answers(
        opened.runner.name,
        len(words),
        words.steps,
        opened.labels,
        tuple(classes),
        tuple(words.labels.tolist()),
        right / len(words),
        spikes / (len(words) * words.steps),
    )


def answers(path: str, words: str, limit: int | None, steps: int) -> dict[str, Any]:
    """In a child: `run` on words by name."""
    opened_dt = open_runner(path).dt_ms
    return asdict(run(path, first(read_words(words, steps=steps, dt_ms=opened_dt), limit)))


def first(words: Events, limit: int | None) -> Events:
    """The first words, or all."""
    return words if limit is None else words.take(range(min(limit, len(words))))


def read_words(spec: Path | str, *, steps: int = 80, dt_ms: float = 10.0) -> Events:
    """Words to run on: the bundled `words`, a .npz of binned words, or an SHD/SSC .h5 file."""
    if str(spec) == WORDS:
        return load_words(Path(str(resources.files("delrec_compile.bundled") / "words.npz")))
    path = Path(spec)
    if path.suffix in {".h5", ".hdf5"}:
        return load_events(path, steps=steps, dt_ms=dt_ms)
    if path.suffix == ".npz" or not path.suffix:
        return load_words(path)
    raise DataError(f"{path}: unknown kind of file; allowed: .h5, .hdf5, .npz, or '{WORDS}'")


def batches(words: Events, size: int = BATCH) -> Iterator[tuple[slice, F32]]:
    """(which words, x (T, batch, inputs) float32)."""
    for start in range(0, len(words), size):
        at = slice(start, min(start + size, len(words)))
        yield at, np.ascontiguousarray(words.counts[at].transpose(1, 0, 2), np.float32)


def fitting(words: Events, inputs: int) -> Events:
    if words.channels != inputs:
        raise DataError(
            f"the words have {words.channels} channels, the network takes {inputs}; "
            "bin them with the grouping it was trained on"
        )
    return words
