"""Maps in whole numbers: currents of every kind, bounds, and the way to files and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checkpoint import synapses_of
from delrec_compile.network.integer.checks import row_sums
from delrec_compile.network.integer.linear import (
    RECEIVERS,
    IntegerDense,
    as_weights,
    by_receiver,
    in_units,
)
from delrec_compile.network.integer.synapses import IntegerConv, IntegerSynapses
from delrec_compile.network.model import (
    Conv2dDelay,
    Convolution,
    Dense,
    DenseDelay,
    Maps,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.feed import FEEDS
from delrec_compile.ops.registry import SYNAPSES

RNG = np.random.default_rng(11)


def line(r: IntegerSynapses, largest: int = 1) -> Any:
    return RNG.integers(0, largest + 1, (2, r.depth, r.sources)).astype(np.uint8)


def drawn(*shape: int) -> Any:
    return RNG.integers(-120, 121, shape).astype(np.int8)


# several heads, more that send than receive, kernels of odd places
FORMS: dict[str, Any] = {
    "dense": Dense(np.zeros((3, 5))),
    "convolution": Convolution(
        np.zeros((4, 1, 3, 2)), Maps(2, 4, 5, (4, 1, 3, 2), (2, 1), (1, 0), 2)
    ),
    "dense_delay": DenseDelay(np.zeros((2, 3, 5)), RNG.integers(0, 4, (2, 5))),
    "synaptic_delay": SynapticDelay(np.zeros((3, 5)), RNG.integers(0, 4, (3, 5))),
    "tap_conv_delay": TapConvDelay(np.zeros((2, 3, 3)), np.array([0, 3]), 4),
    "conv2d_delay": Conv2dDelay(np.zeros((2, 4, 2, 3, 3)), 3, 2),
    "channel_conv_delay": ChannelConvDelay(np.zeros((4, 2, 3)), RNG.integers(0, 3, 10)),
}


def test_every_kind_of_synapses_has_an_integer_form() -> None:
    assert {*FORMS, "conv_delay"} == {*RECEIVERS, "conv_delay"} == {*SYNAPSES, *FEEDS}


@pytest.mark.parametrize("kind", FORMS)
def test_currents_are_those_of_the_float_form_in_units(kind: str) -> None:
    form = FORMS[kind]
    (name,) = form.weights
    units = drawn(*form.weights[name].shape)
    r = in_units(form, units, 3)
    values = line(r, largest=200)
    want = r.form.reference(values.astype(np.float32)).astype(np.int64) << 3
    np.testing.assert_array_equal(r.current(values), want)
    assert (np.abs(want) <= r.bound(200)).all()
    assert (r.sources, r.size, r.depth) == (form.sources, form.size, form.depth)


def test_sums_beyond_float32_are_exact() -> None:
    form = Conv2dDelay(np.zeros((1, 1, 300, 1, 1)), 1, 1)
    units = np.full((1, 1, 300, 1, 1), (1 << 24) - 1, np.int32)
    r = in_units(form, units, 0)
    assert r.current(np.full((1, 1, 300), 255)).tolist() == [[255 * 300 * ((1 << 24) - 1)]]


@pytest.mark.parametrize("kind", [*FORMS, "conv_delay"])
def test_there_and_back(kind: str) -> None:
    if kind == "conv_delay":
        r: IntegerSynapses = IntegerConv(np.ones((3, 4), np.int16), np.zeros(4, np.int32), 2)
    else:
        form = FORMS[kind]
        r = in_units(form, drawn(*next(iter(form.weights.values())).shape), 5)
    again = synapses_of(r.kind, r.arrays(), r.attributes())
    assert (type(again), again.shift) == (type(r), r.shift)
    hist = line(r)
    np.testing.assert_array_equal(again.current(hist), r.current(hist))
    assert again.weights.dtype == r.weights.dtype


def test_weights_by_receiver() -> None:
    weight = np.arange(6).reshape(2, 3)
    assert by_receiver("dense_delay", weight).tolist() == weight.tolist()
    assert by_receiver("conv2d_delay", np.arange(8).reshape(2, 4, 1, 1, 1)).shape == (4, 2)
    for kind, form in FORMS.items():
        (values,) = form.weights.values()
        own = RNG.normal(size=values.shape)
        np.testing.assert_array_equal(as_weights(kind, by_receiver(kind, own), own.shape), own)
    dense = in_units(DenseDelay(np.zeros((2, 3)), np.zeros(3)), drawn(2, 3), 5)
    assert isinstance(dense, IntegerDense)
    np.testing.assert_array_equal(dense.bound(), row_sums(dense.weights) << 5)


def test_parts_of_a_weight_unit_are_refused() -> None:
    form = DenseDelay(np.full((2, 2), 0.5), np.zeros(2))
    with refusal(NetworkError, "weight is not in whole numbers of int8", 3):
        IntegerDense(form, 0, np.dtype(np.int8))
