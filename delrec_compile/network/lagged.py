"""Synapses with delays as one matrix over (lag, sending neuron): many samples in one product.

    I[i] = sum_k g[k] * matrix[k, i],    g[k] = what neuron source[k] sent lag[k] steps before

Any synapses are linear in their line, so their plain reference on unit lines gives the matrix. Where
every sum is exact, as on a snapped network, the product has the bits of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.ops.synapses import Synapses

LARGEST_LINES = 1 << 25  # values in the unit lines of a lag
LARGEST_MATRIX = 1 << 25  # values
# of matrices that are nearly all zero, the largest that is as fast as a reference that leaves zeros out
LARGEST_SPARSE, SPARSE = 1 << 19, 0.05


@dataclass(frozen=True, eq=False)
class Lagged:
    """lag, source: (K,), in the order of the lags. matrix: (K, N_out)."""

    lag: NDArray[np.intp]
    source: NDArray[np.intp]
    matrix: F32

    def current(self, sent: F32, newest: int) -> F32:
        """Current (n, N_out). sent: (steps, N, n), of each neuron; newest: the step of lag 0."""
        g = sent[newest - self.lag, self.source]
        return np.asarray(g.T @ self.matrix)

    def currents(self, sent: F32) -> F32:
        """Currents (T, n, N_out) of all steps (T, n, N) sent, from silence."""
        steps, samples, _ = sent.shape
        current = np.zeros((steps, samples, self.matrix.shape[1]), np.float32)
        for lag in np.unique(self.lag):
            if lag < steps:
                here = self.lag == lag
                rows = sent[: steps - lag, :, self.source[here]].reshape(-1, int(here.sum()))
                current[lag:] += (rows @ self.matrix[here]).reshape(steps - lag, samples, -1)
        return current


class Forms:
    """The forms of a network's synapses, each made once. It reads weights when it makes one."""

    def __init__(self) -> None:
        self._made: dict[Synapses, Lagged | None] = {}

    def of(self, synapses: Synapses) -> Lagged | None:
        """The form of synapses; None where it would be too large."""
        if synapses not in self._made:
            self._made[synapses] = lagged(synapses)
        return self._made[synapses]

    def of_steps(self, synapses: Synapses) -> Lagged | None:
        """The same, where each step is a product; None where the reference is faster."""
        large = synapses.sources * synapses.size > LARGEST_SPARSE
        return None if large and _reach(synapses) < SPARSE else self.of(synapses)


def lagged(synapses: Synapses) -> Lagged | None:
    """The form of synapses; None where it would be too large."""
    depth, sources = synapses.depth, synapses.sources
    if depth * sources**2 > LARGEST_LINES:
        return None
    lags, found, rows = [], [], []
    for lag in range(depth):
        line = np.zeros((sources, depth, sources), np.float32)
        line[:, lag] = np.eye(sources)
        matrix = synapses.reference(line)
        (active,) = np.nonzero(matrix.any(axis=1))
        lags.append(np.full(len(active), lag))
        found.append(active)
        rows.append(matrix[active])
        if sum(map(len, rows)) * matrix.shape[1] > LARGEST_MATRIX:
            return None
    return Lagged(np.concatenate(lags), np.concatenate(found), np.concatenate(rows))


def _reach(synapses: Synapses) -> float:
    """The share of the receiving neurons that a sending one reaches, of a few of these."""
    few = np.unique(np.linspace(0, synapses.sources - 1, 8).astype(int))
    line = np.zeros((len(few), synapses.depth, synapses.sources), np.float32)
    line[np.arange(len(few)), :, few] = 1
    return float((synapses.reference(line) != 0).mean())
