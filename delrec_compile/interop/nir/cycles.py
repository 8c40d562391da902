"""Feedback paths from a layer to itself, each a term, as one recurrence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Convolution
from delrec_compile.interop.paths import Term
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Synapses,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay


def recurrence(
    name: str, paths: Sequence[Term], hint: str | None = None
) -> tuple[Synapses, F64 | None]:
    """The recurrence that sums the paths, and their constant current (N,), or None.

    hint: kind to prefer where several compute the same. Raises UnsupportedError.
    """
    n = len(paths[0].sent)
    for path in paths:
        if path.weights.outputs != n:
            raise UnsupportedError(
                f"{name}: {path.weights.outputs} values come back to {n} neurons"
            )
    constant = np.sum([path.weights.biases for path in paths], axis=0)
    try:
        combined = _convolved(paths, hint) or _of_maps(paths) or _dense(name, paths, hint)
    except NetworkError as error:
        raise UnsupportedError(f"{name}: {error}") from error
    return combined, constant if constant.any() else None


def _convolved(paths: Sequence[Term], hint: str | None) -> Synapses | None:
    """A recurrence with kernels, or None if a path is not a convolution that one of them has."""
    kernels = []
    for path in paths:
        w = path.weights
        if not isinstance(w, Convolution) or w.maps.stride != (1, 1) or path.received.any():
            return None
        if any(
            k % 2 == 0 or p != k // 2 for k, p in zip(w.kernel.shape[2:], w.maps.pad, strict=True)
        ):
            return None
        kernels.append(w.kernel)
    first = paths[0].weights
    assert isinstance(first, Convolution)
    m = first.maps
    if m.channels == 1 and m.height == 1 and hint != TapConvDelay.kind:
        rows = _same_taps([k[0, 0, 0] for k in kernels])
        return ConvDelay(_f32(rows), np.stack([t.sent for t in paths]).astype(np.int32))
    lags = [int(t.sent[0]) for t in paths]
    if any((t.sent != t.sent[0]).any() for t in paths) or len(set(lags)) < len(lags):
        return None
    if m.height == 1 and (own := _depthwise(kernels, m.channels, hint)):
        taps = _same_taps(own)
        order = np.argsort(lags)
        at = np.array(lags, np.int32)
        if hint != TapConvDelay.kind:
            taps, at = taps[order], at[order]
        return TapConvDelay(_f32(taps), at, m.width)
    shapes = {k.shape for k in kernels}
    if m.groups == 1 and len(shapes) == 1 and kernels[0].shape[2] == kernels[0].shape[3]:
        deep = np.zeros((max(lags) + 1, *kernels[0].shape))
        deep[lags] = kernels
        return Conv2dDelay(_f32(deep), m.height, m.width)
    return None


def _of_maps(paths: Sequence[Term]) -> Synapses | None:
    """A recurrence by a convolution of any shape, or None for several paths and for other weights."""
    (path, *others), weights = paths, paths[0].weights
    if others or not isinstance(weights, Convolution) or path.received.any():
        return None
    if any(weights.maps.window.cropped):
        return None
    delay = path.sent.astype(np.int32)
    return ChannelConvDelay.of_maps(_f32(weights.kernel), weights.maps, delay)


def _depthwise(kernels: Sequence[F64], channels: int, hint: str | None) -> list[F64]:
    """The (C, K) part of each kernel if channels are mixed only with themselves, else none."""
    if all(k.shape[:2] == (channels, 1) for k in kernels):
        return [k[:, 0, 0] for k in kernels]
    each = np.arange(channels)
    if hint != TapConvDelay.kind or any(k.shape[:2] != (channels, channels) for k in kernels):
        return []
    own = [k[each, each, 0] for k in kernels]
    mixed = any(
        np.count_nonzero(k) != np.count_nonzero(o) for k, o in zip(kernels, own, strict=True)
    )
    return [] if mixed else own


def _dense(name: str, paths: Sequence[Term], hint: str | None) -> Synapses:
    weights = [linear_parts.dense(path.weights).weight for path in paths]
    axonal = not any(path.received.any() for path in paths)
    if axonal and hint in (None, ConvDelay.kind):
        bands = [band(w, len(w) if hint else len(w) // 2) for w in weights]
        kernels = [k for k in bands if k is not None]
        if len(kernels) == len(bands):
            delays = np.stack([t.sent for t in paths]).astype(np.int32)
            return ConvDelay(_f32(_same_taps(kernels)), delays)
    if axonal and len(paths) == 1 and hint != SynapticDelay.kind:
        return DenseDelay(_f32(weights[0]), paths[0].sent.astype(np.int32))
    if axonal and hint == DenseDelay.kind:
        return _heads(weights, paths)
    n = len(paths[0].sent)
    total, delays = np.zeros((n, n)), np.full((n, n), -1, np.int64)
    for path, weight in zip(paths, weights, strict=True):
        used = weight != 0
        lag = path.received[:, None] + path.sent[None]
        if (used & (delays >= 0) & (delays != lag)).any():
            if axonal:
                return _heads(weights, paths)
            to, by = np.argwhere(used & (delays >= 0) & (delays != lag))[0]
            raise UnsupportedError(
                f"{name}: neuron {by} reaches neuron {to} after {delays[to, by]} and after "
                f"{lag[to, by]} steps; one delay per synapse is required"
            )
        total = total + weight
        delays = np.where(used, lag, delays)
    return _simplest(total, delays, hint)


def _heads(weights: Sequence[F64], paths: Sequence[Term]) -> DenseDelay:
    """Several delays for each synapse."""
    return DenseDelay(_f32(np.stack(weights)), np.stack([p.sent for p in paths]).astype(np.int32))


def _simplest(weight: F64, delays: NDArray[Any], hint: str | None) -> Synapses:
    """A recurrence with a delay per sender if that is enough, else per synapse."""
    longest = delays.max(axis=0)
    if hint != SynapticDelay.kind and ((delays == longest) | (delays < 0)).all():
        return DenseDelay(_f32(weight), np.maximum(longest, 0).astype(np.int32))
    return SynapticDelay(_f32(weight), np.maximum(delays, 0).astype(np.int32))


def band(weight: F64, max_taps: int) -> F64 | None:
    """The kernel (K,) of a matrix with constant diagonals, or None; K is at most max_taps."""
    rows, columns = np.nonzero(weight)
    if len(rows) == 0:
        return None
    reach = int(np.abs(columns - rows).max())
    if 2 * reach + 1 > max_taps:
        return None
    taps = []
    for offset in range(-reach, reach + 1):
        diagonal = np.diagonal(weight, offset)
        if (diagonal != diagonal[0]).any():
            return None
        taps.append(diagonal[0])
    return np.array(taps)


def _same_taps(kernels: Sequence[F64]) -> F64:
    """Kernels padded with zeros along their last axis to the longest."""
    taps = max(k.shape[-1] for k in kernels)
    padded: list[Any] = []
    for k in kernels:
        side = (taps - k.shape[-1]) // 2
        padded.append(np.pad(k, [(0, 0)] * (k.ndim - 1) + [(side, side)]))
    return np.stack(padded)


def _f32(values: F64) -> F32:
    return np.asarray(values, np.float32)
