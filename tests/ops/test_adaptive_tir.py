"""Compiled blocks of adaptive neurons give the bits of their references, on damaged state as well."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from fixtures.neuron import check_tile

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


@pytest.mark.parametrize(
    ("neuron", "schedule"),
    [(n, VECTORS) for n in NEURONS] + [(n, BRANCHES) for n in (NEURONS[1], *NEURONS[-3:])],
    ids=lambda value: value.form if isinstance(value, Adaptive) else value.events,
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_a_block_computes_the_reference(neuron: Adaptive, schedule: Schedule) -> None:
    check_tile(neuron, schedule, RNG, N)


def test_scalars_and_the_unit_are_one_table() -> None:
    neuron = Alif([0.5, 0.75], 0.9, 0.25, refractory=2)
    np.testing.assert_array_equal(scalar_table(neuron), np.float32([0, 0.9, 0.25, 1, 0, 1, 2]))
    tables = neuron.tables(np.array([2.0**-9], np.float32))
    assert set(tables) == {"alif", "alif_beta"}
    assert tables["alif"][-1] == np.float32(2.0**-9)
    assert scalar_table(Alif(0.5, 0.9, 0.25)).size == 6  # no refractory period
