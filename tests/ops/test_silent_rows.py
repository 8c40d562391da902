"""Lists that turn into those of the silent neurons, and sums of the rows that they then name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import places
from delrec_compile.ops import biased_rows, linear, silent_rows
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
N = 64


def chosen(number: int) -> np.ndarray:
    """So many of N neurons, as marks."""
    active = np.zeros(N, np.uint8)
    active[RNG.permutation(N)[:number]] = 1
    return active


def list_turned(e: Any, active: Any, planed: bool) -> Any:
    events = e.events(N, planed=planed, turns=True)

    def is_active(at: Any, lanes: int) -> Any:
        return e.cast(e.load(active, at, lanes), "int32", lanes) > e.zero("int32", lanes)

    e.list_active(events, N, is_active)
    return silent_rows.turn(e, events, N)


def test_totals_are_sums_of_all_rows() -> None:
    weight = RNG.integers(-128, 128, (2, 3, 300)).astype(np.int8)
    totals = silent_rows.totals(weight)
    assert totals.dtype == np.int32
    np.testing.assert_array_equal(totals, weight.sum(axis=-1, dtype=np.int64))


@pytest.mark.parametrize(
    ("schedule", "planed"),
    [
        (Schedule(1, 8, "branch"), False),
        (Schedule(4, 8, "scan"), False),
        (Schedule(4, 8, "movemask"), False),
        (Schedule(8, 8, "movemask"), True),
    ],
)
@pytest.mark.parametrize("number", [0, N // 2, N // 2 + 1, N])
def test_a_list_turns_where_more_than_half_are_active(
    schedule: Schedule, planed: bool, number: int
) -> None:
    def body(e: Any, active: Any, out: Any, count: Any, places: Any) -> None:
        e.places = places
        events = list_turned(e, active, planed)
        with e.loop("i", N) as i:
            e.store(out, i, 1, events.index[i])
        e.store(count, 0, 1, events.count[0])

    active, out = chosen(number), np.zeros(N, np.uint8)
    arrays = (active, out, np.zeros(1, np.int32), places())
    _, index, count, _ = run(body, *arrays, schedule=schedule, cpu="x86-64-v3")
    silent = number > N // 2
    want = np.flatnonzero(active == 0 if silent else active)
    assert count[0] == (~len(want) if silent else len(want))
    assert index[: len(want)].tolist() == want.tolist()


@pytest.mark.parametrize(
    ("schedule", "dtype", "narrow"),
    [
        (Schedule(4, 4, "movemask"), np.int32, False),
        (Schedule(4, 4, "movemask", "pairs"), np.int16, False),
        (Schedule(4, 4, "movemask", "units"), np.int8, True),
        (Schedule(4, 4, "movemask", "units", bytes="biased"), np.int8, True),
    ],
)
@pytest.mark.parametrize("n", [3, 21, 38])
def test_sums_of_turned_lists_are_those_of_the_active_rows(
    schedule: Schedule, dtype: type, narrow: bool, n: int
) -> None:
    """A tile and what is left of one, from a start, silence and full activity among the steps."""
    largest = 1 << (6 if narrow else 14)
    weight = RNG.integers(-largest, largest, (n, N)).astype(dtype)
    weight[0], weight[1] = largest - 1, -largest
    start = RNG.integers(-900, 900, n).astype(np.int32)
    table: Any = weight.T
    if narrow and schedule.biases:
        table = biased_rows.pack(table, 4)
    elif not narrow:
        table = table[:, schedule.order(n, 8 * weight.itemsize)]

    def body(e: Any, active: Any, rows: Any, total: Any, start: Any, out: Any, at: Any) -> None:
        e.places = at

        def finish(base: Any, size: int) -> linear.Finish:
            to = e.view(out, base, size)
            return lambda value, at, lanes: e.store(to, at, lanes, value)

        own = linear.Rows(list_turned(e, active, False), rows, narrow=narrow, total=total)
        linear.emit(e, n, lambda _: linear.Sums("int32", finish, own, start=[start]))

    fixed = np.ascontiguousarray(table).reshape(-1), silent_rows.totals(weight), start
    for number in (0, 20, 33, 60, N):
        active = chosen(number)
        have = run(body, active, *fixed, np.zeros(n, np.int32), places(), schedule=schedule)[4]
        want = start + weight[:, active == 1].sum(axis=1, dtype=np.int64)
        np.testing.assert_array_equal(have, want)
