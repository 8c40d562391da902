"""Compile trained delay-learning spiking networks for any chip, proven equal to PyTorch.

net = delrec_compile.load()                  # a bundled network, or load("net.safetensors")
delrec_compile.import_model("model.nir")     # another framework's model, frozen
delrec_compile.export(net, "step.onnx")      # one step with explicit state
artifact = delrec_compile.build(net)         # C library, no runtime
session = delrec_compile.Session(artifact)   # call it from Python
delrec_compile.check(artifact.path, words)   # spikes against PyTorch, exactly
delrec_compile.bench(artifact.path)          # latency beside the peers
delrec_compile.compare(net, ["x86_64"])      # one row per target, held to budgets
delrec_compile.tune(net, "arm_cpu")          # a faster schedule, which build takes from then on
delrec_compile.train("digits")               # a network and its accuracy; claims: of every kind
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delrec_compile.artifact.manifest import Artifact, load_artifact
    from delrec_compile.compiler.build import build
    from delrec_compile.data.samples import read_words
    from delrec_compile.evaluation.claims.measure import claims
    from delrec_compile.evaluation.compare.budgets import Budgets
    from delrec_compile.evaluation.compare.run import compare
    from delrec_compile.evaluation.devices import bench_on, check_on
    from delrec_compile.evaluation.latency.bench import bench
    from delrec_compile.evaluation.parity import check
    from delrec_compile.evaluation.proof import prove
    from delrec_compile.interop.delrec.checkpoint import from_checkpoint
    from delrec_compile.interop.nir.reader import from_nir
    from delrec_compile.interop.nir.writer import export_nir, to_nir
    from delrec_compile.interop.norse import from_norse
    from delrec_compile.interop.snntorch import from_snntorch
    from delrec_compile.interop.source import import_model
    from delrec_compile.interop.spikingjelly import from_spikingjelly
    from delrec_compile.network.grid import snap
    from delrec_compile.network.model import Network
    from delrec_compile.network.onnx_step.export import export
    from delrec_compile.runners.predict import run
    from delrec_compile.runners.session import Session
    from delrec_compile.training.config import TrainConfig
    from delrec_compile.training.loop import train
    from delrec_compile.tuning.tune import tune

__version__ = "0.1.0"

_HOMES = {
    "Artifact": "build",
    "Budgets": "budgets",
    "Network": "network",
    "Session": "session",
    "TrainConfig": "training",
    "bench": "bench",
    "bench_on": "devices_run",
    "build": "build",
    "check": "parity",
    "check_on": "devices_run",
    "claims": "claims",
    "compare": "compare",
    "export": "export",
    "export_nir": "imports.nir_out",
    "footprint": "footprint",
    "from_checkpoint": "imports.authors",
    "from_nir": "imports.nir_in",
    "from_norse": "imports.norse",
    "from_snntorch": "imports.snntorch",
    "from_spikingjelly": "imports.spikingjelly",
    "import_model": "imports.source",
    "load_artifact": "build",
    "prove": "prove",
    "read_words": "run",
    "run": "run",
    "snap": "freeze",
    "to_nir": "imports.nir_out",
    "train": "training",
    "tune": "tune",
}

__all__ = [
    "Artifact",
    "Budgets",
    "Network",
    "Session",
    "TrainConfig",
    "bench",
    "bench_on",
    "build",
    "check",
    "check_on",
    "claims",
    "compare",
    "export",
    "export_nir",
    "footprint",
    "from_checkpoint",
    "from_nir",
    "from_norse",
    "from_snntorch",
    "from_spikingjelly",
    "import_model",
    "load",
    "load_artifact",
    "prove",
    "read_words",
    "run",
    "save",
    "snap",
    "to_nir",
    "train",
    "tune",
]


def load(source: str | Path = "conv_delay_256") -> Network:
    """A network from a .safetensors file, or a bundled one by name."""
    from delrec_compile.network import checkpoint

    return checkpoint.load(source)


def save(network: Network, path: str | Path) -> Path:
    """Writes a network file, whole or not at all."""
    from delrec_compile.network import checkpoint

    return checkpoint.save(network, path)


class _Package(ModuleType):
    """The package, whose verbs stay functions although modules of the same names exist.

    Each is imported at its first use: torch and TVM are heavy.
    """


def _verb(name: str, home: str) -> property:
    def get(_: ModuleType) -> Any:
        return getattr(import_module(f"delrec_compile.{home}"), name)

    # the import system stores every submodule here: a module must not hide the verb
    return property(get, lambda _module, _value: None)


for _name, _home in _HOMES.items():
    setattr(_Package, _name, _verb(_name, _home))
sys.modules[__name__].__class__ = _Package
