"""Sums become float32 before neurons fire on them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from fixtures.tir import run

from delrec_compile.compiler.kernels.finish import StoreSums, as_float32
from delrec_compile.targets.schedule import Schedule

SCHEDULE = Schedule(4, 2, "scan")


def test_integer_sums_are_multiplied_by_the_worth_of_their_unit() -> None:
    sums = np.array([3, -5, 1 << 23, 0], np.int32)

    def body(e: Any, sums: Any, unit: Any, out: Any) -> None:
        tile: Any = SimpleNamespace(unit=unit[0])
        e.store(out, 0, 4, as_float32(e, e.load(sums, 0, 4), 4, tile))

    unit = np.float32([2.0**-9])
    *_, out = run(body, sums, unit, np.zeros(4, np.float32), schedule=SCHEDULE)
    np.testing.assert_array_equal(out, sums * unit)


def test_float32_sums_stay_as_they_are() -> None:
    def body(e: Any, sums: Any, out: Any) -> None:
        value = e.load(sums, 0, 4)
        assert as_float32(e, value, 4, SimpleNamespace()) is value  # type: ignore[arg-type]
        StoreSums(e, out, 2)(1, 4)(value, 0, 4)

    sums = np.float32([1, 2, 3, 4])
    _, out = run(body, sums, np.zeros(8, np.float32), schedule=SCHEDULE)
    assert out.tolist() == [0, 0, 0, 1, 2, 3, 4, 0]
