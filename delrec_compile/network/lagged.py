"""Synapses with delays as one matrix over (lag, sending neuron): many samples in one product.

    I[i] = sum_k g[k] * matrix[k, i],    g[k] = what neuron source[k] sent lag[k] steps before

Any synapses are linear in their line, so their plain reference on unit lines gives the matrix. Where
every sum is exact, as on a snapped network, the product has the bits of the reference.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.ops.synapses import Synapses

LARGEST_LINES = 1 << 25  # values in the unit lines of a lag
LARGEST_MATRIX = 1 << 24  # values; more are read no faster than the reference takes


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


@functools.lru_cache(maxsize=8)
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
