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

from delrec_compile.network.model import INPUT, Network, Neuron, Population, Projection
from delrec_compile.network.onnx_step.schema import DOMAIN
from delrec_compile.network.state import HISTORY, past, present
from delrec_compile.ops.feed import Feed
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
        self.names: dict[int, dict[str, str]] = {}  # constants of each projection
        self.known: list[tuple[Any, dict[str, str]]] = []  # those of synapses, stored once
        self.made: set[str] = set()

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
        for p in self.network.populations:
            for each in p.projections:
                self.names[id(each)] = self._synapses(p, each)
            self._constant(p.prefix + "bias", p.bias if p.feed_takes_bias else p.biases)
            for name, value in p.neuron.constants().items():
                self._constant(p.prefix + name, value)

    def _synapses(self, p: Population, each: Projection) -> dict[str, str]:
        """Adds the constants of a projection, unless another one has them; their names."""
        for known in self.known:
            if known[0] is each.synapses:
                return known[1]
        values = (
            {"weight": each.synapses.matrix}
            if isinstance(each.synapses, Feed)
            else each.synapses.constants()
        )
        names = {name: p.prefix + each.prefix + name for name in values}
        for name, value in values.items():
            self._constant(names[name], value)
        self.known.append((each.synapses, names))
        return names

    def _inputs(self) -> list[str]:
        if self.unroll == 1:
            return ["x"]
        self._constant("axis_0", np.array([0], np.int64))
        xs = [f"t{k}_x" for k in range(self.unroll)]
        for k, x in enumerate(xs):
            self._constant(f"step_{k}", np.array(k, np.int64))
            self._add("Gather", ["x", f"step_{k}"], x, axis=0)
        return xs

    def _step(self, x: str, old: dict[str, str], t: str) -> tuple[str, dict[str, str]]:
        """Adds one time step. t: prefix of its values. Returns y and the new state by name."""
        new: dict[str, str] = {}
        now, ys = {INPUT: self._rounded(x, t)}, []
        for p in self.network.populations:
            current = self._current(p, now, old, t)
            own = {name: old[p.prefix + name] for name in p.states}
            out, after = p.neuron.write_nodes(_Scope(self, t, p.prefix), current, own)
            if isinstance(p.neuron, Neuron):
                now[p.name] = out
                self._push(p.name, now, old, new, t)
            else:
                ys.append(out)
            new |= {p.prefix + name: value for name, value in after.items()}
        self._push(INPUT, now, old, new, t)
        y = ys[0] if len(ys) == 1 else self._add("Concat", ys, f"{t}all_y", axis=1)
        return y, {name: new[name] for name in old}

    def _rounded(self, x: str, t: str) -> str:
        """Adds the rounding of real inputs."""
        real = self.network.real_input
        if real is None:
            return x
        return self._add("RealInput", [x], f"{t}x_rounded", DOMAIN, **real.node_attributes())

    def _push(
        self, source: str, now: dict[str, str], old: dict[str, str], new: dict[str, str], t: str
    ) -> None:
        """Adds the next history of a source, if it has one."""
        name = f"{source}_{HISTORY}"
        if name in old:
            inputs = [old[name], now[source]]
            new[name] = self._add("DelayPush", inputs, f"{t}{name}_next", DOMAIN)

    def _current(self, p: Population, now: dict[str, str], old: dict[str, str], t: str) -> str:
        """Adds the current of a population: a sum of its projections, one after another."""
        name, scope = f"{t}{p.prefix}current", f"{t}{p.prefix}"
        many = len(p.projections) > 1 or not p.feed_takes_bias
        terms = []
        for each in p.projections:
            is_feed = isinstance(each.synapses, Feed)
            own = f"{scope}{each.prefix}{'feed' if is_feed else 'recurrent_current'}"
            terms.append(self._part(p, each, now, old, own if many else name, t))
        if not p.feed_takes_bias:
            terms.append(p.prefix + "bias")
        total = terms[0]
        for k, term in enumerate(terms[1:], 1):
            last = k == len(terms) - 1
            total = self._add("Add", [total, term], name if last else f"{scope}sum{k}")
        return total

    def _part(
        self,
        p: Population,
        each: Projection,
        now: dict[str, str],
        old: dict[str, str],
        name: str,
        t: str,
    ) -> str:
        """Adds the current of one projection; the first feed adds the biases."""
        s, constants = each.synapses, self.names[id(each)]
        if isinstance(s, Feed):
            takes = each is p.feed and p.feed_takes_bias
            bias = p.prefix + "bias" if takes else self._zeros(len(s.matrix))
            inputs = [now[each.source], constants["weight"], bias]
            return self._add(s.node, inputs, name, DOMAIN, **s.node_attributes())
        inputs = [self._line(p, each, now, old, t), *constants.values()]
        return self._add(s.node, inputs, name, DOMAIN, **s.node_attributes())

    def _line(
        self, p: Population, each: Projection, now: dict[str, str], old: dict[str, str], t: str
    ) -> str:
        """What a projection reads, see `Network.line`: a name, and the nodes that make it."""
        source, depth = each.source, each.synapses.depth
        history, rows = f"{source}_{HISTORY}", self.network.histories.get(source, 0)
        if self.network.closes_cycle(p, each):
            line = old[history]
        elif not rows:
            line, rows = self._once("DelayNow", [now[source]], f"{t}{source}_line"), 1
        else:
            inputs = [old[history], now[source]]
            line, rows = self._once("DelayLine", inputs, f"{t}{source}_line"), rows + 1
        if rows == depth:
            return line
        name = f"{line}_{depth}"
        return self._once("DelayNewest", [line], name, depth=[depth])

    def _once(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds a node unless it is there."""
        if output not in self.made:
            self.made.add(output)
            self._add(op, inputs, output, DOMAIN, **attributes)
        return output

    def _zeros(self, n: int) -> str:
        name = f"zeros_{n}"
        if name not in self.made:
            self.made.add(name)
            self._constant(name, np.zeros(n, np.float32))
        return name

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
