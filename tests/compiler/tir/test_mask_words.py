"""Lists by mask words are ascending and complete: of values, and of masks that blocks append."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.avx512 import CPU, needs_bitalg
from fixtures.tir import run

from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
WORDS = Schedule(16, 8, "words")

pytestmark = needs_bitalg


def listed(e: Any, events: Any, index: Any, count: Any) -> None:
    e.store(count, 0, 1, events.count[0])
    with e.loop("k", events.count[0]) as k:
        e.store(index, k, 1, e.T.cast(events.index[k], "int32"))


def positive(e: Any, values: Any) -> Any:
    return lambda at, width: e.load(values, at, width) > e.zero("int32", width)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n", [1, 16, 37, 64, 70, 300, 1000])
def test_a_list_of_values_is_ascending_and_complete(n: int, rate: float) -> None:
    """Blocks and elements that are left over; words written out, and in a loop."""
    active = (RNG.random(n) < rate).astype(np.int32)

    def body(e: Any, active: Any, index: Any, count: Any) -> None:
        events = e.events(n)
        e.list_active(events, n, positive(e, active))
        listed(e, events, index, count)

    empty = np.full(n, -1, np.int32), np.zeros(1, np.int32)
    _, index, count = run(body, active, *empty, schedule=WORDS, cpu=CPU)
    assert count[0] == active.sum()
    np.testing.assert_array_equal(index[: count[0]], np.flatnonzero(active))


@pytest.mark.parametrize("n", [64, 256, 1024])
def test_masks_of_blocks_are_a_plane_which_is_listed_at_once(n: int) -> None:
    active = (RNG.random(n) < 0.3).astype(np.int32)

    def body(e: Any, active: Any, index: Any, count: Any, plane: Any) -> None:
        events = e.events(n, planed=True)
        e.clear(events)
        for places in e.tiles(n):
            for at, lanes in places:
                e.append(events, lambda q, w, at=at: positive(e, active)(at + q, w), at, lanes)
        listed(e, events, index, count)
        with e.loop("k", n // 8) as k:
            e.store(plane, k, 1, events.plane[k])

    empty = np.full(n, -1, np.int32), np.zeros(1, np.int32), np.zeros(n // 8, np.uint8)
    _, index, count, plane = run(body, active, *empty, schedule=WORDS, cpu=CPU)
    np.testing.assert_array_equal(index[: count[0]], np.flatnonzero(active))
    np.testing.assert_array_equal(np.unpackbits(plane, bitorder="little"), active)


def test_late_lists_share_their_memory() -> None:
    steps, n = 3, 128
    active = (RNG.random((steps, n)) < 0.4).astype(np.int32)

    def body(e: Any, active: Any, index: Any, count: Any) -> None:
        lists = e.lists(n, steps, planed=True, late=True)
        for t in range(steps):
            events, own = lists(t), positive(e, e.view(active, t * n, n))
            for at in range(0, n, 16):
                e.append(events, lambda q, w, at=at, own=own: own(at + q, w), at, 16)
        for t in (2, 0):
            e.complete(lists(t), n)
        listed(e, lists(0), index, count)

    empty = np.full(n, -1, np.int32), np.zeros(1, np.int32)
    _, index, count = run(body, active.reshape(-1), *empty, schedule=WORDS, cpu=CPU)
    np.testing.assert_array_equal(index[: count[0]], np.flatnonzero(active[0]))
