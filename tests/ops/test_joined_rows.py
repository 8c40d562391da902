"""Rows of two outputs to a word of 32 bits: their layout, and their sums against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import places
from delrec_compile.ops import joined_rows, linear, silent_rows
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
PAIRS = Schedule(4, 4, "movemask", "joined")
ROWS = 300


def test_lower_halves_have_no_sign() -> None:
    """Those of full pairs of blocks, of 4 outputs each."""
    rows = np.array([[-32768, -32768, -1, -1, 0, 0, 32767, 7, -1, 5]], np.int16)
    packed = joined_rows.pack(rows, 4).view(np.uint16)
    assert packed.tolist() == [[0, 32768, 32767, 65535, 32768, 0, 65535, 7, 65535, 5]]


def marked(e: Any, marks: Any, turns: bool) -> Any:
    """The events of what is marked, or of the rest where that is less."""
    events = e.events(ROWS, turns=turns)
    zero = e.zero("int32", 1)
    e.list_active(
        events, ROWS, lambda at, w: e.cast(e.load(marks, at, w), "int32", w) > e.splat(zero, w)
    )
    return silent_rows.turn(e, events, ROWS) if turns else events


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("n", [4, 32, 46])
def test_sums_of_joined_rows_are_those_of_the_rows(n: int, turns: bool) -> None:
    """None of the rows, and so many that sums pass 16 bits both ways; others are taken off."""
    weight = RNG.integers(-32768, 32768, (ROWS, n)).astype(np.int16)
    weight[:, 0], weight[:, 1], weight[:, n // 2] = 32767, -32768, -1
    place = PAIRS.order(n, 16)
    table = joined_rows.pack(weight[:, place], 4).reshape(-1)
    totals = silent_rows.totals(weight.T)
    for rate in (0.0, 0.1, 0.9, 1.0):
        added, gone = (RNG.random((2, ROWS)) < [[rate], [0.2]]).astype(np.uint8)

        def body(
            e: Any, added: Any, gone: Any, table: Any, total: Any, out: Any, places: Any
        ) -> None:
            e.places = places
            lists = marked(e, added, turns), None if turns else marked(e, gone, False)

            def finish(base: Any, size: int) -> linear.Finish:
                return lambda value, at, w: e.store(e.view(out, base, size), at, w, value)

            rows = linear.Rows(lists[0], table, total=total, gone=lists[1], joined=True)
            sums = linear.Sums("int32", finish, rows, start=[out])
            linear.emit(e, n, lambda _: sums)

        start = RNG.integers(-1000, 1000, n).astype(np.int32)
        arrays = added, gone, table, totals, start.copy(), places()
        have = run(body, *arrays, schedule=PAIRS)[4]
        want = start + added @ weight.astype(np.int32)
        want -= 0 if turns else gone @ weight.astype(np.int32)
        np.testing.assert_array_equal(have, want)
