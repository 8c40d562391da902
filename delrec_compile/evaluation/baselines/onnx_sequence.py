"""ONNX Runtime on all steps at once: products over time, the rest in Scan or in calls per chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines.baseline import (
    Baseline,
    Workload,
    basic_lif,
    delays,
    is_supported,
    leak_over_time,
    recurrent_weight,
)
from delrec_compile.evaluation.baselines.onnx_parts import Graph, bound, window_of
from delrec_compile.evaluation.baselines.onnx_step import OnnxExported, OnnxWindow
from delrec_compile.evaluation.baselines.window import History
from delrec_compile.network.model import ConvDelay, Layer, Network, Readout
from delrec_compile.ops.leaky_readout import LeakyReadout

BITS = 64  # steps ahead that one packed word holds
UNROLL = 10


class _Sequence(Baseline):
    """Inputs and outputs of all steps in two arrays; `calls` are made in order."""

    name = "onnxruntime_sequence"

    def __init__(self, network: Network, work: Workload) -> None:
        self.work = work
        self.tail = (work.batch,) if work.batch > 1 else ()
        self.x = np.zeros((work.steps, network.inputs, *self.tail), np.float32)
        self.y = np.zeros((work.steps, network.outputs, *self.tail), np.float32)
        self.calls: list[Callable[[], None]] = []

    def take(self, x: F32) -> None:
        self.x[:] = x[:, 0] if self.work.batch == 1 else x.transpose(0, 2, 1)

    def run(self) -> None:
        for call in self.calls:
            call()

    def read(self) -> F32:
        return self.y[:, None] if self.work.batch == 1 else self.y.transpose(0, 2, 1)


class OnnxScan(_Sequence):
    """One graph and one call: a product over time per layer, then a Scan; arrivals packed in a word.

    Streams lie one below the other: (T * batch, N). Of delays below BITS.
    """

    form = "products over time, a Scan per layer"

    def __init__(self, network: Network, work: Workload) -> None:
        super().__init__(network, work)
        rows = work.steps * work.batch
        self.x = np.zeros((rows, network.inputs), np.float32)
        self.y = np.zeros((work.steps, work.batch * network.outputs), np.float32)
        graph = Graph(work, row=True)
        z = graph.input("x", self.x)
        for layer in network.layers:
            current = graph.feed(z, -layer.weight, -layer.bias)
            shape = (1, 1, work.batch, layer.size)
            currents = graph.add("Reshape", current, graph.shape(work.steps, *shape))
            spikes = scan(graph, layer, currents, shape)
            z = graph.add("Reshape", spikes, graph.shape(rows, layer.size))
        currents = graph.feed(z, network.readout.weight, network.readout.bias)
        currents = graph.add("Reshape", currents, graph.shape(work.steps, -1))
        leak = graph.constant(leak_over_time(network.readout.beta, work.steps))
        graph.output(graph.add("MatMul", leak, currents), "y", self.y)
        self.calls = [bound(graph.session(), {"x": self.x, "y": self.y})]

    def take(self, x: F32) -> None:
        self.x[:] = x.reshape(self.x.shape)

    def read(self) -> F32:
        return self.y.reshape(self.work.steps, self.work.batch, -1)


class OnnxChunks(_Sequence):
    """Layer by layer: products over time, then calls for as many steps as are known ahead."""

    form = "products over time, window"

    def __init__(self, network: Network, work: Workload) -> None:
        super().__init__(network, work)
        graph, arrays, pad = Graph(work), {"x": self.x}, 0
        z = graph.input("x", self.x)
        for layer in network.layers:
            # cells beside the neurons of the layer before are zero, and so are their weights
            wide = np.pad(layer.weight, ((0, 0), (pad, pad)))
            current, pad = graph.feed_over_time(z, -wide, -layer.bias), 0
            if layer.recurrence is None:
                z = scan(graph, layer, current, (layer.size, *self.tail))
                continue
            # spikes of many steps lie apart in a padded history: in a batch one step at a time
            ahead = Workload("step", work.batch, work.steps) if self.tail else work
            h = History(layer, ahead, padded=bool(self.tail))
            fed = np.zeros((h.chunks * h.ahead, h.n, *self.tail), np.float32)
            graph.output(current, "fed", fed[: work.steps])
            self.calls.append(bound(graph.session(), {**arrays, "fed": fed[: work.steps]}))
            self._add_chunks(layer, h, fed)
            spikes = h.rows[h.depth : h.depth + work.steps]
            graph, arrays, pad = Graph(work), {"spikes": spikes}, h.pad
            z = graph.input("spikes", spikes)
        r = network.readout
        last = LeakyReadout(np.pad(r.weight, ((0, 0), (pad, pad))), r.bias, r.beta)
        graph.output(read_out(graph, last, z, work), "y", self.y)
        self.calls.append(bound(graph.session(), {**arrays, "y": self.y}))

    def _add_chunks(self, layer: Layer, h: History, fed: F32) -> None:
        """Calls of a layer with recurrence, `ahead` steps each. fed: (T, N[, batch]), negated."""
        shape = (h.n, *self.tail) if self.tail else (1, h.n)
        u = [np.zeros(shape, np.float32) for _ in range(2)]

        def arrays(c: int) -> dict[str, F32]:
            at = slice(c * h.ahead, (c + 1) * h.ahead)
            rows = h.rows[h.depth :, h.pad : h.pad + h.n]
            steps = {"fed": fed[at], "_s": rows[at]} if not self.tail else {}
            if self.tail:
                steps = {"fed": fed[c], "_s": rows[c]}
            return {**steps, "u": u[c % 2], "_u": u[1 - c % 2], "w": window_of(h, c)}

        graph, first = Graph(self.work), arrays(0)
        for name in ("fed", "u", "w"):
            graph.input(name, first[name])
        current = graph.arriving(h, "w", "fed")
        if h.ahead == 1:
            spikes, last = graph.fire(layer, "u", current)
        else:
            spikes, last = steps_of(graph, layer, current, h.ahead)
        graph.output(spikes, "_s", first["_s"])
        graph.output(last, "_u", first["_u"])
        session = graph.session()
        self.calls.append(lambda: u[0].fill(0))
        self.calls += [bound(session, arrays(c)) for c in range(h.chunks)]


def steps_of(graph: Graph, layer: Layer, currents: str, steps: int) -> tuple[str, str]:
    """currents: (steps, N), negated; `u` is an input. Returns spikes (steps, N) and the last u."""
    rows = graph.split(currents, steps)
    u, fired = "u", []
    for row in rows:
        spikes, u = graph.fire(layer, u, row)
        fired.append(spikes)
    return graph.add("Concat", *fired, axis=0), u


def scan(graph: Graph, layer: Layer, currents: str, shape: tuple[int, ...]) -> str:
    """currents: (T, *shape), negated. Returns the spikes, of the same shape.

    With recurrence, shape is (1, 1, streams, N), as Conv takes it.
    """
    lif = basic_lif(layer.lif)
    threshold = np.float32(-lif.threshold)
    membrane = (graph.constant(np.zeros(shape, np.float32)), "u")
    body = Graph(graph.work, f"b{len(graph.nodes)}_")
    if layer.recurrence is None:
        m = body.leak(lif.beta, "u", "row")
        found = graph.scan(body, [(*membrane, body.reset(layer, m))], currents, ("row", m))
        found = graph.add("LessOrEqual", found, graph.constant(threshold))
        return graph.add("Cast", found, to=TensorProto.FLOAT)
    delay = delays(layer.recurrence)
    word = np.uint32 if int(delay.max()) < 32 else np.uint64
    m = body.leak(lif.beta, "u", _arriving(body, layer, word))
    fires = body.add("LessOrEqual", m, body.constant(threshold))
    bits = np.left_shift(word(1), delay.astype(word))
    coming = body.add("BitShift", "due", body.constant(word(1)), direction="RIGHT")
    sent = body.add("Where", fires, body.constant(bits), body.constant(word(0)))
    due = body.add("BitwiseOr", coming, sent)
    calendar = (graph.constant(np.zeros(shape, word)), "due", due)
    states = [(*membrane, body.reset(layer, m)), calendar]
    found = graph.scan(body, states, currents, ("row", fires))
    return graph.add("Cast", found, to=TensorProto.FLOAT)


def _arriving(body: Graph, layer: Layer, word: type[np.unsignedinteger[Any]]) -> str:
    """`row` plus the recurrent current, negated, of what `due` has in its lowest bit."""
    r = layer.recurrence
    assert r is not None
    weight = -recurrent_weight(r)
    now = body.add("BitwiseAnd", "due", body.constant(word(1)))
    g = body.add("Cast", now, to=TensorProto.FLOAT)
    if not isinstance(r, ConvDelay):
        return body.add("Add", body.add("MatMul", g, body.constant(weight.T)), "row")
    pad = len(weight) // 2
    mixed = body.add("Conv", g, body.constant(weight[None, None, None]), pads=[0, pad, 0, pad])
    return body.add("Add", mixed, "row")


def read_out(graph: Graph, readout: Readout, spikes: str, work: Workload) -> str:
    """spikes: (T, N[, batch]). The leaking sum of all steps as one product over time."""
    currents = graph.feed_over_time(spikes, readout.weight, readout.bias)
    leak = graph.constant(leak_over_time(readout.beta, work.steps))
    if graph.row:
        return graph.add("MatMul", leak, currents)
    flat = graph.add("Reshape", currents, graph.shape(work.steps, -1))
    shape = graph.shape(work.steps, readout.size, work.batch)
    return graph.add("Reshape", graph.add("MatMul", leak, flat), shape)


def onnxruntime_sequence(network: Network, work: Workload) -> list[Baseline]:
    """The forms of `onnxruntime_sequence` that this network and workload allow.

    Raises UnsupportedError where there is none.
    """
    if not is_supported(network):
        return [OnnxExported(network, work, _per_call(work.steps))]
    made: list[Baseline] = [OnnxChunks(network, work)]
    if network.max_delay < BITS:
        made.append(OnnxScan(network, work))
    if work.batch > 1:
        made.append(OnnxWindow(network, work))
    elif work.steps % UNROLL == 0:
        made.append(OnnxExported(network, work, UNROLL))
    return made


def _per_call(steps: int) -> int:
    """The most steps, up to UNROLL, whose multiple `steps` is. Raises UnsupportedError where it is 1."""
    each = max(k for k in range(1, UNROLL + 1) if steps % k == 0)
    if each == 1:
        raise UnsupportedError(
            f"{steps} steps are no multiple of what one call of the exported step takes, 2 to {UNROLL}"
        )
    return each
