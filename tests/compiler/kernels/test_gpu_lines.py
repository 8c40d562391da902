"""Delays in a GPU's kernel: the syncs that they take, and the inputs that they keep."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.compiler.codegen.cuda import cuda_text
from delrec_compile.compiler.kernels.gpu_float32 import compose_gpu
from delrec_compile.network.model import Dense, DenseDelay, Lif, Network, Population, Projection
from delrec_compile.ops.delay_line import planes
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.targets.schedule import Schedule

N = 8


def delayed(source: str) -> Network:
    """Two populations; `source` reaches the second one with a delay too."""
    weight, delay = np.eye(N), np.arange(N)
    first = Population("a", Lif(0.5), (Projection("x", Dense(weight)),))
    into = (Projection("a", Dense(weight)), Projection(source, DenseDelay(weight, delay)))
    second = Population("b", Lif(0.5), into)
    readout = Population(
        "out",
        LeakyReadout(np.zeros((2, N)), np.zeros(2), 0.5),
        (Projection("b", Dense(weight[:2])),),
    )
    return Network.of([first, second, readout], max_input=3, name="delayed")


@pytest.mark.parametrize(("source", "syncs"), [("b", 6), ("x", 6), ("a", 8)])
def test_only_delays_along_the_order_take_syncs_of_their_own(source: str, syncs: int) -> None:
    """Spikes that close a cycle arrive with the inputs; delayed inputs are read where they lie."""
    kernel = compose_gpu(delayed(source), Schedule(256, 4, "ballot"), trace=False)
    text = cuda_text({"kernel": kernel.function}, "sm_80")
    assert text.count("__syncthreads") == syncs


def test_delayed_inputs_are_held_as_bytes() -> None:
    kernel = compose_gpu(delayed("x"), Schedule(256, 4, "ballot"), trace=False)
    spare = 1  # a row that nothing reads while this step's is written
    assert kernel.state["b_p1_ring"] == (planes(N + spare) * N, "uint8")
