"""Sums of int8 rows in 16 bits, with rows that are taken off, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import places
from delrec_compile.ops import biased_rows, linear
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("method", ["wide", "narrow", "biased"])
@pytest.mark.parametrize("n", [4, 64, 78])
def test_rows_are_added_and_taken_off(n: int, method: str) -> None:
    """All rows taken off; as many of each; none."""
    weight = RNG.integers(-128, 128, (200, n)).astype(np.int8)
    weight[:, 0] = -128
    schedule = Schedule(4, 4, "movemask", rows="units", bytes=method)
    narrow = method != "wide"
    table = biased_rows.pack(weight, 4) if method == "biased" else weight
    for added, gone in ((0, 200), (100, 200), (7, 30), (0, 0)):

        def body(e: Any, table: Any, marks: Any, out: Any, places: Any) -> None:
            e.places = places
            lists = []
            for which in (1, 2):
                events, kind = e.events(200), e.T.int32(which)
                e.list_active(
                    events,
                    200,
                    lambda at, w, kind=kind: e.load(marks, at, w) == e.splat(kind, w),
                )
                lists.append(events)

            def finish(base: Any, size: int) -> linear.Finish:
                return lambda value, at, w: e.store(e.view(out, base, size), at, w, value)

            rows = linear.Rows(lists[0], table, narrow=narrow, gone=lists[1])
            linear.emit(e, n, lambda _: linear.Sums("int32", finish, rows))

        marks = np.zeros(200, np.int32)
        marks[:added], marks[added:gone] = 1, 2
        arrays = table.reshape(-1), marks, np.full(n, 7, np.int32), places()
        have = run(body, *arrays, schedule=schedule)[2]
        want = weight[:added].sum(0, dtype=np.int32) - weight[added:gone].sum(0, dtype=np.int32)
        np.testing.assert_array_equal(have, want)
