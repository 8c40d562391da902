"""The LIF neuron of `lif` in TIR: tables, and the update of one block of neurons.

m = beta * v + gain * I,   s = m >= level,   level: the threshold, or the next float32 above it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops.lif import BROKEN, Lif

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events


def constants(lif: Lif) -> F32:
    """beta, level, v_reset, gain, threshold: what `emit` reads of a layer; 0 where each neuron has
    its own. A table, because C text prints float literals with seven digits."""
    values = (lif.beta, lif.level, lif.v_reset, lif.gain, lif.threshold)
    return np.array([0.0 if isinstance(x, np.ndarray) else x for x in values], np.float32)


SCALARS = ("beta", "level", "v_reset", "gain", "threshold")
UNIT = len(SCALARS)  # where the worth of a unit lies behind them, if there is one


def tables(lif: Lif, unit: F32) -> dict[str, F32]:
    """What `emit` reads, by name. unit: one value or none."""
    return {"lif": np.append(constants(lif), unit)} | own_tables(lif)


def own_tables(lif: Lif) -> dict[str, F32]:
    """The constants that each neuron has of its own."""
    own = {name: getattr(lif, name) for name in SCALARS}
    if lif.reset == "hard":
        del own["threshold"]
    return {f"lif_{k}": value for k, value in own.items() if isinstance(value, np.ndarray)}


@dataclass(frozen=True)
class Neurons:
    """The constants of a tile of neurons, as `emit` reads them.

    scalars: the table `lif`. own: a window per constant that each neuron has of its own.
    """

    lif: Lif
    scalars: Any
    own: dict[str, Any]

    @staticmethod
    def of(e: Emitter, lif: Lif, at: dict[str, Any], layer: int, base: Any, size: int) -> Neurons:
        """Of `size` neurons from `base` on. at: all tables by name, such as `l0_lif`."""
        own = {k: e.view(at[f"l{layer}_{k}"], base, size) for k in own_tables(lif)}
        return Neurons(lif, at[f"l{layer}_lif"], own)

    def get(self, e: Emitter, name: str, at: Any, lanes: int) -> Any:
        """A constant of one block."""
        own = self.own.get(f"lif_{name}")
        if own is not None:
            return e.load(own, at, lanes)
        return e.splat(self.scalars[SCALARS.index(name)], lanes)


def emit(
    e: Emitter,
    neurons: Neurons,
    current: Any,
    v: Any,
    spikes: Events,
    base: Any,
    at: int,
    lanes: int,
) -> None:
    """One block: leak, add the current, append the spikes to the list, reset.

    v: the membranes from neuron `base` on, updated in place.
    """
    T, lif = e.T, neurons.lif

    def get(name: str, q: int = 0, width: int = lanes) -> Any:
        return neurons.get(e, name, at + q, width)

    old = e.load(v, at, lanes)
    if lif.has_gain:
        current = e.rounded(current * get("gain"), lanes)
    m = e.register(lanes, e.rounded(old * get("beta"), lanes) + current)
    if lif.reset == "soft_later":
        block = e.load(m, 0, lanes)
        e.store(m, 0, lanes, T.Select(old >= get("level"), block - get("threshold"), block))
    if e.schedule.events == "branch":
        for q in range(lanes):
            _emit_branch(e, neurons, m[q], v, spikes, base, at + q)
        return

    def fires(q: int, width: int) -> Any:
        return e.load(m, q, width) >= get("level", q, width)

    e.append(spikes, fires, base + at, lanes)
    e.store(v, at, lanes, _kept(e, neurons, e.load(m, 0, lanes), at, lanes))


def _kept(e: Emitter, neurons: Neurons, m: Any, at: Any, lanes: int) -> Any:
    """The membrane after the reset."""
    after = _after(e, neurons, m, at, lanes)
    if neurons.lif.reset == "soft_later":
        return after
    return e.T.Select(m < neurons.get(e, "level", at, lanes), m, after)


def _after(e: Emitter, neurons: Neurons, m: Any, at: Any, lanes: int) -> Any:
    """The membrane that fired, after the reset; with a late one, any membrane."""
    v_reset = neurons.get(e, "v_reset", at, lanes)
    if neurons.lif.reset == "hard":
        return v_reset
    later = neurons.lif.reset == "soft_later"
    less = m if later else m - neurons.get(e, "threshold", at, lanes)
    return e.T.Select(m <= e.splat(e.T.float32(BROKEN), lanes), less, v_reset)


def _emit_branch(
    e: Emitter, neurons: Neurons, m: Any, v: Any, spikes: Events, base: Any, at: int
) -> None:
    """One neuron; one that stays below its threshold costs one comparison."""
    level = neurons.get(e, "level", at, 1)
    after = _after(e, neurons, m, at, 1)
    if neurons.lif.reset == "soft_later":
        e.store(v, at, 1, after)
        with e.when(m >= level):
            e.append_always(spikes, base + at)
        return
    with e.otherwise(m < level, lambda: e.store(v, at, 1, m)):
        e.store(v, at, 1, after)
        with e.when(m >= level):
            e.append_always(spikes, base + at)
