"""A runner for an artifact or an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.errors import InputError
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.schema import load_model
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.runner import KernelRunner, Runner, Trace
from delrec_compile.runners.session import Session

if TYPE_CHECKING:
    from delrec_compile.runners.emulated.board import BoardRunner
    from delrec_compile.runners.emulated.core import EmulatedRunner

ON_BOARD = ("cortex_m55",)  # its vector instructions (MVE) are known to QEMU's boards only


@dataclass(frozen=True)
class OpenedModel:
    """A runner on a file, and the meaning of its outputs."""

    runner: Runner
    inputs: int
    decision: str
    labels: tuple[str, ...]
    dt_ms: float

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


def open_runner(path: Path | str) -> OpenedModel:
    """A runner for an artifact folder, or for an ONNX file in ONNX Runtime."""
    path = Path(path)
    if path.is_dir():
        runner = artifact_runner(load_artifact(path))
        net = checkpoint.load(path / "network.safetensors")
        return OpenedModel(runner, net.inputs, net.readout.decision, net.labels, net.dt_ms)
    model = load_model(path)
    return OpenedModel(OnnxRunner(model), model.inputs, model.decision, model.labels, model.dt_ms)
