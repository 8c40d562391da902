"""The integer form of a network, and its step: the same bits on every target.

All of it is integer arithmetic, so no sum depends on its order. Per layer, with counts c,
F = `fraction`, b = `beta`, and recurrent synapses in whole numbers (`integer.synapses`):

    acc = sum_j weight[i, j] * min(c[j], max_input)        or the convolution of such counts
    m   = leak(v) + acc * 2^F + bias + 2^shift * recurrent(spikes)
    s   = m >= threshold
    v'  = max(v_reset if s else m, -2^30)          soft reset: clamp(m - drop if s else m)

    leak(v) = floor((v * b + 2^14) / 2^15),   0 <= b <= 2^15

A soft reset that comes a step later takes `drop` off leak(v) where v >= threshold; then v' = clamp(m).
A weight unit of neuron i is worth `scale[i]` in the float network, a unit of its membrane, bias and
threshold `scale[i] / 2^F`. LIF is homogeneous: a scale per neuron costs no multiplication. The
readout has neither threshold nor reset; its membrane is held between -2^30 and 2^30 - 1, and
y = float32(v) * unit, one float32 product. A linear readout has no membrane, and y = float32(current)
* unit; one that counts adds its bias to y, not to v: y = float32(v + bias) * unit.

The sum that a step adds, in any order, is below 2^30 in size (checked when a network is made), and so is
the membrane: m fits in int32. How targets compute it best: docs/integer.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64, INTEGER_MODES, Numeric
from delrec_compile.errors import DataError, NetworkError, UnsupportedError
from delrec_compile.network.base import MAX_INPUT, BaseNetwork, State, pushed
from delrec_compile.network.integer.checks import require_int
from delrec_compile.network.integer.layers import LIMIT, IntegerLayer, IntegerReadout
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.network.model import Network
from delrec_compile.network.state import HISTORY, READOUT, layer_prefix


def weight_type(numeric: str) -> np.dtype[Any]:
    """The element type of the weights of a numeric mode."""
    if numeric not in INTEGER_MODES:
        raise UnsupportedError(f"unknown numeric '{numeric}'; allowed: {', '.join(INTEGER_MODES)}")
    return Numeric(numeric).dtype


@dataclass(frozen=True, eq=False)
class IntegerNetwork(BaseNetwork[IntegerLayer, IntegerReadout]):
    """The integer form, made by `quantise`.

    numeric: 'int16' or 'int8'. max_input: larger input counts are clipped to it.
    """

    numeric: Numeric = field(kw_only=True)
    membrane_dtype: ClassVar[str] = "int32"
    spike_dtype: ClassVar[str] = "uint8"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_int("max_input", self.max_input, 1, MAX_INPUT)
        kind = weight_type(self.numeric)
        for name, part, count in self.parts():
            if part.weight.dtype != kind:
                raise NetworkError(f"{name}: weight is {part.weight.dtype}; {kind} is required")
            if part.bound(count) >= LIMIT:
                raise NetworkError(
                    f"{name}: a step can add {part.bound(count)} to a membrane; below 2**30 is "
                    f"needed: lower max_input (now {self.max_input}), fraction or the weights"
                )

    def parts(self) -> list[tuple[str, IntegerLayer | IntegerReadout, int]]:
        """Name, layer or readout, and largest value of its inputs, for each part in order."""
        rows: list[Any] = [(f"layer {i}", layer, 1) for i, layer in enumerate(self.layers)]
        rows[0] = ("layer 0", self.layers[0], self.max_input)
        return [*rows, ("readout", self.readout, 1)]

    def step(
        self, x: NDArray[Any], state: State, spikes: Sequence[Callable[[F32], None]] = ()
    ) -> tuple[F32, State]:
        """See `BaseNetwork.step`: this is the definition. x: counts."""
        s = self.counts(x)
        new: State = {}
        for i, layer in enumerate(self.layers):
            prefix = layer_prefix(i)
            history = state.get(prefix + HISTORY)
            fires, v = layer.fire(layer.membrane(s, state[prefix + "v"], history))
            new[prefix + "v"] = v
            s = fires.astype(np.float64)
            if spikes:
                spikes[i](fires.astype(np.float32))
            if history is not None:
                new[prefix + HISTORY] = pushed(fires.astype(np.uint8), history)
        y, after = self.readout.integrate(s, state.get(READOUT + "v"))
        new |= {} if after is None else {READOUT + "v": after}
        return y.astype(np.float32) * self.readout.unit, new

    def counts(self, x: NDArray[Any]) -> F64:
        """x (batch, inputs), clipped to max_input. Raises DataError for a value that is not a count."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise DataError(f"x has shape {list(x.shape)}; [batch, {self.inputs}] is required")
        counts = x.astype(np.float64)
        if not (np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts))).all():
            raise DataError(
                "x contains a value that is not a count; non-negative integers are required"
            )
        return np.minimum(counts, self.max_input)

    def sizes(self) -> dict[str, int]:
        """Bytes in an artifact: `weights`, `tables` (all other constants) and `state`.

        A v_reset of zeros needs no table. The state holds rings of bit planes, and the clock.
        """
        weights = tables = 0
        state = 4 + 4 * self.outputs * len(self.readout.states)
        for _, part, _ in self.parts():
            weights += part.weight.nbytes
            tables += part.bias.nbytes
        tables += self.readout.unit.nbytes
        for layer in self.layers:
            reset = layer.v_reset if layer.drop is None else layer.drop
            tables += layer.threshold.nbytes + (reset.nbytes if reset.any() else 0)
            tables += 0 if isinstance(layer.beta, int) else layer.beta.nbytes
            state += 4 * layer.size
            r = layer.recurrence
            if r is not None:
                own = 0 if isinstance(r, IntegerConv) else r.weights.nbytes
                weights += own
                tables += sum(table.nbytes for table in r.tables().values()) - own
                state += 4 * r.line.words()
        return {"weights": weights, "tables": tables, "state": state}


AnyNetwork = Network | IntegerNetwork
