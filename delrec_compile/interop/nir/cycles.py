"""Ways back from a layer to itself, as the recurrence that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Affine, Convolution
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Recurrence,
    SynapticDelay,
    TapConvDelay,
)


@dataclass(frozen=True, eq=False)
class Term:
    """One way back. delay: (N,) steps on top of one, of each sender. size: values that arrive."""

    delay: NDArray[np.int64]
    weights: Affine | Convolution
    size: int

    @property
    def uniform(self) -> bool:
        return bool((self.delay == self.delay[0]).all())


def recurrence(
    name: str, terms: Sequence[Term], hint: str | None = None
) -> tuple[Recurrence, F64 | None]:
    """The sum of the ways, and their constant current (N,), or None.

    hint: the kind, where several are the same. Raises UnsupportedError.
    """
    n = len(terms[0].delay)
    for term in terms:
        if term.size != n or term.weights.inputs != n:
            raise UnsupportedError(f"{name}: {term.size} values come back to {n} neurons")
    drive = np.sum([term.weights.biases for term in terms], axis=0)
    try:
        made = _convolved(terms, hint) or _dense(name, terms, hint)
    except NetworkError as error:
        raise UnsupportedError(f"{name}: {error}") from error
    return made, drive if drive.any() else None


def _convolved(terms: Sequence[Term], hint: str | None) -> Recurrence | None:
    """A recurrence with kernels, where each way is a convolution that one has."""
    kernels = []
    for term in terms:
        w = term.weights
        if not isinstance(w, Convolution) or w.maps.stride != (1, 1):
            return None
        if any(
            k % 2 == 0 or p != k // 2 for k, p in zip(w.kernel.shape[2:], w.maps.pad, strict=True)
        ):
            return None
        kernels.append(w.kernel)
    first = terms[0].weights
    assert isinstance(first, Convolution)
    m = first.maps
    if m.channels == 1 and m.height == 1 and hint != TapConvDelay.kind:
        rows = _same_taps([k[0, 0, 0] for k in kernels])
        return ConvDelay(_f32(rows), np.stack([t.delay for t in terms]).astype(np.int32))
    lags = [int(t.delay[0]) for t in terms]
    if not all(t.uniform for t in terms) or len(set(lags)) < len(lags):
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


def _depthwise(kernels: Sequence[F64], channels: int, hint: str | None) -> list[F64]:
    """(C, K) of each kernel where channels are mixed with themselves only, else nothing."""
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


def _dense(name: str, terms: Sequence[Term], hint: str | None) -> Recurrence:
    weights = [linear_parts.dense(term.weights).weight for term in terms]
    if hint in (None, ConvDelay.kind):
        bands = [band(w, len(w) if hint else len(w) // 2) for w in weights]
        kernels = [k for k in bands if k is not None]
        if len(kernels) == len(bands):
            delays = np.stack([t.delay for t in terms]).astype(np.int32)
            return ConvDelay(_f32(_same_taps(kernels)), delays)
    if len(terms) == 1 and hint != SynapticDelay.kind:
        return DenseDelay(_f32(weights[0]), terms[0].delay.astype(np.int32))
    n = len(terms[0].delay)
    total, delays = np.zeros((n, n)), np.full((n, n), -1, np.int64)
    for term, weight in zip(terms, weights, strict=True):
        used = weight != 0
        lag = np.broadcast_to(term.delay, (n, n))
        if (used & (delays >= 0) & (delays != lag)).any():
            to, by = np.argwhere(used & (delays >= 0) & (delays != lag))[0]
            raise UnsupportedError(
                f"{name}: neuron {by} reaches neuron {to} after {delays[to, by]} and after "
                f"{lag[to, by]} steps; one delay per synapse is needed"
            )
        total = total + weight
        delays = np.where(used, lag, delays)
    return _least(total, delays, hint)


def _least(weight: F64, delays: NDArray[Any], hint: str | None) -> Recurrence:
    """With a delay for each sender where that is enough, else for each synapse."""
    longest = delays.max(axis=0)
    if hint != SynapticDelay.kind and ((delays == longest) | (delays < 0)).all():
        return DenseDelay(_f32(weight), np.maximum(longest, 0).astype(np.int32))
    return SynapticDelay(_f32(weight), np.maximum(delays, 0).astype(np.int32))


def band(weight: F64, most: int) -> F64 | None:
    """The kernel (K,) of a matrix that is one along its diagonals, K at most `most`."""
    rows, columns = np.nonzero(weight)
    if len(rows) == 0:
        return None
    reach = int(np.abs(columns - rows).max())
    if 2 * reach + 1 > most:
        return None
    taps = []
    for offset in range(-reach, reach + 1):
        diagonal = np.diagonal(weight, offset)
        if (diagonal != diagonal[0]).any():
            return None
        taps.append(diagonal[0])
    return np.array(taps)


def _same_taps(kernels: Sequence[F64]) -> F64:
    """Kernels along their last axis with zeros on both sides, up to the longest."""
    most = max(k.shape[-1] for k in kernels)
    padded: list[Any] = []
    for k in kernels:
        side = (most - k.shape[-1]) // 2
        padded.append(np.pad(k, [(0, 0)] * (k.ndim - 1) + [(side, side)]))
    return np.stack(padded)


def _f32(values: F64) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
