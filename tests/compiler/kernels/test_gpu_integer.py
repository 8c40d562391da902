"""The integer kernel of a GPU: the types of its tables and state, and its sums."""

from __future__ import annotations

import re

import cases
import numpy as np
import pytest

from delrec_compile.compiler.codegen.cuda import cuda_text
from delrec_compile.compiler.kernels.gpu_integer import compose_integer_gpu
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.targets.schedule import Schedule

BLOCK = Schedule(256, 4, "ballot")


@pytest.mark.parametrize("numeric", ["int8", "int16"])
def test_rows_have_the_type_of_the_mode_and_states_are_int32(numeric: str) -> None:
    network = quantise(cases.network("mixed"), numeric)
    kernel = compose_integer_gpu(network, BLOCK, trace=False)
    first = network.populations[0].projections[0].synapses.weights
    assert kernel.tables["l0_weight"].dtype == first.dtype == numeric
    np.testing.assert_array_equal(kernel.tables["l0_weight"], first.T.reshape(-1))
    assert kernel.state["l0_v"][1] == kernel.state["out_v"][1] == "int32"


def test_spikes_count_as_an_input_of_1_beside_real_inputs() -> None:
    """Rows of both enter one sum, in units of the weights of the inputs."""
    network = quantise(cases.network("real_maps"), "int8")
    assert network.real_input is not None
    kernel = compose_integer_gpu(network, BLOCK, trace=False)
    text = cuda_text({"kernel": kernel.function}, "sm_80")
    assert f"* {1 << network.real_input.bits})" in text


def test_a_kernel_of_a_neuron_lies_by_tap_and_neuron() -> None:
    """Threads side by side read one tap of their neurons."""
    network = quantise(cases.network("heads"), "int8")
    synapses = network.populations[0].projections[1].synapses
    kernel = compose_integer_gpu(network, BLOCK, trace=False)
    table = kernel.tables["l0_kernel"].reshape(-1, 3, synapses.size)
    np.testing.assert_array_equal(table, synapses.weights.reshape(table.shape))


def test_only_outputs_are_float32() -> None:
    """One product each, of the membrane and its unit."""
    network = quantise(cases.network("all_kinds"), "int8")
    kernel = compose_integer_gpu(network, BLOCK, trace=False)
    text = cuda_text({"kernel": kernel.function}, "sm_80")
    floats = set(re.findall(r"\bfloat[ *]+(?:__restrict__ )?(\w+)", text))
    assert floats <= {"x", "y", "out_unit", "count"}, floats
