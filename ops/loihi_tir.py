"""The neuron of `loihi` in TIR: tables, and the update of one block of neurons, its decays in int32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops.loihi_onnx import ABOVE, CONSTANTS, ONE, TOP, UNIT, WRAP

if TYPE_CHECKING:
    from collections.abc import Callable

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.loihi import Loihi

SHIFT = 12  # bits of the parts that a decay counts in


def tables(neuron: Loihi, unit: F32) -> dict[str, F32]:
    """Constants by name. unit: worth of one unit of the sums; empty for float32."""
    shared = [0.0 if v.ndim else float(v) for v in neuron.constants().values()]
    return {"loihi": np.append(np.array(shared, np.float32), unit)} | own_tables(neuron)


def own_tables(neuron: Loihi) -> dict[str, F32]:
    """Constants that differ from neuron to neuron."""
    own = {f"loihi_{name}": value for name, value in neuron.constants().items()}
    return {name: value for name, value in own.items() if value.ndim}


@dataclass(frozen=True)
class LoihiTile:
    """A tile of neurons from neuron `base` on.

    i, v: views of their state. scalars: table `loihi`. own: a view of each constant that differs from
    neuron to neuron.
    """

    e: Emitter
    neuron: Loihi
    i: Any
    v: Any
    scalars: Any
    own: dict[str, Any]
    base: Any

    @staticmethod
    def of(
        e: Emitter, neuron: Loihi, buffers: Callable[[str], Any], base: Any, size: int
    ) -> LoihiTile:
        """`size` neurons from `base` on. buffers: a table or state variable by name."""
        i, v = (e.view(buffers(name), base, size) for name in neuron.states)
        own = {name: e.view(buffers(name), base, size) for name in own_tables(neuron)}
        return LoihiTile(e, neuron, i, v, buffers("loihi"), own, base)

    @property
    def unit(self) -> Any:
        """Worth of one unit of the sums."""
        return self.scalars[len(CONSTANTS)]

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block: the current decays and takes what came in, the membrane decays and takes it."""
        e, T = self.e, self.e.T
        wrap, low = self._number(WRAP, lanes), self._number(-WRAP, lanes)
        i = e.register(lanes, self._decayed(self.i, "keep_i", at, lanes) + current)
        value = e.load(i, 0, lanes)
        e.store(i, 0, lanes, T.Select(value > wrap, value - self._number(2 * WRAP, lanes), value))
        e.store(i, 0, lanes, T.Select(value > low, value, value + self._number(2 * WRAP, lanes)))
        e.store(i, 0, lanes, self._sound(value, value, lanes))
        e.store(self.i, at, lanes, value)
        driven = e.register(lanes, self._decayed(self.v, "keep_v", at, lanes) + value)
        m = e.register(lanes, e.load(driven, 0, lanes) + self._constant("v_bias", at, lanes))
        value = e.load(m, 0, lanes)
        top, bottom = self._number(TOP, lanes), self._number(-TOP, lanes)
        e.store(m, 0, lanes, T.Select(value < top, value, top))
        e.store(m, 0, lanes, T.Select(value > bottom, value, bottom))

        def fires(q: int, width: int) -> Any:
            return e.load(m, q, width) > self._constant("threshold", at + q, width)

        e.append(spikes, fires, self.base + at, lanes)
        e.store(self.v, at, lanes, T.Select(fires(0, lanes), e.zero("float32", lanes), value))

    def _decayed(self, state: Any, keep: str, at: Any, lanes: int) -> Any:
        """A state of the block after its decay."""
        e, T = self.e, self.e.T

        def whole(number: int) -> Any:
            return e.splat(T.int32(number), lanes)

        zero = e.zero("float32", lanes)
        old = e.register(lanes, e.load(state, at, lanes))
        x = e.load(old, 0, lanes)
        size = e.register(lanes, T.Select(x < zero, zero - x, x))
        size = self._sound(e.load(size, 0, lanes), e.load(size, 0, lanes), lanes)
        fine = e.register(lanes, e.cast(size * self._number(UNIT, lanes), "int32", lanes), "int32")
        units = e.load(fine, 0, lanes)
        left = e.cast(self._constant(keep, at, lanes), "int32", lanes)
        high = T.shift_right(units, whole(SHIFT)) * left
        low = T.shift_right(T.bitwise_and(units, whole(ONE - 1)) * left, whole(SHIFT))
        new = e.cast(high + low, "float32", lanes) * self._number(1 / UNIT, lanes)
        made = e.register(lanes, new)
        new = e.load(made, 0, lanes)
        return T.Select(x < zero, zero - new, new)

    def _sound(self, value: Any, instead: Any, lanes: int) -> Any:
        """The value where it is not broken, else 0; a NaN is in no range."""
        T, zero = self.e.T, self.e.zero("float32", lanes)
        above = self._number(ABOVE, lanes)
        inside = T.And(value < above, value > zero - above)
        return T.Select(inside, instead, zero)

    def _number(self, value: Any, lanes: int) -> Any:
        return self.e.splat(self.e.T.float32(float(value)), lanes)

    def _constant(self, name: str, at: Any, lanes: int) -> Any:
        own = self.own.get(f"loihi_{name}")
        if own is not None:
            return self.e.load(own, at, lanes)
        return self.e.splat(self.scalars[CONSTANTS.index(name)], lanes)
