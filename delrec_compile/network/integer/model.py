"""The integer form of a network, and its step: the same bits on every target.

All of it is integer arithmetic, so no sum depends on its order. Per population, with the line of each
projection (counts c of the input are taken as min(c, max_input), real values as whole units u of
2^-input_bits, see `ops.real_input`):

    I    = bias + sum over the projections of 2^shift * map(line)      `integer.synapses`
    s, state' from I and state as in `ops.integer_<model>`

A weight unit of neuron i is worth `scale[i]` in the float network; with F = `fraction`, a unit of I is
worth `scale[i] / 2^F`, and units of state variables and constants follow from it: neuron models
are homogeneous, so a scale per neuron costs no multiplication. Neurons that share weights share a
scale. `shift` of weights is F; of those from a real input it is F - input_bits, so F is that at
least. The readout has neither threshold nor reset:

    v' = clamp(leak(v) + I),   y = float32(v') * unit                 kind "leaky"

one float32 product. A synaptic readout has i' = clamp(leak(i) + I) in place of I, or i where the
"old" one enters. A linear readout has no membrane, and y = float32(I) * unit; one that counts adds its
bias to y, not to v: y = float32(v' + bias) * unit.

The sum that a step adds, in any order, is below 2^30 in size (checked when a network is made), and so is
each state variable: sums fit in int32. How targets compute it best: docs/integer.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64, INTEGER_MODES, Numeric
from delrec_compile.errors import DataError, NetworkError, UnsupportedError
from delrec_compile.network.base import MAX_INPUT, BaseNetwork, State, own_state, prefixed
from delrec_compile.network.integer.checks import require_int
from delrec_compile.network.integer.population import IntegerPopulation, IntegerReadout
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.network.model import INPUT, Network
from delrec_compile.ops.integer_leak import LIMIT


def weight_type(numeric: str) -> np.dtype[Any]:
    """The element type of the weights of a numeric mode."""
    if numeric not in INTEGER_MODES:
        raise UnsupportedError(f"unknown numeric '{numeric}'; allowed: {', '.join(INTEGER_MODES)}")
    return Numeric(numeric).dtype


@dataclass(frozen=True, eq=False)
class IntegerNetwork(BaseNetwork[IntegerPopulation, IntegerPopulation]):
    """The integer form, made by `quantise`. layers: the populations that fire. readout: the first one.

    numeric: 'int16' or 'int8'. max_input: larger input counts are clipped to it, real values in size.
    """

    populations: tuple[IntegerPopulation, ...] = field(kw_only=True)
    numeric: Numeric = field(kw_only=True)
    membrane_dtype: ClassVar[str] = "int32"
    spike_dtype: ClassVar[str] = "uint8"

    @classmethod
    def of(cls, populations: Sequence[IntegerPopulation], **options: Any) -> IntegerNetwork:
        """options: `numeric`, and those of `Network.of`. Raises NetworkError."""
        firing = tuple(p for p in populations if p.fires)
        readouts = [p for p in populations if not p.fires]
        if not readouts:
            raise NetworkError("the network has no readout; one is required")
        return cls(firing, readouts[0], populations=tuple(populations), **options)

    def _check_parts(self) -> None:
        sizes = {p.name: p.size for p in self.populations}
        for target, p in self.projections():
            if p.source == INPUT:
                sizes.setdefault(INPUT, p.synapses.sources)
            if sizes.get(p.source) != p.synapses.sources:
                raise NetworkError(
                    f"{target.name}: the synapses from {p.source} take {p.synapses.sources} values, "
                    f"it sends {sizes.get(p.source, 0)}"
                )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.real_input is None:
            require_int("max_input", self.max_input, 1, MAX_INPUT)
        for p in self.populations:
            self._check_units(p)
            bound = p.bound(self.largest_of)
            if bound >= LIMIT:
                raise NetworkError(
                    f"{p.name}: a step can add {bound} to a membrane; below 2**30 is needed: "
                    f"lower max_input (now {self.max_input}), fraction or the weights"
                )

    def _check_units(self, p: IntegerPopulation) -> None:
        kind = weight_type(self.numeric)
        for each in p.projections:
            s = each.synapses
            if each.in_weight_units and s.weights.dtype != kind:
                raise NetworkError(f"{p.name}: weight is {s.weights.dtype}; {kind} is required")
            bits = self.bits_of(each.source)
            if each.in_weight_units and s.shift != p.fraction - bits:
                less = f" less the {bits} input_bits" if bits else ""
                raise NetworkError(
                    f"{p.name}: the weights from {each.source} have the shift {s.shift}; the "
                    f"fraction {p.fraction}{less} is required"
                )

    @property
    def input_dtype(self) -> str:
        """dtype of the history of the input in the reference."""
        return self.spike_dtype if self.real_input is None else "int16"

    def bits_of(self, source: str) -> int:
        """Bits of the fraction of the whole numbers that a source sends: of real inputs, else 0."""
        return (self.input_bits or 0) if source == INPUT else 0

    def largest_of(self, source: str) -> int:
        """Largest value that a source sends."""
        return self.largest_units if source == INPUT else 1

    def step(
        self, x: NDArray[Any], state: State, spikes: Sequence[Callable[[F32], None]] = ()
    ) -> tuple[F32, State]:
        """See `BaseNetwork.step`: this is the definition. x: counts, or real values."""
        new: State = {}
        now: State = {INPUT: self.counts(x)}
        outputs: list[F32] = []
        receivers = iter(spikes)
        for p in self.populations:
            current = p.current(self.lines(p, now, state))
            own = own_state(p.prefix, p.states, state)
            if p.fires:
                fires, after, _ = p.model.step(current + p.bias, own)
                now[p.name] = fires.astype(np.float64)
                if spikes:
                    next(receivers)(fires.astype(np.float32))
            else:
                y, after = p.readout.integrate(current, p.bias, own)
                outputs.append(y.astype(np.float32) * p.unit)
            new |= prefixed(p.prefix, after)
        return np.concatenate(outputs, axis=1), new | self.after(now, state)

    def counts(self, x: NDArray[Any]) -> F64:
        """x (batch, inputs) as whole numbers: counts up to max_input, or units of real values.

        Raises DataError for a value that is neither.
        """
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise DataError(f"x has shape {list(x.shape)}; [batch, {self.inputs}] is required")
        if self.real_input is not None:
            if np.isnan(x).any():
                raise DataError("x contains NaN; numbers are required")
            return self.real_input.units(x.astype(np.float32)).astype(np.float64)
        counts = x.astype(np.float64)
        if not (np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts))).all():
            raise DataError(
                "x contains a value that is not a count; non-negative integers are required"
            )
        return np.minimum(counts, self.max_input)

    def sizes(self) -> dict[str, int]:
        """Bytes in an artifact: `weights`, `tables` (all other constants) and `state`.

        The state holds rings of bit planes, of bytes or int16 for inputs, and the clock.
        """
        weights = tables = 0
        state = 4
        for p in self.populations:
            tables += p.bias.nbytes
            tables += p.unit.nbytes if isinstance(p.neuron, IntegerReadout) else 0
            if p.fires:
                tables += sum(table.nbytes for table in p.model.tables().values())
            state += 4 * p.size * len(p.states)
            for each in p.projections:
                s = each.synapses
                own = 0 if isinstance(s, IntegerConv) else s.weights.nbytes
                weights += own
                tables += sum(table.nbytes for table in s.tables().values()) - own
                if s.line is not None:
                    values = s.line.size * s.line.depth * np.dtype(self.input_dtype).itemsize
                    state += values if each.source == INPUT else 4 * s.line.words()
        return {"weights": weights, "tables": tables, "state": state}


AnyNetwork = Network | IntegerNetwork
