"""What every kernel declares: its tables, its state, its sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cases
import numpy as np
import onnx

from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.compiler.kernels.nodes import nodes_of, state_of
from delrec_compile.compiler.lower import lower
from delrec_compile.network.grid import snap
from delrec_compile.targets.schedule import Schedule


def test_a_kernel_says_what_it_needs(exported: Callable[..., onnx.ModelProto]) -> None:
    network = cases.network("mixed")
    kernel = lower(exported("mixed", "semantic"), Schedule(4, 8, "scan"))["run"]
    assert (kernel.inputs, kernel.outputs, kernel.neurons) == (14, 5, 48)
    assert kernel.state == state_of(nodes_of(network))
    assert kernel.state["l1_ring"] == (16 * 1, "uint32")
    np.testing.assert_array_equal(
        kernel.tables["l0_weight"].reshape(14, 16).T, network.layers[0].weight
    )
    assert all(table.ndim == 1 for table in kernel.tables.values())
    wide = cases.network("delay_300")
    long = lower(exported("delay_300", "semantic"), Schedule(4, 8, "scan"))["run"]
    assert long.tables["l0_delay"].dtype == np.uint16
    assert long.state["l0_ring"] == (512, "uint32")
    assert wide.max_delay == 300


def test_a_kernel_is_one_step_where_another_goes_in_chunks() -> None:
    """In machine code alone, of counts, and not where the spikes are written too."""
    chunks = Schedule(4, 8, "scan", chunk=8)
    network = snap(cases.network("mixed"))

    def single(schedule: Schedule, kernel: str = "run", generator: str = "llvm") -> bool:
        return compose(network, schedule, kernel=kernel, generator=generator).single

    assert [single(chunks, kernel) for kernel in chunks.kernels] == [True, False, False]
    assert not single(Schedule(4, 8, "scan"))
    assert not single(Schedule(1, 8, "scan", chunk=8), generator="c")
    assert not compose(replace(network, input_bits=4), chunks).single
