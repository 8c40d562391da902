"""LSTM, GRU and RNN over a known number of steps -> matrix products and functions of single values.

Equations, orders of gates and defaults: https://onnx.ai/onnx/operators/onnx__LSTM.html, __GRU, __RNN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from delrec_compile.plain_onnx.rewrites.nodes import Known, Nodes, RefusedError, attributes

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
ACTIVATIONS = ("Sigmoid", "Tanh", "Relu", "Softsign", "Softplus")  # without parameters
LONGEST = 64  # steps that are unrolled
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
# inputs by place
BIAS, LENGTHS, HIDDEN, CELL, PEEPHOLES = 3, 4, 5, 6, 7


def recurrent(node: onnx.NodeProto, nodes: Nodes) -> None:
    """Adds the nodes of an LSTM, GRU or RNN. Raises RefusedError, which says what is not taken apart."""
    layer = _Layer(node, nodes)
    ways = DIRECTIONS[layer.direction]
    runs = [_run(layer, way, reverse) for way, reverse in enumerate(ways)]
    layer.write(runs)


@dataclass
class _Layer:
    """A recurrent node. steps, batch, inputs: extents of its input."""

    node: onnx.NodeProto
    nodes: Nodes
    values: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.values = values = attributes(self.node)
        self.kind, known = self.node.op_type, self.nodes.known
        self.direction = str(values.get("direction", "forward"))
        self.x = self.node.input[0]
        self.steps, self.batch, self.inputs = self._extents(known)
        self.hidden = int(values.get("hidden_size", 0)) or self._shape(known, 2)[-1]
        self.activations = self._activations()
        self._refuse(known)

    def _shape(self, known: Known, place: int) -> tuple[int, ...]:
        shape = known.shapes.get(self.node.input[place], ())
        if len(shape) != 3:
            raise RefusedError(
                f"the extents of '{self.node.input[place]}' are not known",
                "export it with fixed extents, or give --batch 1",
            )
        return shape

    def _extents(self, known: Known) -> tuple[int, ...]:
        steps, batch, inputs = self._shape(known, 0)
        if self.values.get("layout", 0):
            steps, batch = batch, steps
        if steps > LONGEST:
            raise RefusedError(
                f"a {self.kind} over {steps} time steps; at most {LONGEST} are unrolled",
                "export the graph of one time step",
            )
        return steps, batch, inputs

    def _activations(self) -> list[tuple[str, ...]]:
        """Functions of each direction."""
        ways, default = len(DIRECTIONS[self.direction]), DEFAULTS[self.kind]
        given = [str(a).capitalize() for a in self.values.get("activations", default * ways)]
        strange = [a for a in given if a not in ACTIVATIONS]
        if strange or len(given) != len(default) * ways or self.values.get("activation_alpha"):
            raise RefusedError(
                f"the activations {', '.join(given)}",
                f"allowed, without parameters: {', '.join(ACTIVATIONS)}",
            )
        size = len(default)
        return [tuple(given[i * size : (i + 1) * size]) for i in range(ways)]

    def _refuse(self, known: Known) -> None:
        if self.values.get("clip"):
            raise RefusedError(
                "a clip of what enters the gates", "train without it, or clip its input"
            )
        if self.values.get("input_forget"):
            raise RefusedError("coupled input and forget gates", "export both gates")
        if lengths := self.input(LENGTHS):
            array = known.constants.get(lengths)
            if array is None or not np.all(array == self.steps):
                raise RefusedError(
                    f"lengths of its own in '{lengths}'", "leave the input sequence_lens out"
                )

    def input(self, place: int) -> str:
        """Name of an input; empty where it is left out."""
        return self.node.input[place] if place < len(self.node.input) else ""

    @property
    def by_batch(self) -> bool:
        return bool(self.values.get("layout", 0))

    def part(self, value: str, way: int, axis: int = 0) -> str:
        """One direction of a value."""
        index = self.nodes.constant(way, np.int64)
        return self.nodes.add("Gather", value, index, axis=axis)

    def state(self, place: int, way: int) -> str:
        """The initial state of a direction, (batch, hidden); zero where it is left out."""
        name = self.input(place)
        if not name:
            return self.nodes.constant(np.zeros((self.batch, self.hidden)))
        return self.part(name, way, 1 if self.by_batch else 0)

    def weights(self, way: int) -> tuple[str, str]:
        """W and R of a direction, (inputs, gates) and (hidden, gates)."""
        both = [self.part(self.node.input[place], way) for place in (1, 2)]
        w, r = (self.nodes.add("Transpose", value, perm=[1, 0]) for value in both)
        return w, r

    def biases(self, way: int) -> tuple[str, str] | None:
        """Wb and Rb of a direction, (1, gates)."""
        name = self.input(BIAS)
        if not name:
            return None
        size, row = GATES[self.kind] * self.hidden, self.part(name, way)
        row = self.nodes.reshape(row, 1, 2 * size)
        return self.nodes.columns(row, 0, size), self.nodes.columns(row, size, 2 * size)

    def step_input(self, step: int) -> str:
        """x of a step, (batch, inputs)."""
        if self.steps == 1:
            return self.nodes.reshape(self.x, self.batch, self.inputs)
        index = self.nodes.constant(step, np.int64)
        return self.nodes.add("Gather", self.x, index, axis=1 if self.by_batch else 0)

    def gate(self, value: str, at: int) -> str:
        return self.nodes.columns(value, at * self.hidden, (at + 1) * self.hidden)

    def write(self, runs: list[tuple[list[str], list[str]]]) -> None:
        """Adds the node's outputs. runs: of each direction, h of each step, and its last state."""
        outputs = [*self.node.output, "", "", ""][:3]
        shape = [self.steps, 1, self.batch, self.hidden]
        axis = 1
        if self.by_batch:
            shape, axis = [self.batch, self.steps, 1, self.hidden], 2
        if outputs[0]:
            ways = [self._joined(h, shape, 0 if not self.by_batch else 1) for h, _ in runs]
            self._stacked(ways, axis, outputs[0])
        shape = [self.batch, 1, self.hidden] if self.by_batch else [1, self.batch, self.hidden]
        for i, out in enumerate(outputs[1:]):
            if out:
                ways = [self.nodes.reshape(last[i], *shape) for _, last in runs]
                self._stacked(ways, 1 if self.by_batch else 0, out)

    def _joined(self, steps: list[str], shape: list[int], axis: int) -> str:
        one = [*shape]
        one[axis] = 1
        parts = [self.nodes.reshape(h, *one) for h in steps]
        return parts[0] if len(parts) == 1 else self.nodes.add("Concat", *parts, axis=axis)

    def _stacked(self, ways: list[str], axis: int, out: str) -> None:
        if len(ways) == 1:
            self.nodes.add("Identity", ways[0], out=out)
        else:
            self.nodes.add("Concat", *ways, axis=axis, out=out)


