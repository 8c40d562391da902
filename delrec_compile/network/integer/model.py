"""The integer form of a network, and what it computes step by step: the same bits on every target.

All of it is whole-number arithmetic, so no sum depends on its order. Per layer, with counts c,
arriving spikes g, F = `fraction` and b = `beta`:

    acc = sum_j weight[i, j] * min(c[j], max_input)   (+ sum_j recurrent[i, j] * g[j], dense_delay)
    m   = leak(v) + acc * 2^F + bias    (+ 2^shift * sum_k kernel[k, i] * g[i + k - pad], conv_delay)
    s   = m >= threshold
    v'  = max(v_reset if s else m, -2^30)          soft reset: clamp(m - drop if s else m)

    leak(v) = floor((v * b + 2^14) / 2^15),   0 <= b <= 2^15

A soft reset that comes a step later takes `drop` off leak(v) where v >= threshold; then v' = clamp(m).
A weight unit of neuron i is worth `scale[i]` in the float network, a unit of its membrane, bias and
threshold `scale[i] / 2^F`. LIF is homogeneous: a scale per neuron costs no multiplication. The
readout has neither threshold nor reset; its membrane is held between -2^30 and 2^30 - 1, and
y = float32(v) * unit, one float32 product. A linear readout has no membrane, and y = float32(current)
* unit; one that counts adds its bias to y, not to v: y = float32(v + bias) * unit.

What a step adds, in any order, is below 2^30 in size (checked when a network is made), and so is
the membrane: m fits in int32. How targets compute it best: docs/integer.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64, INTEGER_MODES, Ints, Numeric
from delrec_compile.errors import CheckpointError, DataError, NetworkError, UnsupportedError
from delrec_compile.network.integer.layers import LIMIT, IntegerLayer, IntegerReadout
from delrec_compile.network.integer.recurrence import IntegerConv, IntegerDense, require_int
from delrec_compile.network.model import MAX_INPUT, Network, StateVar

State = dict[str, Ints]
_RECURRENCES: dict[str, Any] = {c.kind: c for c in (IntegerConv, IntegerDense)}


def weight_type(numeric: str) -> np.dtype[Any]:
    """The element type of the weights of a numeric mode."""
    if numeric not in INTEGER_MODES:
        raise UnsupportedError(f"unknown numeric '{numeric}'; allowed: {', '.join(INTEGER_MODES)}")
    return Numeric(numeric).dtype


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Layers in order, ended by a readout; made by `quantise`.

    numeric: 'int16' or 'int8'. max_input: a larger input count is taken as this many.
    """

    layers: tuple[IntegerLayer, ...]
    readout: IntegerReadout
    numeric: Numeric
    dt_ms: float = 10.0
    max_input: int = 31
    labels: tuple[str, ...] = ()
    name: str = "network"
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = weight_type(self.numeric)
        if not self.layers:
            raise NetworkError("the network has no layer; at least one is needed")
        require_int("max_input", self.max_input, 1, MAX_INPUT)
        if not (np.isfinite(self.dt_ms) and self.dt_ms > 0):
            raise NetworkError(f"dt_ms is {self.dt_ms}; a positive number is needed")
        wanted = [*(layer.inputs for layer in self.layers[1:]), self.readout.inputs]
        for i, (layer, want) in enumerate(zip(self.layers, wanted, strict=True)):
            if layer.size != want:
                raise NetworkError(
                    f"layer {i} sends {layer.size} values, the next one takes {want}"
                )
        for name, part, count in self.parts():
            if part.weight.dtype != kind:
                raise NetworkError(f"{name}: weight is {part.weight.dtype}; {kind} is needed")
            if part.bound(count) >= LIMIT:
                raise NetworkError(
                    f"{name}: a step can add {part.bound(count)} to a membrane; below 2**30 is "
                    f"needed: lower max_input (now {self.max_input}), fraction or the weights"
                )
        if self.labels and len(self.labels) != self.outputs:
            raise NetworkError(f"{len(self.labels)} labels for {self.outputs} classes")

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.readout.size

    def parts(self) -> list[tuple[str, IntegerLayer | IntegerReadout, int]]:
        """(name, layer or readout, the largest value an input of it takes)."""
        rows: list[Any] = [(f"layer {i}", layer, 1) for i, layer in enumerate(self.layers)]
        rows[0] = ("layer 0", self.layers[0], self.max_input)
        return [*rows, ("readout", self.readout, 1)]

    def state(self) -> tuple[StateVar, ...]:
        """The state in its canonical order: names and shapes of Network, v int32, hist uint8."""
        out: list[StateVar] = []
        for i, layer in enumerate(self.layers):
            out.append(StateVar(f"l{i}_v", (layer.size,), "membrane after reset, int32"))
            if layer.recurrence is not None:
                shape = (layer.recurrence.depth, layer.size)
                out.append(StateVar(f"l{i}_hist", shape, "spikes, newest first, uint8"))
        if self.readout.has_membrane:
            out.append(StateVar("out_v", (self.outputs,), "membrane of the readout, int32"))
        return tuple(out)

    def reset(self, batch: int = 1) -> State:
        return {
            s.name: np.zeros((batch, *s.shape), np.uint8 if s.name.endswith("_hist") else np.int32)
            for s in self.state()
        }

    def step(
        self, x: NDArray[Any], state: State, spikes: Sequence[Callable[[F32], None]] = ()
    ) -> tuple[F32, State]:
        """The definition. x: (batch, inputs) counts. Returns y (batch, outputs) and the new state.

        spikes: one receiver per layer for its spikes (batch, N), to look inside.
        """
        s = self.counts(x)
        new: State = {}
        for i, layer in enumerate(self.layers):
            past = state.get(f"l{i}_hist")
            fires, new[f"l{i}_v"] = layer.fire(layer.membrane(s, state[f"l{i}_v"], past))
            s = fires.astype(np.float64)
            if spikes:
                spikes[i](fires.astype(np.float32))
            if past is not None:
                newest = fires[:, None].astype(np.uint8)
                new[f"l{i}_hist"] = np.concatenate([newest, past[:, :-1]], axis=1)
        y, kept = self.readout.integrate(s, state.get("out_v"))
        new |= {} if kept is None else {"out_v": kept}
        return y.astype(np.float32) * self.readout.unit, new

    def counts(self, x: NDArray[Any]) -> F64:
        """x (batch, inputs) as the step takes it. Raises DataError for what is no count."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise DataError(f"x has shape {list(x.shape)}; [batch, {self.inputs}] is needed")
        counts = x.astype(np.float64)
        if not (np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts))).all():
            raise DataError("x holds a value that is no count; whole numbers from 0 are needed")
        return np.minimum(counts, self.max_input)

    def sizes(self) -> dict[str, int]:
        """Bytes in an artifact: `weights`, `tables` (all other constants) and `state`.

        A v_reset of zeros needs no table. The state holds rings of bit planes, and the clock.
        """
        weights = tables = 0
        state = 4 + (4 * self.outputs if self.readout.has_membrane else 0)
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
                tables += sum(table.nbytes for table in r.line.tables().values())
                state += 4 * r.line.words()
            if isinstance(r, IntegerConv):
                tables += r.kernel.nbytes
            elif isinstance(r, IntegerDense):
                weights += r.weight.nbytes
        return {"weights": weights, "tables": tables, "state": state}

    def describe(self) -> tuple[dict[str, Ints], dict[str, Any]]:
        """Arrays by name, and the rest as plain values for JSON; `assemble` is the way back."""
        arrays: dict[str, Ints] = {}
        layers = []
        for i, layer in enumerate(self.layers):
            entry = _split(layer, f"layers.{i}.", arrays)
            r = layer.recurrence
            entry["recurrence"] = r and {"kind": r.kind} | _split(r, f"layers.{i}.re_", arrays)
            layers.append(entry)
        config: dict[str, Any] = {
            "layers": layers,
            "readout": _split(self.readout, "readout.", arrays),
        }
        config |= {"numeric": self.numeric, "dt_ms": self.dt_ms, "max_input": self.max_input}
        config |= {"labels": list(self.labels), "name": self.name, "notes": dict(self.notes)}
        return arrays, config


def from_description(arrays: Mapping[str, Ints], config: Mapping[str, Any]) -> IntegerNetwork:
    """The network that `describe` took apart. Raises CheckpointError, or NetworkError."""
    left = dict(arrays)
    try:
        layers = []
        for i, entry in enumerate(config["layers"]):
            r = dict(entry["recurrence"] or {})
            if r:
                kind = _RECURRENCES[r.pop("kind")]
                r = {"recurrence": kind(**r, **_gather(kind, f"layers.{i}.re_", left))}
            plain = {k: v for k, v in entry.items() if k != "recurrence"}
            own = _gather(IntegerLayer, f"layers.{i}.", left)
            layers.append(IntegerLayer(**plain, **own, **r))
        out = IntegerReadout(**config["readout"], **_gather(IntegerReadout, "readout.", left))
        rest = {k: v for k, v in config.items() if k not in ("layers", "readout")}
        rest |= {"labels": tuple(rest["labels"]), "numeric": Numeric(rest["numeric"])}
        network = IntegerNetwork(tuple(layers), out, **rest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"the description is damaged ({error!r}); quantise again") from error
    if left:
        raise CheckpointError(f"tensors that no part takes: {', '.join(sorted(left))}")
    return network


def _split(part: Any, prefix: str, arrays: dict[str, Ints]) -> dict[str, Any]:
    """Puts the arrays of a part into `arrays`; returns its plain values."""
    plain = {}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, np.ndarray):
            arrays[prefix + f.name] = value
        elif f.name != "recurrence":
            plain[f.name] = value
    return plain


def _gather(kind: Any, prefix: str, left: dict[str, Ints]) -> dict[str, Any]:
    return {f.name: left.pop(prefix + f.name) for f in fields(kind) if prefix + f.name in left}


AnyNetwork = Network | IntegerNetwork
