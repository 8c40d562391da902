"""Spikes of an imported network beside those of its model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
import torch
from fixtures.snntorch import imported, leaky
from torch import nn

import delrec_compile
from delrec_compile.interop.result import Imported, compare_spikes
from delrec_compile.network.grid_choice import wide_layers
from delrec_compile.runners.reference import ReferenceRunner

pytestmark = pytest.mark.filterwarnings("ignore")


def test_samples_say_whether_inputs_are_counts_or_real() -> None:
    model = nn.Sequential(nn.Linear(10, 8), leaky())
    r = np.random.default_rng(0)
    counts = delrec_compile.import_model(model, samples=r.integers(0, 4, (5, 7, 10)), max_input=4)
    assert (counts.network.input_bits, counts.network.max_input) == (None, 4)
    pictures = r.random((5, 10)).astype(np.float32)
    real = delrec_compile.import_model(model, samples=pictures)
    assert real.network.input_bits is not None
    assert real.network.max_input == 1
    chosen = delrec_compile.from_snntorch(model, input_bits=3, max_input=2)
    assert chosen.for_samples(pictures).network.input_bits == 3


def test_spikes_that_are_no_steps_are_told_from_rounding() -> None:
    model = nn.Sequential(
        nn.Linear(10, 8), leaky(spike_grad=lambda v: torch.sigmoid(5 * v)), nn.Linear(8, 4)
    )
    found = imported(model).check(20, frozen=False)
    assert found.misread
    assert found.margin is not None
    assert found.margin > 0.01


class Slightly:
    """The unfrozen network with weights that are a little larger."""

    name = "slightly"

    def __init__(self, made: Imported, share: float) -> None:
        first, *rest = made.unfrozen.layers
        first = replace(first, weight=first.weight * np.float32(1 + share))
        self.network = replace(made.unfrozen, layers=(first, *rest))

    def spikes(self, x: Any) -> list[Any]:
        return list(ReferenceRunner(self.network).trace(x).spikes)


@pytest.mark.parametrize(("share", "misread"), [(1e-4, False), (0.1, True)])
def test_rounding_is_no_other_model(share: float, misread: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 64), leaky(beta=0.9), nn.Linear(64, 64), leaky(beta=0.9))
    made = delrec_compile.from_snntorch(model, max_input=4)
    x = np.random.default_rng(0).random((200, 4, 10)).astype(np.float32) * 4
    found = replace(made, model=Slightly(made, share)).check(x=x, frozen=False)
    assert found.differing
    assert found.misread == misread


def test_a_check_as_json_and_the_steps_of_a_still_input() -> None:
    network = cases.network("dense")
    made = Imported(network, network, "a file", still=4)
    x = made.drawn(10, 2)
    assert x.shape == (4, 6, network.inputs)  # as many inputs as make up the steps
    assert (x == x[:1]).all()
    first, *rest = network.layers
    other = replace(first, weight=2 * first.weight)
    theirs = ReferenceRunner(replace(network, layers=(other, *rest))).trace(x).spikes
    found = compare_spikes("x", ReferenceRunner(network).trace(x).spikes, theirs).as_dict()
    assert found["differing"] > 0
    assert found["firing"]["fired"]
    assert "margin" not in found["first"]


def test_a_grid_that_is_named_is_taken() -> None:
    network = cases.network("dense")
    first, *rest = network.layers
    finer = replace(first, weight=first.weight * np.float32(1 / 3))
    made = Imported(network, replace(network, layers=(finer, *rest)), "a file")
    fine = made.on_grid("fine").network
    assert wide_layers(fine) == (0,)  # the others are on the grid of 16 bits already
    assert wide_layers(made.on_grid("int16").network) == ()
