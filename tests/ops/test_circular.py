"""Circular edges: wider maps as a reference, sums with closed margins as compiled code has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.ops import grid
from fixtures.tir import run

from delrec_compile.ops import circular, maps_tir
from delrec_compile.ops.maps import Maps
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(23)
SHAPES = [
    Maps(3, 1, 8, (2, 3, 1, 3), pad=(0, 1)),
    Maps(4, 5, 6, (6, 2, 3, 5), pad=(1, 2), groups=2),
    Maps(1, 6, 5, (3, 1, 3, 3), pad=(2, 1), dilation=(2, 1)),
    Maps(2, 2, 3, (1, 2, 5, 9), pad=(2, 4)),  # taps meet a neuron more than once
]


@pytest.mark.parametrize("maps", SHAPES, ids=str)
def test_wider_maps_are_the_formula(maps: Maps) -> None:
    kernel, sent = grid(RNG, *maps.kernel), grid(RNG, 2, maps.inputs)
    each = maps.kernel[0] // maps.groups
    places = sent.reshape(2, maps.groups, -1, maps.height, maps.width)
    want = np.zeros((2, *maps.out), np.float32)
    for o, c, a, b, y, x in np.ndindex(*maps.kernel, *maps.out[1:]):
        row = (y + a * maps.dilation[0] - maps.pad[0]) % maps.height
        column = (x + b * maps.dilation[1] - maps.pad[1]) % maps.width
        want[:, o, y, x] += kernel[o, c, a, b] * places[:, o // each, c, row, column]
    have = circular.wider(maps).reference(sent[:, circular.neurons(maps)], kernel)
    np.testing.assert_array_equal(have, want.reshape(2, -1))


@pytest.mark.parametrize(("dtype", "lanes"), [("float32", 4), ("int32", 1)])
@pytest.mark.parametrize("maps", SHAPES, ids=str)
def test_events_and_neurons_give_the_reference(maps: Maps, dtype: str, lanes: int) -> None:
    kernel = grid(RNG, *maps.kernel) * 64
    counts = RNG.integers(0, 3, maps.inputs).astype(np.int32)

    def body(e: Any, table: Any, counts: Any, by_event: Any, by_neuron: Any) -> None:
        events, zero = e.events(maps.inputs), e.T.int32(0)
        e.list_active(events, maps.inputs, lambda at, n: e.load(counts, at, n) > e.splat(zero, n))
        sums = maps_tir.sums(e, maps, dtype)

        def count(j: Any) -> Any:
            return e.T.cast(counts[j], dtype)

        def at_place(place: Any) -> Any:
            return count(circular.neuron_at(maps, place))

        maps_tir.scatter(e, maps, events, table, sums, count=count)
        circular.close(e, maps, sums)
        current = maps_tir.without_margins(e, maps, sums)
        with e.loop("i", maps.size) as i:
            e.store(by_event, i, 1, e.load(current, i, 1))
            total = e.register(1, e.zero(dtype, 1), dtype)
            maps_tir.emit_gpu(e, circular.wider(maps), i, table, total, at_place)
            e.store(by_neuron, i, 1, total[0])

    table = maps.table(kernel.astype(np.int16))
    empty = np.zeros(maps.size, dtype), np.zeros(maps.size, dtype)
    *_, by_event, by_neuron = run(body, table, counts, *empty, schedule=Schedule(lanes, 2, "scan"))
    sent = counts[None, circular.neurons(maps)].astype(np.float32)
    (want,) = circular.wider(maps).reference(sent, kernel)
    np.testing.assert_array_equal(by_event, want)
    np.testing.assert_array_equal(by_neuron, want)
    assert want.any()
