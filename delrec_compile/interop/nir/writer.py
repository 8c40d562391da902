"""Networks as NIR graphs.

A layer is Affine or Conv, then LIF (IF where nothing leaks); a recurrence is a cycle of Delay and
weights. Delays are in seconds and come on top of the step that a cycle takes. A leak is that of
Euler's method: tau = dt / (1 - beta), R = gain / (1 - beta). NIR's neurons fire above their
threshold: one that fires at it gets the number just below.

What a graph cannot say (labels, the decision, the largest input) is in its metadata `delrec`; `dt`,
in seconds, stands beside it.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, ParityError, UnsupportedError
from delrec_compile.interop.nir.metadata import FORMAT, METADATA, written
from delrec_compile.interop.nir.reader import from_nir
from delrec_compile.interop.nir.recurrence import on_maps, terms
from delrec_compile.interop.packages import package
from delrec_compile.interop.result import compare, counts
from delrec_compile.network.model import (
    ConvDelay,
    Layer,
    Lif,
    Network,
    Readout,
    Recurrence,
    TapConvDelay,
)
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.system.files import write_atomic

Shape = tuple[int, ...]
PROVEN = 60  # steps


def to_nir(network: Network) -> Any:
    """The network as a graph of the package `nir`, read back and proven to spike alike.

    Raises UnsupportedError, with the layer, for what NIR has no node for.
    """
    graph = _Writer(network).graph()
    again = from_nir(graph).network
    x = counts(network, PROVEN, 2, 0)
    ours, theirs = (ReferenceRunner(n).trace(x) for n in (network, again))
    found = compare("the NIR graph", theirs.spikes, ours.spikes)
    if found.differing or not np.array_equal(ours.y, theirs.y):
        raise ParityError(
            f"the NIR graph read back gives {found.differing} of {found.compared} spikes otherwise"
        )
    return graph


def export_nir(network: Network, path: Path | str, *, force: bool = False) -> Any:
    """Writes `to_nir(network)` as a .nir file, whole or not at all. Returns the graph."""
    path = Path(path)
    if path.exists() and not force:
        raise CheckpointError(f"{path} exists; add --force to replace it")
    nir = package("nir")
    graph = to_nir(network)
    raw = io.BytesIO()
    nir.write(raw, graph)
    write_atomic(path, raw.getvalue())
    return graph


class _Writer:
    def __init__(self, network: Network) -> None:
        self.nir, self.network = package("nir"), network
        self.dt = network.dt_ms / 1e3
        rows = any(isinstance(r, ConvDelay | TapConvDelay) for _, r in network.recurrences())
        mapped = any(layer.maps is not None for layer in network.layers)
        # a kernel over neurons is a Conv1d of one channel: then all values are (1, N)
        self.lead: Shape = (1,) if rows and not mapped else ()
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.last = ""

    def graph(self) -> Any:
        n = self.network
        shape = _taken(n.layers[0], self.lead)
        self._then("input", self.nir.Input(np.array(shape)))
        for i, layer in enumerate(n.layers):
            shape = self._layer(i, layer, shape)
        self._readout(n.readout, shape)
        self._then("output", self.nir.Output(np.array((*self.lead, n.outputs))))
        metadata = {METADATA: written(_told(n)), "dt": self.dt}
        return self.nir.NIRGraph(self.nodes, self.edges, metadata)

    def _then(self, name: str, node: Any) -> None:
        self.nodes[name] = node
        if self.last:
            self.edges.append((self.last, name))
        self.last = name

    def _layer(self, i: int, layer: Layer, shape: Shape) -> Shape:
        name = f"l{i}"
        if layer.maps is None:
            shape = self._flat(f"{name}_flat", shape)
            self._then(f"{name}_feed", self._affine(layer.weight, layer.bias))
            shape = (*self.lead, layer.size)
        else:
            shape = self._convolution(name, layer, shape)
            if layer.recurrence is not None and not on_maps(layer.recurrence, shape):
                shape = self._flat(f"{name}_flat", shape)
        self._then(name, self._neurons(name, layer.lif, shape))
        if layer.recurrence is not None:
            for k, ways in enumerate(self._ways(name, layer.recurrence, shape)):
                nodes = [f"{name}_{word}{k}" for word, _ in ways]
                self.nodes |= {n: node for n, (_, node) in zip(nodes, ways, strict=True)}
                path = [name, *nodes, name]
                self.edges += itertools.pairwise(path)
        return shape

    def _affine(self, weight: Any, bias: Any) -> Any:
        rows = np.asarray(weight).reshape(*self.lead, *weight.shape)
        return self.nir.Affine(weight=rows, bias=np.asarray(bias).reshape(*self.lead, -1))

    def _convolution(self, name: str, layer: Layer, shape: Shape) -> Shape:
        m = layer.maps
        assert m is not None
        out = m.out
        wanted = _taken(layer, self.lead)
        if shape != wanted:
            raise UnsupportedError(
                f"{name}: takes maps of {list(wanted)} from a layer of shape {list(shape)}; NIR has "
                "no node that gives a value another shape"
            )
        if m.groups > 1:
            raise UnsupportedError(f"{name}: NIR's types know no convolution in groups")
        bias = np.asarray(layer.bias)
        if len(shape) == 2:
            kernel, (_, stride), (_, pad) = layer.weight[:, :, 0], m.stride, m.pad
            node = self.nir.Conv1d(m.width, np.asarray(kernel), stride, pad, 1, 1, bias)
            self._then(f"{name}_feed", node)
            return (out[0], out[2])
        if m.kernel[2] != m.kernel[3]:
            raise UnsupportedError(
                f"{name}: NIR's types know square kernels only, this is {list(m.kernel[2:])}"
            )
        place = (m.height, m.width)
        node = self.nir.Conv2d(place, np.asarray(layer.weight), m.stride, m.pad, 1, 1, bias)
        self._then(f"{name}_feed", node)
        return out

    def _flat(self, name: str, shape: Shape) -> Shape:
        """The same values along one axis."""
        if len(shape) == 1 or self.lead:
            return shape
        node = self.nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
        self._then(name, node)
        return (int(np.prod(shape)),)

    def _neurons(self, name: str, lif: Lif, shape: Shape) -> Any:
        if lif.reset != "hard":
            raise UnsupportedError(
                f"{name}: resets '{lif.reset}'; NIR's neurons have the reset to a value only"
            )
        level = np.float32(lif.threshold)
        if lif.fires == "at":
            level = np.nextafter(level, np.float32(-np.inf))
        own = {"v_threshold": _full(level, shape), "v_reset": _full(lif.v_reset, shape)}
        beta, gain = _full(lif.beta, shape), _full(lif.gain, shape)
        if (beta == 1).all():
            return self.nir.IF(r=gain / self.dt, **own)
        if (beta == 1).any():
            raise UnsupportedError(f"{name}: some neurons leak and some do not; NIR needs one kind")
        tau, r = self.dt / (1 - beta), gain / (1 - beta)
        return self.nir.LIF(tau=tau, r=r, v_leak=np.zeros(shape), **own)

    def _readout(self, readout: Readout, shape: Shape) -> None:
        self._flat("out_flat", shape)
        self._then("out_feed", self._affine(readout.weight, readout.step_bias))
        if not readout.has_membrane:
            return
        outputs = (*self.lead, readout.size)
        if readout.bias_on_output and readout.bias.any():
            raise UnsupportedError("the readout: counts with a bias have no node in NIR")
        if readout.beta == 1:
            self._then("out", self.nir.I(r=_full(1 / self.dt, outputs)))
            return
        tau, r = self.dt / (1 - readout.beta), 1 / (1 - readout.beta)
        zero = np.zeros(outputs)
        self._then("out", self.nir.LI(tau=_full(tau, outputs), r=_full(r, outputs), v_leak=zero))

    def _ways(self, name: str, r: Recurrence, shape: Shape) -> list[list[tuple[str, Any]]]:
        """Nodes with the last part of their names, for each way back."""
        ways = []
        for delay, weight in terms(name, r, shape):
            way: list[tuple[str, Any]] = []
            if delay.any():
                way.append(("delay", self.nir.Delay(delay=delay.reshape(shape) * self.dt)))
            zero = np.zeros(weight.shape[0], np.float32)
            if weight.ndim == 2:
                way.append(
                    ("rec", self.nir.Linear(weight=weight.reshape(*self.lead, *weight.shape)))
                )
            elif weight.ndim == 3:
                pad = weight.shape[2] // 2
                way.append(("rec", self.nir.Conv1d(shape[1], weight, 1, pad, 1, 1, zero)))
            else:
                pad = weight.shape[2] // 2
                node = self.nir.Conv2d(shape[1:], weight, (1, 1), (pad, pad), 1, 1, zero)
                way.append(("rec", node))
            ways.append(way)
        return ways


def _taken(layer: Layer, lead: Shape) -> Shape:
    """The shape of what a layer takes in; maps of one row have two axes."""
    m = layer.maps
    if m is None:
        return (*lead, layer.inputs)
    flat = m.height == 1 and m.kernel[2] == 1 and m.stride[0] == 1
    return (m.channels, m.width) if flat else (m.channels, m.height, m.width)


def _told(network: Network) -> dict[str, Any]:
    """What the graph cannot say."""
    layers: Sequence[dict[str, Any]] = [
        {"fires": y.lif.fires, "recurrence": y.recurrence.kind if y.recurrence else None}
        for y in network.layers
    ]
    return {
        "format": FORMAT,
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        "labels": list(network.labels),
        "name": network.name,
        "notes": dict(network.notes),
        "decision": network.readout.decision,
        "readout": network.readout.kind,
        "loop_step": True,
        "layers": layers,
    }


def _full(value: Any, shape: Shape) -> F64:
    """A number, or one for each neuron, as an array of this shape."""
    array = np.asarray(value, np.float64)
    return np.full(shape, float(array)) if array.ndim == 0 else array.reshape(shape).copy()
