"""A network with samples that fit it, and an evaluator that only makes up costs."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.tuning import NAME, use

from delrec_compile import targets
from delrec_compile.data.events import Events, save_samples
from delrec_compile.network import checkpoint


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "FakeEvaluator")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network and samples that fit it."""
    if not targets.load("x86_64").runs_here:
        pytest.skip("the compiled library does not run on this machine")
    folder = tmp_path_factory.mktemp("tune")
    checkpoint.save(cases.network(NAME), folder / "network.safetensors")
    x = cases.counts(cases.CASES[NAME], batch=4, steps=30)
    counts = np.ascontiguousarray(x.transpose(1, 0, 2)).astype(np.uint8)
    save_samples(folder / "samples.npz", Events(counts, np.zeros(4, np.int64), None, None, 10.0))
    return folder
