"""How the samples of a network are read: what a user states, and what its notes say."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from delrec_compile.errors import UsageError
from delrec_compile.network.model import Network

NOTE = "input"  # of a network: how the samples that it was made for are read


@dataclass(frozen=True)
class Reading:
    """How samples are read; None is what the network states, else the default.

    steps: of .h5 samples; by default the longest. dt_ms: of a step, for files that state none or
    another; by default the network's. align_first_spike, lead: see `read_samples`.
    """

    steps: int | None = None
    dt_ms: float | None = None
    align_first_spike: bool | None = None
    lead: int | None = None

    def __post_init__(self) -> None:
        for name, value, least in (("steps", self.steps, 1), ("lead", self.lead, 0)):
            if value is not None and value < least:
                raise UsageError(f"{name} is {value}; at least {least} is required")
        if self.dt_ms is not None and not 0 < self.dt_ms < math.inf:
            raise UsageError(f"dt_ms is {self.dt_ms:g}; a positive number is required")


def reading_of(network: Network) -> Reading:
    """How the samples that a network was made for are read, as far as its notes say."""
    notes = network.notes.get(NOTE) or {}
    trained = network.notes.get("config") or {}
    known = {name: notes.get(name) for name in ("steps", "align_first_spike", "lead")}
    if known["steps"] is None and isinstance(trained, dict):
        known["steps"] = trained.get("steps")
    valid: dict[str, Any] = {
        name: value for name, value in known.items() if isinstance(value, int) and value >= 0
    }
    return Reading(**{**valid, "steps": valid.get("steps") or None})


def with_reading(network: Network, reading: Reading) -> Network:
    """The network with notes on how its samples are read."""
    values = {"steps": reading.steps, "align_first_spike": reading.align_first_spike}
    stated = {name: v for name, v in {**values, "lead": reading.lead}.items() if v is not None}
    if not stated:
        return network
    return replace(network, notes={**network.notes, NOTE: stated})
