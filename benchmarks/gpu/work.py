"""What the command does in child processes: artifacts built and checked, networks one by one.

An artifact that lies in `place` is taken as it is: then neither TVM nor a compiler is needed.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import delrec_compile
from benchmarks import drawn, drawn_graphs
from benchmarks.random_networks import differing
from benchmarks.staged import artifact_here
from delrec_compile.aliases import F32, Numeric
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.artifact.package import Stage, checksums
from delrec_compile.errors import DelrecError, UnsupportedError
from delrec_compile.evaluation.proof import on_gpu
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, stored
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.runners.emulated import cuda
from delrec_compile.runners.gpu import GpuSession
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system.host import machine

NUMERICS = ("float32", "int8")
PACKAGES = ("torch", "triton", "numpy", "apache-tvm", "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc")
SMI = ("nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader")
SMI_S = 20


def about() -> dict[str, Any]:
    """The machine, its first GPU, its driver, and versions; None where a package is missing."""
    gpu = cuda.first_gpu()
    return {
        "how": f"device ({gpu.name})" if gpu else cuda.HOW,
        "emulated": gpu is None,
        "gpu": vars(gpu) if gpu else None,
        "driver": _driver() if gpu else None,
        "machine": machine(),
        "versions": {
            "delrec-compile": delrec_compile.__version__,
            "cuda of torch": torch.version.cuda,
            **{name: _version(name) for name in PACKAGES},
        },
    }


def _driver() -> str:
    """The driver and the GPU's memory, as the driver's own tool says; empty without it."""
    program = shutil.which(SMI[0])
    if program is None:
        return ""
    done = subprocess.run([program, *SMI[1:]], capture_output=True, text=True, timeout=SMI_S)
    return (done.stdout.strip().splitlines() or [""])[0]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def bundled(
    name: str, numeric: str, place: str, arch: str | None, limit: int | None
) -> dict[str, Any]:
    """A bundled network: built, and its first `limit` samples compared; 0: built alone; None: all."""
    start = time.monotonic()
    artifact = made(Path(place), name, numeric, lambda: checkpoint.load(name), arch)
    row = {"network": name, "numeric": numeric, **_facts(artifact, start)}
    if limit == 0:
        return row
    start, network = time.monotonic(), checkpoint.load(name)
    with stored(network, AUTO, limit) as samples:
        found = on_gpu(str(artifact.path), samples, limit or network_samples(samples))
    check = found["check"]
    return {
        **row,
        "how": found["how"],
        "samples": check["sequences"],
        "steps": check["steps"],
        "values": check["spikes"]["compared"],
        "differing": check["spikes"]["differing"],
        "max_abs_error": check["membrane"]["max_abs_error"],
        "same": check["passed"] and check["membrane"]["max_abs_error"] == 0,
        "check_s": round(time.monotonic() - start, 1),
    }


def network_samples(samples: str) -> int:
    """The number of samples in a file."""
    return len(delrec_compile.read_samples(samples))


def random(
    seeds: list[int], graphs: bool, place: str, steps: int, streams: int
) -> list[dict[str, Any]]:
    """A row for each network and numeric mode: every spike and output, of so many streams. steps: 0:
    built alone.
    """
    return [_drawn(s, graphs, n, Path(place), steps, streams) for s in seeds for n in NUMERICS]


def _drawn(
    seed: int, graphs: bool, numeric: str, place: Path, steps: int, streams: int
) -> dict[str, Any]:
    draw = drawn_graphs.graph if graphs else drawn.network
    name = f"graph_{seed}" if graphs else f"drawn_{seed}"
    row: dict[str, Any] = {"network": name, "numeric": numeric}
    try:
        artifact = made(place, name, numeric, lambda: draw(seed))
        if steps:
            row |= _compared(artifact, steps, streams, seed)
    except UnsupportedError as error:  # no integer form
        row["refused"] = str(error)
    except DelrecError as error:
        row["error"] = f"{type(error).__name__}: {error}"
    return row


def _compared(artifact: Artifact, steps: int, streams: int, seed: int) -> dict[str, Any]:
    """Spikes and outputs of a drawn network compared, and how many differ from the reference's."""
    network, whole = checkpoint.load(artifact.path / "network.safetensors"), artifact.integer
    x: F32 = drawn.counts(network, steps, streams, seed)
    reference = TorchRunner(network) if whole is None else ReferenceRunner(whole)
    session, want = GpuSession(artifact), reference.trace(x)
    return {
        "self_test": session.self_test(),
        "values": sum(s.size for s in want.spikes) + want.y.size,
        "fired": sum(int(s.sum()) for s in want.spikes),
        "differing": differing(session.trace(x), want),
    }


def made(
    place: Path, name: str, numeric: str, network: Callable[[], Network], arch: str | None = None
) -> Artifact:
    """The artifact in `place`, built where it is not there yet. arch: None: that of the profile."""
    folder = place / f"{name}-{numeric}"
    if not folder.exists():
        stage, net = folder.with_suffix(".part"), network()
        shutil.rmtree(stage, ignore_errors=True)
        quantised = None if numeric == Numeric.FLOAT32 else quantise(net, numeric)
        artifact = artifact_here(net, "cuda", stage, quantised, cpu=arch)
        Stage(stage, folder, False).write(replace(artifact.manifest, files=checksums(stage)))
        stage.rename(folder)
    return load_artifact(folder)


def _facts(artifact: Artifact, start: float) -> dict[str, Any]:
    m = artifact.manifest
    return {"arch": m.arch, "compiler": m.compiler, "build_s": round(time.monotonic() - start, 1)}
