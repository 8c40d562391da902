"""Neurons of cores without vectors: what their sums begin with, and what lies in memory."""

from __future__ import annotations

import cases
import pytest

from delrec_compile.compiler.kernels.integer import compose_integer
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize(("name", "copies"), [("feed_forward", False), ("heads", True)])
def test_currents_lie_in_memory_only_where_kernels_are_scattered(name: str, copies: bool) -> None:
    network = quantise(cases.network(name), "int8")
    schedule = Schedule(1, 4, "branch", bytes="words")
    text = compose_integer(network, schedule, generator="c", counts="uint8").function.script()
    assert ("current" in text) == copies
    assert "lower_sum" in text


def test_rows_of_16_bits_are_summed_before_the_neurons() -> None:
    network = quantise(cases.network("dense"), "int16")
    schedule = Schedule(1, 4, "branch", bytes="memory")
    text = compose_integer(network, schedule, generator="c", counts="uint8").function.script()
    assert "current" in text
    assert "lower_sum" not in text
