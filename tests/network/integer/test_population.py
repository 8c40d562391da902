"""Populations of an integer network: currents, bounds, readouts, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.linear import in_units
from delrec_compile.network.integer.population import (
    IntegerPopulation,
    IntegerProjection,
    IntegerReadout,
)
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import INPUT, Dense, DenseDelay
from delrec_compile.ops.integer_leak import ONE
from delrec_compile.ops.integer_lif import IntegerLif


def population(**changed: Any) -> IntegerPopulation:
    feed = in_units(Dense(np.zeros((2, 1))), np.array([[3], [-4]], np.int8), 1)
    back = in_units(DenseDelay(np.zeros((2, 2)), np.array([0, 1])), np.eye(2, dtype=np.int8), 1)
    threshold = np.array([10, 20], np.int32)
    fields = {
        "name": "some",
        "neuron": IntegerLif({"beta": 1, "threshold": threshold, "v_reset": 0}, {"reset": "hard"}),
        "projections": (IntegerProjection(INPUT, feed), IntegerProjection("some", back)),
        "bias": np.array([5, -7], np.int32),
        "fraction": 1,
        "scale": np.ones(2),
    }
    return IntegerPopulation(**{**fields, **changed})


def test_a_current_is_the_sum_over_the_projections_in_membrane_units() -> None:
    lines = [np.array([[[2.0]]]), np.array([[[1, 0], [1, 1]]], np.uint8)]
    assert population().current(lines).tolist() == [[2 * (6 + 1), 2 * (-8 + 1)]]


def test_the_bound_counts_bias_weights_and_the_values_of_each_source() -> None:
    assert population().bound(lambda source: 10 if source == INPUT else 1) == 2 * (40 + 1) + 7


def test_a_unit_is_what_a_membrane_unit_is_worth() -> None:
    out = quantise(cases.network("mixed"), "int8").readout
    np.testing.assert_array_equal(out.unit, np.float32(out.scale / 2**out.fraction))


@pytest.mark.parametrize(
    ("kind", "beta", "y", "after"),
    [
        ("leaky", ONE // 2, 20, [20]),
        ("count", ONE, 25, [22]),
        ("linear", 0, 15, []),
        ("synaptic", ONE // 2, 25, [20, 25]),
        ("synaptic old", ONE // 2, 15, [20, 15]),
    ],
)
def test_readouts_add_their_bias_where_their_kind_does(
    kind: str, beta: int, y: int, after: list[int]
) -> None:
    kind, _, enters = kind.partition(" ")
    alpha = ONE // 2 if kind == "synaptic" else 0
    readout = IntegerReadout(beta, kind=kind, alpha=alpha, enters=enters or "new")
    current, bias = np.array([[12]]), np.array([3], np.int32)
    state = {name: np.array([[10]], np.int32) for name in readout.states}
    got, new = readout.integrate(current, bias, state)
    assert got.tolist() == [[y]]
    assert [value.tolist() for value in new.values()] == [[[value]] for value in after]


def test_what_cannot_be_is_refused() -> None:
    own = population()
    with refusal(NetworkError, "readout: a count readout has beta 32768", 3):
        IntegerReadout(5, kind="count")
    with refusal(NetworkError, "alpha is 5; allowed: 0 to 0", 3):
        IntegerReadout(5, alpha=5)
    with refusal(NetworkError, "beta is 32769; allowed: 0 to 32768", 3):
        IntegerReadout([5, ONE + 1])
    with refusal(NetworkError, "a count readout has one beta", 3):
        IntegerReadout([ONE, ONE], kind="count")
    with refusal(NetworkError, "some: the synapses from x reach 2 neurons, there are 3", 3):
        replace(own, bias=np.zeros(3, np.int32), scale=np.ones(3))
    wide = in_units(Dense(np.zeros((2, 1))), np.zeros((2, 1), np.int32), 1)
    with refusal(NetworkError, "weight is int32; int8 or int16 is required", 3):
        replace(own, projections=(IntegerProjection(INPUT, wide),))
