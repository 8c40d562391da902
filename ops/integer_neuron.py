"""Interface of a neuron model in integers, and the arithmetic in which its step is written, once.

    m, level, held = membrane(I(t), state(t - 1))
    s(t)           = m >= level
    state(t)       = after(m, s(t), held)

State variables, I and all constants but shares are int32, in units of their own for each neuron. A share
is what is left after a step, in 2^-15: leak(v) = floor((v * share + 2^14) / 2^15). The same formula
is evaluated on NumPy arrays, which is the reference, and on blocks of lanes in TIR. Sums of a state
that no run makes, of damaged memory, wrap around: nothing is undefined, and clamps bring it back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64, I32, I64
from delrec_compile.errors import NetworkError
from delrec_compile.ops.integer_arithmetic import Arithmetic, Arrays, Lanes
from delrec_compile.ops.integer_constants import PERIOD, REST
from delrec_compile.ops.integer_leak import LIMIT, ONE

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events

Constants = Mapping[str, Any]
State = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class IntegerNeuron(ABC):
    """constants: by name, a number for all neurons, or (N,) int32. choices: as in the float model.

    kind: name in files. shares: constants from 0 to 2^15. sizes: those below 2^30 in size. words:
    what each choice may be. Raises NetworkError.
    """

    constants: Mapping[str, int | I32]
    choices: Mapping[str, str]
    kind: ClassVar[str]
    shares: ClassVar[tuple[str, ...]]
    sizes: ClassVar[tuple[str, ...]]
    words: ClassVar[Mapping[str, tuple[str, ...]]]
    own_states: ClassVar[Mapping[str, str]]

    def __post_init__(self) -> None:
        for name, allowed in self.words.items():
            if self.choices.get(name) not in allowed:
                raise NetworkError(
                    f"unknown {name} '{self.choices.get(name)}'; allowed: {', '.join(allowed)}"
                )
        for name in (*self.shares, *self.sizes):
            if name not in self.constants:
                raise NetworkError(f"the {self.kind} neurons have no {name}")
            top = ONE + 1 if name in self.shares else LIMIT
            self._check(name, 0 if name in self.shares else 1 - LIMIT, top)

    def _check(self, name: str, low: int, top: int) -> None:
        value = np.atleast_1d(self.constants[name])
        if value.dtype.kind not in "iu":
            raise NetworkError(f"{name} is {value[0]}; an integer is required")
        wrong = np.flatnonzero((value < low) | (value >= top))
        if len(wrong):
            where = f"[{wrong[0]}]" if len(value) > 1 else ""
            raise NetworkError(f"{name}{where} is {value[wrong[0]]}; allowed: {low} to {top - 1}")

    @classmethod
    @abstractmethod
    def of(cls, neuron: Any, unit: F64) -> IntegerNeuron:
        """The integer form of a float model. unit: (N,), worth of a unit of the current."""

    @staticmethod
    @abstractmethod
    def ends(neuron: Any) -> Any:
        """Size of the constants of a float model, as currents: one, or (N,)."""

    @staticmethod
    @abstractmethod
    def lasting(neuron: Any) -> float:
        """Largest state of a float model, as a multiple of what one step can add; LASTING at most."""

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable, by name."""
        more = {REST: "steps until the neuron can fire again"} if self.is_refractory else {}
        return {**self.own_states, **more}

    @property
    def is_refractory(self) -> bool:
        """Whether any neuron has a refractory period."""
        return bool(np.any(np.asarray(self.constants.get(PERIOD, 0)) > 0))

    @property
    def span(self) -> I64:
        """How far from its level a neuron begins."""
        begin = np.asarray(self.constants.get("v_reset", 0), np.int64)
        return np.asarray(self.constants["threshold"], np.int64) - begin

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The constants that differ from neuron to neuron, as files hold them."""
        return {k: v for k, v in self.constants.items() if isinstance(v, np.ndarray)}

    def tables(self) -> dict[str, NDArray[Any]]:
        """The constants that compiled code reads."""
        return self.arrays()

    def attributes(self) -> dict[str, Any]:
        """All else, as JSON holds it."""
        shared = {k: v for k, v in self.constants.items() if not isinstance(v, np.ndarray)}
        return {**shared, **self.choices}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], attributes: Mapping[str, Any]) -> IntegerNeuron:
        """The way back from `arrays` and `attributes`."""
        choices = {k: v for k, v in attributes.items() if k in cls.words}
        shared = {k: v for k, v in attributes.items() if k not in cls.words}
        return cls({**arrays, **shared}, choices)

    @abstractmethod
    def membrane(
        self, a: Arithmetic, c: Constants, current: Any, state: State
    ) -> tuple[Any, Any, dict[str, Any]]:
        """m, the level at which it fires, and what `after` needs."""

    @abstractmethod
    def after(
        self, a: Arithmetic, c: Constants, m: Any, fires: Any, held: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The new state."""

    def step(self, current: I64, state: State) -> tuple[Any, dict[str, I32], Any]:
        """current, states: (batch, N). Returns the spikes, the new state, and m - level."""
        a, wide = Arrays(), {k: v.astype(np.int64) for k, v in state.items()}
        c = {k: np.asarray(v, np.int64) for k, v in self.constants.items()}
        m, level, held = self.membrane(a, c, current, wide)
        m, held = self.hold(a, c, m, wide, held)
        fires = m >= level
        new = self.after(a, c, m, fires, held) | self.counted(a, c, fires, held)
        return fires, {k: np.asarray(new[k]).astype(np.int32) for k in self.states}, m - level

    def hold(
        self, a: Arithmetic, c: Constants, m: Any, state: State, held: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """m of a neuron in its refractory period is v_reset."""
        if not self.is_refractory:
            return m, held
        left = state[REST]
        busy = a.both(a.reaches(left, a.number(1)), a.reaches(c[PERIOD], left))
        return a.where(busy, c["v_reset"], m), {**held, REST: left, "busy": busy}

    def counted(
        self, a: Arithmetic, c: Constants, fires: Any, held: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The counter of the refractory period."""
        if not self.is_refractory:
            return {}
        begun = a.where(fires, c[PERIOD], a.number(0))
        return {REST: a.where(held["busy"], a.down(held[REST]), begun)}

    def clamps(self, bound: int) -> bool:
        """Whether an end of a state variable is within reach. bound: of what a step adds."""
        return True

    def tile(
        self,
        e: Emitter,
        buffers: Callable[[str], Any],
        base: Any,
        size: int,
        bound: int,
        *,
        biased: bool = True,
    ) -> Any:
        """Neurons `base` to `base + size` in TIR. bound: see `clamps`. biased: whether the bias is to be
        added; otherwise the current has it."""
        own = {name: e.view(buffers(name), base, size) for name in self.tables()}
        state = {name: e.view(buffers(name), base, size) for name in self.states}
        bias = e.view(buffers("bias"), base, size) if biased else None
        return IntegerTile(e, self, base, state, own, bias)


@dataclass(frozen=True)
class IntegerTile:
    """A tile of neurons from neuron `base` on. state, own: views of state variables and constants."""

    e: Emitter
    neuron: IntegerNeuron
    base: Any
    state: dict[str, Any]
    own: dict[str, Any]
    bias: Any

    def update(self, current: Any, spikes: Events, at: Any, lanes: int) -> None:
        """One block, from its current: appends its spikes to the list, stores its state."""
        e, neuron, a = self.e, self.neuron, Lanes(self.e, lanes)
        unread = neuron.arrays().keys() - self.own.keys()
        c = {
            name: self._constant(name, at, lanes) for name in neuron.constants if name not in unread
        }
        if self.bias is not None:
            current = a.add(current, e.load(self.bias, at, lanes))
        old = {name: a.keep(e.load(view, at, lanes)) for name, view in self.state.items()}
        m, level, held = neuron.membrane(a, c, a.keep(current), old)
        m, held = neuron.hold(a, c, m, old, held)
        membrane, levels = e.register(lanes, m, "int32"), e.register(lanes, level, "int32")

        def fires(q: int, width: int) -> Any:
            return e.load(membrane, q, width) >= e.load(levels, q, width)

        e.append(spikes, fires, self.base + at, lanes)
        fired = fires(0, lanes)
        new = neuron.after(a, c, e.load(membrane, 0, lanes), fired, held)
        for name, value in (new | neuron.counted(a, c, fired, held)).items():
            e.store(self.state[name], at, lanes, value)

    def update_in_loops(self, n: int, current: Any, spikes: Events) -> None:
        """All n neurons of a tile that begins at 0. current: (n,), with the bias."""
        with self.e.loop("k", n) as k:
            self.update(self.e.load(current, k, 1), spikes, k, 1)

    def _constant(self, name: str, at: Any, lanes: int) -> Any:
        if name in self.own:
            return self.e.load(self.own[name], at, lanes)
        value = self.neuron.constants[name]
        assert isinstance(value, int)
        return value if name in self.neuron.shares else self.e.splat(self.e.T.int32(value), lanes)
