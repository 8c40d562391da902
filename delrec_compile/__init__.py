"""Compile trained delay-learning spiking networks for any chip, proven equal to PyTorch.

net = delrec_compile.load()                  # a bundled network, or load("net.safetensors")
delrec_compile.import_model("model.nir")     # another framework's model, frozen
delrec_compile.plan_import("model.nir")      # what each of its parts becomes, or why it is refused
delrec_compile.export(net, "step.onnx")      # one step with explicit state
artifact = delrec_compile.build(net)         # C library, no runtime
session = delrec_compile.Session(artifact)   # call it from Python
delrec_compile.check(artifact.path)         # spikes against PyTorch, exactly
delrec_compile.bench(artifact.path)          # latency beside baselines
delrec_compile.compare(net, ["x86_64"])      # one row per target, held to budgets
delrec_compile.package("out", "wheel")       # for pip, npm, Arduino or Zephyr
delrec_compile.fits(net)                     # which boards have the memory and the time
delrec_compile.report("out").html()          # a page to look at: graph, spikes, delays, times
delrec_compile.tune(net, "arm_cpu")          # a faster schedule, which build takes from then on
delrec_compile.train("digits")               # a network and its accuracy; claims: of every kind
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delrec_compile.artifact.manifest import Artifact as Artifact
    from delrec_compile.artifact.manifest import load_artifact as load_artifact
    from delrec_compile.artifact.packed.make import package as package
    from delrec_compile.compiler.build import build as build
    from delrec_compile.data.events import save_samples as save_samples
    from delrec_compile.data.samples import read_samples as read_samples
    from delrec_compile.data.samples import read_words as read_words
    from delrec_compile.evaluation.claims.measure import claims as claims
    from delrec_compile.evaluation.compare.budgets import Budgets as Budgets
    from delrec_compile.evaluation.compare.run import compare as compare
    from delrec_compile.evaluation.devices import bench_on as bench_on
    from delrec_compile.evaluation.devices import check_on as check_on
    from delrec_compile.evaluation.fits import fits as fits
    from delrec_compile.evaluation.footprint.measure import footprint as footprint
    from delrec_compile.evaluation.latency.bench import bench as bench
    from delrec_compile.evaluation.page.make import report as report
    from delrec_compile.evaluation.parity import check as check
    from delrec_compile.evaluation.proof import prove as prove
    from delrec_compile.evaluation.proven import build_proven as build_proven
    from delrec_compile.interop.checkpoints.reader import from_checkpoint as from_checkpoint
    from delrec_compile.interop.lava.reader import from_lava as from_lava
    from delrec_compile.interop.nir.reader import from_nir as from_nir
    from delrec_compile.interop.nir.writer import export_nir as export_nir
    from delrec_compile.interop.nir.writer import to_nir as to_nir
    from delrec_compile.interop.norse import from_norse as from_norse
    from delrec_compile.interop.snntorch import from_snntorch as from_snntorch
    from delrec_compile.interop.source import import_model as import_model
    from delrec_compile.interop.source import plan_import as plan_import
    from delrec_compile.interop.spikingjelly import from_spikingjelly as from_spikingjelly
    from delrec_compile.network.checkpoint import load as load
    from delrec_compile.network.checkpoint import save as save
    from delrec_compile.network.grid import snap as snap
    from delrec_compile.network.inputs import read_inputs as read_inputs
    from delrec_compile.network.model import Network as Network
    from delrec_compile.network.onnx_step.export import export as export
    from delrec_compile.network.reading import Reading as Reading
    from delrec_compile.plain_onnx.plan import plan_build as plan_build
    from delrec_compile.plain_onnx.session import PlainSession as PlainSession
    from delrec_compile.runners.gpu import GpuSession as GpuSession
    from delrec_compile.runners.predict import run as run
    from delrec_compile.runners.session import Session as Session
    from delrec_compile.training.config import TrainConfig as TrainConfig
    from delrec_compile.training.loop import train as train
    from delrec_compile.tuning.tune import tune as tune

__version__ = "0.1.0"

# ONNX Runtime reads it when it is imported, and child processes inherit it
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# public name -> its module, which is imported at the first use: torch and TVM are heavy
API = {
    "Artifact": "artifact.manifest",
    "Budgets": "evaluation.compare.budgets",
    "GpuSession": "runners.gpu",
    "Network": "network.model",
    "PlainSession": "plain_onnx.session",
    "Reading": "network.reading",
    "Session": "runners.session",
    "TrainConfig": "training.config",
    "bench": "evaluation.latency.bench",
    "bench_on": "evaluation.devices",
    "build": "compiler.build",
    "build_proven": "evaluation.proven",
    "check": "evaluation.parity",
    "check_on": "evaluation.devices",
    "claims": "evaluation.claims.measure",
    "compare": "evaluation.compare.run",
    "export": "network.onnx_step.export",
    "export_nir": "interop.nir.writer",
    "fits": "evaluation.fits",
    "footprint": "evaluation.footprint.measure",
    "from_checkpoint": "interop.checkpoints.reader",
    "from_lava": "interop.lava.reader",
    "from_nir": "interop.nir.reader",
    "from_norse": "interop.norse",
    "from_snntorch": "interop.snntorch",
    "from_spikingjelly": "interop.spikingjelly",
    "import_model": "interop.source",
    "load": "network.checkpoint",
    "load_artifact": "artifact.manifest",
    "package": "artifact.packed.make",
    "plan_build": "plain_onnx.plan",
    "plan_import": "interop.source",
    "prove": "evaluation.proof",
    "read_inputs": "network.inputs",
    "read_samples": "data.samples",
    "read_words": "data.samples",
    "report": "evaluation.page.make",
    "run": "runners.predict",
    "save": "network.checkpoint",
    "save_samples": "data.events",
    "snap": "network.grid",
    "to_nir": "interop.nir.writer",
    "train": "training.loop",
    "tune": "tuning.tune",
}
__all__ = list(API)


def __getattr__(name: str) -> Any:
    if name in API:
        return getattr(import_module(f"{__name__}.{API[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *API})
