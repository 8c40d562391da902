"""What a network takes as inputs: their number, time step, and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from delrec_compile.data.arrays import to_counts, to_values
from delrec_compile.network.model import Network
from delrec_compile.network.reading import reading_of


@dataclass(frozen=True)
class Taker:
    """What a network takes. network: None where only its exported step is at hand. real: whether it
    takes real values, which are clipped to max_input.

    outputs: of which the class is chosen. steps, align_first_spike, lead: how the samples that it was
    made for are read; None: unknown.
    """

    inputs: int
    outputs: int | None
    dt_ms: float
    labels: tuple[str, ...] = ()
    max_input: float = 255
    network: Network | None = None
    steps: int | None = None
    align_first_spike: bool | None = None
    lead: int | None = None
    real: bool = False

    @classmethod
    def of(cls, network: Network) -> Taker:
        """What `network` takes, and what its notes say about its samples."""
        known = reading_of(network)
        return cls(
            network.inputs,
            network.readout.size,
            network.dt_ms,
            network.labels,
            network.max_input,
            network,
            known.steps,
            known.align_first_spike,
            known.lead,
            network.real_input is not None,
        )

    def values(self, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array of samples in the type that the network takes. Raises DataError."""
        return to_values(name, array) if self.real else to_counts(name, array)
