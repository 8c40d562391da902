"""Network -> semantic ONNX graph: each op a node of domain `ai.delrec`, in order of computation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from delrec_compile.network.model import Layer, Network
from delrec_compile.network.onnx_step.schema import DOMAIN
from delrec_compile.network.state import HISTORY, READOUT, layer_prefix, past, present
from delrec_compile.ops.registry import FUNCTIONS

OPSET = 18
IR_VERSION = 9


def semantic_graph(network: Network, unroll: int = 1, batch: int | None = None) -> onnx.ModelProto:
    """unroll: time steps per call. batch: streams per call, any number for None."""
    return _Builder(network, unroll, "batch" if batch is None else batch).model()


class _Builder:
    """Builds the semantic graph, node by node, in the order of computation."""

    def __init__(self, network: Network, unroll: int, batch: int | str) -> None:
        self.network = network
        self.batch = batch
        self.unroll = unroll
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        self._weights()
        state = {s.name: past(s.name) for s in self.network.state()}
        ys = []
        for k, x in enumerate(self._inputs()):
            prefix = "" if self.unroll == 1 else f"t{k}_"
            y, state = self._step(x, state, prefix)
            ys.append(y)
        self._outputs(ys, state)
        graph = helper.make_graph(
            self.nodes, "delrec_step", self._graph_inputs(), self._graph_outputs(), self.constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="delrec-compile",
            functions=_called(self.nodes),
        )
        return onnx.shape_inference.infer_shapes(model, data_prop=True)

    def _add(
        self, op: str, inputs: list[str], output: str | list[str], domain: str = "", **kw: Any
    ) -> str:
        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(
            helper.make_node(op, inputs, outputs, name=f"{outputs[0]}_{op}", domain=domain, **kw)
        )
        return outputs[0]

    def _constant(self, name: str, value: NDArray[Any]) -> None:
        # np.ascontiguousarray alone makes a vector of a number
        contiguous = np.ascontiguousarray(value).reshape(value.shape)
        self.constants.append(numpy_helper.from_array(contiguous, name))

    def _weights(self) -> None:
        for i, layer in enumerate(self.network.layers):
            self._constant(f"l{i}_weight", layer.weight)
            self._constant(f"l{i}_bias", layer.bias)
            for name, value in layer.neuron.constants().items():
                self._constant(f"l{i}_{name}", value)
            if layer.recurrence is not None:
                for name, value in layer.recurrence.constants().items():
                    self._constant(f"l{i}_{name}", value)
        self._constant("out_weight", self.network.readout.weight)
        self._constant("out_bias", self.network.readout.step_bias)
        for name, value in self.network.readout.constants().items():
            self._constant(READOUT + name, value)

    def _inputs(self) -> list[str]:
        if self.unroll == 1:
            return ["x"]
        self._constant("axis_0", np.array([0], np.int64))
        xs = [f"t{k}_x" for k in range(self.unroll)]
        parts = [f"{x}_slice" for x in xs]
        self._constant("step_sizes", np.ones(self.unroll, np.int64))
        self._add("Split", ["x", "step_sizes"], parts, axis=0)
        for part, x in zip(parts, xs, strict=True):
            self._add("Squeeze", [part, "axis_0"], x)
        return xs

    def _step(self, x: str, old: dict[str, str], t: str) -> tuple[str, dict[str, str]]:
        """Adds one time step. t: prefix of its values. Returns y and the new state by name."""
        new: dict[str, str] = {}
        for i, layer in enumerate(self.network.layers):
            prefix = layer_prefix(i)
            current = self._current(i, layer, x, old, t)
            own = {name: old[prefix + name] for name in layer.states}
            x, after = layer.neuron.write_nodes(_Scope(self, t, prefix), current, own)
            new |= {prefix + name: value for name, value in after.items()}
            if layer.recurrence is not None:
                name = prefix + HISTORY
                new[name] = self._add("DelayPush", [old[name], x], f"{t}{name}_next", DOMAIN)
        inputs = [x, "out_weight", "out_bias"]
        current = self._add("Linear", inputs, f"{t}out_current", DOMAIN)
        readout = self.network.readout
        own = {name: old[READOUT + name] for name in readout.states}
        y, after = readout.write_nodes(_Scope(self, t, READOUT), current, own)
        return y, new | {READOUT + name: value for name, value in after.items()}

    def _current(self, i: int, layer: Layer, x: str, old: dict[str, str], t: str) -> str:
        name = f"{t}l{i}_current"
        op, attributes = (
            ("Linear", {}) if layer.maps is None else ("Maps", layer.maps.node_attributes())
        )
        taken = [x, f"l{i}_weight", f"l{i}_bias"]
        if layer.recurrence is None:
            return self._add(op, taken, name, DOMAIN, **attributes)
        feed = self._add(op, taken, f"{t}l{i}_feed", DOMAIN, **attributes)
        r = layer.recurrence
        inputs = [
            old[layer_prefix(i) + HISTORY],
            *(f"l{i}_{constant}" for constant in r.constants()),
        ]
        back = self._add(
            r.node, inputs, f"{t}l{i}_recurrent_current", DOMAIN, **r.node_attributes()
        )
        return self._add("Add", [feed, back], name)

    def _outputs(self, ys: list[str], state: dict[str, str]) -> None:
        for name, value in state.items():
            self._add("Identity", [value], present(name))
        if self.unroll == 1:
            self._add("Identity", ys, "y")
            return
        rows = [self._add("Unsqueeze", [y, "axis_0"], f"t{k}_y") for k, y in enumerate(ys)]
        self._add("Concat", rows, "y", axis=0)

    def _value(self, name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def _series(self, size: int) -> tuple[int | str, ...]:
        return (self.batch, size) if self.unroll == 1 else (self.unroll, self.batch, size)

    def _graph_inputs(self) -> list[onnx.ValueInfoProto]:
        state = [self._value(past(s.name), (self.batch, *s.shape)) for s in self.network.state()]
        return [self._value("x", self._series(self.network.inputs)), *state]

    def _graph_outputs(self) -> list[onnx.ValueInfoProto]:
        state = [self._value(present(s.name), (self.batch, *s.shape)) for s in self.network.state()]
        return [self._value("y", self._series(self.network.outputs)), *state]


def _called(nodes: Sequence[onnx.NodeProto]) -> list[onnx.FunctionProto]:
    """The functions that the nodes call, and those that these call, in the registry's order."""
    functions = {f.name: f for f in map(onnx.parser.parse_function, FUNCTIONS)}
    used: set[str] = set()
    rest = [node.op_type for node in nodes]
    while rest:
        name = rest.pop()
        if name in functions and name not in used:
            used.add(name)
            rest += [node.op_type for node in functions[name].node]
    return [f for name, f in functions.items() if name in used]


@dataclass(frozen=True)
class _Scope:
    """A `NodeWriter`: names of one layer, or of the readout, at one time step."""

    builder: _Builder
    step: str
    prefix: str

    def value(self, name: str) -> str:
        return f"{self.step}{self.prefix}{name}"

    def constant(self, name: str) -> str:
        return self.prefix + name

    def call(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> None:
        self.builder._add(op, list(inputs), list(outputs), DOMAIN, **attributes)
