"""The leak of integers: its rounding, and the same in 32 bits of TIR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.ops.integer_leak import LIMIT, ONE, emit_leak, leak
from delrec_compile.targets.schedule import Schedule


def test_the_leak_rounds_halves_upwards() -> None:
    v = np.array([3, -3, 1, -1])
    assert leak(v, ONE // 2).tolist() == [2, -1, 1, 0]
    assert leak(v, ONE).tolist() == v.tolist()


@pytest.mark.parametrize("beta", [0, 1, 20001, ONE])
def test_the_leak_in_32_bits_is_that_of_the_formula(beta: int) -> None:
    v = np.random.default_rng(11).integers(-LIMIT, LIMIT, 16).astype(np.int32)
    v[:2] = -LIMIT, LIMIT - 1

    def body(e: Any, old: Any, new: Any) -> None:
        for at, lanes in e.blocks(16):
            e.store(new, at, lanes, emit_leak(e, beta, e.load(old, at, lanes), lanes))

    _, have = run(body, v, np.zeros_like(v), schedule=Schedule(4, 2, "scan"))
    np.testing.assert_array_equal(have, leak(v.astype(np.int64), beta))
