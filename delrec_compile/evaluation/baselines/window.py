"""A layer's spikes over time in one buffer: the delay line is a window that slides over it.

A step copies no history, whatever the delay. A stream without end would need a ring of twice the
depth for the same, at the same cost per step.

Arrays have no batch axis at batch 1, and end in it otherwise: a neuron's streams lie side by side.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.evaluation.baselines.baseline import Workload, delays, recurrent_weight
from delrec_compile.network.model import ConvDelay, Layer

MAX_AHEAD = 16


class History:
    """rows: (depth + T, pad + N + pad[, batch]), the first `depth` of them before the first step.

    ahead: steps whose recurrent current is known at once, because nothing arrives before
    `1 + delay` steps. T is rounded up to a multiple of it. pad: cells beside the neurons that stay
    zero, for what a kernel reads outside.
    """

    def __init__(self, layer: Layer, work: Workload, *, padded: bool = True) -> None:
        r = layer.recurrence
        self.n, self.depth, self.ahead, self.taps = layer.size, 0, 1, 1
        self.weight: F32 | None = None
        if r is not None:
            self.weight = recurrent_weight(r)
            self.depth = r.depth
            self.taps = len(self.weight) if isinstance(r, ConvDelay) else 1
            self.delay = delays(r).astype(np.int64)
            if work.hoists:
                self.ahead = min(int(self.delay.min()) + 1, MAX_AHEAD)
        self.pad = self.taps // 2 if padded else 0
        self.steps = work.steps
        self.chunks = math.ceil(work.steps / self.ahead)
        tail = (work.batch,) if work.batch > 1 else ()
        length = self.depth + self.chunks * self.ahead
        self.rows = np.zeros((length, self.n + 2 * self.pad, *tail), np.float32)

    @property
    def spikes(self) -> F32:
        """(T, N[, batch]), a view."""
        end = self.depth + self.steps
        return self.rows[self.depth : end, self.pad : self.pad + self.n]

    def window(self, chunk: int) -> F32:
        """(depth + ahead - 1, pad + N + pad[, batch]): what steps of one chunk may read, a view."""
        start = chunk * self.ahead
        return self.rows[start : start + self.depth + self.ahead - 1]

    def row_of(self) -> NDArray[np.int64]:
        """(ahead, N): the row of the window that a step of the chunk reads neuron j from."""
        return self.depth - 1 - self.delay + np.arange(self.ahead)[:, None]

    def at(self) -> NDArray[np.int64]:
        """(K * ahead * N,): where in a flat window lies what each tap of each step reads.

        Taps outside the neurons read cell 0, a pad.
        """
        width = self.n + 2 * self.pad
        j = np.arange(self.n) + np.arange(self.taps)[:, None] - self.taps // 2
        inside = (j >= 0) & (j < self.n)
        row = self.row_of()[:, np.clip(j, 0, self.n - 1)]
        flat = np.where(inside, row * width + self.pad + j, 0)
        return np.ascontiguousarray(flat.transpose(1, 0, 2)).ravel()
