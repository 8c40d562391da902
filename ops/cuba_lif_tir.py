"""The neuron of `cuba_lif` in TIR: its synaptic current, which a tile of `lif` then takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops import lif_tir

if TYPE_CHECKING:
    from collections.abc import Callable

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.cuba_lif import CubaLif

SCALARS = ("alpha", "gain_i")


def tables(neuron: CubaLif, unit: F32) -> dict[str, F32]:
    """Constants by name; unit: as in `lif_tir.tables`."""
    values = (getattr(neuron, name) for name in SCALARS)
    shared = [0.0 if isinstance(x, np.ndarray) else x for x in values]
    table = {"synapse": np.array(shared, np.float32)}
    return table | own_tables(neuron) | lif_tir.tables(neuron.membrane, unit)


def own_tables(neuron: CubaLif) -> dict[str, F32]:
    """Constants of the current that differ from neuron to neuron."""
    own = {f"synapse_{name}": getattr(neuron, name) for name in SCALARS}
    return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}


@dataclass(frozen=True)
class CubaLifTile:
    """A tile of neurons. i: view of their currents. scalars: table `synapse`.

    own: a view of each constant that differs from neuron to neuron. membrane: takes the current.
    """

    e: Emitter
    neuron: CubaLif
    i: Any
    scalars: Any
    own: dict[str, Any]
    membrane: lif_tir.LifTile

    @staticmethod
    def of(
        e: Emitter, neuron: CubaLif, buffers: Callable[[str], Any], base: Any, size: int
    ) -> CubaLifTile:
        """`size` neurons from `base` on. buffers: a table or state variable by name."""
        i = e.view(buffers("i"), base, size)
        own = {name: e.view(buffers(name), base, size) for name in own_tables(neuron)}
        membrane = lif_tir.LifTile.of(e, neuron.membrane, buffers, base, size)
        return CubaLifTile(e, neuron, i, buffers("synapse"), own, membrane)

    @property
    def unit(self) -> Any:
        """Worth of one unit of the sums."""
        return self.membrane.unit

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block: the synaptic current decays and takes what came in, then the membrane takes it."""
        e = self.e
        old = e.register(lanes, e.load(self.i, at, lanes))
        if self.neuron.has_gain_i:
            current = e.rounded(current * self._constant("gain_i", at, lanes), lanes)
        decayed = e.rounded(e.load(old, 0, lanes) * self._constant("alpha", at, lanes), lanes)
        new = e.register(lanes, decayed + current)
        lif_tir.heal(e, new, lanes)
        e.store(self.i, at, lanes, e.load(new, 0, lanes))
        enters = new if self.neuron.enters == "new" else old
        self.membrane.update(e.load(enters, 0, lanes), spikes, at, lanes)

    def _constant(self, name: str, at: Any, lanes: int) -> Any:
        own = self.own.get(f"synapse_{name}")
        if own is not None:
            return self.e.load(own, at, lanes)
        return self.e.splat(self.scalars[SCALARS.index(name)], lanes)
