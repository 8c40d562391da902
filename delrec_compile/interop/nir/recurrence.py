"""A recurrence as the delays and weights of the feedback paths of a layer in a NIR graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Synapses,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.map_delay import spread

Shape = tuple[int, ...]


def on_maps(r: Synapses, shape: Shape) -> bool:
    """Whether the recurrence is a convolution over maps of this shape."""
    if isinstance(r, Conv2dDelay):
        return shape == (r.maps.channels, r.height, r.width)
    if isinstance(r, ChannelConvDelay):
        axes = () if r.kernel.ndim == 3 else (r.height,)
        return r.groups == 1 and shape == (r.maps.channels, *axes, r.maps.width)
    return isinstance(r, TapConvDelay) and shape == (r.maps.channels, r.width)


def feedback_paths(name: str, r: Synapses, shape: Shape) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Delays (N,) and weights (N, N), (C, C, K) or (C, C, k, k) of each path.

    Raises UnsupportedError.
    """
    n = r.sources
    if isinstance(r, ConvDelay):
        delays = np.atleast_2d(r.delay)
        kernels = [k[None, None] if len(shape) == 2 else _banded(k, n) for k in r.kernels]
        return list(zip(delays, kernels, strict=True))
    if isinstance(r, TapConvDelay | Conv2dDelay | ChannelConvDelay):
        if not on_maps(r, shape):
            raise UnsupportedError(
                f"{name}: a {r.kind} recurrence over values of shape {list(shape)}; NIR has no node "
                "that reshapes a value to maps"
            )
        if isinstance(r, ChannelConvDelay):
            if r.edges != "zero":
                raise UnsupportedError(
                    f"{name}: a {r.kind} recurrence with {r.edges} edges; NIR's convolutions are zero "
                    "around their maps"
                )
            return [(r.delay, spread(r.kernel, r.dilation[4 - r.kernel.ndim :]))]
        kernels = [_diagonal(k) if k.ndim == 2 else k for k in r.kernel]
        return [(np.full(n, lag), k) for lag, k in zip(r.lags, kernels, strict=True)]
    if isinstance(r, SynapticDelay):
        lags = sorted(set(r.delay.ravel().tolist()))
        return [
            (np.full(n, lag), np.where(r.delay == lag, r.weight, np.float32(0))) for lag in lags
        ]
    assert isinstance(r, DenseDelay)
    return list(zip(np.atleast_2d(r.delay), r.matrices, strict=True))


def _banded(kernel: Any, n: int) -> F32:
    """A kernel over neurons as a matrix (n, n)."""
    reach = len(kernel) // 2
    total = np.zeros((n, n), np.float32)
    for k, tap in enumerate(kernel):
        total += np.diag(np.full(max(n - abs(k - reach), 0), tap, np.float32), k - reach)[:n, :n]
    return total


def _diagonal(kernels: Any) -> F32:
    """Kernels (C, C, K) that mix each channel only with itself."""
    channels, taps = kernels.shape
    out = np.zeros((channels, channels, taps), np.float32)
    out[np.arange(channels), np.arange(channels)] = kernels
    return out
