"""The integer neuron with an adaptation current."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.integer_neurons import check

from delrec_compile.ops.adlif import ORDERS, Adlif


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_a_step_is_that_of_its_formula(order: str, reset: str) -> None:
    check(Adlif(0.8, 0.9, 0.3, 0.4, gain=0.2, reset=reset, order=order), near=0.02)


def test_neurons_may_have_constants_of_their_own_and_wait() -> None:
    own = np.linspace(0.2, 0.9, 13)
    neuron = Adlif(own, own[::-1], own - 0.5, own, v_reset=-own, gain=own, refractory=2.0)
    made = check(neuron, near=0.02)
    assert {"beta", "rho", "coupling", "b", "v_reset", "period"} <= made.tables().keys()


def test_a_strong_coupling_is_shifted() -> None:
    made = check(Adlif(0.8, 0.5, 3.0, 0.1, gain=0.9), near=0.03)
    assert made.constants["places"] == 2
