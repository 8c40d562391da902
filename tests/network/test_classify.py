"""Outputs, classes and accuracy of a frozen network over whole samples."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.bundled import OF_SAMPLES
from fixtures.training import run, toy_sets

from delrec_compile.data.arrays import load_samples
from delrec_compile.network import checkpoint, grid
from delrec_compile.network import lagged as lagged_module
from delrec_compile.network.classify import accuracy, classify, layer_spikes, outputs
from delrec_compile.network.model import (
    Dense,
    DenseDelay,
    Lif,
    Network,
    Population,
    Projection,
    SynapticDelay,
)
from delrec_compile.ops.count_readout import CountReadout
from delrec_compile.ops.leaky_readout import LeakyReadout


@pytest.mark.parametrize("recurrence", ["conv", "dense"])
def test_all_steps_at_once_equal_the_reference_step_bit_for_bit(recurrence: str) -> None:
    network = run(recurrence=recurrence).network
    counts = toy_sets().test.counts[:8]
    state = network.reset(len(counts))
    for t, y in enumerate(outputs(network, counts)):
        expected, state = network.step(counts[:, t].astype(np.float32), state)
        assert np.array_equal(y, expected)


def graph(*, feedback: bool) -> Network:
    """Delays from the inputs, forwards and back, a skip connection, two readouts."""
    r = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return r.normal(size=shape).astype(np.float32)

    a, b = (7, 9)
    into_a = [Projection("x", DenseDelay(draw(a, 12), r.integers(0, 5, 12)))]
    if feedback:
        into_a.append(Projection("b", Dense(draw(a, b) / 4)))
    own = Projection("b", DenseDelay(draw(b, b) / 4, r.integers(0, 6, b)))
    into_b = [Projection("a", SynapticDelay(draw(b, a), r.integers(0, 7, (b, a)))), own]
    into_b.append(Projection("x", Dense(draw(b, 12) / 4)))
    out = LeakyReadout.in_graph(draw(3), beta=0.8)
    aux = CountReadout.in_graph(draw(2))
    populations = [
        Population("a", Lif(0.7), tuple(into_a), draw(a)),
        Population("b", Lif(0.6), tuple(into_b), np.abs(draw(b))),
        Population("out", out, (Projection("b", DenseDelay(draw(3, b), r.integers(0, 3, b))),)),
        Population("aux", aux, (Projection("a", Dense(draw(2, a))),)),
    ]
    return grid.snap(Network.of(populations))


@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize("largest", [lagged_module.LARGEST_LINES, 0])
def test_a_graph_at_once_equals_its_reference_step_bit_for_bit(
    feedback: bool, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lagged_module, "LARGEST_LINES", largest)
    network, counts = graph(feedback=feedback), toy_sets().test.counts[:4]
    state, fired = network.reset(len(counts)), [[], []]
    ys = outputs(network, counts)
    for t, y in enumerate(ys):
        told = [each.append for each in fired]
        expected, state = network.step(counts[:, t].astype(np.float32), state, told)
        assert np.array_equal(y, expected)
    for spikes, expected in zip(layer_spikes(network, counts), fired, strict=True):
        assert np.array_equal(spikes, expected)
        assert 0.05 < spikes.mean() < 0.95
    first = network.readout.classes(np.ascontiguousarray(ys[:, :, :3]))
    assert classify(network, counts).tolist() == first.tolist()


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_bundled_networks_have_the_accuracy_that_their_readme_states(name: str) -> None:
    network, folder = checkpoint.load(name), checkpoint.bundled(name).parent
    samples = load_samples(folder / "samples.npz")
    assert samples.counts.shape == (100, 80, 140)
    assert np.bincount(samples.labels).tolist() == [5] * 20
    assert samples.counts.max() <= network.max_input
    assert grid.exact(network)
    readme = (folder / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith(f"| {name} |")]
    measured = [network.notes["accuracy"][name] for name in ("valid", "test")]
    stated = [float(cell.split()[0]) / 100 for cell in row.split("|")[2:5]]
    assert stated[:2] == pytest.approx(measured, abs=6e-4)
    assert accuracy(network, samples.counts, samples.labels) == pytest.approx(stated[2])
    assert network.notes["command"] in readme
