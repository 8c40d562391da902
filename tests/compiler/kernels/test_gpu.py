"""The GPU kernel and its shared memory."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
from helpers import refusal

from delrec_compile.compiler.kernels.gpu_float32 import compose_gpu
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule


def test_layers_beyond_shared_memory_are_refused() -> None:
    network = cases.network("one_layer")
    wide = replace(cases.CASES["one_layer"], name="huge", sizes=(16_000,), inputs=1)
    huge = cases._draw(wide, np.random.default_rng(0))
    with refusal(UnsupportedError, "needs 68352 bytes of a GPU block's shared memory", 4):
        compose_gpu(huge, Schedule(256, 4, "ballot"), trace=False)
    assert compose_gpu(network, Schedule(256, 4, "ballot"), trace=False).shared_bytes < 2048
