"""The adaptive neurons in TIR: tables, and the update of one block of neurons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops import refractory
from delrec_compile.ops.lif_tir import heal

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.adaptive import Adaptive


def scalar_table(neuron: Adaptive) -> F32:
    """Constants of a layer in the order of `used`, 0 where each neuron has its own.

    They are a table because C text prints float literals with seven digits.
    """
    values = (getattr(neuron, name) for name in neuron.used)
    return np.array([0.0 if isinstance(x, np.ndarray) else x for x in values], np.float32)


@dataclass(frozen=True)
class AdaptiveTile(ABC):
    """A tile of neurons from neuron `base` on.

    state: a view of each state variable. scalars: table of the model's name. own: a view of each
    constant that differs from neuron to neuron.
    """

    e: Emitter
    neuron: Adaptive
    state: dict[str, Any]
    scalars: Any
    own: dict[str, Any]
    base: Any

    @classmethod
    def of(
        cls, e: Emitter, neuron: Adaptive, buffers: Callable[[str], Any], base: Any, size: int
    ) -> Self:
        """`size` neurons from `base` on. buffers: a table or state variable by name."""
        kind = neuron.kind
        state = {name: e.view(buffers(name), base, size) for name in neuron.states}
        names = [name for name in neuron.arrays() if name in neuron.used]
        own = {name: e.view(buffers(f"{kind}_{name}"), base, size) for name in names}
        return cls(e, neuron, state, buffers(kind), own, base)

    @property
    def unit(self) -> Any:
        """Worth of one unit of the sums."""
        return self.scalars[len(self.neuron.used)]

    def constant(self, name: str, at: Any, lanes: int) -> Any:
        """A constant of one block."""
        if name in self.own:
            return self.e.load(self.own[name], at, lanes)
        return self.e.splat(self.scalars[self.neuron.used.index(name)], lanes)

    @abstractmethod
    def membrane(self, current: Any, at: int, lanes: int) -> tuple[Any, Any]:
        """The membrane m and the level at which it fires; stores the new adaptation."""

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block: resets, adapts, leaks, adds the current, appends the spikes to the list."""
        e = self.e
        m, level = (e.register(lanes, x) for x in self.membrane(current, at, lanes))
        v_reset = self.constant("v_reset", at, lanes)
        left = steps = None
        if self.neuron.is_refractory:
            left = e.load(self.state[refractory.REFRACTORY], at, lanes)
            steps = self.constant(refractory.REFRACTORY, at, lanes)
            refractory.hold(e, m, left, steps, v_reset, lanes)

        def fires(q: int, width: int) -> Any:
            return self._reaches(e.load(m, q, width), e.load(level, q, width))

        e.append(spikes, fires, self.base + at, lanes)
        if self.neuron.is_refractory:
            after = refractory.counted(e, left, steps, fires(0, lanes), lanes)
            e.store(self.state[refractory.REFRACTORY], at, lanes, after)
        heal(e, m, lanes, lambda q, width: self.constant("v_reset", at + q, width))
        e.store(self.state["v"], at, lanes, e.load(m, 0, lanes))

    def rested(self, v: Any, level: Any, yes: Any, no: Any) -> Any:
        """`yes` where a membrane did not fire; `no` elsewhere, and for NaN."""
        return self.e.T.Select(v < level if self.neuron.fires == "at" else v <= level, yes, no)

    def _reaches(self, m: Any, level: Any) -> Any:
        return m >= level if self.neuron.fires == "at" else m > level
