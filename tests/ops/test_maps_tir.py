"""Convolutions over maps in compiled code, event by event and neuron by neuron, are their reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.ops import grid
from fixtures.tir import run

from delrec_compile.ops import maps_tir
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.window import Window
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(19)
SHAPES = [
    Maps(4, 6, 7, (6, 2, 3, 2), (2, 3), (1, 0), 2),
    Maps(2, 9, 9, (2, 1, 3, 3), (2, 3), (4, 1), 2, dilation=(3, 2)),
    Maps(2, 3, 8, (4, 1, 3, 3), pad=(1, 1), groups=2),  # the rows of two are whole vectors
    Maps(3, 4, 23, (3, 1, 1, 3), (1, 2), (0, 1), 3),
    Maps(2, 7, 9, (3, 2, 4, 4), (2, 2), (2, 2), end=(1, -1), peak=Window((2, 2), (2, 2), (1, 0))),
    Maps(1, 8, 8, (2, 1, 1, 2), end=(-1, 0), peak=Window((2, 3), dilation=(3, 2))),
]


@pytest.mark.parametrize(("dtype", "lanes"), [("float32", 4), ("int32", 1)])
@pytest.mark.parametrize("maps", SHAPES, ids=str)
def test_events_and_neurons_give_the_reference(maps: Maps, dtype: str, lanes: int) -> None:
    kernel = grid(RNG, *maps.kernel) * 64
    kernel -= kernel.max()  # a largest sum below 0 is not that of what no window sees
    counts = RNG.integers(0, 3, maps.inputs).astype(np.int32)

    def body(e: Any, table: Any, counts: Any, by_event: Any, by_neuron: Any) -> None:
        def count(j: Any) -> Any:
            return e.T.cast(counts[j], dtype)

        events = e.events(maps.inputs)
        zero = e.T.int32(0)
        e.list_active(events, maps.inputs, lambda at, n: e.load(counts, at, n) > e.splat(zero, n))
        sums = maps_tir.sums(e, maps, dtype)
        maps_tir.scatter(e, maps, events, table, sums, 1, count)
        current = maps_tir.without_margins(e, maps, sums)
        with e.loop("i", maps.size) as i:
            e.store(by_event, i, 1, e.load(current, i, 1))
            total = e.register(1, e.zero(dtype, 1), dtype)
            maps_tir.emit_gpu(e, maps, i, table, total, count, 1)
            e.store(by_neuron, i, 1, total[0])

    table = np.concatenate([[77], maps.table(kernel.astype(np.int16))]).astype(np.int16)
    empty = np.zeros(maps.size, dtype), np.zeros(maps.size, dtype)
    *_, by_event, by_neuron = run(body, table, counts, *empty, schedule=Schedule(lanes, 2, "scan"))
    want = maps.reference(counts[None].astype(np.float32), kernel)[0]
    np.testing.assert_array_equal(by_event, want)
    np.testing.assert_array_equal(by_neuron, want)
    assert want.min() < 0
