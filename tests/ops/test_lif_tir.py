"""The tables of compiled LIF neurons."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.neuron import check_tile

from delrec_compile.ops import lif_tir
from delrec_compile.ops.lif import Lif
from delrec_compile.targets.schedule import Schedule


def test_scalars_and_the_unit_are_one_table() -> None:
    neuron = Lif(0.5, 1.5, -0.25, gain=2.0, fires="above", reset="soft")
    unit = np.array([2.0**-9], np.float32)
    table = lif_tir.tables(neuron, unit)["lif"]
    level = np.nextafter(np.float32(1.5), np.float32(2))
    np.testing.assert_array_equal(table, np.float32([0.5, level, -0.25, 2.0, 1.5, 2.0**-9]))
    assert table[lif_tir.UNIT] == unit[0]
    assert len(lif_tir.tables(neuron, unit[:0])["lif"]) == lif_tir.UNIT


def test_constants_that_differ_from_neuron_to_neuron_are_tables_of_their_own() -> None:
    neuron = Lif([0.5, 0.75], [1.0, 2.0], gain=[1.0, 3.0])
    tables = lif_tir.tables(neuron, np.zeros(0, np.float32))
    assert set(tables) == {"lif", "lif_beta", "lif_level", "lif_gain"}  # a hard reset needs no more
    np.testing.assert_array_equal(tables["lif"], np.float32([0, 0, 0, 0, 0]))
    soft = Lif([0.5, 0.75], [1.0, 2.0], reset="soft")
    assert "lif_threshold" in lif_tir.own_tables(soft)


@pytest.mark.parametrize("schedule", [Schedule(8, 2, "scan"), Schedule(1, 2, "branch")])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_each_neuron_may_have_a_refractory_period(schedule: Schedule) -> None:
    neuron = Lif(0.5, v_reset=-0.25, gain=0.75, refractory=[0, 1, 3] * 8)
    check_tile(neuron, schedule, np.random.default_rng(5))
    assert set(lif_tir.tables(neuron, np.zeros(0, np.float32))) == {"lif", lif_tir.STEPS}
