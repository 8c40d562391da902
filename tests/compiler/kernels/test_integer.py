"""The integer kernel: its state and its tables."""

from __future__ import annotations

import cases
import pytest

from delrec_compile.compiler.kernels.integer import compose_integer
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize("rows", ["wide", "words", "memory"])
def test_membranes_are_int32_and_outputs_float32(rows: str) -> None:
    network = quantise(cases.network("mixed"), "int8")
    schedule = Schedule(1, 4, "branch", bytes=rows)
    kernel = compose_integer(network, schedule, generator="c", counts="uint8")
    assert kernel.state["l0_v"] == (16, "int32")
    assert kernel.state["out_v"] == (5, "int32")
    assert (kernel.inputs, kernel.outputs, kernel.neurons) == (14, 5, 48)
    text = kernel.function.script()
    assert ("add_even_bytes" in text) == (rows == "words")


def test_a_linear_readout_has_no_membrane() -> None:
    network = quantise(cases.network("linear_readout"), "int16")
    kernel = compose_integer(network, Schedule(1, 4, "branch"), generator="c")
    assert "out_v" not in kernel.state
