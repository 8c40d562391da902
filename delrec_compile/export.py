"""Network -> ONNX: one step, or K steps unrolled, with the state as explicit inputs and outputs.

Two forms of one graph. The semantic form keeps every op as a function of domain `ai.delrec` (what
`lower` reads). The portable form is inlined to plain ONNX operators. Both run in ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnx.parser
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from delrec_compile import checkpoint
from delrec_compile.errors import ModelError, NetworkError, ParityError, UnsupportedError
from delrec_compile.network import ConvDelay, Layer, Network
from delrec_compile.ops import conv_delay, delay_line, dense_delay, leaky_readout, lif, linear
from delrec_compile.onnx_model import DOMAIN, FORMAT_VERSION, StateVarIO, state_abi

OPSET = 18
IR_VERSION = 9
FORMS = ("portable", "semantic")
FUNCTIONS = (
    linear.ONNX,
    lif.ONNX,
    *delay_line.ONNX,
    conv_delay.ONNX,
    dense_delay.ONNX,
    leaky_readout.ONNX,
)
CHECK_STEPS = 40
Progress = Callable[[str], None]


def export(
    network: Network,
    path: Path | str | None = None,
    *,
    form: str = "portable",
    unroll: int = 1,
    force: bool = True,
) -> onnx.ModelProto:
    """Makes the ONNX model, proves it against PyTorch over N steps, and only then writes it.

    form: `portable` or `semantic`. unroll: time steps per call; x is then (K, batch, inputs) and
    y (K, batch, outputs). Raises UnsupportedError, ParityError, ModelError.
    """
    if form not in FORMS:
        raise UnsupportedError(f"unknown ONNX form '{form}'; allowed: {', '.join(FORMS)}")
    if unroll < 1:
        raise UnsupportedError(f"--unroll {unroll}: at least 1 time step per call is needed")
    if path is not None and Path(path).exists() and not force:
        raise ModelError(f"{path} exists; add --force to replace it")
    model = _Builder(network, unroll).model()
    if form == "portable":
        model = to_portable(model)
    _describe(model, network, form, unroll)
    onnx.checker.check_model(model, full_check=form == "portable")
    prove(model, network)
    if path is not None:
        checkpoint.write_whole(Path(path), model.SerializeToString(deterministic=True))
    return model


def golden_input(network: Network, steps: int = CHECK_STEPS) -> NDArray[np.float32]:
    """Fixed pseudo-random counts, (steps, 1, inputs): what golden hashes and self-tests run on."""
    r = np.random.Generator(np.random.PCG64(0))
    counts = r.poisson(0.25, (steps, 1, network.inputs))
    return np.minimum(counts, network.max_input).astype(np.float32)


def golden_hash(network: Network) -> str:
    """sha256 of the reference outputs on the golden input."""
    state, h = network.reset(), hashlib.sha256()
    for x in golden_input(network):
        y, state = network.step(x, state)
        h.update(y.astype("<f4").tobytes())
    return h.hexdigest()


def to_portable(model: onnx.ModelProto) -> onnx.ModelProto:
    """Functions inlined, constants as initializers: plain ONNX operators only."""
    flat = onnx.inliner.inline_local_functions(model)
    known: dict[bytes, str] = {}
    rename: dict[str, str] = {}
    nodes = []
    for node in flat.graph.node:
        if node.op_type == "Constant":
            value = _constant(node)
            tensor = numpy_helper.from_array(value)
            key = tensor.SerializeToString(deterministic=True)
            if key not in known:
                known[key] = f"c{len(known)}"
                flat.graph.initializer.append(numpy_helper.from_array(value, known[key]))
            rename[node.output[0]] = known[key]
        else:
            nodes.append(node)
    for node in nodes:
        for i, name in enumerate(node.input):
            node.input[i] = rename.get(name, name)
    del flat.graph.node[:]
    flat.graph.node.extend(nodes)
    for opset in [o for o in flat.opset_import if o.domain == DOMAIN]:
        flat.opset_import.remove(opset)
    return flat


def prove(model: onnx.ModelProto, network: Network) -> None:
    """Runs the model in ONNX Runtime beside PyTorch over many steps; refuses one that differs."""
    import onnxruntime
    import torch

    from delrec_compile.step import Step

    unroll = int(_prop(model, "unroll"))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    step = Step(network)
    theirs, ours = step.reset(), {f"past_{s.name}": np.zeros((1, *s.shape), np.float32) for s in network.state()}
    x = golden_input(network, -(-CHECK_STEPS // unroll) * unroll)
    for t in range(0, len(x), unroll):
        feed = {"x": x[t] if unroll == 1 else x[t : t + unroll], **ours}
        result = dict(zip(names, session.run(None, feed), strict=True))
        for k in range(unroll):
            y, *new = step(torch.from_numpy(x[t + k]), *theirs)
            theirs = tuple(new)
        last = result["y"] if unroll == 1 else result["y"][-1]
        worst = float(np.abs(last - y.numpy()).max())
        if not worst <= 1e-3:
            raise ParityError(
                f"the ONNX graph left PyTorch at step {t + unroll - 1} (membrane off by {worst:.3g}); "
                "no file was written"
            )
        ours = {f"past_{n}": result[f"present_{n}"] for n in step.names}


def _constant(node: onnx.NodeProto) -> NDArray[Any]:
    attribute = node.attribute[0]
    if attribute.name == "value":
        return numpy_helper.to_array(attribute.t)
    if attribute.name == "value_float":
        return np.array(attribute.f, np.float32)
    raise ModelError(f"constant '{node.output[0]}' has the unknown form '{attribute.name}'")


def _prop(model: onnx.ModelProto, key: str) -> str:
    return next(p.value for p in model.metadata_props if p.key == f"delrec.{key}")


def _describe(model: onnx.ModelProto, network: Network, form: str, unroll: int) -> None:
    schema = [StateVarIO(s.name, s.shape, "float32", "zeros", s.meaning) for s in network.state()]
    facts = {
        "format_version": FORMAT_VERSION,
        "form": form,
        "unroll": unroll,
        "dt_ms": network.dt_ms,
        "max_delay": network.max_delay,
        "max_input": network.max_input,
        "state": json.dumps([s.as_dict() for s in schema]),
        "state_abi": state_abi(schema),
        "decision": network.readout.decision,
        "labels": json.dumps(list(network.labels)),
        "source_sha256": checkpoint.digest(network),
        "golden_sha256": golden_hash(network),
        "producer": "delrec-compile",
    }
    helper.set_model_props(model, {f"delrec.{k}": str(v) for k, v in facts.items()})


class _Builder:
    """Builds the semantic graph, node by node, in the order of computation."""

    def __init__(self, network: Network, unroll: int) -> None:
        self.network = network
        self.unroll = unroll
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        if any("/" in s.name or "." in s.name for s in self.network.state()):
            raise NetworkError("state names must be C identifiers")
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

    def _add(self, op: str, inputs: list[str], output: str | list[str], domain: str = "", **kw: Any) -> str:
        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(
            helper.make_node(op, inputs, outputs, name=f"{outputs[0]}_{op}", domain=domain, **kw)
        )
        return outputs[0]

    def _constant(self, name: str, value: NDArray[Any]) -> None:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))

    def _weights(self) -> None:
        for i, layer in enumerate(self.network.layers):
            self._constant(f"l{i}_weight", layer.weight)
            self._constant(f"l{i}_bias", layer.bias)
            r = layer.recurrence
            if isinstance(r, ConvDelay):
                self._constant(f"l{i}_kernel", r.kernel[None, None])
            elif r is not None:
                self._constant(f"l{i}_recurrent", r.weight)
            if r is not None:
                self._constant(f"l{i}_at", delay_line.gather_index(r.delay))
        self._constant("out_weight", self.network.readout.weight)
        self._constant("out_bias", self.network.readout.bias)

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
            constants = {k: getattr(layer.lif, k) for k in ("beta", "threshold", "v_reset")}
            outputs = [x, new[f"l{i}_v"]]
            self._add("Lif", [current, past[f"l{i}_v"]], outputs, DOMAIN, **constants)
            if layer.recurrence is not None:
                name = f"l{i}_hist"
                new[name] = self._add("DelayPush", [past[name], x], f"{t}{name}_next", DOMAIN)
        current = self._add("Linear", [x, "out_weight", "out_bias"], f"{t}out_current", DOMAIN)
        new["out_v"] = self._add(
            "LeakyIntegrator",
            [current, past["out_v"]],
            f"{t}out_v_next",
            DOMAIN,
            beta=self.network.readout.beta,
        )
        return new["out_v"], new

    def _current(self, i: int, layer: Layer, x: str, past: dict[str, str], t: str) -> str:
        name = f"{t}l{i}_current"
        if layer.recurrence is None:
            return self._add("Linear", [x, f"l{i}_weight", f"l{i}_bias"], name, DOMAIN)
        feed = self._add("Linear", [x, f"l{i}_weight", f"l{i}_bias"], f"{t}l{i}_feed", DOMAIN)
        hist, at = past[f"l{i}_hist"], f"l{i}_at"
        if isinstance(layer.recurrence, ConvDelay):
            pad = len(layer.recurrence.kernel) // 2
            inputs, kw = [hist, f"l{i}_kernel", at], {"pads": [pad, pad]}
            back = self._add("ConvDelay", inputs, f"{t}l{i}_recurrent_current", DOMAIN, **kw)
        else:
            inputs = [hist, f"l{i}_recurrent", at]
            back = self._add("DenseDelay", inputs, f"{t}l{i}_recurrent_current", DOMAIN)
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
        state = [self._value(f"present_{s.name}", ("batch", *s.shape)) for s in self.network.state()]
        return [self._value("y", self._series(self.network.outputs)), *state]
