"""Baselines by name: each module is one engine, imported when it is asked for."""

from __future__ import annotations

import importlib

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines.baseline import Peer, Workload, known
from delrec_compile.network.model import Network

# engine -> its module here, which has a function of the engine's name that makes its forms
ENGINES = {
    "authors_dense": "authors",
    "authors_conv": "authors",
    "torch_eager": "eager",
    "torch_compile": "inductor",
    "aot_inductor": "inductor",
    "numpy": "arrays",
    "onnxruntime": "onnx_step",
    "onnxruntime_sequence": "onnx_sequence",
    "tvm_default": "tvm_default",
    "spikingjelly": "libraries",
    "snntorch": "libraries",
}


# these have a form that runs any network
ANY = ("torch_eager", "onnxruntime", "tvm_default")


def make(name: str, artifact: Artifact, network: Network, work: Workload) -> list[Peer]:
    """The forms of an engine for a workload.

    Raises UnsupportedError or ToolchainError where there is none; the message says why.
    """
    if name.startswith("ours"):
        return [_ours(name, artifact, network, work)]
    return baselines(name, network, work)


def baselines(name: str, network: Network, work: Workload) -> list[Peer]:
    """As `make`, of an engine that needs no artifact."""
    if name not in ENGINES:
        raise UnsupportedError(f"no engine is called '{name}'")
    if name not in ANY:
        known(network)
    module = importlib.import_module(f"delrec_compile.evaluation.baselines.{ENGINES[name]}")
    made: list[Peer] = getattr(module, name)(network, work)
    return made


def _ours(name: str, artifact: Artifact, network: Network, work: Workload) -> Peer:
    from delrec_compile.evaluation.baselines import ours
    from delrec_compile.runners.session import Session

    if name == "ours_int8":
        return ours.ours_int8(artifact, network, work)
    if name == "ours_python":
        return ours.OursPython(Session(artifact))
    return ours.ours(artifact, work)
