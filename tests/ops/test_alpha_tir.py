"""The tables of compiled alpha neurons."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops import alpha_tir
from delrec_compile.ops.alpha import Alpha


def test_scalars_and_the_unit_are_one_table() -> None:
    unit = np.array([2.0**-9], np.float32)
    table = alpha_tir.tables(Alpha(0.75, 0.5, 2.0, 1.5, "at"), unit)["alpha"]
    under = np.nextafter(np.float32(1.5), np.float32(0))
    np.testing.assert_array_equal(table, np.float32([0.75, 0.5, 2.0, under, 1.5, 2.0**-9]))


def test_constants_that_differ_from_neuron_to_neuron_are_tables_of_their_own() -> None:
    own = {"alpha": [0.5, 0.75], "beta": 0.25, "threshold": [1.0, 2.0]}
    tables = alpha_tir.tables(Alpha(**own), np.zeros(0, np.float32))
    assert set(tables) == {"alpha", "alpha_alpha", "alpha_under"}
    soft = alpha_tir.own_tables(Alpha(**own, reset="soft_later"))
    assert set(soft) == {"alpha_alpha", "alpha_under", "alpha_threshold"}
