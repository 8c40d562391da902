"""Spikes that are pushed to a ring of currents arrive as the formula of synaptic delays says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.ops.current_ring import CurrentRing
from delrec_compile.targets.schedule import Schedule

STEPS = 40


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize(("lanes", "size", "longest", "first"), [(4, 11, 5, 0), (1, 3, 7, 1)])
def test_a_pushed_spike_arrives_after_its_delay(
    dtype: str, lanes: int, size: int, longest: int, first: int
) -> None:
    r = np.random.default_rng(size)
    sources = 6
    delay = r.integers(0, longest + 1, (size, sources), np.int32)
    delay[0, 0] = longest
    weight = r.integers(-9, 10, (size, sources)).astype(np.int16)
    counts = r.poisson(0.3, (STEPS, sources)).astype(np.int32)
    ring = CurrentRing(size, sources, longest + 1, lanes, dtype)
    start = (1 << 30) - 20  # the clock turns over on the way

    def body(e: Any, weight: Any, place: Any, counts: Any, memory: Any, out: Any) -> None:
        events, named = e.events(sources), {"recurrent": weight, "place": place}
        with e.loop("t", STEPS) as t:
            clock = e.bind("clock", e.T.bitwise_and(t + start, (1 << 30) - 1))
            here = t * sources
            e.list_active(events, sources, lambda at, lanes: e.load(counts, here + at, 1) > 0)

            def push() -> None:
                count = lambda j: e.T.cast(counts[here + j], dtype)  # noqa: E731
                ring.push(e, events, memory, clock, named.__getitem__, first, count)

            if not first:
                push()
            current = ring.arrivals(e, memory, clock)
            for at, lanes in e.blocks(size):
                e.store(out, t * size + at, lanes, e.load(current, at, lanes))
            if first:
                push()

    memory, out = np.zeros(ring.elements, dtype), np.zeros(STEPS * size, dtype)
    tables = [weight.T.reshape(-1).copy(), ring.places(delay).reshape(-1)]
    given = [*tables, counts.reshape(-1), memory, out]
    got = run(body, *given, schedule=Schedule(lanes, 8, "scan"))[4].reshape(STEPS, size)
    want = np.zeros((STEPS + longest + 1, size))
    for t, i, j in np.ndindex(STEPS, size, sources):
        want[t + first + delay[i, j], i] += float(weight[i, j]) * counts[t, j]
    np.testing.assert_array_equal(got, want[:STEPS])


def test_rows_are_whole_vectors_of_a_power_of_two() -> None:
    ring = CurrentRing(20, 256, 26, 16, "int32")
    assert (ring.stride, ring.elements) == (32, 1024)  # of 26 * 32
    assert CurrentRing(256, 9, 26, 16, "int32").elements == 8192
    assert CurrentRing(3, 9, 1, 16, "int32").elements == 16  # one vector at least
    of_two = CurrentRing(2, 3, 26, 16, "int32")
    assert of_two.places(np.array([[0, 2, 1], [1, 0, 25]])).tolist() == [
        [0, 17],
        [32, 1],
        [16, 401],
    ]
    assert CurrentRing(256, 9, 256, 16, "int32").places(np.zeros((256, 1))).dtype == np.uint16
    assert CurrentRing(256, 9, 257, 16, "int32").places(np.zeros((256, 1))).dtype == np.int32
