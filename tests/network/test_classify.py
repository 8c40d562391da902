"""Outputs, classes and accuracy of a frozen network over whole samples."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.training import run, toy_sets

from delrec_compile.data.arrays import load_samples
from delrec_compile.network import checkpoint, grid
from delrec_compile.network.classify import accuracy, outputs


@pytest.mark.parametrize("recurrence", ["conv", "dense"])
def test_all_steps_at_once_equal_the_reference_step_bit_for_bit(recurrence: str) -> None:
    network = run(recurrence=recurrence).network
    counts = toy_sets().test.counts[:8]
    state = network.reset(len(counts))
    for t, y in enumerate(outputs(network, counts)):
        expected, state = network.step(counts[:, t].astype(np.float32), state)
        assert np.array_equal(y, expected)


@pytest.mark.parametrize("name", checkpoint.BUNDLED)
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
