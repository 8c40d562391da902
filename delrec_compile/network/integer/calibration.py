"""Statistics of the inputs of each layer on real samples, for calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from delrec_compile.aliases import F64, Ints
from delrec_compile.data.events import Events
from delrec_compile.network.integer.layers import IntegerLayer, IntegerReadout
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.rounding import InputStatistics
from delrec_compile.network.integer.synapses import IntegerDense, IntegerSynaptic
from delrec_compile.ops.maps import Maps

NEAR = 0.02  # of the way from v_reset to the threshold: that counts as near to firing
FLOOR = 1e-4  # weight of all other steps
MAX_SAMPLES = 512
BATCH = 64


def collect_statistics(running: IntegerNetwork, samples: Events) -> list[list[InputStatistics]]:
    """Statistics of the inputs of the blocks of each layer and of the readout, on MAX_SAMPLES at most.

    running: the uncalibrated int16 form, whose spikes are nearly the float ones.
    """
    used = min(len(samples), MAX_SAMPLES)
    counts = samples.counts[np.arange(used) * len(samples) // used]
    sums = [_PartSums(part) for _, part, _ in running.parts()]
    for start in range(0, used, BATCH):
        batch = counts[start : start + BATCH]
        state = running.reset(len(batch))
        for x in batch.transpose(1, 0, 2):
            taken: list[Any] = [running.counts(x)]
            _, after = running.step(x, state, [taken.append] * len(running.layers))
            for i, (inputs, total) in enumerate(zip(taken, sums, strict=True)):
                total.add(inputs, state.get(f"l{i}_v"), state.get(f"l{i}_hist"))
            state = after
    return [total.statistics() for total in sums]


class _PartSums:
    """Running sums over the steps of one layer, or of the readout: rows first, then convolutions."""

    def __init__(self, part: IntegerLayer | IntegerReadout) -> None:
        self.layer = part if isinstance(part, IntegerLayer) else None
        r = part.recurrence if isinstance(part, IntegerLayer) else None
        self.dense = r if isinstance(r, IntegerDense) else None
        self.synaptic = r if isinstance(r, IntegerSynaptic) else None
        self.maps = part.maps if isinstance(part, IntegerLayer) else None
        n = part.inputs if self.maps is None else 0
        n += self.dense.sources if self.dense else 0
        self.rows = _Sums(n, part.size) if n else None
        self.own = _OwnSums(self.synaptic.sources, part.size) if self.synaptic else None
        self.patches = _PatchSums(self.maps) if self.maps else None

    def add(self, inputs: F64, v: Ints | None, hist: Ints | None) -> None:
        weights = np.ones((len(inputs), 1))
        if self.layer is not None and v is not None:
            width = NEAR * (self.layer.threshold - self.layer.v_reset.astype(np.int64))
            off = (self.layer.membrane(inputs, v, hist) - self.layer.threshold) / width
            weights = np.exp(-0.5 * off**2) + FLOOR
        shared = [] if self.maps else [inputs]
        if self.dense is not None and hist is not None:
            shared.append(self.dense.arriving(hist))
        if self.rows is not None:
            self.rows.add(np.concatenate(shared, axis=1), weights)
        if self.synaptic is not None and self.own is not None and hist is not None:
            self.own.add(hist[:, 0], self.synaptic.arriving(hist), weights)
        if self.patches is not None:
            self.patches.add(inputs, weights)

    def statistics(self) -> list[InputStatistics]:
        rows = [part.statistics() for part in (self.rows, self.own) if part is not None]
        out = [_side_by_side(rows)] if rows else []
        return out if self.patches is None else [*out, self.patches.statistics()]


class _Sums:
    """Inputs (batch, n) that all rows share, near: weighted by the steps at which each row counts."""

    def __init__(self, n: int, rows: int) -> None:
        self.products, self.near = np.zeros((n + 1, n + 1)), np.zeros((rows, n + 1))

    def add(self, inputs: F64, weights: F64) -> None:
        z = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        self.products += z.T @ z
        self.near += weights.T @ z

    def statistics(self) -> InputStatistics:
        mean = self.products[-1, :-1] / self.products[-1, -1]
        second = self.products[:-1, :-1] / self.products[-1, -1]
        covariance = second - np.outer(mean, mean)
        return InputStatistics(covariance[None], self.near[:, :-1] / self.near[:, -1:])


class _OwnSums:
    """Spikes that arrive at each synapse at a time of its own: their variances alone are used."""

    def __init__(self, sources: int, rows: int) -> None:
        self.spikes, self.steps = np.zeros(sources), 0
        self.near, self.weight = np.zeros((rows, sources)), np.zeros((rows, 1))

    def add(self, spikes: Ints, arriving: F64, weights: F64) -> None:
        self.spikes += spikes.sum(axis=0)
        self.steps += len(spikes)
        self.near += np.einsum("bi,bij->ij", weights, arriving)
        self.weight += weights.sum(axis=0)[:, None]

    def statistics(self) -> InputStatistics:
        rate = self.spikes / self.steps
        return InputStatistics(np.diag(rate * (1 - rate))[None], self.near / self.weight)


class _PatchSums:
    """The patches of the input that the places of a convolution see, of each group."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        outputs, channels, rows, columns = maps.kernel
        n, each = channels * rows * columns, outputs // maps.groups
        self.groups = [_Sums(n, each) for _ in range(maps.groups)]

    def add(self, inputs: F64, weights: F64) -> None:
        patches = patches_of(self.maps, inputs)
        near = weights.reshape(len(inputs), self.maps.groups, -1, patches.shape[2])
        for g, sums in enumerate(self.groups):
            # one place of one sample after another: (batch * places, ...)
            seen = patches[:, g].reshape(-1, patches.shape[-1])
            sums.add(seen, near[:, g].transpose(0, 2, 1).reshape(len(seen), -1))

    def statistics(self) -> InputStatistics:
        parts = [sums.statistics() for sums in self.groups]
        covariance = np.concatenate([p.covariance for p in parts])
        return InputStatistics(covariance, np.concatenate([p.near for p in parts]))


def patches_of(maps: Maps, x: F64) -> F64:
    """x: (batch, inputs). Returns (batch, groups, places, taps), taps in the order of a kernel's row."""
    (above, left), (down, right) = maps.pad, maps.stride
    _, high, wide = maps.out
    own = x.reshape(len(x), maps.channels, maps.height, maps.width)
    padded = np.pad(own, ((0, 0), (0, 0), (above, above), (left, left)))
    seen = sliding_window_view(padded, maps.kernel[2:], axis=(2, 3))[:, :, ::down, ::right]
    by_group = seen[:, :, :high, :wide].reshape(
        len(x), maps.groups, -1, high * wide, *maps.kernel[2:]
    )
    return by_group.transpose(0, 1, 3, 2, 4, 5).reshape(len(x), maps.groups, high * wide, -1)


def _side_by_side(parts: list[InputStatistics]) -> InputStatistics:
    """Of inputs one after another, with no covariance between the parts."""
    n = sum(p.covariance.shape[1] for p in parts)
    covariance, at = np.zeros((1, n, n)), 0
    for part in parts:
        to = at + part.covariance.shape[1]
        covariance[:, at:to, at:to], at = part.covariance, to
    return InputStatistics(covariance, np.concatenate([p.near for p in parts], axis=1))
