"""The registry of integer neurons, and their states."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops.lif import Lif
from delrec_compile.ops.registry import INTEGER_NEURONS, NEURONS


def test_every_neuron_model_has_an_integer_form() -> None:
    whole_already = {"loihi"}
    assert INTEGER_NEURONS.keys() == NEURONS.keys() - whole_already


def test_a_refractory_period_is_one_more_state() -> None:
    made = INTEGER_NEURONS["lif"].of(Lif(0.5, refractory=2), np.full(3, 1e-6))
    assert list(made.states) == ["v", "refractory"]
    assert made.tables()["period"].tolist() == [2, 2, 2]
    assert made.span.tolist() == [10**6] * 3
