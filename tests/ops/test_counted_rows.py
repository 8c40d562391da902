"""Rows that meet counts, in parts of 16 bits: the parts of a list, and sums against NumPy's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops import counted_rows, linear
from delrec_compile.ops.counted_rows import DTYPE, LARGEST, SUM, Parts, width
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
INPUTS, MOST = 200, SUM // 128


def test_a_vector_of_16_bits_has_16_bytes_at_least() -> None:
    assert [width(lanes) for lanes in (4, 8, 16)] == [8, 8, 16]


def given(kind: str, largest: int) -> np.ndarray:
    if kind == "some":
        return RNG.integers(0, largest + 1, INPUTS) * (RNG.random(INPUTS) < 0.2)
    return np.full(INPUTS, largest if kind == "all" else 0)


@pytest.mark.parametrize("kind", ["all", "none", "some"])
@pytest.mark.parametrize(("lanes", "n", "largest"), [(4, 78, 31), (8, 3, 2), (8, 78, LARGEST)])
def test_sums_of_parts_are_those_of_the_rows(kind: str, lanes: int, n: int, largest: int) -> None:
    """With sums to both ends of 16 bits in each part."""
    schedule = Schedule(lanes, 4, rows="units", bytes="narrow")
    weight = RNG.integers(-128, 128, (INPUTS, n)).astype(np.int8)
    weight[:, 0], weight[:, 1], weight[:, n // 2 :: 5] = 127, -128, -1
    room, counts = Parts.room(INPUTS, largest, MOST), given(kind, largest)
    listed = np.flatnonzero(counts)

    def body(
        e: Any, index: Any, counts: Any, table: Any, out: Any, start: Any, own: Any, made: Any
    ) -> None:
        events = Events(index, e.counter("count"))
        e.store(events.count, 0, 1, e.T.int32(len(listed)))
        parts = Parts(start, e.counter("parts"), own, MOST)
        counted_rows.split(e, events, lambda j: counts[j], parts)
        e.store(made, 0, 1, parts.number[0])

        def finish(base: Any, size: int) -> linear.Finish:
            return lambda value, at, w: e.store(e.view(out, base, size), at, w, value)

        rows = linear.Rows(events, table, lambda j: counts[j], parts=parts)
        linear.emit(e, n, lambda _: linear.Sums("int32", finish, rows))

    arrays = (
        np.concatenate([listed, np.zeros(1, int)]).astype(np.uint8),
        counts.astype(np.int32),
        weight.reshape(-1),
        np.full(n, 7, np.int32),
        np.zeros(room, np.int32),
        np.zeros(INPUTS * width(lanes), DTYPE),
        np.zeros(1, np.int32),
    )
    *_, out, start, _, made = run(body, *arrays, schedule=schedule)
    np.testing.assert_array_equal(out, counts @ weight.astype(np.int64))
    ends = start[: made[0] + 1]
    assert (ends[0], ends[-1]) == (0, len(listed))
    assert made[0] < room
    sums = [counts[listed[a:b]].sum() for a, b in itertools.pairwise(ends)]
    assert max(sums) <= MOST
    # a part is closed by a count that no longer fits
    assert all(total > MOST - largest for total in sums[:-1])
