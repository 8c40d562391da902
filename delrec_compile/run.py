"""Runners: one call for every engine, `trace(x) -> outputs and spikes`, and what they run on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.data.events import Events
from delrec_compile.data.samples import batches, first, fitting, read_words
from delrec_compile.errors import InputError
from delrec_compile.network import checkpoint
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.schema import StepModel, load_model
from delrec_compile.ops.readout import decide
from delrec_compile.session import Session, Trace
from delrec_compile.system import host

if TYPE_CHECKING:
    from delrec_compile.emulated import EmulatedRunner
    from delrec_compile.emulated_board import BoardRunner

ON_BOARD = ("cortex_m55",)  # its vector instructions (MVE) are known to QEMU's boards only


class Runner(Protocol):
    """An engine with a network loaded. Every trace starts from a fresh state."""

    name: str

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs) counts."""
        ...


class ReferenceRunner:
    """The plain NumPy reference of a float or an integer network."""

    name = "reference"

    def __init__(self, network: Network | IntegerNetwork) -> None:
        self.network = network

    def trace(self, x: F32) -> Trace:
        state: Any = self.network.reset(x.shape[1])
        ys = []
        spikes: list[list[F32]] = [[] for _ in self.network.layers]
        for row in x:
            y, state = self.network.step(row, state, spikes=[s.append for s in spikes])
            ys.append(y)
        return Trace(np.stack(ys), tuple(np.stack(s).astype(np.uint8) for s in spikes))


class TorchRunner:
    """The frozen network in eager PyTorch: the reference of parity."""

    name = "torch"

    def __init__(self, network: Network) -> None:
        from delrec_compile.network.torch_step import Step

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


def artifact_runner(artifact: Artifact) -> Runner:
    """The artifact's own code: native where it is for this machine, else in an emulator.

    Raises InputError where there is neither.
    """
    m = artifact.manifest
    if m.get("form") == "cuda":
        from delrec_compile.session_gpu import GpuSession

        return GpuSession(artifact)
    if host.is_here(m["machine"]):
        return Session(artifact)
    if m.get("core"):
        return emulated_runner(artifact)
    raise InputError(
        f"{artifact.path} is built for {m['machine']} and has no program for an emulator; "
        "copy it to such a machine and run it there"
    )


def emulated_runner(artifact: Artifact) -> EmulatedRunner | BoardRunner:
    """One core in an emulator of its instructions, or a board where those need one."""
    if artifact.manifest["core"] in ON_BOARD:
        from delrec_compile.emulated_board import BoardRunner

        return BoardRunner(artifact)
    from delrec_compile.emulated import EmulatedRunner

    return EmulatedRunner(artifact)


def open_runner(path: Path | str) -> Opened:
    """A runner for an artifact folder, or for an ONNX file in ONNX Runtime."""
    path = Path(path)
    if path.is_dir():
        runner = artifact_runner(load_artifact(path))
        net = checkpoint.load(path / "network.safetensors")
        return Opened(runner, net.inputs, net.readout.decision, net.labels, net.dt_ms)
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
