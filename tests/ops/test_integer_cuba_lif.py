"""The integer LIF neuron with a synaptic current."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.integer_neurons import check

from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.integer_constants import LASTING
from delrec_compile.ops.integer_cuba_lif import IntegerCubaLif


@pytest.mark.parametrize(
    ("enters", "reset", "fires"),
    [("new", "hard", "at"), ("old", "soft", "above"), ("new", "soft_later", "at")],
)
def test_a_step_is_that_of_its_formula(enters: str, reset: str, fires: str) -> None:
    check(CubaLif(0.6, 0.8, gain=0.7, gain_i=0.4, fires=fires, reset=reset, enters=enters))


def test_neurons_may_have_constants_of_their_own() -> None:
    own = np.linspace(0.2, 0.9, 13)
    made = check(CubaLif(own, own[::-1], gain_i=own, reset="hard"))
    assert {"alpha", "beta"} <= made.tables().keys()


def test_two_filters_last_the_product_of_their_times() -> None:
    assert IntegerCubaLif.lasting(CubaLif(0.5, 0.75)) == 8
    assert IntegerCubaLif.lasting(CubaLif(0.99, 0.99)) == LASTING
    assert IntegerCubaLif.ends(CubaLif(0.5, 0.75, threshold=3, gain=0.5, gain_i=0.25)) == 24
