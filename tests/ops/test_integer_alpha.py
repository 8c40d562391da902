"""The integer alpha neuron."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.integer_neurons import check

from delrec_compile.ops.alpha import RESETS, Alpha
from delrec_compile.ops.integer_alpha import IntegerAlpha
from delrec_compile.ops.integer_constants import share, steps_of


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("gain", [0.6, 3.0])
def test_a_step_is_that_of_its_formula(reset: str, gain: float) -> None:
    check(Alpha(0.9, 0.7, gain, 0.15, reset=reset), near=0.02)


def test_neurons_may_have_constants_of_their_own() -> None:
    own = np.linspace(0.5, 0.9, 13)
    made = check(Alpha(own, own / 2, own + 0.2, own / 8, fires="at", reset="soft_later"), 0.02)
    assert {"alpha", "beta", "threshold", "drop", "inverse"} == made.tables().keys()
    hard = check(Alpha(0.9, 0.7, 1.0, 0.15), 0.02)
    assert hard.tables().keys() == {"threshold"}


def test_its_currents_end_at_the_larger_of_threshold_and_rheobase() -> None:
    ends = IntegerAlpha.ends(Alpha(0.9, 0.7, [0.5, 4.0], 2.0))
    assert np.asarray(ends).tolist() == [4.0, 2.0]
    assert IntegerAlpha.lasting(Alpha(0.5, 0.25)) == steps_of(share(0.5))
