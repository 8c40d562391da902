"""What every runner of an artifact shares: the check of its kernels, and spikes by layer."""

from __future__ import annotations

import numpy as np
from helpers import refusal

from delrec_compile.aliases import F32
from delrec_compile.errors import ParityError
from delrec_compile.runners.runner import KernelRunner, Trace, split_spikes


class Twice(KernelRunner):
    """Outputs are x doubled; `wrong` is added without trace."""

    name = "twice"

    def __init__(self, wrong: float = 0) -> None:
        self.wrong, self.calls = wrong, list[str]()

    def trace_once(self, x: F32) -> Trace:
        self.calls.append("trace")
        return Trace(2 * x, ())

    def outputs_of(self, x: F32) -> F32:
        self.calls.append("run")
        return 2 * x + self.wrong


X = np.ones((3, 2, 4), np.float32)


def test_a_trace_runs_both_kernels() -> None:
    runner = Twice()
    np.testing.assert_array_equal(runner.trace(X).y, 2 * X)
    assert runner.calls == ["trace", "run"]


def test_kernels_that_differ_are_a_parity_error() -> None:
    message = "the tracing kernel and the kernel without trace compute different outputs"
    with refusal(ParityError, message, 6):
        Twice(wrong=1e-6).trace(X)
    with refusal(ParityError, message, 6):
        Twice(wrong=np.nan).trace(X)


def test_spikes_are_split_by_layer() -> None:
    spikes = np.arange(3 * 2 * 7, dtype=np.uint8).reshape(3, 2, 7)
    a, b = split_spikes(spikes, (4, 3))
    np.testing.assert_array_equal(a, spikes[..., :4])
    np.testing.assert_array_equal(b, spikes[..., 4:])
