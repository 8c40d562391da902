"""Network -> semantic ONNX graph: each op a node of domain `ai.delrec`, in order of computation."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from delrec_compile.network.model import Layer, Network
from delrec_compile.network.onnx_step.schema import DOMAIN
from delrec_compile.ops import (
    conv2d_delay,
    conv_delay,
    delay_line,
    dense_delay,
    lif,
    linear,
    maps,
    readout,
    synaptic_delay,
    tap_conv_delay,
)

OPSET = 18
IR_VERSION = 9
FUNCTIONS = (
    linear.ONNX,
    maps.ONNX,
    *lif.ONNX,
    *delay_line.ONNX,
    conv_delay.ONNX,
    dense_delay.ONNX,
    tap_conv_delay.ONNX,
    conv2d_delay.ONNX,
    synaptic_delay.ONNX,
    *readout.ONNX,
)


def semantic_graph(network: Network, unroll: int = 1) -> onnx.ModelProto:
    """unroll: time steps per call."""
    return _Builder(network, unroll).model()


class _Builder:
    """Builds the semantic graph, node by node, in the order of computation."""

    def __init__(self, network: Network, unroll: int) -> None:
        self.network = network
        self.unroll = unroll
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        self._weights()
        past = {s.name: f"past_{s.name}" for s in self.network.state()}
        ys = []
        for k, x in enumerate(self._inputs()):
            prefix = "" if self.unroll == 1 else f"t{k}_"
            y, past = self._step(x, past, prefix)
            ys.append(y)
        self._outputs(ys, past)
        graph = helper.make_graph(
            self.nodes, "delrec_step", self._graph_inputs(), self._graph_outputs(), self.constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="delrec-compile",
            functions=[onnx.parser.parse_function(text) for text in FUNCTIONS],
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
        whole = np.ascontiguousarray(value).reshape(value.shape)
        self.constants.append(numpy_helper.from_array(whole, name))

    def _weights(self) -> None:
        for i, layer in enumerate(self.network.layers):
            self._constant(f"l{i}_weight", layer.weight)
            self._constant(f"l{i}_bias", layer.bias)
            for name in () if layer.lif.is_default else lif.CONSTANTS:
                self._constant(f"l{i}_{name}", np.asarray(getattr(layer.lif, name), np.float32))
            if layer.lif.has_gain:
                self._constant(f"l{i}_gain", np.asarray(layer.lif.gain, np.float32))
            if layer.recurrence is not None:
                for name, value in layer.recurrence.constants().items():
                    self._constant(f"l{i}_{name}", value)
        self._constant("out_weight", self.network.readout.weight)
        self._constant("out_bias", self.network.readout.step_bias)
        if self.network.readout.kind == "count":
            self._constant("out_offset", self.network.readout.bias)

    def _inputs(self) -> list[str]:
        if self.unroll == 1:
            return ["x"]
        self._constant("axis_0", np.array([0], np.int64))
        xs = [f"t{k}_x" for k in range(self.unroll)]
        parts = [f"{x}_slice" for x in xs]
        self._add("Split", ["x"], parts, axis=0, num_outputs=self.unroll)
        for part, x in zip(parts, xs, strict=True):
            self._add("Squeeze", [part, "axis_0"], x)
        return xs

    def _step(self, x: str, past: dict[str, str], t: str) -> tuple[str, dict[str, str]]:
        new: dict[str, str] = {}
        for i, layer in enumerate(self.network.layers):
            current = self._current(i, layer, x, past, t)
            x, new[f"l{i}_v"] = f"{t}l{i}_spikes", f"{t}l{i}_v_next"
            self._fire(i, layer.lif, [current, past[f"l{i}_v"]], [x, new[f"l{i}_v"]], t)
            if layer.recurrence is not None:
                name = f"l{i}_hist"
                new[name] = self._add("DelayPush", [past[name], x], f"{t}{name}_next", DOMAIN)
        return self._read_out(x, past, new, t), new

    def _read_out(self, x: str, past: dict[str, str], new: dict[str, str], t: str) -> str:
        """Returns y."""
        kind, beta = self.network.readout.kind, self.network.readout.beta
        current = self._add("Linear", [x, "out_weight", "out_bias"], f"{t}out_current", DOMAIN)
        y, kept = f"{t}out_y", f"{t}out_v_next"
        if kind == "linear":
            return self._add("LinearReadout", [current], y, DOMAIN)
        new["out_v"] = kept
        if kind == "count":
            inputs = [current, past["out_v"], "out_offset"]
            return self._add("SpikeCount", inputs, [y, kept], DOMAIN)
        return self._add("LeakyIntegrator", [current, past["out_v"]], kept, DOMAIN, beta=beta)

    def _fire(self, i: int, own: lif.Lif, inputs: list[str], outputs: list[str], t: str) -> None:
        if own.has_gain:
            name = f"{t}l{i}_scaled"
            inputs = [self._add("Gain", [inputs[0], f"l{i}_gain"], name, DOMAIN), inputs[1]]
        if own.is_default:
            constants = {k: getattr(own, k) for k in lif.CONSTANTS}
            self._add("Lif", inputs, outputs, DOMAIN, **constants)
            return
        inputs = [*inputs, *(f"l{i}_{k}" for k in lif.CONSTANTS)]
        self._add(lif.node(own.fires, own.reset), inputs, outputs, DOMAIN)

    def _current(self, i: int, layer: Layer, x: str, past: dict[str, str], t: str) -> str:
        name = f"{t}l{i}_current"
        op, facts = ("Linear", {}) if layer.maps is None else ("Maps", layer.maps.node_attributes())
        taken = [x, f"l{i}_weight", f"l{i}_bias"]
        if layer.recurrence is None:
            return self._add(op, taken, name, DOMAIN, **facts)
        feed = self._add(op, taken, f"{t}l{i}_feed", DOMAIN, **facts)
        r = layer.recurrence
        inputs = [past[f"l{i}_hist"], *(f"l{i}_{constant}" for constant in r.constants())]
        back = self._add(
            r.node, inputs, f"{t}l{i}_recurrent_current", DOMAIN, **r.node_attributes()
        )
        return self._add("Add", [feed, back], name)

    def _outputs(self, ys: list[str], past: dict[str, str]) -> None:
        for name, value in past.items():
            self._add("Identity", [value], f"present_{name}")
        if self.unroll == 1:
            self._add("Identity", ys, "y")
            return
        rows = [self._add("Unsqueeze", [y, "axis_0"], f"t{k}_y") for k, y in enumerate(ys)]
        self._add("Concat", rows, "y", axis=0)

    def _value(self, name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def _series(self, size: int) -> tuple[int | str, ...]:
        return ("batch", size) if self.unroll == 1 else (self.unroll, "batch", size)

    def _graph_inputs(self) -> list[onnx.ValueInfoProto]:
        state = [self._value(f"past_{s.name}", ("batch", *s.shape)) for s in self.network.state()]
        return [self._value("x", self._series(self.network.inputs)), *state]

    def _graph_outputs(self) -> list[onnx.ValueInfoProto]:
        state = [
            self._value(f"present_{s.name}", ("batch", *s.shape)) for s in self.network.state()
        ]
        return [self._value("y", self._series(self.network.outputs)), *state]
