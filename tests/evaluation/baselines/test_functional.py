"""The modules that PyTorch's compilers get: arrivals as bits of an integer, kernels as shifted rows."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
import pytest
import torch
from fixtures.baselines import case_input

from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.evaluation.baselines.functional import (
    BITS,
    PackedLayer,
    PackedStep,
    fresh,
    rows,
)
from delrec_compile.runners.torch_runner import TorchRunner


@pytest.mark.parametrize("case", ["mixed", "conv5", "odd_lif", "feed_forward"])
def test_a_packed_step_computes_the_reference(case: str) -> None:
    network, work = cases.network(case), Workload("step", 2, 40)
    x = case_input(case, work)
    step, state, ys = PackedStep(network).eval(), list(fresh(network, 2)), []
    with torch.inference_mode():
        for row in rows(x):
            state = list(step(row, *state))
            ys.append(state[0].numpy())
    assert np.abs(np.stack(ys) - TorchRunner(network).trace(x).y).max() < 1e-4


def test_the_bits_of_an_integer_limit_the_delay() -> None:
    layer = cases.network("conv3").layers[1]
    late = replace(layer.recurrence, delay=np.full(layer.size, BITS, np.int32))
    with pytest.raises(UnsupportedError, match="at most 63 steps of delay"):
        PackedLayer(replace(layer, recurrence=late))


def test_a_delay_is_a_bit_that_moves_down_each_step() -> None:
    layer = cases.network("conv3").layers[1]
    packed = PackedLayer(layer)
    strong = torch.full((1, layer.size), 100.0)
    v, due = torch.zeros(1, layer.size), torch.zeros(1, layer.size, dtype=torch.int64)
    spikes, v, due = packed(strong, v, due)
    assert spikes.min() == 1
    assert due[0].tolist() == [1 << int(d) for d in layer.recurrence.delay]
    _, _, later = packed(-strong, v, due)
    assert later[0].tolist() == [(1 << int(d)) >> 1 for d in layer.recurrence.delay]
