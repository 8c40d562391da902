"""Rounding weights to integers, by themselves or knowing the inputs that they meet (LDLQ).

Neurons that share a weight share a scale. A block holds the weights that meet the same inputs: the rows
of a product, a row for each neuron, or the kernels of a convolution, a row for each channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from delrec_compile.aliases import F64, I64, Ints, Numeric
from delrec_compile.network.integer.population import MAX_FRACTION
from delrec_compile.ops.integer_leak import LIMIT

CLIPS = tuple(c / 20 for c in range(20, 9, -1))  # of the largest weight: 1 down to 0.5
DAMPING = 0.01  # of the mean variance, added to every variance
MORE = 1.25  # by which a scale grows where its sums have too little room
ROOM = 1 << 26  # weight units of a neuron's worst sum: some fractional bits are left above it


@dataclass(frozen=True, eq=False)
class InputStatistics:
    """Statistics of the inputs of a block on real samples.

    covariance: (groups, in, in). near: (rows, in), the mean input of each row when a neuron that has it
    is near to firing.
    """

    covariance: F64
    near: F64


@dataclass(frozen=True, eq=False)
class Block:
    """weight: (rows, in). counts: (in,), the largest size of each input. row_of: (N,), of a neuron."""

    weight: F64
    counts: Any
    row_of: I64

    def worst(self, weight: F64) -> F64:
        """(N,): the largest sum of each neuron, with weights in place of its own."""
        return np.asarray((np.abs(weight) @ self.counts)[self.row_of])


@dataclass(frozen=True, eq=False)
class Rounded:
    """units: integers of each block. scale: (N,). drift: (N,), error that a bias compensates.

    fraction: fractional bits that have room.
    """

    units: list[Ints]
    scale: F64
    drift: F64
    fraction: int


@dataclass(frozen=True, eq=False)
class Rounding:
    """The weights of the N neurons of a layer, and the bounds of a neuron's sums.

    shares: (N,) labels; neurons of one label share a scale. other: (N,), the size of all else that a
    step adds, at least that of the threshold. lasting: largest state of a neuron, as a multiple of what
    one step can add. bits: of the fraction of real inputs, which as many fractional bits must hold.
    """

    blocks: Sequence[Block]
    shares: I64
    other: F64
    lasting: float
    bits: int = 0

    def round(
        self, numeric: Numeric, statistics: Sequence[InputStatistics | None] | None
    ) -> Rounded:
        """Integers, the scale of each neuron, and the most fractional bits that have room."""
        known = [s for s in statistics or () if s is not None]
        smallest = self._smallest_scale()
        while True:
            rounded = self._rounded(numeric, known, smallest)
            if rounded.fraction >= self.bits:
                return rounded
            # weights that were rounded away from 0, or a drift, took the room
            smallest = smallest * MORE

    def _rounded(self, numeric: Numeric, known: list[InputStatistics], smallest: F64) -> Rounded:
        """smallest: scale of each label."""
        top, kind, largest = numeric.max_weight, numeric.dtype, self._largest()
        scale = np.maximum(largest / top, smallest)
        if len(known) < len(self.blocks):
            units = [
                np.clip(np.rint(b.weight / self._by_row(b, scale)), -top, top) for b in self.blocks
            ]
            drift = np.zeros(len(self.shares))
        else:
            units, scale = self._calibrated(largest, smallest, top, known)
            drift = np.zeros(len(self.shares))
            for b, u, s in zip(self.blocks, units, known, strict=True):
                drift += ((b.weight - u * self._by_row(b, scale)) * s.near).sum(axis=1)[b.row_of]
        return Rounded(
            [u.astype(kind) for u in units],
            scale[self.shares],
            drift,
            self._fraction(units, scale[self.shares], drift),
        )

    @property
    def _classes(self) -> int:
        return int(self.shares.max()) + 1

    def _class_of(self, block: Block) -> I64:
        """(rows,): label of the neurons that have each row."""
        out = np.zeros(len(block.weight), np.int64)
        out[block.row_of] = self.shares
        return out

    def _by_row(self, block: Block, scale: F64) -> F64:
        return np.asarray(scale[self._class_of(block)][:, None])

    def _largest(self) -> F64:
        """The largest weight of each label."""
        out = np.zeros(self._classes)
        for block in self.blocks:
            np.maximum.at(out, self._class_of(block), np.abs(block.weight).max(axis=1))
        return out

    def _smallest_scale(self) -> F64:
        """The smallest scale of each label at which its sums have room, whatever its weights."""
        sums = [block.worst(block.weight) for block in self.blocks]
        worst = (sum(sums[1:], sums[0]) if sums else 0) + self.other
        out = np.zeros(self._classes)
        room = min(ROOM, LIMIT // 2 >> self.bits)
        np.maximum.at(out, self.shares, worst * self.lasting / room)
        return np.maximum(out, float(np.finfo(np.float32).tiny))

    def _fraction(self, units: list[F64], scale: F64, drift: F64) -> int:
        """Most fractional bits with which the largest membrane stays below half the limit.

        Half: the rounding of bias, threshold and kernel comes on top, at most half a unit each.
        """
        sums = [block.worst(u) for block, u in zip(self.blocks, units, strict=True)]
        worst = sum(sums[1:], sums[0]) if sums else np.zeros(len(scale))
        largest = (worst + (self.other + np.abs(drift)) / scale).max() * self.lasting
        return max(0, min(MAX_FRACTION, math.floor(math.log2(LIMIT / 2 / max(largest, 1.0)))))

    def _calibrated(
        self, largest: F64, smallest: F64, top: int, known: list[InputStatistics]
    ) -> tuple[list[F64], F64]:
        """The units, and the scale of each label, whose current has the smallest error."""
        feedback = [[_feedback(c) for c in s.covariance] for s in known]
        best: Any = None
        for clip in CLIPS:
            tried = np.maximum(largest * clip / top, smallest)
            error, candidates = np.zeros(self._classes), []
            for block, known_of in zip(self.blocks, feedback, strict=True):
                labels, members = self._class_of(block), np.bincount(block.row_of)
                own, units = _ldlq_groups(block.weight, tried[labels], top, known_of)
                error += np.bincount(labels, own * members, self._classes)
                candidates.append(units)
            if best is None:
                best, scale, chosen = error, tried, candidates
                continue
            better = error < best
            best, scale = np.where(better, error, best), np.where(better, tried, scale)
            for block, kept, units in zip(self.blocks, chosen, candidates, strict=True):
                rows = better[self._class_of(block)]
                kept[rows] = units[rows]
        return chosen, scale


def joined(labels: Sequence[I64]) -> I64:
    """The finest labels (N,) such that neurons with an equal label in any of these have one label."""
    out = np.arange(len(labels[0]))
    while True:
        before = out
        for own in labels:
            least = np.full(int(own.max()) + 1, len(out))
            np.minimum.at(least, own, out)
            out = least[own]
        if (out == before).all():
            return np.unique(out, return_inverse=True)[1]


def _ldlq_groups(
    rows: F64, scale: F64, top: int, feedback: list[tuple[Any, F64, F64]]
) -> tuple[F64, F64]:
    """`_ldlq` of groups of rows, each with inputs of its own."""
    parts = [
        _ldlq(r, s, top, known)
        for r, s, known in zip(
            np.split(rows, len(feedback)), np.split(scale, len(feedback)), feedback, strict=True
        )
    ]
    return np.concatenate([e for e, _ in parts]), np.concatenate([u for _, u in parts])


def _feedback(covariance: F64) -> tuple[Any, F64, F64]:
    """(order, L, d): e C e^T = sum_j d[j] (e_j + sum_{k<j} L[j, k] e_k)^2, columns in `order`."""
    n = len(covariance)
    variance = np.diagonal(covariance)
    order = np.argsort(-variance, kind="stable")
    left = covariance[np.ix_(order, order)] + np.eye(n) * (DAMPING * variance.mean() + 1e-12)
    lower, d = np.zeros((n, n)), np.zeros(n)
    for j in range(n - 1, -1, -1):
        d[j] = left[j, j]
        lower[j, :j] = left[j, :j] / d[j]
        left[:j, :j] -= np.outer(lower[j, :j], left[j, :j])
    return order, lower, d


def _ldlq(rows: F64, scale: F64, top: int, feedback: tuple[Any, F64, F64]) -> tuple[F64, F64]:
    """Error of the current per row, and the rows in units of their scale."""
    order, lower, d = feedback
    units = np.zeros_like(rows)
    # columns as rows, so that each step reads and writes in one piece
    weight = np.ascontiguousarray(rows[:, order].T)
    wanted, error = weight.copy(), np.zeros(len(rows))
    for j in range(len(order)):
        q = np.clip(np.rint(wanted[j] / scale), -top, top)
        error += d[j] * (wanted[j] - q * scale) ** 2
        wanted[j + 1 :] += np.outer(lower[j + 1 :, j], weight[j] - q * scale)
        units[:, order[j]] = q
    return error, units
