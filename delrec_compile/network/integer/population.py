"""The populations of an integer network: neurons or a readout, and all that comes in, checked when made.

Their step is defined in `delrec_compile.network.integer.model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64, I32, I64
from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checks import WEIGHTS, require_array, require_int
from delrec_compile.network.integer.linear import IntegerDense, IntegerSynaptic
from delrec_compile.network.integer.synapses import IntegerSynapses
from delrec_compile.ops.cuba_lif_onnx import ENTERS
from delrec_compile.ops.feed import Convolution
from delrec_compile.ops.integer_leak import LIMIT, ONE, leak
from delrec_compile.ops.integer_lif import settles
from delrec_compile.ops.integer_neuron import IntegerNeuron
from delrec_compile.ops.readout import DECISIONS, Readout
from delrec_compile.ops.registry import READOUTS

MAX_FRACTION = 15
SHARES = {"i": "alpha", "v": "beta"}  # fields of a readout, by state variable


@dataclass(frozen=True, eq=False)
class IntegerProjection:
    """source: name of a population, or INPUT. prefix: of its tables, as in the float32 network."""

    source: str
    synapses: IntegerSynapses
    prefix: str = ""

    @property
    def in_weight_units(self) -> bool:
        """Whether its weights have the type of the mode, and the units of the neuron's scale."""
        s = self.synapses
        own = isinstance(s, IntegerDense | IntegerSynaptic)
        return own or isinstance(getattr(s, "form", None), Convolution)


