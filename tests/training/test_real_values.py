"""Training on real values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from fixtures.training import small, toy_sets
from helpers import refusal

from delrec_compile.data.partition import Sets
from delrec_compile.errors import DataError, UsageError
from delrec_compile.network import grid
from delrec_compile.network.classify import accuracy
from delrec_compile.training.loop import train
from delrec_compile.training.real_values import rounded, rounding


def real_sets(scale: float = 0.3) -> Sets:
    """The toy task in real values of both signs."""
    sets, rng = toy_sets(), np.random.default_rng(1)

    def values(events: Any) -> Any:
        noise = rng.normal(0, 0.1, events.counts.shape)
        return replace(events, counts=((events.counts - 0.5 + noise) * scale).astype(np.float32))

    return Sets(values(sets.train), values(sets.valid), values(sets.test))


def test_a_network_learns_from_real_values_and_rounds_them_as_the_frozen_one() -> None:
    sets = real_sets()
    result = train(sets, small(epochs=3, lr=1e-2))
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.7 * losses[0]
    network = result.network
    largest = float(np.abs(sets.train.counts).max())
    assert network.input_bits is not None
    assert largest <= network.max_input < largest + 2.0**-network.input_bits
    assert 64 <= network.largest_units <= 128
    assert grid.exact(network)
    assert result.accuracy["test"] == accuracy(network, sets.test.counts, sets.test.known_labels)
    assert result.accuracy["test"] > 0.6


def test_bits_are_given_or_follow_from_the_training_values() -> None:
    sets = real_sets()
    given = rounding(sets, small(input_bits=3))
    assert given is not None
    assert given.bits == 3
    values = rounded(sets, given).test.counts * 8
    assert np.array_equal(values, np.rint(values))
    assert rounding(toy_sets(), small()) is None
    assert rounded(toy_sets(), None).train.counts.dtype == np.uint8


def test_options_and_values_that_do_not_fit_are_refused() -> None:
    with refusal(UsageError, "input_bits is 4; allowed with real values: the samples are count", 2):
        train(toy_sets(), small(input_bits=4))
    with refusal(UsageError, "blend is 0.5, which mixes samples spike by spike", 2):
        train(real_sets(), small(blend=0.5))
    with refusal(DataError, "the largest training value is 0; a positive number", 3):
        train(real_sets(0.0), small())
