"""The NumPy reference as a runner."""

from __future__ import annotations

import numpy as np

from delrec_compile.data.samples import batches
from delrec_compile.network import checkpoint
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner


def test_reference_runner_agrees_with_torch(samples):
    network = checkpoint.load("conv_delay_256")
    _, x = next(batches(samples.take(range(8))))
    ours, theirs = ReferenceRunner(network).trace(x), TorchRunner(network).trace(x)
    assert np.array_equal(ours.y, theirs.y)
    for a, b in zip(ours.spikes, theirs.spikes, strict=True):
        assert a.any()
        assert np.array_equal(a, b)
