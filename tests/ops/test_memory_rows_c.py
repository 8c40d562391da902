"""The C text of sums in memory: both of its forms, with the instructions of one written out."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from fixtures.mve import of_either

from delrec_compile.ops.memory_rows_c import KINDS, c_text

RNG = np.random.default_rng(12)
CALL = """
void sums(int32_t *to, const int32_t *start, int32_t more, int32_t unit, int32_t n,
          const int8_t *rows, const {kind}_t *events, int32_t number, int32_t counted)
{{
    sum_rows_{kind}(to, start, more != 0, unit, n, rows, events, number, counted != 0);
}}
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("instructions", [False, True])
def test_sums_of_tiles_and_of_what_is_left(instructions: bool, kind: str, tmp_path: Path) -> None:
    library = of_either(tmp_path, c_text(kind) + CALL.format(kind=kind), instructions)
    for n in (1, 7, 8, 9, 20, 24, 55, 56, 57, 71, 112, 115):
        rows = RNG.integers(-127, 128, (12, n)).astype(np.int8)
        start, old = RNG.integers(-99, 100, (2, n)).astype(np.int32)
        for number, counted, more in itertools.product((0, 1, 9), (0, 1), (0, 1)):
            events = RNG.permutation(12)[:number].astype(kind)
            counts = RNG.integers(1, 28, number).astype(kind)
            own = np.append(np.stack([events, counts], 1) if counted else events, 0).astype(kind)
            out = np.append(old, np.full(4, 7, np.int32))
            begin = (out.ctypes, start.ctypes, more, 1 << 11, n)
            library.sums(*begin, rows.ctypes, own.ctypes, number, counted)
            worth = counts.astype(int) if counted else np.ones(number, int)
            want = (old if more else start) + (worth @ rows[events].astype(int) << 11)
            np.testing.assert_array_equal(out[:n], want)
            assert (out[n:] == 7).all()
