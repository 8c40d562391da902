"""The masked history against the spikes themselves, step after step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import Events, places
from delrec_compile.ops.masked_history import MaskedHistory, vector
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
SCHEDULE = Schedule(8, events="movemask", taps="planes", line="history")
STEPS = 13


def test_a_row_of_masks_is_that_of_a_delay() -> None:
    line = MaskedHistory(np.arange(32, dtype=np.int32)[None] % 3)
    assert (line.planes, line.width, line.elements) == (4, 4, 16)
    rows = np.unpackbits(line.tables()["delay"], axis=1, bitorder="little")
    for q, row in enumerate(rows):
        assert np.array_equal(row, line.delay[0] == -q % 4)


def test_vectors_divide_planes_or_hold_whole_ones() -> None:
    assert [vector(32, 1024, 16), vector(128, 1024, 16), vector(4, 16, 16)] == [64, 64, 16]
    assert [vector(12, 1024, 16), vector(96, 1024, 16)] == [0, 0]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("n", "depth"), [(32, 1), (32, 5), (64, 9), (512, 3)])
def test_spikes_arrive_when_their_delay_is_over(n: int, depth: int, first: int) -> None:
    """From a clock on that is no multiple of the planes; 512 neurons are more than a vector."""
    delay = RNG.integers(0, depth, n).astype(np.int32)
    delay[0] = depth - 1
    line = MaskedHistory(delay[None], taps=1)
    spikes = (RNG.random((STEPS, n)) < 0.3).astype(np.uint8)

    def body(
        e: Any, spikes: Any, ring: Any, masks: Any, out: Any, places: Any, index: Any, plane: Any
    ) -> None:
        e.places, events = places, Events(index, e.counter("count"), plane=plane)
        for t in range(STEPS):
            clock = e.T.int32(1000003 + t)

            def fires(at: Any, lanes: int, t: int = t) -> Any:
                value = e.cast(e.load(spikes, t * n + at, lanes), "int32", lanes)
                return value > e.zero("int32", lanes)

            e.list_active(events, n, fires)
            if not first:
                line.push(e, events, ring, clock, lambda _: None, first)
            arrived = line.arrivals(e, ring, clock, first, masks)
            for w in range(n // 32):
                e.store(out, t * n // 32 + w, 1, arrived.bits[w])
            if first:
                line.push(e, events, ring, clock, lambda _: None, first)

    arrays = (
        spikes.reshape(-1),
        np.zeros(line.elements, np.uint8),
        line.tables()["delay"].reshape(-1),
    )
    out = np.zeros(STEPS * n // 32, np.uint32)
    lists = np.zeros(n + 8, np.uint16), np.zeros(n // 8, np.uint8)
    have = run(body, *arrays, out, places(), *lists, schedule=SCHEDULE, cpu="x86-64-v3")[3]
    want = np.zeros((STEPS, n), np.uint8)
    for j, steps in enumerate(delay + first):
        want[steps:, j] = spikes[: STEPS - steps, j]
    bits = np.unpackbits(have.view(np.uint8), bitorder="little")
    np.testing.assert_array_equal(bits.reshape(STEPS, n), want)
