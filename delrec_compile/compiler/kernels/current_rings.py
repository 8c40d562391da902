"""Which projections push their spikes to a ring of currents, by the schedule's choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from delrec_compile.compiler.kernels.nodes import Rings
from delrec_compile.network.integer.linear import IntegerLinear
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import INPUT, Network
from delrec_compile.ops.current_ring import LARGEST, CurrentRing
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.targets.schedule import Schedule


def rings_of(
    network: Network | IntegerNetwork, schedule: Schedule, sums: Sequence[str | None]
) -> Rings:
    """The rings of a kernel. sums: dtype of those of each population; None where they round, as their
    order is then part of the result. Real inputs, which are seldom 0, are pulled.
    """
    out: dict[tuple[str, int], CurrentRing] = {}
    if schedule.synapses != "push":
        return out
    parts: Sequence[Any] = network.populations
    for p, dtype in zip(parts, sums, strict=True):
        for k, each in enumerate(p.projections):
            s = each.synapses
            form = s.form if isinstance(s, IntegerLinear) else s
            real = each.source == INPUT and network.real_input is not None
            if dtype is None or real or not isinstance(form, SynapticDelay):
                continue
            ring = form.current_ring(schedule.lanes, dtype)
            if ring.elements <= LARGEST:
                out[p.name, k] = ring
    return out
