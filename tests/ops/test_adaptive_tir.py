"""Compiled blocks of adaptive neurons give the bits of their references, on damaged state as well."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops import adlif, alif
from delrec_compile.ops.adaptive import Adaptive
from delrec_compile.ops.adaptive_tir import scalar_table
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif
from delrec_compile.targets.schedule import Schedule

N = 24
RNG = np.random.default_rng(5)
VECTORS, BRANCHES = Schedule(8, 2, "scan"), Schedule(1, 2, "branch")
OWN = {"v_reset": RNG.uniform(-0.5, 0, N), "threshold": RNG.uniform(0.5, 1.5, N)}
NEURONS: list[Adaptive] = [
    Alif(0.3, 0.7, 0.4, 1.1, -0.4, 0.7, refractory=k % 2 * 2, fires=fires, reset=reset)
    for k, (fires, reset) in enumerate(product(("at", "above"), alif.RESETS))
]
NEURONS += [
    Adlif(0.3, 0.7, -0.4, 0.6, 1.1, -0.4, 0.7, k % 2, "at", reset, order)
    for k, (reset, order) in enumerate(product(adlif.RESETS, adlif.ORDERS))
]
NEURONS += [
    Alif(0.3, RNG.random(N), 0.4, gain=RNG.random(N) + 0.5, refractory=[0, 1, 3] * 8, **OWN),
    Adlif(RNG.random(N), 0.7, RNG.normal(size=N), 0.4, fires="above", reset="soft", **OWN),
]
FAULTS = np.float32([np.inf, -np.inf, np.nan, 1e31, -1e31, 5])


def drawn(neuron: Adaptive) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A current and a state in which some values are broken."""
    state = {name: RNG.normal(size=N).astype(np.float32) for name in neuron.states}
    if "refractory" in state:
        state["refractory"] = RNG.integers(0, 4, N).astype(np.float32)
    for k, name in enumerate(state):
        state[name][6 * k : 6 * k + 6] = FAULTS
    return RNG.normal(0.5, 2, N).astype(np.float32), state


@pytest.mark.parametrize(
    ("neuron", "schedule"),
    [(n, VECTORS) for n in NEURONS] + [(n, BRANCHES) for n in (NEURONS[1], *NEURONS[-3:])],
    ids=lambda value: value.form if isinstance(value, Adaptive) else value.events,
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_a_block_computes_the_reference(neuron: Adaptive, schedule: Schedule) -> None:
    current, state = drawn(neuron)
    tables = neuron.tables(np.zeros(0, np.float32))
    names = [*state, *tables]

    def body(e: Any, now: Any, index: Any, count: Any, *buffers: Any) -> None:
        tile = neuron.tile(e, dict(zip(names, buffers, strict=True)).__getitem__, 0, N)
        for at, lanes in e.blocks(N):
            tile.update(e.load(now, at, lanes), Events(index, count), at, lanes)

    room, none = np.zeros(2 * N, np.uint8), np.zeros(1, np.int32)
    arrays = [x.copy() for x in (*state.values(), *tables.values())]
    _, index, count, *after = run(body, current, room, none, *arrays, schedule=schedule)
    spikes, want = neuron.reference(current[None], {k: x[None] for k, x in state.items()})
    assert index[: count[0]].tolist() == np.flatnonzero(spikes[0]).tolist()
    assert 0 < count[0] < N
    for name, value in zip(state, after, strict=False):
        np.testing.assert_array_equal(value, want[name][0])


def test_scalars_and_the_unit_are_one_table() -> None:
    neuron = Alif([0.5, 0.75], 0.9, 0.25, refractory=2)
    np.testing.assert_array_equal(scalar_table(neuron), np.float32([0, 0.9, 0.25, 1, 0, 1, 2]))
    tables = neuron.tables(np.array([2.0**-9], np.float32))
    assert set(tables) == {"alif", "alif_beta"}
    assert tables["alif"][-1] == np.float32(2.0**-9)
    assert scalar_table(Alif(0.5, 0.9, 0.25)).size == 6  # no refractory period
