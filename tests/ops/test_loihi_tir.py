"""The tables of compiled Loihi neurons."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops import loihi_tir
from delrec_compile.ops.loihi import Loihi


def test_scalars_and_the_unit_are_one_table() -> None:
    unit = np.array([2.0**-9], np.float32)
    table = loihi_tir.tables(Loihi(96, 4096, 80, -3), unit)["loihi"]
    np.testing.assert_array_equal(table, np.float32([4000, 0, 80, -3, 2.0**-9]))


def test_constants_that_differ_from_neuron_to_neuron_are_tables_of_their_own() -> None:
    neuron = Loihi([1, 2], 3, 80, [0, 5])
    tables = loihi_tir.tables(neuron, np.zeros(0, np.float32))
    assert set(tables) == {"loihi", "loihi_keep_i", "loihi_v_bias"}
    np.testing.assert_array_equal(tables["loihi_keep_i"], [4095, 4094])
