"""Sums of real inputs that a GPU's threads keep; how often they are made: tests/matrix/test_cuda.py."""

from __future__ import annotations

import re

import numpy as np
import pytest

from delrec_compile.compiler.codegen.cuda import cuda_text
from delrec_compile.compiler.kernels.gpu_float32 import compose_gpu
from delrec_compile.compiler.kernels.gpu_integer import compose_integer_gpu
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Dense, Lif, Network, Population, Projection
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.targets.schedule import Schedule

BLOCK = Schedule(32, 1, "ballot")
NEW = "if (changed_ptr[0] != 0) {"


def skip(n: int, **inputs: int) -> Network:
    """Two populations of n; the input reaches both, the second one beside the spikes of the first."""
    weight, back = np.eye(n, 4), np.eye(n)
    first = Population("a", Lif(0.5), (Projection("x", Dense(weight)),))
    second = Population(
        "b", Lif(0.5), (Projection("a", Dense(back)), Projection("x", Dense(weight)))
    )
    out = LeakyReadout.in_graph(np.zeros(2), beta=0.5)
    readout = Population("out", out, (Projection("b", Dense(back[:2])),))
    return Network.of([first, second, readout], name="skip", max_input=1, **inputs)


def text_of(network: Network, numeric: str = "") -> str:
    made = (
        compose_integer_gpu(quantise(network, numeric), BLOCK, trace=False)
        if numeric
        else compose_gpu(network, BLOCK, trace=False)
    )
    return cuda_text({"kernel": made.function}, "sm_80")


def body(text: str, at: int) -> str:
    """The block that opens at the last `{` before `at`, up to the brace that closes it."""
    return text[at : at + re.search(r"^    \}", text[at:], flags=re.M).start()]  # type: ignore[union-attr]


@pytest.mark.parametrize("numeric", ["", "int8"])
def test_rows_of_the_input_are_read_where_it_changed_and_those_of_spikes_always(
    numeric: str,
) -> None:
    text = text_of(skip(40, input_bits=7), numeric)
    new = [body(text, m.end()) for m in re.finditer(re.escape(NEW), text)]
    assert len(new) == 3  # the list, and two populations
    for weight, inside in (("a_weight", 1), ("b_p1_weight", 1), ("b_weight", 0)):
        reads = text.count(f"{weight}[")
        assert reads > 0
        assert sum(each.count(f"{weight}[") for each in new) == inside * reads


def test_each_population_keeps_a_sum_per_neuron_of_a_thread() -> None:
    """40 neurons on 32 threads are two each."""
    text = text_of(skip(40, input_bits=7))
    assert re.findall(r"float kept\w*_ptr\w*\[(\d+)\]", text) == ["2", "2"]


def test_the_block_learns_of_a_change_at_a_barrier_that_it_has_anyway() -> None:
    counts, real = text_of(skip(8)), text_of(skip(8, input_bits=7))
    assert "__syncthreads_or" not in counts
    assert real.count("__syncthreads_or(") == 1
    assert real.count("__syncthreads") == counts.count("__syncthreads")
