"""ONNX Runtime, one call per step: the exported step, and a graph made for speed alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.evaluation.baselines.baseline import Baseline, Workload, is_supported
from delrec_compile.evaluation.baselines.onnx_parts import Graph, bound, window_of
from delrec_compile.evaluation.baselines.window import History
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.network.state import past, present
from delrec_compile.runners.onnxruntime import onnx_session


class OnnxExported(Baseline):
    """The portable step; all inputs and outputs are bound, state stays in two buffers, swapped."""

    name = "onnxruntime"
    form = "the exported step"

    def __init__(self, network: Network, work: Workload, unroll: int = 1) -> None:
        if unroll > 1:
            self.name, self.form = "onnxruntime_sequence", f"the exported step, unrolled {unroll}"
        session = onnx_session(model_of(network, unroll=unroll).SerializeToString())
        per_call = (unroll,) if unroll > 1 else ()
        calls = work.steps // unroll
        self.x = np.zeros((calls, *per_call, work.batch, network.inputs), np.float32)
        self.y = np.zeros((calls, *per_call, work.batch, network.outputs), np.float32)
        self.states = [
            {s.name: np.zeros((work.batch, *s.shape), np.float32) for s in network.state()}
            for _ in range(2)
        ]
        self.calls = [bound(session, self._arrays(k)) for k in range(calls)]

    def _arrays(self, k: int) -> dict[str, Any]:
        inputs = {past(n): a for n, a in self.states[k % 2].items()}
        outputs = {present(n): a for n, a in self.states[1 - k % 2].items()}
        return {"x": self.x[k], "y": self.y[k], **inputs, **outputs}

    def take(self, x: F32) -> None:
        self.x[:] = x.reshape(self.x.shape)

    def run(self) -> None:
        for value in self.states[0].values():
            value.fill(0)
        for call in self.calls:
            call()

    def read(self) -> F32:
        return self.y.reshape(-1, *self.y.shape[-2:])


class OnnxWindow(Baseline):
    """The step in the fewest nodes; the delay line is a window that slides over bound memory."""

    name = "onnxruntime"
    form = "fewest nodes, window"

    def __init__(self, network: Network, work: Workload) -> None:
        one = Workload("step", work.batch, work.steps)
        self.work = work
        tail = (work.batch,) if work.batch > 1 else ()
        self.histories = [History(la, one, padded=bool(tail)) for la in network.layers]
        self.x = np.zeros((work.steps, network.inputs, *tail), np.float32)
        self.y = np.zeros((work.steps + 1, network.outputs, *tail), np.float32)
        self.u = [[np.zeros((h.n, *tail), np.float32) for _ in range(2)] for h in self.histories]
        self.calls = self._calls(network)

    def _calls(self, network: Network) -> list[Callable[[], None]]:
        first = self._arrays(0)
        graph = Graph(self.work)
        for name, array in first.items():
            if name[0] != "_":
                graph.input(name, array)
        z = "x"
        for i, (layer, h) in enumerate(zip(network.layers, self.histories, strict=True)):
            current = graph.feed(z, -layer.weight, -layer.bias)
            if h.weight is not None:
                current = graph.arriving(h, f"w{i}", current)
            z, u = graph.fire(layer, f"u{i}", current)
            graph.output(u, f"_u{i}", first[f"_u{i}"])
            if h.weight is not None:
                graph.output(z, f"_s{i}", first[f"_s{i}"])
                z = f"_s{i}"
        r = network.readout
        y = graph.leak(r.beta, "y", graph.feed(z, r.weight, r.bias))
        graph.output(y, "_y", first["_y"])
        session = graph.session()
        return [bound(session, self._arrays(t)) for t in range(self.work.steps)]

    def _arrays(self, t: int) -> dict[str, F32]:
        """Arrays that step t reads, and writes under names with `_`."""

        def row(a: F32) -> F32:
            return a[None] if a.ndim == 1 else a

        out = {"x": row(self.x[t]), "y": row(self.y[t]), "_y": row(self.y[t + 1])}
        for i, h in enumerate(self.histories):
            out[f"u{i}"], out[f"_u{i}"] = row(self.u[i][t % 2]), row(self.u[i][1 - t % 2])
            if h.weight is not None:
                out[f"w{i}"], out[f"_s{i}"] = window_of(h, t), row(h.spikes[t])
        return out

    def take(self, x: F32) -> None:
        self.x[:] = x[:, 0] if self.work.batch == 1 else x.transpose(0, 2, 1)

    def run(self) -> None:
        for u in self.u:
            u[0].fill(0)
        for call in self.calls:
            call()

    def read(self) -> F32:
        y = self.y[1:]
        return y[:, None] if self.work.batch == 1 else y.transpose(0, 2, 1)


def onnxruntime(network: Network, work: Workload) -> list[Baseline]:
    """The forms of `onnxruntime`."""
    plain: list[Baseline] = [OnnxExported(network, work)]
    return [*plain, OnnxWindow(network, work)] if is_supported(network) else plain
