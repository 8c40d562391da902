"""Layers and readouts of an integer network: the leak, the resets, the ends of a membrane."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest

from delrec_compile.network.integer.layers import LIMIT, ONE, IntegerLayer, IntegerReadout, leak
from delrec_compile.network.integer.quantise import quantise


def layer(**changed: Any) -> IntegerLayer:
    fields = {
        "weight": np.array([[3], [-4]], np.int8),
        "bias": np.array([5, 0], np.int32),
        "threshold": np.array([10, 20], np.int32),
        "v_reset": np.array([0, -2], np.int32),
        "beta": ONE // 2,
        "fraction": 1,
        "scale": np.ones(2),
    }
    return IntegerLayer(**{**fields, **changed})


def test_the_leak_rounds_halves_upwards() -> None:
    v = np.array([3, -3, 1, -1])
    assert leak(v, ONE // 2).tolist() == [2, -1, 1, 0]
    assert leak(v, ONE).tolist() == v.tolist()


def test_a_membrane_is_leak_plus_weights_plus_bias() -> None:
    m = layer().membrane(np.array([[2.0]]), np.array([[4, 4]], np.int32), None)
    assert m.tolist() == [[2 + 2 * 3 * 2 + 5, 2 - 4 * 2 * 2]]


@pytest.mark.parametrize(
    ("reset", "after"), [("hard", [0, 19]), ("soft", [3, 19]), ("soft_later", [11, 19])]
)
def test_resets(reset: str, after: list[int]) -> None:
    drop = None if reset == "hard" else np.array([8, 8], np.int32)
    fires, v = layer(reset=reset, drop=drop).fire(np.array([[11, 19]]))
    assert fires.tolist() == [[True, False]]
    assert v.tolist() == [after]


def test_a_late_reset_lowers_the_next_membrane() -> None:
    late = layer(reset="soft_later", drop=np.array([8, 8], np.int32))
    m = late.membrane(np.array([[0.0]]), np.array([[10, 10]], np.int32), None)
    assert m.tolist() == [[5 - 8 + 5, 5]]


def test_a_membrane_that_does_not_leak_may_reach_its_end() -> None:
    assert layer(beta=ONE).clamps(1)
    assert not layer().clamps(1)
    _, v = layer().fire(np.array([[-LIMIT - 7, 0]]))
    assert v[0, 0] == -LIMIT


def readout(kind: str, beta: int) -> IntegerReadout:
    weight = np.array([[1, 2]], np.int8)
    return IntegerReadout(weight, np.array([3], np.int32), beta, 2, np.ones(1), kind=kind)


def test_readouts_add_their_bias_where_their_kind_does() -> None:
    x, v = np.array([[1.0, 1.0]]), np.array([[10]], np.int32)
    y, new = readout("leaky", ONE // 2).integrate(x, v)
    assert y.tolist() == [[5 + 12 + 3]]
    assert new is not None
    assert new.tolist() == y.tolist()
    y, new = readout("count", ONE).integrate(x, v)
    assert new is not None
    assert (y.tolist(), new.tolist()) == ([[25]], [[22]])
    y, new = readout("linear", 0).integrate(x, None)
    assert (y.tolist(), new) == ([[15]], None)


def test_a_readout_of_one_unit_per_scale() -> None:
    out = quantise(cases.network("mixed"), "int8").readout
    np.testing.assert_array_equal(out.unit, np.float32(out.scale / 2**out.fraction))
    with pytest.raises(Exception, match="a count readout has beta 32768"):
        replace(out, kind="count", beta=5)
