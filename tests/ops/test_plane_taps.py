"""Bit planes shifted once per tap, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.avx512 import CPU, needs_bitalg
from fixtures.tir import run

from delrec_compile.ops import plane_taps
from delrec_compile.ops.delay_line import words
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
CPUS = {8: "x86-64-v3", 16: CPU}
WIDE = [pytest.param(16, taps, marks=needs_bitalg) for taps in (3, 4)]


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


@pytest.mark.parametrize(("lanes", "taps"), [(8, 1), (8, 3), (8, 5), *WIDE])
@pytest.mark.parametrize("n", [32, 100])
def test_patterns_of_a_kernel_that_all_share_are_looked_up(n: int, lanes: int, taps: int) -> None:
    """Where a register has all of them; more taps, and blocks that are left over, are added up."""
    spikes = (RNG.random(n) < 0.5).astype(np.uint8)
    kernel = RNG.integers(-(2**30), 2**30, taps).astype(np.int32) // taps
    events = {8: "movemask", 16: "compress"}[lanes]

    def body(e: Any, plane: Any, kernel: Any, out: Any) -> None:
        shifted = plane_taps.emit_shifted(e, plane, taps, n)
        current = shifted.shared(e, kernel)
        for places in e.tiles(n):
            part, own = e.view(current, places[0][0], n), e.view(out, places[0][0], n)
            for k, (_, width) in enumerate(places):
                at = sum(w for _, w in places[:k])
                e.store(own, at, width, e.load(part, at, width))

    arrays = packed(spikes), kernel, np.zeros(n, np.int32)
    schedule = Schedule(lanes, 4, events, taps="planes")
    have = run(body, *arrays, schedule=schedule, cpu=CPUS[lanes])[2]
    around = np.pad(spikes, (taps // 2, taps - 1 - taps // 2)).astype(np.int32)
    want = sum(tap * around[k : k + n] for k, tap in enumerate(kernel))
    np.testing.assert_array_equal(have, want)
