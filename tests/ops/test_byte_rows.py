"""Four int8 weights to a word: packing, and the arithmetic that takes the sums out of two halves."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.ops import byte_rows

RNG = np.random.default_rng(11)


def test_a_word_holds_four_weights_in_order() -> None:
    rows = np.array([[1, 2, 3, 4, -128]], np.int8)
    first, second = byte_rows.pack(rows)[0]
    assert [int(first) >> 8 * k & 255 for k in range(4)] == [129, 131, 130, 132]
    assert int(second) & 255 == 0
    assert [int(second) >> 8 * k & 255 for k in range(1, 4)] == [128, 128, 128]


@pytest.mark.parametrize("events", [1, 7, 250, 900])
def test_two_halves_hold_the_sums_of_four_outputs(events: int) -> None:
    rows = RNG.integers(-128, 128, (events, 4)).astype(np.int8)
    words = byte_rows.pack(rows).reshape(-1).astype(np.uint64)
    even = int((words & byte_rows.MASK).sum()) & 0xFFFFFFFF
    odd = int((words >> np.uint64(8) & byte_rows.MASK).sum()) & 0xFFFFFFFF
    sums = []
    for half in (even, odd):
        both = (half - events * byte_rows.BIASES) & 0xFFFFFFFF
        low = int(np.array(both & 0xFFFF, np.uint16).view(np.int16))
        high = int(np.array((both - low) >> 16 & 0xFFFF, np.uint16).view(np.int16))
        sums += [low, high]
    assert sums == rows.astype(np.int64).sum(axis=0).tolist()
