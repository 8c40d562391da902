"""Synapses in whole numbers against their formulas, and the way to arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checks import row_sums
from delrec_compile.network.integer.synapses import (
    RECEIVERS,
    IntegerConv,
    IntegerDense,
    IntegerSynapses,
    by_receiver,
    from_arrays,
    in_units,
)
from delrec_compile.network.model import Conv2dDelay, DenseDelay, SynapticDelay, TapConvDelay
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.registry import SYNAPSES

RNG = np.random.default_rng(11)


def line(r: IntegerSynapses, largest: int = 1) -> Any:
    return RNG.integers(0, largest + 1, (2, r.depth, r.sources)).astype(np.uint8)


def drawn(*shape: int) -> Any:
    return RNG.integers(-120, 121, shape).astype(np.int8)


# several heads, more that send than receive, kernels of odd places
FORMS: dict[str, Any] = {
    "dense_delay": DenseDelay(np.zeros((2, 3, 5)), RNG.integers(0, 4, (2, 5))),
    "synaptic_delay": SynapticDelay(np.zeros((3, 5)), RNG.integers(0, 4, (3, 5))),
    "tap_conv_delay": TapConvDelay(np.zeros((2, 3, 3)), np.array([0, 3]), 4),
    "conv2d_delay": Conv2dDelay(np.zeros((2, 4, 2, 3, 3)), 3, 2),
    "channel_conv_delay": ChannelConvDelay(np.zeros((4, 2, 3)), RNG.integers(0, 3, 10)),
}


def test_the_conv_current_is_its_formula() -> None:
    heads, taps, n = 2, 3, 5
    kernel = RNG.integers(-9, 10, (heads, taps, n)).astype(np.int16)
    r = IntegerConv(kernel, RNG.integers(0, 4, (heads, n)).astype(np.int32), shift=3)
    hist = line(r).astype(np.int64)
    want = np.zeros((2, n), np.int64)
    for m in range(heads):
        for i in range(n):
            for k in range(taps):
                j = i + k - 1
                if 0 <= j < n:
                    want[:, i] += int(kernel[m, k, i]) * hist[:, r.line.delay[m, j], j]
    np.testing.assert_array_equal(r.current(hist), want << 3)
    assert (np.abs(want << 3) <= r.bound()).all()


def test_every_kind_of_synapses_has_an_integer_form() -> None:
    assert {*FORMS, "conv_delay"} == {*RECEIVERS, "conv_delay"} == {*SYNAPSES}


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
    again = from_arrays(r.kind, r.arrays(), r.attributes())
    assert (type(again), again.shift) == (type(r), r.shift)
    hist = line(r)
    np.testing.assert_array_equal(again.current(hist), r.current(hist))
    assert again.weights.dtype == r.weights.dtype


def test_weights_by_receiver() -> None:
    weight = np.arange(6).reshape(2, 3)
    assert by_receiver("dense_delay", weight).tolist() == weight.tolist()
    assert by_receiver("conv2d_delay", np.arange(8).reshape(2, 4, 1, 1, 1)).shape == (4, 2)
    dense = in_units(DenseDelay(np.zeros((2, 3)), np.zeros(3)), drawn(2, 3), 5)
    assert isinstance(dense, IntegerDense)
    np.testing.assert_array_equal(dense.bound(), row_sums(dense.weights) << 5)


def test_parts_of_a_weight_unit_are_refused() -> None:
    form = DenseDelay(np.full((2, 2), 0.5), np.zeros(2))
    with refusal(NetworkError, "weight is not in whole numbers of int8", 3):
        IntegerDense(form, 0, np.dtype(np.int8))
    with refusal(NetworkError, "weight is float32; int8, int16 or int32", 3):
        from_arrays("dense_delay", form.arrays(), {"shift": 0})
