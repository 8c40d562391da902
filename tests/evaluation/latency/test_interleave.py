"""Engines are checked against the reference, then timed sample by sample."""

from __future__ import annotations

import time

import cases
import numpy as np
import pytest
from fixtures.baselines import STEP, samples

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import ParityError
from delrec_compile.evaluation.baselines import registry as baselines
from delrec_compile.evaluation.baselines.eager import TorchEager
from delrec_compile.evaluation.latency import interleave as module
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


@pytest.mark.parametrize(("long_ns", "taken"), [(0, 1), (10**12, 3)])
def test_forms_that_take_long_are_compared_on_one_sample(long_ns, taken, monkeypatch):
    network = cases.network("both_layers")
    x = [np.full((5, 1, network.inputs), k, np.float32) for k in range(4)]
    seen = []
    real = module.interleave
    monkeypatch.setattr(module, "LONG_NS", long_ns)

    def once(engines, samples, rounds):
        seen.append(samples[0])
        return real(engines, samples, rounds)

    monkeypatch.setattr(module, "interleave", once)
    forms = [TorchEager(network), TorchEager(network)]
    forms[1].form = "another"
    best, times = fastest(forms, x)
    assert best in forms
    assert set(times) == {p.form for p in forms}
    assert [int(s[0, 0, 0]) for s in seen] == list(range(taken))


class Recorder(TorchEager):
    """Ends after `ms` of a clock of its own; `taken` and `ran` are the first values of its inputs."""

    now = 0

    def __init__(self, ms: float) -> None:
        super().__init__(cases.network("both_layers"))
        self.ms, self.taken, self.ran = ms, [], []

    def take(self, x):
        self.taken.append(int(x.flat[0]))

    def run(self):
        self.ran.append(self.taken[-1])
        Recorder.now += round(self.ms * 1e6)


@pytest.fixture
def recorders(monkeypatch):
    """A fast engine and a slow one: 0.5 and 60 ms for a sample."""
    monkeypatch.setattr(time, "thread_time_ns", lambda: Recorder.now)
    return {"fast": Recorder(0.5), "slow": Recorder(60.0)}


def test_a_slice_runs_over_distinct_samples(recorders):
    """Eight runs of 0.5 ms are a slice of 4 ms; the one before them warms the caches."""
    x = [np.full((5, 1, 3), k, np.float32) for k in range(12)]
    times = interleave(recorders, x, rounds=2)
    assert recorders["fast"].ran == [*range(9), *range(1, 10)]
    assert recorders["slow"].ran == [0, 1]
    assert times == {"fast": [100.0] * 2, "slow": [12000.0] * 2}


def test_a_slice_goes_on_with_the_first_sample_after_the_last(recorders):
    x = [np.full((5, 1, 3), k, np.float32) for k in range(4)]
    interleave(recorders, x)
    assert recorders["fast"].ran[:9] == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert recorders["fast"].ran[9:18] == [1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert recorders["slow"].ran == [0, 1, 2, 3]
