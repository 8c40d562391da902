"""Engines of the benchmark by name, each with its title: the one list of them.

A new baseline is a module here with a function of the engine's name, and one line of ENGINES.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines.baseline import (
    FORMS,
    Baseline,
    Workload,
    require_supported,
)
from delrec_compile.network.model import Network


@dataclass(frozen=True)
class Engine:
    """A row of the benchmark.

    module: its module here, imported at the first use; its function of the engine's name takes a
    network and a workload, and returns the engine's variants. forms: the workloads that it can run.
    generic: whether one variant runs any network. compiled: whether it runs the artifact, which its
    function takes first. compiles: whether PyTorch compiles it first, for a minute or two.
    """

    title: str
    module: str
    forms: tuple[str, ...] = FORMS
    generic: bool = False
    compiled: bool = False
    compiles: bool = False


ENGINES = {
    "ours": Engine("compiled, loop over time inside", "ours", compiled=True),
    "ours_python": Engine(
        "compiled, one call per step from Python", "ours", forms=("step",), compiled=True
    ),
    "ours_int8": Engine("compiled in int8, loop over time inside", "ours", compiled=True),
    "torch_eager": Engine("PyTorch eager, frozen network", "eager", generic=True),
    "torch_compile": Engine("PyTorch, torch.compile", "inductor", compiles=True),
    "aot_inductor": Engine("PyTorch, AOTInductor", "inductor", compiles=True),
    "authors_dense": Engine("PyTorch eager, the authors' dense training form", "authors"),
    "authors_conv": Engine("PyTorch eager, the authors' conv training form", "authors"),
    "authors_conv_newest": Engine(
        "PyTorch eager, the authors' newest conv training form", "authors"
    ),
    "numpy": Engine("NumPy", "arrays"),
    "onnxruntime": Engine("ONNX Runtime, one call per step", "onnx_step", generic=True),
    "onnxruntime_sequence": Engine(
        "ONNX Runtime, its best form over time",
        "onnx_sequence",
        forms=("sequence", "batch"),
        generic=True,
    ),
    "tvm_default": Engine("TVM's default build", "tvm_default", generic=True),
    "spikingjelly": Engine("SpikingJelly", "libraries"),
    "snntorch": Engine("snnTorch", "libraries"),
}
# rows of `latency.gpu`; those that no other workload has, by their titles
GPU_ROWS = ("ours", "ours_host", "torch_eager", "torch_graph", "torch_compile")
GPU_TITLES = {
    "ours_host": "compiled, with copies from and to the host",
    "torch_graph": "PyTorch eager, the sample as one CUDA graph",
}


def title(name: str) -> str:
    """The engine's title in tables; its name where it has none."""
    return ENGINES[name].title if name in ENGINES else GPU_TITLES.get(name, name)


def make(name: str, artifact: Artifact, network: Network, work: Workload) -> list[Baseline]:
    """The variants of an engine for a workload.

    Raises UnsupportedError or ToolchainError where there is none; the message says why.
    """
    engine = _engine(name)
    if not engine.compiled:
        return baselines(name, network, work)
    module = importlib.import_module(f"delrec_compile.evaluation.baselines.{engine.module}")
    made: list[Baseline] = getattr(module, name)(artifact, network, work)
    return made


def baselines(name: str, network: Network, work: Workload) -> list[Baseline]:
    """Same as `make`, for an engine that needs no artifact."""
    engine = _engine(name)
    if not engine.generic:
        require_supported(network)
    module = importlib.import_module(f"delrec_compile.evaluation.baselines.{engine.module}")
    made: list[Baseline] = getattr(module, name)(network, work)
    return made


def _engine(name: str) -> Engine:
    if name not in ENGINES:
        raise UnsupportedError(f"unknown engine '{name}'; allowed: {', '.join(ENGINES)}")
    return ENGINES[name]
