"""Convolutions and pools of the size of N-MNIST: in int8 on a microcontroller, and its memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fixtures.staged import artifact_here

from delrec_compile.network.grid import snap
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.model import (
    Convolution,
    Dense,
    LeakyReadout,
    Lif,
    Maps,
    Network,
    Population,
    Projection,
    Window,
    max_pool,
)
from delrec_compile.runners.open import emulated_runner
from delrec_compile.runners.reference import ReferenceRunner

HALVES = Window((2, 2), (2, 2))


def nmnist() -> Network:
    """2 x 34 x 34; 12 kernels of 5 x 5, the largest of spikes; 32, the largest of sums; 10 outputs."""
    r = np.random.default_rng(0)
    first = Maps(2, 34, 34, (12, 2, 5, 5))
    second = Maps(12, 15, 15, (32, 12, 5, 5), peak=HALVES)
    kernels = [r.normal(0.03, size, m.kernel) for m, size in ((first, 0.25), (second, 0.1))]
    weight = r.normal(size=(10, second.size)).astype(np.float32) / 8
    low = np.full(32, -1.2)
    populations = [
        Population("conv0", Lif(0.5), (Projection("x", Convolution(kernels[0], first)),)),
        max_pool("pool0", "conv0", first.out, HALVES),
        Population("conv1", Lif(0.5), (Projection("pool0", Convolution(kernels[1], second)),), low),
        Population(
            "out",
            LeakyReadout.in_graph(np.zeros(10), beta=0.9),
            (Projection("conv1", Dense(weight)),),
        ),
    ]
    return snap(Network.of(populations, max_input=1, name="nmnist"))


def test_an_nmnist_network_in_int8_fits_a_cortex_m7(tmp_path: Path) -> None:
    artifact = artifact_here(nmnist(), "cortex_m7", tmp_path, numeric="int8")
    m = artifact.manifest
    assert m.flash_bytes is not None
    assert m.ram_bytes is not None
    assert m.flash_bytes < 64 << 10  # of the 18,200 weights each is stored once
    assert m.ram_bytes < 192 << 10
    whole = integer_checkpoint.load(artifact.path / integer_checkpoint.NAME)
    runner = emulated_runner(artifact)
    x = (np.random.default_rng(1).random((3, 1, 2 * 34 * 34)) < 0.06).astype(np.float32)
    want, got = ReferenceRunner(whole).trace(x), runner.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)
        assert 0.01 < wanted[1:].mean() < 0.4
