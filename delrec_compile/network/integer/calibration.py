"""Statistics of the inputs of each layer on real samples, for calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.data.events import Events
from delrec_compile.network.base import State, own_state
from delrec_compile.network.integer.linear import IntegerDense, IntegerLinear, IntegerSynaptic
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.population import IntegerPopulation
from delrec_compile.network.integer.rounding import InputStatistics
from delrec_compile.network.integer.synapses import IntegerSynapses
from delrec_compile.network.model import INPUT
from delrec_compile.ops.feed import Convolution
from delrec_compile.ops.maps import Maps

NEAR = 0.02  # of the way from v_reset to the threshold: that counts as near to firing
FLOOR = 1e-4  # weight of all other steps
MAX_SAMPLES = 512
BATCH = 64


def collect_statistics(
    running: IntegerNetwork, samples: Events
) -> dict[str, list[InputStatistics]]:
    """Statistics of the inputs of the blocks of each population, on MAX_SAMPLES at most.

    running: the uncalibrated int16 form, whose spikes are nearly the float ones.
    """
    used = min(len(samples), MAX_SAMPLES)
    counts = samples.counts[np.arange(used) * len(samples) // used]
    sums = {p.name: _PartSums(p, running.bits_of) for p in running.populations}
    names = [p.name for p in running.spiking]
    for start in range(0, used, BATCH):
        batch = counts[start : start + BATCH]
        state = running.reset(len(batch))
        for x in batch.transpose(1, 0, 2):
            taken: list[Any] = []
            _, after = running.step(x, state, [taken.append] * len(names))
            now = {INPUT: running.counts(x), **dict(zip(names, taken, strict=True))}
            for p in running.populations:
                own = own_state(p.prefix, p.states, state)
                sums[p.name].add(running.lines(p, now, state), own)
            state = after
    return {name: total.statistics() for name, total in sums.items()}


class _PartSums:
    """Running sums over the steps of one population: rows first, then convolutions.

    bits_of: bits of the fraction of what a source sends; the sums are of values, not of their units.
    """

    def __init__(self, p: IntegerPopulation, bits_of: Callable[[str], int]) -> None:
        self.p = p
        self.worth = [2.0 ** -bits_of(each.source) for each in p.projections]
        self.shared = [k for k, s in self._synapses if isinstance(s, IntegerDense)]
        self.own = [
            (k, s, _OwnSums(s.sources, p.size))
            for k, s in self._synapses
            if isinstance(s, IntegerSynaptic)
        ]
        self.patches = [
            (k, _PatchSums(s.form.maps))
            for k, s in self._synapses
            if isinstance(s, IntegerLinear) and isinstance(s.form, Convolution)
        ]
        n = sum(s.weights.size // p.size for k, s in self._synapses if k in self.shared)
        self.rows = _Sums(n, p.size) if n else None

    @property
    def _synapses(self) -> list[tuple[int, IntegerSynapses]]:
        return [(k, each.synapses) for k, each in enumerate(self.p.projections)]

    def add(self, lines: list[Any], state: State) -> None:
        weights = np.ones((len(lines[0]), 1))
        if self.p.fires:
            neuron = self.p.model
            current = self.p.current(lines) + self.p.bias
            off = neuron.step(current, state)[2] / (NEAR * neuron.span)
            weights = np.exp(-0.5 * off**2) + FLOOR
        if self.rows is not None:
            arriving = [
                s.arriving(lines[k]) * self.worth[k]
                for k, s in self._synapses
                if isinstance(s, IntegerDense)
            ]
            self.rows.add(np.concatenate(arriving, axis=1), weights)
        for k, s, own in self.own:
            worth = self.worth[k]
            own.add(lines[k][:, 0] * worth, s.arriving(lines[k]) * worth, weights)
        for k, patches in self.patches:
            patches.add(lines[k][:, 0] * self.worth[k], weights)

    def statistics(self) -> list[InputStatistics]:
        """Of the columns of the rows in the order of the projections, then of each convolution."""
        rows, at = None if self.rows is None else self.rows.statistics(), 0
        parts = []
        for k, s in self._synapses:
            n = s.weights.size // self.p.size
            if rows is not None and k in self.shared:
                parts.append((rows, slice(at, at + n)))
                at += n
        own = [(sums.statistics(), k) for k, _, sums in self.own]
        out = [_side_by_side(parts, own, self.shared)] if parts or own else []
        return [*out, *(patches.statistics() for _, patches in self.patches)]


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
    """Values that arrive at each synapse at a time of its own: their variances alone are used."""

    def __init__(self, sources: int, rows: int) -> None:
        self.values, self.squares, self.steps = np.zeros(sources), np.zeros(sources), 0
        self.near, self.weight = np.zeros((rows, sources)), np.zeros((rows, 1))

    def add(self, newest: NDArray[Any], arriving: F64, weights: F64) -> None:
        self.values += newest.sum(axis=0)
        self.squares += (newest.astype(np.float64) ** 2).sum(axis=0)
        self.steps += len(newest)
        self.near += np.einsum("bi,bij->ij", weights, arriving)
        self.weight += weights.sum(axis=0)[:, None]

    def statistics(self) -> InputStatistics:
        variance = self.squares / self.steps - (self.values / self.steps) ** 2
        return InputStatistics(np.diag(variance)[None], self.near / self.weight)


class _PatchSums:
    """The patches of the input that the places of a convolution see, of each group."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        outputs, channels, rows, columns = maps.kernel
        n, each = channels * rows * columns, outputs // maps.groups
        self.groups = [_Sums(n, each) for _ in range(maps.groups)]

    def add(self, inputs: F64, weights: F64) -> None:
        patches = patches_of(self.maps, inputs)
        if self.maps.peak is not None:  # which place of a window counts differs from step to step
            weights = np.ones((len(inputs), self.maps.kernel[0] * patches.shape[2]))
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
    """x: (batch, inputs). Returns (batch, groups, places, taps), taps in the order of a kernel's row.

    places: those of the sums.
    """
    (down, right), (along, across) = maps.stride, maps.dilation
    _, high, wide = maps.sums
    seen = sliding_window_view(maps.taken(x), maps.window.extent, axis=(2, 3))
    seen = seen[:, :, ::down, ::right, ::along, ::across][:, :, :high, :wide]
    by_group = seen.reshape(len(x), maps.groups, -1, high * wide, *maps.kernel[2:])
    return by_group.transpose(0, 1, 3, 2, 4, 5).reshape(len(x), maps.groups, high * wide, -1)


def _side_by_side(
    shared: list[tuple[InputStatistics, slice]],
    own: list[tuple[InputStatistics, int]],
    places: list[int],
) -> InputStatistics:
    """Of columns in the order of their projections; with no covariance between shared and own ones.

    shared: columns of the statistics of all of them; places: their projections. own: each with its own.
    """
    parts = sorted(
        [*((k, p, columns) for k, (p, columns) in zip(places, shared, strict=True))]
        + [(k, p, slice(0, p.near.shape[1])) for p, k in own],
        key=lambda part: part[0],
    )
    at = np.cumsum([0, *(c.stop - c.start for _, _, c in parts)])
    covariance = np.zeros((1, at[-1], at[-1]))
    for i, (_, p, columns) in enumerate(parts):
        for j, (_, other, across) in enumerate(parts):
            if p is other:
                covariance[:, at[i] : at[i + 1], at[j] : at[j + 1]] = p.covariance[
                    :, columns, across
                ]
    return InputStatistics(covariance, np.concatenate([p.near[:, c] for _, p, c in parts], axis=1))