@dataclass(frozen=True, eq=False)
class IntegerReadout:
    """beta, alpha: as shares of 2^15, one or (classes,) each. decision, kind: as in Readout.

    alpha, enters: of a synaptic current, in a kind that has one. Raises NetworkError.
    """

    beta: int | I32
    decision: str = "softmax_sum"
    kind: str = "leaky"
    alpha: int | I32 = 0
    enters: str = "new"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("decision", DECISIONS),
            ("kind", tuple(READOUTS)),
            ("enters", ENTERS),
        ):
            if getattr(self, name) not in allowed:
                raise NetworkError(
                    f"readout: unknown {name} '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        for name, most in (("beta", ONE), ("alpha", ONE if "i" in self.states else 0)):
            for share in self._shares_of(name):
                require_int(name, share, 0, most)
        fixed = self.form.fixed_beta
        if fixed is not None and self.beta != fixed * ONE:
            raise NetworkError(f"readout: a {self.kind} readout has beta {int(fixed * ONE)}")

    def _shares_of(self, name: str) -> list[Any]:
        """Each beta or alpha; those of a list or an array become int32. Raises NetworkError."""
        value = getattr(self, name)
        if not isinstance(value, list | np.ndarray):
            return [value]
        if not self.form.each_leaks:
            raise NetworkError(f"readout: a {self.kind} readout has one {name}")
        own = list(value)
        if all(isinstance(each, int | np.integer) for each in own):
            object.__setattr__(self, name, np.array(own, np.int32))
        return own

    @property
    def form(self) -> type[Readout]:
        """The float32 readout of the same kind."""
        return READOUTS[self.kind]

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable, by name."""
        return self.form.states

    @property
    def filters(self) -> dict[str, Any]:
        """Share that is left of each state variable, in the order in which the current passes them."""
        return {name: getattr(self, SHARES[name]) for name in self.states}

    def attributes(self) -> dict[str, Any]:
        """The fields, as JSON holds them."""
        own = {"beta": np.asarray(self.beta).tolist(), "decision": self.decision, "kind": self.kind}
        if "i" not in self.states:
            return own
        return own | {"alpha": np.asarray(self.alpha).tolist(), "enters": self.enters}

    def integrate(
        self, current: I64, bias: I32, state: Mapping[str, Any]
    ) -> tuple[I32, dict[str, I32]]:
        """current: (batch, classes), without the bias. Returns y in membrane units, the new state."""
        late = self.form.bias_on_output
        m = current if late else current + bias
        new = {}
        for name, share in self.filters.items():
            m = np.clip(leak(state[name].astype(np.int64), share) + m, -LIMIT, LIMIT - 1)
            new[name] = m.astype(np.int32)
            if name == "i" and self.enters == "old":
                m = state[name].astype(np.int64)
        return (m + bias if late else m).astype(np.int32), new

    def tables(self) -> dict[str, I32]:
        """Constants that targets read: beta and alpha where outputs have one each."""
        own = {name: getattr(self, name) for name in SHARES.values()}
        return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}

    def clamps(self, bound: int) -> bool:
        """Whether an end of the membrane's range is within reach; if not, targets skip it."""
        return len(self.filters) > 1 or not settles(bound, int(np.max(self.beta)))


@dataclass(frozen=True, eq=False)
class IntegerPopulation:
    """bias: (N,) int32, in membrane units. fraction: a weight unit is 2^fraction membrane units.

    scale: (N,) float64, worth of a weight unit in the current of the float network. The others: as in
    `Population`. Raises NetworkError.
    """

    name: str
    neuron: IntegerNeuron | IntegerReadout
    projections: tuple[IntegerProjection, ...]
    bias: I32
    fraction: int
    scale: F64

    def __post_init__(self) -> None:
        for name, dtype in (("bias", np.int32), ("scale", np.float64)):
            require_array(self, name, (np.dtype(dtype),), (self.size,))
        if not (np.isfinite(self.scale) & (self.scale > 0)).all():
            raise NetworkError("scale holds a value that is not a positive number")
        require_int("fraction", self.fraction, 0, MAX_FRACTION)
        for p in self.projections:
            if p.synapses.size != self.size:
                raise NetworkError(
                    f"{self.name}: the synapses from {p.source} reach {p.synapses.size} neurons, "
                    f"there are {self.size}"
                )
            if p.in_weight_units and p.synapses.weights.dtype not in WEIGHTS:
                raise NetworkError(
                    f"weight is {p.synapses.weights.dtype}; int8 or int16 is required"
                )
        if isinstance(self.neuron, IntegerNeuron):
            for name, own in self.neuron.arrays().items():
                if own.shape != (self.size,) or own.dtype != np.int32:
                    raise NetworkError(
                        f"{name} is {own.dtype}{list(own.shape)}; int32 [{self.size}] is required"
                    )

    @property
    def size(self) -> int:
        return len(self.bias)

    @property
    def fires(self) -> bool:
        """Whether it sends spikes; a readout gives outputs."""
        return isinstance(self.neuron, IntegerNeuron)

    @property
    def model(self) -> IntegerNeuron:
        """The neuron model of a population that fires."""
        assert isinstance(self.neuron, IntegerNeuron)
        return self.neuron

    @property
    def readout(self) -> IntegerReadout:
        """The readout of a population that does not fire."""
        assert isinstance(self.neuron, IntegerReadout)
        return self.neuron

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable, by name."""
        return self.neuron.states

    @property
    def prefix(self) -> str:
        """Prefix of the names of its variables and tables."""
        return f"{self.name}_"

    @property
    def unit(self) -> F32:
        """(N,): worth of a membrane unit of a readout, y = float32(v) * unit."""
        return np.ldexp(self.scale, -self.fraction).astype(np.float32)

    def current(self, lines: Sequence[NDArray[Any]]) -> I64:
        """(batch, size), without the bias, of the line of each projection."""
        total = np.zeros((len(lines[0]), self.size), np.int64)
        for p, line in zip(self.projections, lines, strict=True):
            total += p.synapses.current(line)
        return total

    def bound(self, largest: Callable[[str], int]) -> int:
        """Largest |sum| that a step can add to a leaked state, and of each part of it.

        largest: value of what a source sends, by its name.
        """
        total = np.abs(self.bias.astype(np.int64))
        for p in self.projections:
            total = total + p.synapses.bound(largest(p.source))
        return int(total.max())
