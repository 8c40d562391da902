"""The tables of compiled LIF neurons with a synaptic current."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops import cuba_lif_tir
from delrec_compile.ops.cuba_lif import CubaLif

NONE = np.zeros(0, np.float32)


def test_scalars_are_one_table_beside_those_of_the_membrane() -> None:
    unit = np.array([2.0**-9], np.float32)
    tables = cuba_lif_tir.tables(CubaLif(0.75, 0.5, 1.5, gain_i=2.0), unit)
    assert set(tables) == {"synapse", "lif"}
    np.testing.assert_array_equal(tables["synapse"], np.float32([0.75, 2.0]))
    np.testing.assert_array_equal(tables["lif"], np.float32([0.5, 1.5, 0, 1, 1.5, 2.0**-9]))


def test_constants_that_differ_from_neuron_to_neuron_are_tables_of_their_own() -> None:
    tables = cuba_lif_tir.tables(CubaLif([0.25, 0.5], [0.5, 0.75], gain_i=[1.0, 3.0]), NONE)
    assert set(tables) == {"synapse", "synapse_alpha", "synapse_gain_i", "lif", "lif_beta"}
    np.testing.assert_array_equal(tables["synapse"], np.float32([0, 0]))
    np.testing.assert_array_equal(tables["synapse_gain_i"], np.float32([1, 3]))
