"""Constants and shapes of the nodes of a NIR graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.nir_graphs import DT, lif_of, maps, nir, two, weights
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.nir.nodes import check_size, flattened, input_shape, linear_part


@pytest.mark.parametrize("shape", [(4, 2, 3), (1, 4, 2, 3), (24,)])
def test_constants_of_each_neuron(shape: tuple[int, ...]) -> None:
    graph = maps(nir.LIF(**lif_of(shape)))
    got = delrec_compile.from_nir(graph, dt_ms=DT * 1e3).network.layers[0].lif.threshold
    np.testing.assert_array_equal(got, np.arange(1, 25) / 4)


@pytest.mark.parametrize("shape", [np.nan, "five", None, 5.5, 0, -5, [5, np.inf]])
def test_an_input_of_no_shape(shape: Any) -> None:
    graph = two()
    graph.nodes["input"].output_type["output"] = shape if shape is None else np.array(shape)
    with refusal(CheckpointError, "input: its shape is .*; positive integers are required", 3):
        delrec_compile.from_nir(graph, dt_ms=1.0)


def test_each_kind_of_node_is_the_part_that_it_computes() -> None:
    x = np.random.default_rng(0).normal(size=(2, 4))
    weight, bias = weights(3, 4), np.arange(3.0)
    for node, expected in (
        (nir.Affine(weight=weight, bias=bias), x @ weight.T + bias),
        (nir.Linear(weight=weight), x @ weight.T),
        (nir.Scale(np.arange(4.0)), x * np.arange(4.0)),
    ):
        made, shape = linear_part("n", node, (4,))
        np.testing.assert_allclose(made.linear(x) + made.biases, expected)
        assert shape == (expected.shape[1],)
    pooled, shape = linear_part(
        "n", nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.zeros(2)), (1, 2, 2)
    )
    assert (pooled.linear(x).ravel().tolist(), shape) == (pytest.approx(x.sum(1)), (1, 1, 1))
    with refusal(UnsupportedError, "n: networks have no Threshold node", 4):
        linear_part("n", nir.Threshold(np.ones(4)), (4,))


@pytest.mark.parametrize(
    ("first", "last", "shape"),
    [(0, -1, (24,)), (1, -1, (2, 12)), (0, 1, (6, 4)), (1, 1, (2, 3, 4)), (1, 3, (24,))],
)
def test_axes_that_are_flattened(first: int, last: int, shape: tuple[int, ...]) -> None:
    node = nir.Flatten({"input": None}, first, last)
    assert flattened(node, (2, 3, 4)) == shape


def test_weights_that_do_not_fit_are_named_and_a_turned_matrix_is_told() -> None:
    part = linear_parts.affine(np.ones((4, 8)))
    check_size("fc", part, (2, 4))
    with refusal(
        UnsupportedError, r"fc: takes 8 values, what comes before sends 4; .*\(in, out\)", 4
    ):
        check_size("fc", part, (4,))
    with refusal(UnsupportedError, "fc: takes 8 values, what comes before sends 5$", 4):
        check_size("fc", part, (5,))
    with refusal(
        UnsupportedError, r"sends 1600; the first axis of \[200, 8\] may be one of steps", 4
    ):
        check_size("fc", part, (200, 8))


def test_an_input_may_have_axes_of_one_value() -> None:
    node = nir.Input(np.array([1, 2, 1]))
    assert input_shape("input", node) == (1, 2, 1)
