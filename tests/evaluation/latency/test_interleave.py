"""Engines are checked against the reference, then timed sample by sample."""

from __future__ import annotations

import cases
import numpy as np
import pytest
from fixtures.baselines import STEP, samples

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import ParityError
from delrec_compile.evaluation.baselines import registry as baselines
from delrec_compile.evaluation.baselines.eager import TorchEager
from delrec_compile.evaluation.latency.interleave import fastest, interleave, select_engines
from delrec_compile.network import checkpoint


class Wrong(TorchEager):
    """Computes something else."""

    def read(self):
        return super().read() + 1.0


def test_an_engine_that_computes_something_else_is_not_timed(artifacts, monkeypatch):
    network = checkpoint.load("conv_delay_256")
    artifact = load_artifact(artifacts["conv_delay_256"])
    monkeypatch.setattr(baselines, "make", lambda *_: [Wrong(network)])
    engines, _, skipped = select_engines(["numpy"], artifact, network, STEP, [samples(1)])
    assert not engines
    assert "its outputs differ" in skipped["numpy"]
    wrong = Wrong(network)
    wrong.name = "ours"
    monkeypatch.setattr(baselines, "make", lambda *_: [wrong])
    with pytest.raises(ParityError, match="ours computes different outputs"):
        select_engines(["ours"], artifact, network, STEP, [samples(1)])


def test_times_are_taken_of_every_engine_on_every_word():
    network = cases.network("both_layers")
    x = [np.ones((5, 1, network.inputs), np.float32) for _ in range(2)]
    plain = TorchEager(network)
    times = interleave({"a": plain, "b": TorchEager(network)}, x)
    assert {n: len(t) for n, t in times.items()} == {"a": 2, "b": 2}
    assert min(t for ts in times.values() for t in ts) > 0
    assert fastest([plain], x) == (plain, {})
