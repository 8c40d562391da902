"""A bundled network and what it does on a bundled sample, computed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.staged import artifact_here

from delrec_compile.artifact.manifest import FILE
from delrec_compile.artifact.package import checksums, tools
from delrec_compile.data.events import Events
from delrec_compile.data.samples import read_samples
from delrec_compile.evaluation.page.recording import Recording, record
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Network
from delrec_compile.system.fields import sealed_text


@pytest.fixture(scope="session")
def network() -> Network:
    return checkpoint.load("conv_delay_256")


@pytest.fixture(scope="session")
def bundled_samples() -> Events:
    return read_samples("samples")


@pytest.fixture(scope="session")
def built(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its artifact for this machine, not measured."""
    made = artifact_here(network, "x86_64", tmp_path_factory.mktemp("page"))
    (made.path / "model.onnx").write_bytes(bytes(2048))
    whole = replace(made.manifest, tools=tools(), files=checksums(made.path))
    (made.path / FILE).write_text(sealed_text(whole.to_json()))
    return made.path


@pytest.fixture(scope="session")
def recording(network: Network, bundled_samples: Events) -> Recording:
    return record(network, bundled_samples, 3)
