"""The reference of a step graph: ONNX Runtime, its state fed back step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.network.onnx_step.file import may_not_end
from delrec_compile.plain_onnx.step_graph import StepGraph
from delrec_compile.runners.onnxruntime import onnx_session, run_step

SEED = 2604
QUANTISED = ("QuantizeLinear", "DequantizeLinear")


def inputs_of(graph: StepGraph, steps: int, streams: int) -> F32:
    """Fixed pseudo-random counts (steps, streams, inputs), mostly 0 as spikes are."""
    shape = (steps, streams, graph.x.elements)
    return np.random.default_rng(SEED).poisson(0.3, shape).astype(np.float32)


def outputs_of(graph: StepGraph, x: F32) -> F32:
    """Outputs (steps, outputs) of x, (steps, inputs), from zero state."""
    return np.stack([y for y, _ in steps_of(graph, x)])


def steps_of(graph: StepGraph, x: F32) -> Iterator[tuple[F32, dict[str, NDArray[Any]]]]:
    """Yields y, (outputs,), and the state before it, of each step."""
    quantised = any(node.op_type in QUANTISED for node in graph.proto.graph.node)
    session = onnx_session(graph.proto.SerializeToString(), as_written=quantised)
    endless = may_not_end(graph.proto)
    state = {p.name: np.zeros(p.shape, p.dtype) for p in graph.past}
    for row in x:
        feed = {graph.x.name: row.reshape(graph.x.shape), **state}
        results = run_step(session, list(graph.outputs), feed, endless)
        named = dict(zip(graph.outputs, results, strict=True))
        yield np.asarray(named[graph.y.name], np.float32).reshape(-1), state
        state = {p.name: named[q.name] for p, q in zip(graph.past, graph.present, strict=True)}
