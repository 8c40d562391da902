"""Bit planes shifted once per tap, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.ops import plane_taps
from delrec_compile.ops.delay_line import words
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)


def packed(bits: np.ndarray) -> np.ndarray:
    """Bits (n,) in 32-bit words, the lowest first."""
    padded = np.zeros(words(len(bits)) * 32, np.uint8)
    padded[: len(bits)] = bits
    return np.packbits(padded, bitorder="little").view(np.uint32)


@pytest.mark.parametrize(("n", "taps"), [(40, 3), (64, 7), (70, 67)])
def test_each_tap_has_its_shifted_plane(n: int, taps: int) -> None:
    spikes = (RNG.random(n) < 0.4).astype(np.uint8)
    pad, width = taps // 2, words(n)

    def body(e: Any, ring: Any, bits: Any) -> None:
        plane_taps.emit(e, ring, 0, taps, n, bits, 0)

    empty = np.zeros(taps * width, np.uint32)
    _, bits = run(body, packed(spikes), empty, schedule=Schedule(4, 8, "scan"))
    around = np.pad(spikes, pad)
    for k in range(taps):
        plane = np.unpackbits(bits[k * width : (k + 1) * width].view(np.uint8), bitorder="little")
        np.testing.assert_array_equal(plane[:n], around[k : k + n])
