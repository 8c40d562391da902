"""A runner for an artifact or an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.errors import InputError, ModelError
from delrec_compile.network import checkpoint
from delrec_compile.network.base import MAX_INPUT
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.schema import StepModel, load_model
from delrec_compile.network.taker import Taker
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import KernelRunner, Runner, Trace
from delrec_compile.runners.session import Session
from delrec_compile.system.recognise import Kind, recognise, wrong_file

if TYPE_CHECKING:
    from delrec_compile.runners.emulated.board import BoardRunner
    from delrec_compile.runners.emulated.core import EmulatedRunner

NETWORKS = (Kind.NETWORK, Kind.BUNDLED)
STEPS = (Kind.STEP, Kind.PLAIN_STEP, Kind.GRAPH)
# their vector instructions (MVE) are known to QEMU's boards only
ON_BOARD = ("cortex_m55", "cortex_m85")


@dataclass(frozen=True)
class OpenedModel:
    """A runner on a file, what it takes, and how its outputs decide."""

    runner: Runner
    takes: Taker
    decision: str

    def trace(self, x: F32) -> Trace:
        """Outputs and spikes of x (T, batch, inputs); an artifact runs its tracing kernel alone.

        A board is the exception: both kernels run there, step by step.
        """
        if isinstance(self.runner, KernelRunner):
            return self.runner.trace_once(x)
        return self.runner.trace(x)


def artifact_runner(artifact: Artifact) -> Runner:
    """The artifact's own code: native where it is for this machine, else in an emulator.

    Raises InputError where there is neither.
    """
    m = artifact.manifest
    if m.is_gpu:
        from delrec_compile.runners.gpu import GpuSession

        return GpuSession(artifact)
    if m.runs_here:
        return Session(artifact)
    if m.core:
        return emulated_runner(artifact)
    raise InputError(
        f"{artifact.path} is built for {m.machine} and has no program for an emulator; "
        "copy it to such a machine and run it there"
    )


def emulated_runner(artifact: Artifact) -> EmulatedRunner | BoardRunner:
    """One core in an emulator of its instructions, or a board where those need one."""
    if artifact.manifest.core in ON_BOARD:
        from delrec_compile.runners.emulated.board import BoardRunner

        return BoardRunner(artifact)
    from delrec_compile.runners.emulated.core import EmulatedRunner

    return EmulatedRunner(artifact)


def source_of(model: StepModel, path: Path) -> Network:
    """The network an ONNX file was made from: beside it, or bundled. Raises ModelError."""
    digest, beside = model.source_sha256, sorted(path.parent.glob("*.safetensors"))
    for place in (*beside, *map(checkpoint.bundled, checkpoint.BUNDLED)):
        try:
            network = checkpoint.load(place)
        except InputError:
            continue  # another kind of file
        if checkpoint.digest(network) == digest:
            return network
    raise ModelError(
        f"{path}: the network it was exported from is not beside it; pass it with --network"
    )


def taker_of(path: Path | str, network: str | None = None) -> Taker:
    """What an artifact, an ONNX file or a network takes as inputs; it is not opened.

    network: the network of an ONNX file, where it is not beside it.
    """
    path = Path(path)
    if network is not None:
        return Taker.of(checkpoint.load(network))
    if recognise(path).kind in NETWORKS:
        return Taker.of(checkpoint.load(path))
    if path.is_dir():
        return artifact_taker(path)
    if path.suffix != ".onnx" and recognise(path).kind not in STEPS:
        raise InputError(wrong_file(path, "an artifact, a network or a step"))
    return _taker_of_step(load_model(path), path)


def artifact_taker(path: Path | str) -> Taker:
    """What an artifact takes as inputs. Raises InputError for a path that is none."""
    return Taker.of(checkpoint.load(load_artifact(path).path / "network.safetensors"))


def _taker_of_step(model: StepModel, path: Path) -> Taker:
    try:
        return Taker.of(source_of(model, path))
    except ModelError:
        most, real = model.max_input or MAX_INPUT, "input_bits" in model.metadata
        sizes = (model.inputs, model.classes, model.dt_ms, tuple(model.labels))
        return Taker(*sizes, most if real else MAX_INPUT, real=real)


def open_runner(path: Path | str) -> OpenedModel:
    """A runner for an artifact folder, an ONNX file in ONNX Runtime, or a network in the reference."""
    path = Path(path)
    if recognise(path).kind in NETWORKS:
        network = checkpoint.load(path)
        return OpenedModel(ReferenceRunner(network), Taker.of(network), network.readout.decision)
    if path.is_dir():
        runner = artifact_runner(load_artifact(path))
        network = checkpoint.load(path / "network.safetensors")
        return OpenedModel(runner, Taker.of(network), network.readout.decision)
    model = load_model(path)
    return OpenedModel(OnnxRunner(model), _taker_of_step(model, path), model.decision)
