"""Lava's network in its own arithmetic: whole numbers of 24 bits, for the check after an import.

Source: `lava.proc.lif`, its model "bit-accurate with Loihi". A layer's spikes come here in their own
step; in Lava they come a step later for each layer before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.interop.parts import Delays, Neurons, Part
from delrec_compile.ops.loihi import Loihi

I64 = NDArray[np.int64]
DECAY, SHIFT = 12, 6  # bits
MOST = 1 << 23


@dataclass(frozen=True, eq=False)
class LavaModel:
    """parts: of the network, in order, with their names."""

    parts: Sequence[tuple[str, Part]]
    name: str = "Lava's fixed-point LIF"

    def spikes(self, x: F32) -> list[F32]:
        """Spikes (T, batch, N) of each layer on x (T, batch, inputs)."""
        steps, batch = x.shape[:2]
        values: Any = x.astype(np.float64)
        out: list[F32] = []
        for _, part in self.parts:
            if isinstance(part, Neurons):
                assert isinstance(part.neuron, Loihi)
                values = fired(np.rint(values).astype(np.int64), part.neuron).astype(np.float64)
                out.append(values.astype(np.float32))
            elif isinstance(part, Delays):
                values = _delayed(values, part.steps)
            else:
                rows = part.linear(values.reshape(steps * batch, -1))  # type: ignore[union-attr]
                values = rows.reshape(steps, batch, -1)
        return out


def fired(currents: I64, neuron: Loihi) -> I64:
    """Spikes (T, batch, N) of currents in units of the weights."""
    u = v = np.zeros(currents.shape[1:], np.int64)
    du, dv, threshold, bias = (
        np.asarray(getattr(neuron, name), np.int64)
        for name in ("current_decay", "voltage_decay", "threshold", "v_bias")
    )
    out = np.zeros_like(currents)
    for t, current in enumerate(currents):
        u = _decayed(u, du) + (current << SHIFT)
        u = np.where(u > MOST, u - 2 * MOST, np.where(u <= -MOST, u + 2 * MOST, u))
        v = np.clip(_decayed(v, dv) + u + (bias << SHIFT), 1 - MOST, MOST - 1)
        out[t] = v > threshold << SHIFT
        v = np.where(out[t], 0, v)
    return out


def _decayed(state: I64, decay: I64) -> I64:
    """Towards zero: the chip shifts sizes, not signed numbers."""
    left = (np.abs(state) * ((1 << DECAY) - decay)) >> DECAY
    return np.asarray(np.sign(state) * left)


def _delayed(values: Any, steps: I64) -> Any:
    """values: (T, batch, N). steps: (N,)."""
    out = np.zeros_like(values)
    for n, late in enumerate(steps.tolist()):
        out[late:, :, n] = values[: max(len(values) - late, 0), :, n]
    return out
