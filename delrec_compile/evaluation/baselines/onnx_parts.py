"""Pieces of the ONNX graphs that are made for speed alone, for the baselines of ONNX Runtime.

Fewest nodes, because each costs a third of a microsecond: membranes and currents are negated, so
that one ThresholdedRelu resets what fired; a leak is a Gemm of one column; a delayed read at batch 1
is a GatherElements. Arrays have no batch axis at batch 1, and end in it otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from delrec_compile.aliases import F32
from delrec_compile.evaluation.baselines.baseline import Workload, basic_lif
from delrec_compile.evaluation.baselines.window import History
from delrec_compile.network.model import Layer
from delrec_compile.network.onnx_step.graph import IR_VERSION, OPSET
from delrec_compile.runners.onnxruntime import onnx_session

F32_TYPE = np.dtype(np.float32)


class Graph:
    """Nodes in order; every result has a name of its own.

    prefix: of the names in the body of a Scan. row: products take a stream as a row (T, N), as they
    always do at batch 1, not as a column.
    """

    def __init__(self, work: Workload, prefix: str = "", *, row: bool = False) -> None:
        self.work, self.prefix = work, prefix
        self.row = row or work.batch == 1
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.outputs: dict[str, tuple[int, ...]] = {}

    def input(self, name: str, array: NDArray[Any]) -> str:
        """An input of the array's shape."""
        self.inputs[name] = array.shape
        return name

    def output(self, value: str, name: str, array: NDArray[Any]) -> None:
        """Gives a result its name outside; no node that copies is required."""
        for node in self.nodes:
            for names in (node.input, node.output):
                renamed = [name if n == value else n for n in names]
                del names[:]
                names.extend(renamed)
        self.outputs[name] = array.shape

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self.prefix}n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def split(self, value: str, parts: int) -> list[str]:
        """value: (parts, N) -> rows (1, N)."""
        names = [f"{self.prefix}n{len(self.nodes)}_{k}" for k in range(parts)]
        self.nodes.append(helper.make_node("Split", [value], names, axis=0, num_outputs=parts))
        return names

    def constant(self, value: Any) -> str:
        name = f"{self.prefix}c{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def shape(self, *sizes: int) -> str:
        return self.constant(np.array(sizes, np.int64))

    def session(self) -> Any:
        return onnx_session(self._model().SerializeToString())

    def scan(
        self, body: Graph, states: Sequence[tuple[str, str, str]], x: str, row: tuple[str, str]
    ) -> str:
        """`body` for each first index of x. Returns what its row gives, stacked.

        states: the first value here, its name in the body, its next value there. row: the name of
        x[t] in the body, and of the result there.
        """
        kinds = {n: self.constants[first].dtype for first, *names in states for n in names}
        if any(row[1] in n.output and n.op_type == "LessOrEqual" for n in body.nodes):
            kinds[row[1]] = np.dtype(bool)

        def values(names: Sequence[str]) -> list[Any]:
            types = [helper.np_dtype_to_tensor_dtype(kinds.get(n, F32_TYPE)) for n in names]
            pairs = zip(names, types, strict=True)
            return [helper.make_tensor_value_info(n, kind, None) for n, kind in pairs]

        graph = helper.make_graph(
            body.nodes,
            "body",
            values([*(s[1] for s in states), row[0]]),
            values([*(s[2] for s in states), row[1]]),
            [numpy_helper.from_array(v, k) for k, v in body.constants.items()],
        )
        name = f"{self.prefix}n{len(self.nodes)}"
        last = [f"{name}_last{i}" for i in range(len(states))]
        inputs = [*(s[0] for s in states), x]
        self.nodes.append(
            helper.make_node("Scan", inputs, [*last, name], body=graph, num_scan_inputs=1)
        )
        return name

    def _model(self) -> Any:
        def values(shapes: dict[str, tuple[int, ...]]) -> list[Any]:
            return [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()
            ]

        graph = helper.make_graph(
            self.nodes,
            "baseline",
            values(self.inputs),
            values(self.outputs),
            [numpy_helper.from_array(v, k) for k, v in self.constants.items()],
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )

    def feed(self, x: str, weight: F32, bias: F32) -> str:
        """One step, or at batch 1 all steps. x: (T, inputs) or (inputs, batch)."""
        if self.row:
            return self.add("Gemm", x, self.constant(weight), self.constant(bias), transB=1)
        return self.add("Gemm", self.constant(weight), x, self.constant(bias[:, None]))

    def feed_over_time(self, x: str, weight: F32, bias: F32) -> str:
        """x: (T, inputs[, batch])."""
        if self.row:
            return self.feed(x, weight, bias)
        product = self.add("MatMul", self.constant(weight), x)
        return self.add("Add", product, self.constant(bias[:, None]))

    def leak(self, beta: float, v: str, current: str) -> str:
        """beta * v + current; outside of a Scan, rows (1, n)."""
        if self.row and not self.prefix:
            return self.add("Gemm", self.constant(np.full((1, 1), beta, np.float32)), v, current)
        return self.add("Add", self.add("Mul", v, self.constant(np.float32(beta))), current)

    def fire(self, layer: Layer, u: str, current: str) -> tuple[str, str]:
        """Negated membrane and current -> spikes, negated membrane."""
        lif = basic_lif(layer.lif)
        m = self.leak(lif.beta, u, current)
        fires = self.add("LessOrEqual", m, self.constant(np.float32(-lif.threshold)))
        spikes = self.add("Cast", fires, to=TensorProto.FLOAT)
        return spikes, self.reset(layer, m)

    def reset(self, layer: Layer, m: str) -> str:
        """The negated membrane after the reset of what fired."""
        lif = basic_lif(layer.lif)
        if lif.v_reset == 0:
            return self.add("ThresholdedRelu", m, alpha=-lif.threshold)
        above = self.add("Greater", m, self.constant(np.float32(-lif.threshold)))
        return self.add("Where", above, m, self.constant(np.float32(-lif.v_reset)))

    def arriving(self, history: History, window: str, current: str) -> str:
        """current (ahead, N), or of one step (N, batch), plus the recurrent one, negated.

        window: as `window_of` shapes it.
        """
        h = history
        assert h.weight is not None
        weight = -h.weight
        if self.row:
            g = self.add("GatherElements", window, self.constant(h.row_of()), axis=0)
            if weight.ndim == 2:
                return self.add("Gemm", g, self.constant(weight), current, transB=1)
            one = self.shape(1)
            pads = [h.taps // 2, h.taps // 2]
            mixed = self.add(
                "Conv", self.add("Unsqueeze", g, one), self.constant(weight[None, None]), pads=pads
            )
            return self.add("Add", self.add("Squeeze", mixed, one), current)
        assert h.ahead == 1
        g = self.add("Gather", window, self.constant(h.at()), axis=0)
        if weight.ndim == 2:
            return self.add("Gemm", self.constant(weight), g, current)
        flat = self.add("Reshape", g, self.shape(h.taps, -1))
        row = self.add("Reshape", current, self.shape(1, -1))
        mixed = self.add("Gemm", self.constant(weight[None]), flat, row)
        return self.add("Reshape", mixed, self.shape(h.n, -1))


def window_of(history: History, chunk: int) -> F32:
    """The window of a chunk as the graph reads it: (rows, N) at batch 1, else (cells, batch)."""
    window = history.window(chunk)
    return window if window.ndim == 2 else window.reshape(-1, window.shape[2])


def bound(session: Any, arrays: dict[str, NDArray[Any]]) -> Callable[[], None]:
    """A call of the session on these arrays, in place; it keeps them alive."""
    binding = session.io_binding()
    names = {i.name for i in session.get_inputs()}
    for name, a in arrays.items():
        assert a.flags.c_contiguous
        bind = binding.bind_input if name in names else binding.bind_output
        bind(name, "cpu", 0, a.dtype.type, a.shape, a.ctypes.data)
    run, kept = session.run_with_iobinding, (binding, arrays)
    return lambda: run(kept[0])
