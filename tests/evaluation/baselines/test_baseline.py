"""Shared parts of the engines: neurons and recurrences that they support, the leak over time."""

from __future__ import annotations

import cases
import numpy as np
import pytest

from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines.baseline import (
    FORMS,
    Workload,
    basic_lif,
    delays,
    is_supported,
    leak_over_time,
    recurrent_weight,
    require_supported,
)
from delrec_compile.network.model import Lif


def test_the_leak_over_time_is_the_readout():
    leak = leak_over_time(0.5, 4)
    assert leak.tolist() == [[1, 0, 0, 0], [0.5, 1, 0, 0], [0.25, 0.5, 1, 0], [0.125, 0.25, 0.5, 1]]


def test_a_neuron_that_the_engines_lack_is_refused() -> None:
    assert basic_lif(Lif(0.5, 0.75, -0.25)) == (0.5, 0.75, -0.25)
    for lif in (Lif(0.5, gain=0.1), Lif(0.5, reset="soft"), Lif(0.5, fires="above")):
        with pytest.raises(UnsupportedError, match="with a gain, a soft reset"):
            basic_lif(lif)


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("heads", "several heads"),
        ("synaptic", "'synaptic_delay'"),
        ("count_readout", "count readout"),
    ],
)
def test_a_network_that_the_engines_lack_is_refused(case: str, what: str) -> None:
    network = cases.network(case)
    assert not is_supported(network)
    with pytest.raises(UnsupportedError, match=what):
        require_supported(network)


def test_a_supported_network_has_delays_and_a_weight() -> None:
    network = cases.network("mixed")
    assert is_supported(network)
    for _, recurrence in network.recurrences():
        assert np.array_equal(delays(recurrence), recurrence.delay)
        (weight,) = recurrence.weights.values()
        assert np.array_equal(recurrent_weight(recurrence), weight)


def test_only_steps_one_by_one_forbid_products_over_time() -> None:
    assert [Workload(form, 1, 4).hoists for form in FORMS] == [False, True, True]


def test_the_leak_has_no_denormals() -> None:
    leak = leak_over_time(0.01, 40)
    assert not ((leak != 0) & (leak < np.finfo(np.float32).tiny)).any()
