"""Sums of maps in integers: 16 bits where a bound proves that they hold every sum."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from delrec_compile.compiler.kernels.integer_map_rows import fits_int16


def edge(bound: int, shift: int = 0) -> Any:
    """An edge whose channels get at most (3, bound) membrane units per count."""
    made = SimpleNamespace(shift=shift, bound=lambda count: np.array([3, bound]) * count << shift)
    return SimpleNamespace(source="x", synapses=made)


@pytest.mark.parametrize(
    ("edges", "largest", "fits"),
    [
        ([edge(32767)], 1, True),
        ([edge(32768)], 1, False),
        ([edge(32767, shift=9)], 1, True),  # units of the map's own
        ([edge(16384)], 2, False),
        ([edge(30000), edge(2767)], 1, True),
        ([edge(30000), edge(2768)], 1, False),
    ],
)
def test_sums_fit_in_16_bits_by_their_bound(edges: list[Any], largest: int, fits: bool) -> None:
    assert fits_int16(edges, lambda source: largest) is fits
