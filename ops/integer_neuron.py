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

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64, I32, I64
from delrec_compile.errors import NetworkError
from delrec_compile.ops.constants import Number
from delrec_compile.ops.integer_leak import LIMIT, ONE, emit_leak, leak

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events

LASTING = (
    64  # steps of the worst input that a state variable takes before its clamp, whatever its share
)
REST, PERIOD = "refractory", "period"  # state variable and constant of a refractory period
Constants = Mapping[str, Any]
State = Mapping[str, Any]


class Arithmetic(ABC):
    """Operations on values of neurons: arrays (batch, N), or blocks of lanes."""

    @abstractmethod
    def add(self, a: Any, b: Any) -> Any: ...
    @abstractmethod
    def less(self, a: Any, b: Any) -> Any:
        """a - b."""

    @abstractmethod
    def leak(self, v: Any, share: Any) -> Any: ...
    @abstractmethod
    def where(self, condition: Any, yes: Any, no: Any) -> Any: ...
    @abstractmethod
    def reaches(self, a: Any, b: Any) -> Any:
        """a >= b."""

    @abstractmethod
    def both(self, a: Any, b: Any) -> Any: ...
    @abstractmethod
    def within(self, v: Any, limit: int) -> Any:
        """v, held between -limit and limit - 1."""

    @abstractmethod
    def number(self, value: int) -> Any: ...
    @abstractmethod
    def down(self, v: Any) -> Any:
        """v - 1, of v above 0."""

    @abstractmethod
    def shifted(self, v: Any, places: int) -> Any:
        """v * 2^places, which fits."""

    @abstractmethod
    def keep(self, v: Any) -> Any:
        """The value, computed once."""

    def clamp(self, v: Any) -> Any:
        """v, within the range of a state variable."""
        return self.within(v, LIMIT)

    def times(self, v: Any, factor: Any, places: int) -> Any:
        """v * factor / 2^(15 - places), held within 2^30. factor: at most 2^15 in size."""
        return self.shifted(self.within(self.leak(v, factor), LIMIT >> places), places)


class Arrays(Arithmetic):
    """On int64, where nothing wraps around."""

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def less(self, a: Any, b: Any) -> Any:
        return a - b

    def leak(self, v: Any, share: Any) -> Any:
        return leak(v, share)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        return np.where(condition, yes, no)

    def reaches(self, a: Any, b: Any) -> Any:
        return a >= b

    def both(self, a: Any, b: Any) -> Any:
        return a & b

    def within(self, v: Any, limit: int) -> Any:
        return np.clip(v, -limit, limit - 1)

    def number(self, value: int) -> Any:
        return value

    def down(self, v: Any) -> Any:
        return v - 1

    def shifted(self, v: Any, places: int) -> Any:
        return v << places

    def keep(self, v: Any) -> Any:
        return v


@dataclass(frozen=True)
class Lanes(Arithmetic):
    """On blocks of int32 lanes in TIR.

    Sums are kept: TVM takes one that wraps around for a number that is not negative, and would drop the
    lower end of a clamp of it.
    """

    e: Emitter
    lanes: int

    def add(self, a: Any, b: Any) -> Any:
        return self.keep(self.e.wrapping(a, b, self.lanes))

    def less(self, a: Any, b: Any) -> Any:
        return self.keep(self.e.wrapping(a, b, self.lanes, -1))

    def leak(self, v: Any, share: Any) -> Any:
        return emit_leak(self.e, share, v, self.lanes)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        return self.e.T.Select(condition, yes, no)

    def reaches(self, a: Any, b: Any) -> Any:
        return a >= b

    def both(self, a: Any, b: Any) -> Any:
        return self.e.T.And(a, b)

    def within(self, v: Any, limit: int) -> Any:
        T = self.e.T
        return T.min(T.max(v, self.number(-limit)), self.number(limit - 1))

    def number(self, value: int) -> Any:
        return self.e.splat(self.e.T.int32(value), self.lanes)

    def down(self, v: Any) -> Any:
        return self.e.T.max(v, self.number(1)) - self.number(1)  # TVM folds a wrapping one wrongly

    def shifted(self, v: Any, places: int) -> Any:
        return v * self.number(1 << places) if places else v

    def keep(self, v: Any) -> Any:
        return self.e.load(self.e.register(self.lanes, v, "int32"), 0, self.lanes)


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


def share(value: Number) -> Any:
    """A share in 2^-15: a number, or an array of int32."""
    rounded = np.rint(np.asarray(value, np.float64) * ONE).astype(np.int32)
    return rounded if rounded.ndim else int(rounded)


def steps_of(*shares: Any) -> float:
    """Steps that a state with these shares, one filter behind another, lasts; LASTING at most."""
    total = 1.0
    for each in shares:
        total *= min(ONE / max(ONE - int(np.max(each)), 1), LASTING)
    return min(total, LASTING)


def whole(value: Any, unit: F64) -> I32:
    """(N,): a constant in units."""
    return np.rint(np.asarray(value, np.float64) / unit).astype(np.int32)


def one_of(values: I32) -> int | I32:
    """One number where all neurons have the same."""
    return int(values[0]) if (values == values[0]).all() else values


def level_of(threshold: Any, fires: str, unit: F64) -> Any:
    """(N,): the smallest whole number of units that fires, as float64."""
    units = np.asarray(threshold, np.float64) / unit
    return np.floor(units) + 1 if fires == "above" else np.ceil(units)


def factor(value: Any) -> tuple[Any, int]:
    """(number or (N,) int32, places): value = number / 2^(15 - places), at most 2^15 in size."""
    array = np.asarray(value, np.float64)
    largest = float(np.abs(array).max())
    places = max(0, math.ceil(math.log2(largest))) if largest > 0 else 0
    number = np.rint(np.ldexp(array, 15 - places)).astype(np.int32)
    return (number if number.ndim else int(number)), places


def adaptive_constants(neuron: Any, worth: F64) -> dict[str, Any]:
    """Constants that `alif` and `adlif` share. worth: of a unit of the membrane."""
    level = level_of(neuron.threshold, neuron.fires, worth)
    v_reset = np.minimum(np.rint(neuron.v_reset / worth), level - 1).astype(np.int32)
    hard = neuron.reset == "hard"
    out = {
        "beta": share(neuron.beta),
        "rho": share(neuron.rho),
        "threshold": level.astype(np.int32),
        "v_reset": one_of(v_reset) if hard or neuron.is_refractory else 0,
        "drop": 0 if hard else whole(neuron.threshold, worth),
    }
    if neuron.is_refractory:
        out[PERIOD] = np.broadcast_to(neuron.refractory, len(worth)).astype(np.int32)
    return out
