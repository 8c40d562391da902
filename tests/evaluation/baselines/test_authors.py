"""The authors' training form, its twin and its ring of future currents."""

from __future__ import annotations

import cases
import numpy as np
import pytest
import torch
from fixtures.baselines import assert_reference, case_input

from delrec_compile.evaluation.baselines import authors
from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.network import checkpoint
from delrec_compile.runners.torch_runner import TorchRunner


def test_a_twin_has_the_other_recurrence_on_the_same_delays():
    network = checkpoint.load("conv_delay_256")
    dense = authors.twin(network, "dense_delay")
    assert [r.kind for _, r in dense.recurrences()] == ["dense_delay"]
    for (_, a), (_, b) in zip(network.recurrences(), dense.recurrences(), strict=True):
        assert np.array_equal(a.delay, b.delay)


@pytest.mark.parametrize("form", ["step", "sequence"])
def test_the_training_form_computes_the_network(form: str) -> None:
    work = Workload(form, 2, 30)
    for case, engine in (("conv3", authors.authors_conv), ("no_delay", authors.authors_dense)):
        for baseline in engine(cases.network(case), work):
            if case == "conv3":
                assert_reference(baseline, case, work)
            else:  # its first layer has a kernel, the twin a matrix
                want = TorchRunner(baseline.network).trace(case_input(case, work)).y
                have = baseline.outputs(case_input(case, work))
                assert np.abs(have - want).max() < 1e-4


@pytest.mark.parametrize("form", ["step", "sequence"])
def test_the_newest_form_has_neurons_of_its_own(form: str) -> None:
    work = Workload(form, 2, 30)
    (baseline,) = authors.authors_conv_newest(cases.network("conv3"), work)
    first, last = baseline.network.layers
    assert (first.lif.gain, first.lif.fires, first.recurrence) == (1.0, "at", None)
    assert last.lif.gain == pytest.approx(1 - last.lif.beta)
    assert last.lif.fires == "above"
    x = case_input("conv3", work)
    want = TorchRunner(baseline.network).trace(x)
    assert all(spikes.any() for spikes in want.spikes)
    assert np.abs(baseline.outputs(x) - want.y).max() < 1e-4


def test_the_twin_of_a_network_of_that_kind_is_the_network() -> None:
    network = cases.network("conv3")
    twin = authors.twin(network, "conv_delay")
    assert [r for _, r in twin.recurrences()] == [r for _, r in network.recurrences()]


def test_a_layer_of_torch_has_the_weights_and_no_gradient() -> None:
    weight, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float32)
    layer = authors.linear(weight, bias)
    assert layer(torch.ones(3)).tolist() == [4, 13]
    assert not any(p.requires_grad for p in layer.parameters())