def _run(layer: _Layer, way: int, reverse: bool) -> tuple[list[str], list[str]]:
    """Adds the steps of a direction; returns h of each step in time, and the last state."""
    cells: dict[str, Callable[[_Layer, int], Callable[[str, list[str]], list[str]]]]
    cells = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}
    cell = cells[layer.kind](layer, way)
    states = 2 if layer.kind == "LSTM" else 1
    state = [layer.state(HIDDEN + i, way) for i in range(states)]
    out = {}
    for step in reversed(range(layer.steps)) if reverse else range(layer.steps):
        state = cell(layer.step_input(step), state)
        out[step] = state[0]
    return [out[step] for step in range(layer.steps)], state


def _lstm(layer: _Layer, way: int) -> Callable[[str, list[str]], list[str]]:
    """i, o, f, c = x W^T + h R^T + Wb + Rb; c' = f c + i c~; h' = o tanh(c')."""
    n, (f, g, h_of) = layer.nodes, layer.activations[way]
    weights = n.add("Concat", *layer.weights(way), axis=0)
    biases = layer.biases(way)
    bias = n.add("Add", *biases) if biases else ""
    holes = _peepholes(layer, way)

    def cell(x: str, state: list[str]) -> list[str]:
        h, c = state
        sums = n.add("MatMul", n.add("Concat", x, h, axis=1), weights)
        sums = n.add("Add", sums, bias) if bias else sums
        i, o, forget, c_in = (layer.gate(sums, at) for at in range(4))
        if holes:
            i, forget = (
                n.add("Add", v, n.add("Mul", holes[k], c)) for v, k in ((i, 0), (forget, 2))
            )
        kept = n.add("Mul", n.add(f, forget), c)
        c = n.add("Add", kept, n.add("Mul", n.add(f, i), n.add(g, c_in)))
        if holes:
            o = n.add("Add", o, n.add("Mul", holes[1], c))
        return [n.add("Mul", n.add(f, o), n.add(h_of, c)), c]

    return cell


