"""The float32 kernel of a GPU: its tables, its state, and its sums."""

from __future__ import annotations

import cases
import numpy as np
import pytest

from delrec_compile.compiler.kernels.gpu_float32 import compose_gpu
from delrec_compile.targets.schedule import Schedule

BLOCK = Schedule(256, 4, "ballot")


@pytest.mark.parametrize("name", ["mixed", "fine"])
def test_rows_sums_and_states_are_float32(name: str) -> None:
    """On any grid: a GPU adds float32 as fast as integers."""
    network = cases.network(name)
    kernel = compose_gpu(network, BLOCK, trace=False)
    weights = {n: t for n, t in kernel.tables.items() if n.endswith(("weight", "recurrent"))}
    assert {str(table.dtype) for table in weights.values()} == {"float32"}
    kinds = {dtype for n, (_, dtype) in kernel.state.items() if n.endswith("_v")}
    assert kinds == {"float32"}
    assert kernel.inputs == network.inputs
    assert kernel.neurons == sum(p.size for p in network.spiking)
    last = network.readout
    np.testing.assert_array_equal(kernel.tables["out_weight"], last.weight.T.reshape(-1))


def test_the_kernel_that_traces_also_takes_room_for_spikes() -> None:
    network = cases.network("mixed")
    traced, plain = (compose_gpu(network, BLOCK, trace=trace) for trace in (True, False))
    names = [[str(p.name) for p in k.function.params] for k in (traced, plain)]
    assert [n for n in names[0] if n not in names[1]] == ["spikes"]
