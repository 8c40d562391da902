"""The C text of integer LIF neurons: both of its forms, with the instructions of one written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.mve import of_either

from delrec_compile.ops import integer_leak
from delrec_compile.ops.integer_leak import LIMIT, ONE, by_upper, leak
from delrec_compile.ops.integer_lif_c import FOUR, LEAK, REACH

RNG = np.random.default_rng(14)
CALLS = """
void leaked(int32_t *v, int32_t share, int32_t kept, const int32_t *current, int32_t ends)
{
    leak_four(v, share, kept != 0, current, ends != 0);
}
uint32_t reached(const int32_t *v, const int32_t *level)
{
    return which_reach(v, level);
}
"""
TEXT = integer_leak.C_TEXT + LEAK + REACH + CALLS
EDGES = (-(1 << 31), -LIMIT, -LIMIT + 1, -1, 0, 1, LIMIT - 1, (1 << 31) - 1)


@pytest.mark.parametrize("instructions", [False, True])
def test_four_membranes_leak_as_one_does(instructions: bool, tmp_path: Path) -> None:
    library = of_either(tmp_path, TEXT, instructions)
    some = RNG.integers(-LIMIT, LIMIT, 56)
    every = np.concatenate([EDGES, some]).astype(np.int32).reshape(-1, FOUR)
    for beta in (-(ONE >> 1), -1, 1, 1560, (ONE >> 1) - 1, ONE >> 1, 31000, ONE - 1):
        share, kept = by_upper(beta) or pytest.fail(f"{beta} has no upper word")
        for ends in (0, 1):
            for v in every:
                current, got = np.roll(every, 3)[:FOUR, 0].copy(), v.copy()
                library.leaked(got.ctypes, share, int(kept), current.ctypes, ends)
                want = (leak(v.astype(np.int64), beta) + current).astype(np.int32)
                np.testing.assert_array_equal(got, np.maximum(want, -LIMIT) if ends else want)


@pytest.mark.parametrize("instructions", [False, True])
def test_four_bits_say_which_reach_their_level(instructions: bool, tmp_path: Path) -> None:
    library = of_either(tmp_path, TEXT, instructions)
    for mask in range(1 << FOUR):
        fires = np.array([mask >> k & 1 for k in range(FOUR)])
        level = np.array(EDGES[2:6], np.int32)
        v = (level - 1 + fires).astype(np.int32)
        want = sum(15 << FOUR * k for k in range(FOUR) if fires[k])
        assert library.reached(v.ctypes, level.ctypes) == want


def test_a_share_of_nothing_or_of_all_is_no_product() -> None:
    assert by_upper(0) is None
    assert by_upper(ONE) is None
    assert by_upper(np.array([3])) is None
