"""Artifacts to pack: a network with labels, built once for each target."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here
from numpy.typing import NDArray

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.package import checksums
from delrec_compile.compiler.front_end import front_end_files
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.network.model import Network

LABELS = ("null", 'f\u00fcnf "5"', "a\\b", "x", "y")


@pytest.fixture(scope="session")
def network() -> Network:
    own = cases.network("conv3")
    return replace(own, labels=tuple(f"{k} {LABELS[k % 5]}" for k in range(own.readout.size)))


@pytest.fixture(scope="session")
def built(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Artifact]:
    """`built(target)`."""
    made: dict[str, Artifact] = {}

    def make(target: str) -> Artifact:
        if target not in made:
            own = artifact_here(network, target, tmp_path_factory.mktemp(target))
            manifest = replace(own.manifest, files=checksums(own.path))
            made[target] = replace(own, manifest=manifest)
        return made[target]

    return make


@pytest.fixture
def listening(built: Callable[[str], Artifact], tmp_path: Path) -> Callable[[str], Artifact]:
    """`listening(target)`: an artifact with a front end, of sources with its header but no kernel."""

    def make(target: str) -> Artifact:
        own, root = built(target), tmp_path / "listening"
        shutil.copytree(own.path, root)
        front = FrontEnd()
        if own.manifest.is_sources:
            files = front_end_files(front, own.manifest.name, own.manifest.outputs, False)
            for file, text in files.items():
                (root / ("include" if file.endswith(".h") else "src") / file).write_text(text)
            (root / "src" / f"{own.manifest.name}_frontend_kernel.c").write_text("")
        manifest = replace(own.manifest, files=checksums(root), front_end=front.to_json())
        return replace(own, path=root, manifest=manifest)

    return make


@pytest.fixture(scope="session")
def words(network: Network) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x (steps, inputs), and y (steps, outputs) of the reference."""
    x = np.random.default_rng(5).poisson(0.5, (12, network.inputs)).astype(np.float32)
    state, out = network.reset(), []
    for counts in x:
        y, state = network.step(counts[None], state)
        out.append(y[0])
    return x, np.array(out, np.float32)
