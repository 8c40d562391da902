"""Interleaved rows times counts, by the instructions of SSE: against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
PAIRS = Schedule(4, 4, "movemask", "pairs")


@pytest.mark.parametrize("count", [1, -1, 7])
def test_a_pair_of_blocks_is_added_to_a_register_each(count: int) -> None:
    """A count is a number, of either sign, or a value."""
    row = RNG.integers(-32768, 32768, 8).astype(np.int16)

    def body(e: Any, row: Any, out: Any, counts: Any) -> None:
        accs = [e.register(4, e.load(out, at, 4), "int32") for at in (0, 4)]
        e.add_group(accs, row, 0, count)
        e.add_group(accs, row, 0, counts[0])
        for at, acc in zip((0, 4), accs, strict=True):
            e.store(out, at, 4, e.load(acc, 0, 4))

    start = np.arange(8, dtype=np.int32) - 4
    have = run(body, row, start, np.array([-3], np.int32), schedule=PAIRS)[1]
    blocks = row.astype(np.int32).reshape(4, 2).T.reshape(-1)
    np.testing.assert_array_equal(have, start + (count - 3) * blocks)


def test_a_pair_of_rows_meets_a_count_each() -> None:
    rows = RNG.integers(-32768, 32768, (4, 2)).astype(np.int16)
    counts = np.array([3, 11], np.int16)

    def body(e: Any, rows: Any, packed: Any, out: Any) -> None:
        acc = e.register(4, e.zero("int32", 4), "int32")
        e.add_products(acc, rows, 0, packed[0], 2)
        e.store(out, 0, 4, e.load(acc, 0, 4))

    arrays = rows.reshape(-1), counts.view(np.int32), np.zeros(4, np.int32)
    have = run(body, *arrays, schedule=PAIRS)[2]
    np.testing.assert_array_equal(have, rows.astype(np.int32) @ counts.astype(np.int32))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_pair_of_blocks_is_added_as_words_beside_its_upper_halves(sign: int) -> None:
    row = RNG.integers(-32768, 32768, 8).astype(np.int16)

    def body(e: Any, row: Any, out: Any) -> None:
        low, high = (e.register(4, e.load(out, at, 4), "int32") for at in (0, 4))
        e.add_joined(low, high, row, 0, sign)
        for at, acc in ((0, low), (4, high)):
            e.store(out, at, 4, e.load(acc, 0, 4))

    start = np.arange(8, dtype=np.int32) - 4
    have = run(body, row, start.copy(), schedule=PAIRS)[1]
    words, upper = row.view(np.int32), row[1::2].astype(np.int32)
    np.testing.assert_array_equal(have, start + sign * np.concatenate([words, upper]))
