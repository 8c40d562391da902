"""Which strategy sums integer rows, and what decides it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delrec_compile.compiler.kernels.integer_sums import (
    IntegerSums,
    MemorySums,
    RegisterSums,
    RowSum,
    WordSums,
    fit_in_16_bits,
    sums_for,
)
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize(
    ("rows", "dtype", "strategy"),
    [
        ("wide", np.int8, RegisterSums),
        ("words", np.int8, WordSums),
        ("words", np.int16, RegisterSums),
        ("memory", np.int8, MemorySums),
        ("memory", np.int16, MemorySums),
    ],
)
def test_the_schedule_and_the_type_decide(
    rows: str, dtype: Any, strategy: type[IntegerSums]
) -> None:
    e = Emitter(Schedule(1, 4, "branch", bytes=rows), "c")
    assert type(sums_for(e, np.dtype(dtype))) is strategy
    assert strategy.fuses_neurons == (strategy is RegisterSums)


def test_parts_fit_16_bits_together_or_not_at_all() -> None:
    def part(weight: int, count: int) -> RowSum:
        incoming: Any = None
        return RowSum(incoming, np.full((2, 10), weight, np.int8), None, count)

    assert fit_in_16_bits([part(100, 31)])
    assert not fit_in_16_bits([part(100, 31), part(100, 2)])
    assert part(-100, 3).bound().tolist() == [3000, 3000]
