"""The LIF neuron of `lif` in TIR: tables, and the update of one block of neurons.

m = beta * v + gain * I,   s = m >= level,   level: the threshold, or the next float32 above it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops import refractory
from delrec_compile.ops.neuron import BROKEN
from delrec_compile.ops.refractory import REFRACTORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.lif import Lif


def constants(lif: Lif) -> F32:
    """SCALARS of a layer, 0 where each neuron has its own.

    They are a table because C text prints float literals with seven digits.
    """
    values = (lif.beta, lif.level, lif.v_reset, lif.gain, lif.threshold)
    return np.array([0.0 if isinstance(x, np.ndarray) else x for x in values], np.float32)


SCALARS = ("beta", "level", "v_reset", "gain", "threshold")
STEPS = "lif_refractory"  # table of the refractory period: one number, or (N,)
UNIT = len(SCALARS)  # index of the worth of a unit, behind them


def tables(lif: Lif, unit: F32) -> dict[str, F32]:
    """Constants by name. unit: worth of one unit of the sums; empty for float32."""
    out = {"lif": np.append(constants(lif), unit)} | own_tables(lif)
    if lif.is_refractory:
        out[STEPS] = np.atleast_1d(np.asarray(lif.refractory, np.float32))
    return out


def own_tables(lif: Lif) -> dict[str, F32]:
    """Constants that differ from neuron to neuron."""
    own = {name: getattr(lif, name) for name in SCALARS}
    if lif.reset.startswith("hard"):
        del own["threshold"]
    return {f"lif_{k}": value for k, value in own.items() if isinstance(value, np.ndarray)}


@dataclass(frozen=True)
class LifTile:
    """A tile of neurons from neuron `base` on.

    v: view of their membranes. scalars: table `lif`. own: a view of each constant that differs from
    neuron to neuron. waits: views of the counters and of the table of the refractory period, or none.
    """

    e: Emitter
    lif: Lif
    v: Any
    scalars: Any
    own: dict[str, Any]
    base: Any
    waits: tuple[Any, ...] = ()

    @staticmethod
    def of(e: Emitter, lif: Lif, buffers: Callable[[str], Any], base: Any, size: int) -> LifTile:
        """`size` neurons from `base` on. buffers: a table or state variable by name."""
        v = e.view(buffers("v"), base, size)
        own = {name: e.view(buffers(name), base, size) for name in own_tables(lif)}
        waits: tuple[Any, ...] = ()
        if lif.is_refractory:
            each, steps = isinstance(lif.refractory, np.ndarray), buffers(STEPS)
            waits = (
                e.view(buffers(REFRACTORY), base, size),
                e.view(steps, base, size) if each else steps,
            )
        return LifTile(e, lif, v, buffers("lif"), own, base, waits)

    @property
    def unit(self) -> Any:
        """Worth of one unit of the sums."""
        return self.scalars[UNIT]

    def constant(self, name: str, at: Any, lanes: int) -> Any:
        """A constant of one block."""
        own = self.own.get(f"lif_{name}")
        if own is not None:
            return self.e.load(own, at, lanes)
        return self.e.splat(self.scalars[SCALARS.index(name)], lanes)

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block: leaks, adds the current, appends the spikes to the list, resets."""
        e, T, lif = self.e, self.e.T, self.lif
        old = e.load(self.v, at, lanes)
        if lif.has_gain:
            current = e.rounded(current * self.constant("gain", at, lanes), lanes)
        m = e.register(lanes, e.rounded(old * self.constant("beta", at, lanes), lanes) + current)
        if lif.reset.endswith("later"):
            block = e.load(m, 0, lanes)
            late = self._late(block, at, lanes)
            e.store(m, 0, lanes, T.Select(old >= self.constant("level", at, lanes), late, block))
        if self.waits:
            self._wait(m, at, lanes)
        if e.schedule.events == "branch":
            for q in range(lanes):
                self._update_branch(m[q], spikes, at + q)
            return

        def fires(q: int, width: int) -> Any:
            return e.load(m, q, width) >= self.constant("level", at + q, width)

        e.append(spikes, fires, self.base + at, lanes)
        e.store(self.v, at, lanes, self._next(e.load(m, 0, lanes), at, lanes))

    def _wait(self, m: Any, at: Any, lanes: int) -> None:
        """Holds neurons in their refractory period at their reset, and counts the steps."""
        e, (counters, table) = self.e, self.waits
        each = isinstance(self.lif.refractory, np.ndarray)
        steps = e.load(table, at, lanes) if each else e.splat(table[0], lanes)
        left = e.load(counters, at, lanes)
        refractory.hold(e, m, left, steps, self.constant("v_reset", at, lanes), lanes)
        fires = e.load(m, 0, lanes) >= self.constant("level", at, lanes)
        e.store(counters, at, lanes, refractory.counted(e, left, steps, fires, lanes))

    def _update_branch(self, m: Any, spikes: Events, at: int) -> None:
        """One neuron; one that stays below its threshold costs one comparison."""
        e, level = self.e, self.constant("level", at, 1)
        if self.lif.reset.endswith("later"):
            e.store(self.v, at, 1, self._next(m, at, 1))
            with e.when(m >= level):
                e.append_always(spikes, self.base + at)
            return
        with e.otherwise(self._stays(m, at, 1), lambda: e.store(self.v, at, 1, m)):
            e.store(self.v, at, 1, self._reset(m, at, 1))
            with e.when(m >= level):
                e.append_always(spikes, self.base + at)

    def _late(self, m: Any, at: Any, lanes: int) -> Any:
        """The membrane of a neuron that fired in the step before."""
        if self.lif.reset == "hard_later":
            return self.constant("v_reset", at, lanes)
        return m - self.constant("threshold", at, lanes)

    def _is_low(self, m: Any, at: Any, lanes: int) -> Any:
        return m < self.constant("level", at, lanes)

    def _bound(self, sign: int, lanes: int) -> Any:
        """Largest membrane that is not broken, or the smallest."""
        return self.e.splat(self.e.T.float32(sign * BROKEN), lanes)

    def _stays(self, m: Any, at: Any, lanes: int) -> Any:
        """Whether a membrane is kept: it neither fires nor is broken. C text has the second test."""
        T, low = self.e.T, self._is_low(m, at, lanes)
        if self.e.generator == "c":
            return T.And(low, T.call_extern("bool", "is_sound", m))
        return T.And(low, m >= self._bound(-1, lanes))

    def _reset(self, m: Any, at: Any, lanes: int) -> Any:
        """The new membrane of a neuron whose membrane is not kept."""
        v_reset = self.constant("v_reset", at, lanes)
        if self.lif.reset == "hard":
            return v_reset
        return self._sound(m, m - self.constant("threshold", at, lanes), v_reset, lanes)

    def _sound(self, m: Any, new: Any, v_reset: Any, lanes: int) -> Any:
        T = self.e.T
        sound = T.And(m >= self._bound(-1, lanes), m <= self._bound(1, lanes))
        return T.Select(sound, new, v_reset)

    def _next(self, m: Any, at: Any, lanes: int) -> Any:
        """The new membrane of any neuron."""
        if self.lif.reset.endswith("later"):
            return self._sound(m, m, self.constant("v_reset", at, lanes), lanes)
        T = self.e.T
        if self.e.generator == "c":
            return T.Select(self._stays(m, at, lanes), m, self._reset(m, at, lanes))
        # compared as the list of spikes does, which costs nothing then
        fires = m >= self.constant("level", at, lanes)
        kept = T.Select(m >= self._bound(-1, lanes), m, self.constant("v_reset", at, lanes))
        return T.Select(fires, self._reset(m, at, lanes), kept)


def heal(
    e: Emitter, register: Any, lanes: int, instead: Callable[[int, int], Any] | None = None
) -> None:
    """Mends what is NaN, infinite or beyond `BROKEN` in size in a register.

    instead: `width` values from place q of the block on, by (q, width); zeros where it is None.
    """
    T = e.T
    value_of = instead or (lambda q, width: e.zero("float32", width))
    if e.generator == "c":
        for k in range(lanes):
            with e.when(T.call_extern("bool", "is_broken", register[k])):
                e.store(register, k, 1, value_of(k, 1))
        return
    value = e.load(register, 0, lanes)
    low, high = (e.splat(T.float32(sign * BROKEN), lanes) for sign in (-1, 1))
    sound = T.And(value >= low, value <= high)
    e.store(register, 0, lanes, T.Select(sound, value, value_of(0, lanes)))
