"""Networks, samples and artifacts that rows use, made once in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import drawn
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.compiler.build import build
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Network

SEED = 2604


def network(seed: int = SEED) -> Network:
    return drawn.network(seed)


def network_file(folder: Path, seed: int = SEED) -> Path:
    path = folder / f"{network(seed).name}.safetensors"
    return path if path.exists() else checkpoint.save(network(seed), path)


def bundled(name: str = "conv_delay_256") -> Network:
    return checkpoint.load(name)


def artifact(
    folder: Path, source: Network, target: str = "x86_64", numeric: str = "float32"
) -> Artifact:
    """The artifact of a network in `folder`, built if it isn't there."""
    out = folder / f"{source.name}-{target}-{numeric}"
    if not out.exists():
        build(source, target, out, numeric=numeric, tuned=False)
    artifact = load_artifact(out)
    assert isinstance(artifact, Artifact)
    return artifact


def samples_file(folder: Path, source: Network, count: int = 3, steps: int = 20) -> Path:
    """Counts of some samples with labels, as .npz."""
    path = folder / f"{source.name}.npz"
    if not path.exists():
        counts = drawn.counts(source, steps, count, SEED).transpose(1, 0, 2)
        np.savez(path, counts=counts.astype(np.uint8), labels=np.arange(count) % source.outputs)
    return path
