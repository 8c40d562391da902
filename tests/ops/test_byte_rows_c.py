"""The C text of sums of bytes: both of its forms, with the instructions of one written out."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from fixtures.c_text import loaded

from delrec_compile.ops import byte_rows
from delrec_compile.ops.byte_rows_c import ADDED, CARRIED, LOWER, UPPER

RNG = np.random.default_rng(11)
# what the instructions of the same names do
ACLE = """#pragma once
static inline uint32_t __uxtab16(uint32_t sum, uint32_t word)
{
    const uint32_t upper = (sum & 0xffff0000u) + (word & 0x00ff0000u);
    return upper | ((sum + (word & 0xffu)) & 0xffffu);
}
static inline int32_t __smlabb(int32_t a, int32_t b, int32_t sum)
{
    return sum + (int16_t)a * (int16_t)b;
}
static inline int32_t __smlatb(int32_t a, int32_t b, int32_t sum)
{
    return sum + (a >> 16) * (int16_t)b;
}
"""
SUMS = """
void sums(const uint32_t *words, uint32_t n, int32_t shift, const int32_t *start, int32_t *out)
{
    uint32_t even = first_even(n), odd = first_odd(n);
    for (uint32_t k = 0; k < n; ++k) {
        even = add_even_bytes(even, words[k]);
        odd = add_odd_bytes(odd, words[k]);
    }
    even = even_sum(even, odd);
    out[0] = lower_sum(even, start[0], shift);
    out[1] = upper_sum(even, start[1], shift);
    out[2] = lower_sum(odd, start[2], shift);
    out[3] = upper_sum(odd, start[3], shift);
}
void carried(uint32_t both, int32_t shift, const int32_t *start, int32_t *out)
{
    out[0] = lower_sum(both, start[0], shift);
    out[1] = carried_sum(both, start[1], shift);
}
"""


@pytest.mark.parametrize("instructions", [False, True])
def test_sums_of_words_are_those_of_their_weights(instructions: bool, tmp_path: Path) -> None:
    (tmp_path / "arm_acle.h").write_text(ACLE)
    flags = ["-D__ARM_FEATURE_SIMD32"] if instructions else []
    library = loaded(tmp_path, ADDED + LOWER + UPPER + CARRIED + SUMS, *flags)
    for events, shift in [(1, 0), (7, 11), (200, 14), (255, 15), (300, 16)]:
        rows = RNG.integers(-127, 128, (events, 4)).astype(np.int8)
        rows[:255, 0], rows[:255, 3] = -127, 127
        words = byte_rows.pack(rows).reshape(-1)
        start = RNG.integers(-99, 100, 4).astype(np.int32)
        out = np.empty(4, np.int32)
        own = (words.ctypes, ctypes.c_uint32(events), shift, start.ctypes, out.ctypes)
        library.sums(*own)
        want = rows.astype(np.int64).sum(axis=0)
        fits = np.abs(want) <= np.iinfo(np.int16).max
        assert fits[:2].all() or events > 255
        np.testing.assert_array_equal(out[fits], (start + (want << shift))[fits])


@pytest.mark.parametrize("instructions", [False, True])
def test_a_carry_between_halves_is_undone(instructions: bool, tmp_path: Path) -> None:
    (tmp_path / "arm_acle.h").write_text(ACLE)
    flags = ["-D__ARM_FEATURE_SIMD32"] if instructions else []
    library = loaded(tmp_path, ADDED + LOWER + UPPER + CARRIED + SUMS, *flags)
    ends = (-(1 << 15), -1, 0, 1, (1 << 15) - 1)
    for lower, upper in ((low, high) for low in ends for high in ends[1:]):
        both = ctypes.c_uint32(lower + (upper << 16))
        start, out = np.array([5, -6], np.int32), np.empty(2, np.int32)
        library.carried(both, 11, start.ctypes, out.ctypes)
        assert out.tolist() == [5 + (lower << 11), -6 + (upper << 11)]
