"""Statistics of the inputs of each layer on real samples, for calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from delrec_compile.aliases import F64, Ints
from delrec_compile.data.events import Events
from delrec_compile.network.integer.layers import IntegerLayer, IntegerReadout
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.recurrence import IntegerDense

NEAR = 0.02  # of the way from v_reset to the threshold: that counts as near to firing
FLOOR = 1e-4  # weight of all other steps
MAX_SAMPLES = 512
BATCH = 64


@dataclass(frozen=True, eq=False)
class InputStatistics:
    """Statistics of the inputs of a layer on real samples, arriving spikes of dense_delay last.

    covariance: (in, in). near: (out, in), the mean input of each neuron when it is near to firing.
    """

    covariance: F64
    near: F64


def collect_statistics(running: IntegerNetwork, samples: Events) -> list[InputStatistics]:
    """Statistics of the inputs of each layer and of the readout, on MAX_SAMPLES of the samples at most.

    running: the uncalibrated int16 form, whose spikes are nearly the float ones.
    """
    used = min(len(samples), MAX_SAMPLES)
    counts = samples.counts[np.arange(used) * len(samples) // used]
    sums = [_RunningSums(part) for _, part, _ in running.parts()]
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


class _RunningSums:
    """Running sums over the steps of one layer, or of the readout."""

    def __init__(self, part: IntegerLayer | IntegerReadout) -> None:
        self.layer = part if isinstance(part, IntegerLayer) else None
        r = part.recurrence if isinstance(part, IntegerLayer) else None
        self.dense = r if isinstance(r, IntegerDense) else None
        n = part.inputs + (self.dense.size if self.dense else 0)
        self.products, self.near = np.zeros((n + 1, n + 1)), np.zeros((part.size, n + 1))

    def add(self, inputs: F64, v: Ints | None, hist: Ints | None) -> None:
        row = [inputs, np.ones((len(inputs), 1))]
        if self.dense is not None and hist is not None:
            row.insert(1, self.dense.arriving(hist))
        z = np.concatenate(row, axis=1)
        self.products += z.T @ z
        if self.layer is None or v is None:
            self.near += z.sum(axis=0)
            return
        width = NEAR * (self.layer.threshold - self.layer.v_reset.astype(np.int64))
        off = (self.layer.membrane(inputs, v, hist) - self.layer.threshold) / width
        self.near += (np.exp(-0.5 * off**2) + FLOOR).T @ z

    def statistics(self) -> InputStatistics:
        mean = self.products[-1, :-1] / self.products[-1, -1]
        second = self.products[:-1, :-1] / self.products[-1, -1]
        return InputStatistics(second - np.outer(mean, mean), self.near[:, :-1] / self.near[:, -1:])
