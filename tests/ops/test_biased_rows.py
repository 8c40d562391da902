"""Rows of bytes without a sign: their layout, and their sums against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import places
from delrec_compile.ops import biased_rows, linear
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)


def test_biased_rows_have_two_outputs_to_a_word() -> None:
    rows = np.arange(-20, 0, dtype=np.int8).reshape(1, 20)
    assert biased_rows.pack(rows, 4).tolist() == [
        [k + 108 for q in range(8) for k in (q, 8 + q)] + [124, 125, 126, 127]
    ]


@pytest.mark.parametrize("n", [4, 64, 78])
def test_sums_of_biased_rows_are_those_of_the_rows(n: int) -> None:
    """255 of 255 rows and none of them, sums to both ends of 16 bits."""
    weight = RNG.integers(-128, 128, (255, n)).astype(np.int8)
    weight[:, 0], weight[:, 1], weight[:, n // 2 :: 5] = 127, -128, -1
    schedule = Schedule(4, 4, "movemask", rows="pairs", bytes="biased")
    for chosen in (np.arange(255), np.array([7, 9, 200]), np.array([], np.int64)):
        active = np.zeros(255, np.uint8)
        active[chosen] = 1

        def body(e: Any, active: Any, table: Any, out: Any, places: Any) -> None:
            e.places = places
            events = e.events(255)
            e.list_active(
                events,
                255,
                lambda at, w: e.cast(e.load(active, at, w), "int32", w) > e.zero("int32", w),
            )

            def finish(base: Any, size: int) -> linear.Finish:
                return lambda value, at, w: e.store(e.view(out, base, size), at, w, value)

            rows = linear.Rows(events, table, narrow=True)
            linear.emit(e, n, lambda _: linear.Sums("int32", finish, rows))

        table, out = biased_rows.pack(weight, 4).reshape(-1), np.full(n, 7, np.int32)
        have = run(body, active, table, out, places(), schedule=schedule)[2]
        np.testing.assert_array_equal(have, weight[chosen].sum(0, dtype=np.int32))
