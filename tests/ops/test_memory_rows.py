"""Sums of rows in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.c_text import of_c

from delrec_compile.ops import byte_rows, memory_rows
from delrec_compile.ops.byte_rows import ByteRows
from delrec_compile.ops.linear import Rows
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(13)
SCHEDULE = Schedule(1, 4, "branch", bytes="memory")
INPUTS, N = 9, 11
ROWS = RNG.integers(-127, 128, (INPUTS, N)).astype(np.int8)
COUNTS = RNG.integers(1, 30, INPUTS).astype(np.int32)
EVENTS = np.array([0, 3, 4, 8], np.uint8)


class Listed:
    def __init__(self, e: Any, index: Any) -> None:
        self.index, self.count = index, [e.T.int32(len(EVENTS))]


def stores(e: Any, out: Any) -> Any:
    return lambda base, size: lambda value, at, lanes: e.store(out, base + at, lanes, value)


# counts that add up to so many at most are added at a time; None: all of them, count 1 each
@pytest.mark.parametrize("limits", [(None,), (258,), (30,), (None, 258), (30, 2), (None, None)])
def test_bytes_are_added_in_16_bits_part_by_part(
    limits: tuple[int | None, ...], tmp_path: Path
) -> None:
    counted = [limit is not None and limit > 2 for limit in limits]

    def body(e: Any, index: Any, rows: Any, start: Any, out: Any, counts: Any = None) -> None:
        events, every = Listed(e, index), []
        for limit, own in zip(limits, counted, strict=True):
            count = counts.__getitem__ if own else None
            largest = 30 if own else 1
            split = None if limit is None else (events, count, INPUTS, largest, limit)
            parts = None if split is None else byte_rows.emit_parts(e, *split)
            every.append(ByteRows(events, rows, count, parts))
        memory_rows.emit_bytes(e, N, every, out, start, 4)

    out, start = np.zeros(N, np.int32), RNG.integers(-99, 100, N).astype(np.int32)
    arrays = [EVENTS, ROWS.reshape(-1), start, out, *([COUNTS] if any(counted) else [])]
    text = of_c(tmp_path, body, *arrays, schedule=SCHEDULE)
    assert "sum_rows_uint8(" in text
    one, times = ROWS[EVENTS].astype(int).sum(0), COUNTS[EVENTS] @ ROWS[EVENTS].astype(int)
    want = start + 4 * sum(times if own else one for own in counted)
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@pytest.mark.parametrize("narrow", [False, True])
def test_other_rows_are_added_one_after_another(narrow: bool, dtype: type, tmp_path: Path) -> None:
    def body(e: Any, index: Any, rows: Any, counts: Any, out: Any) -> None:
        events = Listed(e, index)
        both = [Rows(events, rows), Rows(events, rows, counts.__getitem__)]
        memory_rows.emit(e, N, both, stores(e, out), narrow)

    out, rows = np.zeros(N, np.int32), ROWS.astype(dtype)
    text = of_c(tmp_path, body, EVENTS, rows.reshape(-1), COUNTS, out, schedule=SCHEDULE)
    assert f"int{16 if narrow else 32}_t sums" in text
    np.testing.assert_array_equal(out, (1 + COUNTS[EVENTS]) @ ROWS[EVENTS].astype(int))
