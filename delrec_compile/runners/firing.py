"""How much each population fired in a run: a run without spikes proves nothing about spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Firing:
    """Spikes of each population, and the share of its neuron-steps that fired.

    populations: their names in a graph; empty for the layers of a chain.
    """

    spikes: tuple[int, ...]
    rates: tuple[float, ...]
    populations: tuple[str, ...] = ()

    @staticmethod
    def of(spikes: Sequence[Any]) -> Firing:
        """Counted from the spikes of each layer, arrays of any shape."""
        counts = tuple(int(np.count_nonzero(s)) for s in spikes)
        pairs = zip(counts, spikes, strict=True)
        return Firing(counts, tuple(n / max(np.size(s), 1) for n, s in pairs))

    @property
    def silent(self) -> bool:
        """Whether no neuron fired."""
        return not any(self.spikes)

    @property
    def silent_layers(self) -> tuple[int, ...]:
        """Indices of the layers in which no neuron fired."""
        return tuple(i for i, n in enumerate(self.spikes) if not n)

    def as_dict(self) -> dict[str, Any]:
        """The fields for JSON."""
        fired = {"fired": list(self.spikes), "rates": list(self.rates), "silent": self.silent}
        return fired | ({"populations": list(self.populations)} if self.populations else {})


def silence(layers: Sequence[int], names: Sequence[str] = (), what: str = "layer") -> str:
    """A warning on layers that never fired, by their names in the model, or an empty text."""
    if not layers:
        return ""
    named = [names[i] if i < len(names) else str(i) for i in layers]
    what += "s" if len(named) > 1 else ""
    return f"{what} {', '.join(named)} never fired on these inputs: nothing is shown about it"
