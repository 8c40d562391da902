"""The neuron of `alpha` in TIR: tables, and the update of one block of neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops import lif_tir
from delrec_compile.ops.threshold_onnx import under

if TYPE_CHECKING:
    from collections.abc import Callable

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.alpha import Alpha

SCALARS = ("alpha", "beta", "gain", "under", "threshold")


def _values(neuron: Alpha) -> dict[str, Any]:
    level = under(neuron.threshold, neuron.fires)
    return vars(neuron) | {"under": level if level.ndim else float(level)}


def tables(neuron: Alpha, unit: F32) -> dict[str, F32]:
    """Constants by name. unit: worth of one unit of the sums; empty for float32."""
    values = [_values(neuron)[name] for name in SCALARS]
    shared = [0.0 if isinstance(x, np.ndarray) else x for x in values]
    return {"alpha": np.append(np.array(shared, np.float32), unit)} | own_tables(neuron)


def own_tables(neuron: Alpha) -> dict[str, F32]:
    """Constants that differ from neuron to neuron."""
    own = {f"alpha_{name}": _values(neuron)[name] for name in SCALARS}
    if neuron.reset == "hard_later":
        del own["alpha_threshold"]
    return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}


@dataclass(frozen=True)
class AlphaTile:
    """A tile of neurons from neuron `base` on.

    exc, inh, v: views of their state. scalars: table `alpha`. own: a view of each constant that differs
    from neuron to neuron.
    """

    e: Emitter
    neuron: Alpha
    exc: Any
    inh: Any
    v: Any
    scalars: Any
    own: dict[str, Any]
    base: Any

    @staticmethod
    def of(
        e: Emitter, neuron: Alpha, buffers: Callable[[str], Any], base: Any, size: int
    ) -> AlphaTile:
        """`size` neurons from `base` on. buffers: a table or state variable by name."""
        exc, inh, v = (e.view(buffers(name), base, size) for name in neuron.states)
        own = {name: e.view(buffers(name), base, size) for name in own_tables(neuron)}
        return AlphaTile(e, neuron, exc, inh, v, buffers("alpha"), own, base)

    @property
    def unit(self) -> Any:
        """Worth of one unit of the sums."""
        return self.scalars[len(SCALARS)]

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block: both traces take the current, their sum fires; a spike resets in the next step."""
        e, T = self.e, self.e.T
        took = e.register(lanes, current)
        old = e.register(lanes, e.load(self.inh, at, lanes))
        decayed = e.load(self.exc, at, lanes) * self._constant("alpha", at, lanes)
        exc = e.register(lanes, e.rounded(decayed, lanes) + e.load(took, 0, lanes))
        decayed = e.load(old, 0, lanes) * self._constant("beta", at, lanes)
        inh = e.register(lanes, e.rounded(decayed, lanes) - e.load(took, 0, lanes))
        for trace in (exc, inh):
            lif_tir.heal(e, trace, lanes)
        both = (e.load(exc, 0, lanes) + e.load(inh, 0, lanes)) * self._constant("gain", at, lanes)
        m = e.register(lanes, e.rounded(both, lanes))
        fired = e.load(self.v, at, lanes) > self._constant("under", at, lanes)
        zero = late = late_m = e.zero("float32", lanes)
        if self.neuron.reset == "soft_later":
            late = e.load(exc, 0, lanes) - self._constant("threshold", at, lanes)
            late_m = e.load(m, 0, lanes) + e.load(old, 0, lanes)
        e.store(m, 0, lanes, T.Select(fired, late_m, e.load(m, 0, lanes)))
        e.store(self.exc, at, lanes, T.Select(fired, late, e.load(exc, 0, lanes)))
        e.store(self.inh, at, lanes, T.Select(fired, zero, e.load(inh, 0, lanes)))

        def fires(q: int, width: int) -> Any:
            return e.load(m, q, width) > self._constant("under", at + q, width)

        e.append(spikes, fires, self.base + at, lanes)
        lif_tir.heal(e, m, lanes)
        e.store(self.v, at, lanes, e.load(m, 0, lanes))

    def _constant(self, name: str, at: Any, lanes: int) -> Any:
        own = self.own.get(f"alpha_{name}")
        if own is not None:
            return self.e.load(own, at, lanes)
        return self.e.splat(self.scalars[SCALARS.index(name)], lanes)
