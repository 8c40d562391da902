"""The GPU kernel: its block of threads and its shared memory."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
from helpers import refusal

from delrec_compile.compiler.kernels.gpu import compose_gpu, threads_for
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule


def test_threads_of_a_block() -> None:
    assert [threads_for(n, 256) for n in (1, 32, 33, 100, 256, 4096)] == [32, 32, 64, 128, 256, 256]


def test_layers_beyond_shared_memory_are_refused() -> None:
    network = cases.network("one_layer")
    wide = replace(cases.CASES["one_layer"], name="huge", sizes=(16_000,), inputs=1)
    huge = cases._draw(wide, np.random.default_rng(0))
    with refusal(UnsupportedError, "needs 68352 bytes of a GPU block's shared memory", 4):
        compose_gpu(huge.layers, huge.readout, Schedule(256, 4, "ballot"), trace=False)
    assert (
        compose_gpu(
            network.layers, network.readout, Schedule(256, 4, "ballot"), trace=False
        ).shared_bytes
        < 2048
    )
