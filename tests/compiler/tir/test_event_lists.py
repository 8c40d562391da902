"""Event lists are the ascending indices of the active elements, however they are built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import PLACES, places
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)


def test_the_table_of_places_holds_the_set_bits_of_each_mask() -> None:
    table = places()[: 256 * PLACES].reshape(256, PLACES)
    assert places()[256 * PLACES :].tolist() == [mask.bit_count() for mask in range(256)]
    assert table[0b10110].tolist() == [1, 2, 4, 0, 0, 0, 0, 0]
    assert table[255].tolist() == list(range(8))


LISTED = [("scan", 4), ("branch", 1), ("table", 8), ("multiply", 8), ("multiply", 4)]


@pytest.mark.parametrize(("events", "lanes"), LISTED)
@pytest.mark.parametrize("n", [1, 37, 300])
def test_a_list_is_ascending_and_complete(n: int, events: str, lanes: int) -> None:
    active = (RNG.random(n) < 0.3).astype(np.int32)

    def body(e: Any, active: Any, table: Any, index: Any, count: Any) -> None:
        e.places = table
        listed = e.events(n)
        zero = e.T.int32(0)
        e.list_active(listed, n, lambda at, width: e.load(active, at, width) > e.splat(zero, width))
        e.store(count, 0, 1, listed.count[0])
        with e.loop("k", listed.count[0]) as k:
            e.store(index, k, 1, e.T.cast(listed.index[k], "int32"))

    empty = np.full(n, -1, np.int32), np.zeros(1, np.int32)
    schedule = Schedule(lanes, 2, events)
    *_, index, count = run(body, active, places(), *empty, schedule=schedule)
    assert count[0] == active.sum()
    np.testing.assert_array_equal(index[: count[0]], np.flatnonzero(active))
