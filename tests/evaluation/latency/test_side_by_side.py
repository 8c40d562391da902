"""Baselines timed in one run, here without an artifact."""

import cases
import numpy as np
import pytest

from delrec_compile.data.events import Events, save_samples
from delrec_compile.evaluation.latency import side_by_side
from delrec_compile.network import checkpoint


def test_every_baseline_has_a_time_and_the_workload_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "ROUNDS", (2, 3))
    network = cases.network("conv3")
    counts = cases.counts(cases.CASES["conv3"], steps=12, batch=4).transpose(1, 0, 2)
    events = Events(counts.astype(np.uint8), np.zeros(4, np.int64), None, None, 10.0)
    save_samples(tmp_path / "s.npz", events)
    file = checkpoint.save(network, tmp_path / "net.safetensors")
    result = side_by_side.measure(str(file), {}, str(tmp_path / "s.npz"), limit=None)
    assert set(result["times"]) == set(side_by_side.BASELINES)
    assert min(result["times"].values()) > 0
    workload = result["workload"]
    assert (workload["samples"], workload["steps"]) == (3, 12)
    assert workload["input_density"] == pytest.approx((counts[:3] > 0).mean())