def _peepholes(layer: _Layer, way: int) -> list[str]:
    """Weights of the cell state in the gates i, o and f; none where they are left out."""
    name = layer.input(PEEPHOLES)
    if not name:
        return []
    row = layer.nodes.reshape(layer.part(name, way), 1, 3 * layer.hidden)
    return [layer.gate(row, at) for at in range(3)]


def _gru(layer: _Layer, way: int) -> Callable[[str, list[str]], list[str]]:
    """z, r = f(x W^T + h R^T + b); h~ = g(x W^T + Wb + (r h) R^T + Rb); h' = (1 - z) h~ + z h.

    linear_before_reset: h~ = g(x W^T + Wb + r (h R^T + Rb)).
    """
    n, (f, g), size = layer.nodes, layer.activations[way], layer.hidden
    w, r = layer.weights(way)
    biases = layer.biases(way)
    linear = bool(layer.values.get("linear_before_reset", 0))
    r_gates, r_new = n.columns(r, 0, 2 * size), n.columns(r, 2 * size, 3 * size)
    one = n.constant(1.0)

    def with_bias(sums: str, at: int, begin: int, end: int) -> str:
        return n.add("Add", sums, n.columns(biases[at], begin, end)) if biases else sums

    def cell(x: str, state: list[str]) -> list[str]:
        (h,) = state
        xs = n.add("MatMul", x, w)
        xs = n.add("Add", xs, biases[0]) if biases else xs
        hs = with_bias(n.add("MatMul", h, r_gates), 1, 0, 2 * size)
        gates = n.add(f, n.add("Add", n.columns(xs, 0, 2 * size), hs))
        z, reset = layer.gate(gates, 0), layer.gate(gates, 1)
        if linear:
            old = with_bias(n.add("MatMul", h, r_new), 1, 2 * size, 3 * size)
            old = n.add("Mul", reset, old)
        else:
            old = n.add("MatMul", n.add("Mul", reset, h), r_new)
            old = with_bias(old, 1, 2 * size, 3 * size)
        new = n.add(g, n.add("Add", layer.gate(xs, 2), old))
        fresh = n.add("Mul", n.add("Sub", one, z), new)
        return [n.add("Add", fresh, n.add("Mul", z, h))]

    return cell


def _rnn(layer: _Layer, way: int) -> Callable[[str, list[str]], list[str]]:
    """h' = f(x W^T + h R^T + Wb + Rb)."""
    n, (f,) = layer.nodes, layer.activations[way]
    weights = n.add("Concat", *layer.weights(way), axis=0)
    biases = layer.biases(way)
    bias = n.add("Add", *biases) if biases else ""

    def cell(x: str, state: list[str]) -> list[str]:
        sums = n.add("MatMul", n.add("Concat", x, *state, axis=1), weights)
        return [n.add(f, n.add("Add", sums, bias) if bias else sums)]

    return cell
