"""Recurrences as the delays and weights of feedback paths: their current, computed from both."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.recurrence import feedback_paths, on_maps
from delrec_compile.network.model import ConvDelay, DenseDelay, SynapticDelay, TapConvDelay
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay

N = 5
R = np.random.default_rng(0)
DELAYS = np.array([0, 2, 1, 0, 3], np.int32)
OPS = {
    "kernel": ConvDelay(np.array([1, 2, 4], np.float32), DELAYS),
    "heads": ConvDelay(R.normal(size=(2, 3)).astype(np.float32), np.stack([DELAYS, DELAYS + 1])),
    "dense": DenseDelay(R.normal(size=(N, N)).astype(np.float32), DELAYS),
    "dense_heads": DenseDelay(
        R.normal(size=(2, N, N)).astype(np.float32), np.stack([DELAYS, DELAYS + 1])
    ),
    "synaptic": SynapticDelay(
        R.normal(size=(N, N)).astype(np.float32), R.integers(0, 3, (N, N)).astype(np.int32)
    ),
}


@pytest.mark.parametrize("name", OPS)
def test_paths_give_the_current_of_the_op(name: str) -> None:
    op = OPS[name]
    spikes = R.integers(0, 2, (12, N)).astype(np.float32)
    paths = feedback_paths("l0", op, (N,))
    for t in range(5, 12):
        expected = np.zeros(N)
        for delay, weight in paths:
            arrived = np.array([spikes[t - 1 - d, j] for j, d in enumerate(delay)])
            expected += weight @ arrived
        np.testing.assert_allclose(current(op, spikes, t), expected, rtol=1e-5, atol=1e-5)


def current(op: ConvDelay | DenseDelay | SynapticDelay, spikes: np.ndarray, t: int) -> np.ndarray:
    """Current at t by the definition of each op: a spike arrives 1 + delay steps later."""
    total = np.zeros(N)
    for to, j in np.ndindex(N, N):
        if isinstance(op, ConvDelay):
            for kernel, delay in zip(op.kernels, np.atleast_2d(op.delay), strict=True):
                tap = j - to + len(kernel) // 2
                if 0 <= tap < len(kernel):
                    total[to] += kernel[tap] * spikes[t - 1 - delay[j], j]
        elif isinstance(op, SynapticDelay):
            total[to] += op.weight[to, j] * spikes[t - 1 - op.delay[to, j], j]
        else:
            for weight, delay in zip(op.matrices, np.atleast_2d(op.delay), strict=True):
                total[to] += weight[to, j] * spikes[t - 1 - delay[j], j]
    return total


def test_recurrences_over_maps_need_values_of_their_shape() -> None:
    for name in ("tap_conv", "conv2d"):
        op = next(op for _, op in cases.network(name).recurrences())
        assert not on_maps(op, (op.size,))
        with refusal(UnsupportedError, f"l0: a {op.kind} recurrence over values of shape", 4):
            feedback_paths("l0", op, (op.size,))


def test_taps_of_each_channel_become_a_diagonal_of_kernels() -> None:
    kernel = R.normal(size=(2, 2, 3)).astype(np.float32)
    op = TapConvDelay(kernel, np.array([0, 2], np.int32), 4)
    assert on_maps(op, (2, 4))
    for (delay, weight), own, lag in zip(
        feedback_paths("l0", op, (2, 4)), kernel, (0, 2), strict=True
    ):
        assert (delay == lag).all()
        assert weight.shape == (2, 2, 3)
        for c in range(2):
            np.testing.assert_array_equal(weight[c, c], own[c])
            assert not weight[c, 1 - c].any()


def test_kernels_between_channels_stay_as_they_are() -> None:
    kernel = R.normal(size=(2, 2, 3)).astype(np.float32)
    delay = R.integers(0, 4, 8).astype(np.int32)
    op = ChannelConvDelay(kernel, delay)
    ((own, weight),) = feedback_paths("l0", op, (2, 4))
    assert own is op.delay
    assert weight is op.kernel
    ((_, weight),) = feedback_paths("l0", replace(op, dilation=(1, 2)), (2, 4))
    np.testing.assert_array_equal(weight[:, :, ::2], kernel)
    assert not weight[:, :, 1::2].any()
    with refusal(UnsupportedError, "l0: a channel_conv_delay recurrence with circular edges", 4):
        feedback_paths("l0", replace(op, edges="circular"), (2, 4))
    taps = TapConvDelay(kernel[None], np.array([2]), 4)
    ((_, weight),) = feedback_paths("l0", taps, (2, 4))
    np.testing.assert_array_equal(weight, kernel)
