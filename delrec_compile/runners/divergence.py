"""The first spike in which two engines differ, and how close to firing its neuron was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.network.model import Network


@dataclass(frozen=True)
class Divergence:
    """The first place where two engines differ.

    margin: |membrane - threshold| in a float reference, None without one. layer: number of the
    population that fires. population: its name in a graph; None in a chain.
    """

    sequence: int
    step: int
    layer: int
    neuron: int
    margin: float | None = None
    population: str | None = None


def first_divergence(mismatches: Sequence[NDArray[Any]]) -> Divergence | None:
    """The earliest mismatch; of one step, in the lowest layer, sequence and neuron.

    mismatches: a boolean array (T, sequences, N) per layer.
    """
    first: Divergence | None = None
    for layer, mismatch in enumerate(mismatches):
        steps = mismatch.any(axis=(1, 2))
        if not steps.any():
            continue
        step = int(np.argmax(steps))
        if first is None or step < first.step:
            at = np.unravel_index(int(np.argmax(mismatch[step])), mismatch.shape[1:])
            first = Divergence(int(at[0]), step, layer, int(at[1]))
    return first


def membrane_and_threshold(
    network: Network, membranes: Sequence[F32], at: Divergence
) -> tuple[float, float]:
    """The neuron's membrane before its reset, and its threshold. membranes: (T, sequences, N)."""
    p = network.spiking[at.layer]
    threshold = np.broadcast_to(p.model.threshold, p.size)[at.neuron]
    return float(membranes[at.layer][at.step, at.sequence, at.neuron]), float(threshold)
