"""Spikes of an imported network beside those of its model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.snntorch import imported, leaky
from torch import nn

import delrec_compile
from delrec_compile.interop.result import Imported
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
