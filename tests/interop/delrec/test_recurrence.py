"""Recurrences of blocks: spreads that networks have not, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.authors import Delayed, Net, counts, saved
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.runners.reference import ReferenceRunner


def delayed(net: Net) -> list[Delayed]:
    return [m for m in net.modules() if isinstance(m, Delayed)]


def test_delays_that_are_no_whole_steps_are_told(tmp_path: Path) -> None:
    net, path = saved(tmp_path, "conv-delrec-shd")
    delayed(net)[0].recurrent_delays.data += 0.25
    net.save(path)
    made = delrec_compile.from_checkpoint(path)
    assert any("layers.7: delays rounded to whole steps, by up to 0.25" in r for r in made.remarks)


def test_delays_below_zero_are_those_of_the_scripts(tmp_path: Path) -> None:
    net, path = saved(tmp_path, "delrec-shd")
    delayed(net)[0].recurrent_delays.data[0] = -3.0
    net.save(path)
    made = delrec_compile.from_checkpoint(path)
    assert "layers.7: delays below 0 became 0, as the scripts clamp them" in made.remarks
    assert not any("rounded" in remark for remark in made.remarks)


@pytest.mark.parametrize("shape", ["n,2", "n/2,2"])
def test_delays_of_another_shape_are_refused(shape: str, tmp_path: Path) -> None:
    net, path = saved(tmp_path, "delrec-shd")
    own = delayed(net)[0].recurrent_delays
    rows = len(own.flatten()) if shape == "n,2" else len(own.flatten()) // 2
    own.data = torch.zeros(rows, 2)
    net.save(path)
    with refusal(CheckpointError, rf"recurrent_delays has shape \[{rows}, 2\]; \[", 3):
        delrec_compile.from_checkpoint(path)


def test_a_spread_of_each_neuron_is_refused(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "conv-delrec-ssc")
    with refusal(UnsupportedError, "p_spread: each neuron has a spread of its own", 4):
        delrec_compile.from_checkpoint(path, sigma=0.06)


def test_one_spread_of_all_neurons(tmp_path: Path) -> None:
    """s = 1 + 2 * sigma * sigmoid(p), as the scripts compute it."""
    net, path = saved(tmp_path, "conv-delrec-ssc")
    for m in delayed(net):
        m.p_spread.data = torch.full_like(m.p_spread, 0.5)
    net.save(path)
    made = delrec_compile.from_checkpoint(path, sigma=0.06)
    x = counts(made.network.inputs)
    spikes, _ = net.run(x, 0.06)
    for a, b in zip(ReferenceRunner(made.unfrozen).trace(x).spikes, spikes, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("script", ["delrec-ssc", "delrec-shd"])
@pytest.mark.parametrize("synaptic", [False, True])
def test_a_spread_of_a_matrix(script: str, synaptic: bool, tmp_path: Path) -> None:
    """Of each neuron, over two steps on both sides; what would arrive at once is lost."""
    net, path = saved(tmp_path, script, synaptic=synaptic)
    for m in delayed(net):
        m.recurrent_delays.data.flatten()[:3] = torch.arange(3.0)
    net.save(path)
    made = delrec_compile.from_checkpoint(path, sigma=1.25, recipe=script)
    x = counts(made.network.inputs)
    spikes, _ = net.run(x, 1.25)
    again, _ = net.run(x, 0.0)
    assert (spikes[-1] != again[-1]).any()
    ours = ReferenceRunner(made.unfrozen).trace(x).spikes
    assert sum(int((a != b).sum()) for a, b in zip(ours, spikes, strict=True)) <= 2
    own = [p.synapses for t, p in made.network.projections() if p.source == t.name]
    heads = own if synaptic else own[0].arrays()["weight"]
    assert len(heads) >= 5


def test_a_spread_that_would_arrive_at_once_is_refused(tmp_path: Path) -> None:
    net, path = saved(tmp_path, "conv-delrec-shd")
    for m in delayed(net):
        m.recurrent_delays.data[0] = 1
    net.save(path)
    with refusal(UnsupportedError, "a delay of 1 with a spread of 2 steps would arrive at once", 4):
        delrec_compile.from_checkpoint(path, sigma=1.5)
    for m in delayed(net):
        m.recurrent_delays.data -= 1
    net.save(path)
    with refusal(UnsupportedError, "a delay of 0 with a spread of 1 steps", 4):
        delrec_compile.from_checkpoint(path, sigma=0.5)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("delrec-shd", "the script's last test has about 0.061, or 0 where its delays are fixed"),
        ("delrec-ssc", "about 0.062, and with a width for each neuron (p_spread), or 0 where"),
        ("conv-delrec-shd", "about 0.58, or 0 where"),
    ],
)
def test_the_spread_of_the_last_test_is_told(script: str, told: str, tmp_path: Path) -> None:
    _, path = saved(tmp_path, script)
    (remark,) = [r for r in delrec_compile.from_checkpoint(path).remarks if "sigma" in r]
    assert remark.startswith("sigma 0: each spike arrives once, which is another network; ")
    assert told in remark


def test_nothing_is_told_of_a_spread_where_there_is_none(tmp_path: Path) -> None:
    """Models without recurrence, and those whose delays are all 0, are tested at sigma 0."""
    _, path = saved(tmp_path, "delrec-shd", recurrent=False)
    assert len(delrec_compile.from_checkpoint(path).remarks) == 1
    net, path = saved(tmp_path, "delrec-shd")
    delayed(net)[0].recurrent_delays.data.zero_()
    net.save(path)
    assert len(delrec_compile.from_checkpoint(path).remarks) == 1
