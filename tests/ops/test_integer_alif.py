"""The integer neuron with an adaptive threshold."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.integer_neurons import check
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.ops.alif import RESETS, Alif
from delrec_compile.ops.integer_alif import IntegerAlif
from delrec_compile.ops.integer_leak import LIMIT


@pytest.mark.parametrize("reset", RESETS)
def test_a_step_is_that_of_its_formula(reset: str) -> None:
    check(Alif(0.8, 0.9, 0.2, v_reset=-0.1, gain=0.6, fires="above", reset=reset))


def test_neurons_may_have_constants_of_their_own_and_wait() -> None:
    own = np.linspace(0.2, 0.9, 13)
    made = check(Alif(own, own[::-1], own, v_reset=-own, refractory=np.arange(13) % 3))
    assert {"beta", "rho", "jump", "v_reset", "period"} <= made.tables().keys()


def test_thresholds_leave_room_for_their_rise() -> None:
    made = IntegerAlif.of(Alif(0.8, 0.9, 0.2), np.full(3, 1e-6))
    with refusal(NetworkError, "jump is 536870912", 3):
        IntegerAlif({**made.constants, "jump": LIMIT // 2}, made.choices)
