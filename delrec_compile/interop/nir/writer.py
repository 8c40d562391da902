"""Networks as NIR graphs.

A layer is Affine or Conv, then LIF (IF where nothing leaks); a recurrence is a cycle of Delay and
weights. Delays are in seconds and come on top of the step that a cycle takes. A leak is that of
Euler's method: tau = dt / (1 - beta), R = gain / (1 - beta). NIR's neurons fire above their
threshold: a neuron that fires at its threshold gets the number just below.

What a graph cannot express (labels, the decision, the largest input) is in its metadata `delrec`,
beside `dt` in seconds.
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
from delrec_compile.interop.nir.metadata import FORMAT, METADATA, to_json
from delrec_compile.interop.nir.reader import from_nir
from delrec_compile.interop.nir.recurrence import feedback_paths, on_maps
from delrec_compile.interop.packages import package
from delrec_compile.interop.result import compare_spikes, random_counts
from delrec_compile.network.model import (
    ConvDelay,
    Layer,
    Lif,
    Network,
    Readout,
    Synapses,
    TapConvDelay,
)
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.system.files import check_suffix, write_atomic

Shape = tuple[int, ...]
PROOF_STEPS, PROOF_DENSITY = 60, 0.33  # steps; share of the inputs active in one


def to_nir(network: Network) -> Any:
    """The network as a graph of the package `nir`, read back and compared spike by spike.

    Raises UnsupportedError, with the layer, for what NIR has no node for, and ParityError.
    """
    graph = _Writer(network).graph()
    again = from_nir(graph).network
    x = random_counts(network, PROOF_STEPS, 2, 0, PROOF_DENSITY)
    ours, theirs = (ReferenceRunner(n).trace(x) for n in (network, again))
    check = compare_spikes("the NIR graph", theirs.spikes, ours.spikes)
    if check.differing or not np.array_equal(ours.y, theirs.y):
        raise ParityError(
            f"the NIR graph, read back, differs in {check.differing} of {check.compared} spikes, or "
            "in its outputs"
        )
    return graph


def export_nir(network: Network, path: Path | str, *, force: bool = False) -> Any:
    """Writes `to_nir(network)` atomically as a .nir file. Returns the graph.

    Raises UsageError for another suffix, CheckpointError for an existing file without `force`, and
    what `to_nir` raises.
    """
    path = Path(path)
    check_suffix(path, ".nir")
    if path.exists() and not force:
        raise CheckpointError(f"{path} exists; add force=True to replace it")
    nir = package("nir")
    graph = to_nir(network)
    raw = io.BytesIO()
    nir.write(raw, graph)
    write_atomic(path, raw.getvalue())
    return graph


class _Writer:
    """Builds the graph of a network node by node."""

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
        shape = _input_shape(n.layers[0], self.lead)
        self._append("input", self.nir.Input(np.array(shape)))
        for i, layer in enumerate(n.layers):
            shape = self._layer(i, layer, shape)
        self._readout(n.readout, shape)
        self._append("output", self.nir.Output(np.array((*self.lead, n.outputs))))
        metadata = {METADATA: to_json(_metadata(n)), "dt": self.dt}
        return self.nir.NIRGraph(self.nodes, self.edges, metadata)

    def _append(self, name: str, node: Any) -> None:
        self.nodes[name] = node
        if self.last:
            self.edges.append((self.last, name))
        self.last = name

    def _layer(self, i: int, layer: Layer, shape: Shape) -> Shape:
        name = f"l{i}"
        if layer.maps is None:
            shape = self._flat(f"{name}_flat", shape)
            self._append(f"{name}_feed", self._affine(layer.weight, layer.bias))
            shape = (*self.lead, layer.size)
        else:
            shape = self._convolution(name, layer, shape)
            if layer.recurrence is not None and not on_maps(layer.recurrence, shape):
                shape = self._flat(f"{name}_flat", shape)
        self._append(name, self._neurons(name, layer.lif, shape))
        if layer.recurrence is not None:
            for k, path in enumerate(self._feedback(name, layer.recurrence, shape)):
                names = [f"{name}_{part}{k}" for part, _ in path]
                self.nodes |= {n: node for n, (_, node) in zip(names, path, strict=True)}
                self.edges += itertools.pairwise([name, *names, name])
        return shape

    def _affine(self, weight: Any, bias: Any) -> Any:
        rows = np.asarray(weight).reshape(*self.lead, *weight.shape)
        return self.nir.Affine(weight=rows, bias=np.asarray(bias).reshape(*self.lead, -1))

    def _convolution(self, name: str, layer: Layer, shape: Shape) -> Shape:
        m = layer.maps
        assert m is not None
        out = m.out
        wanted = _input_shape(layer, self.lead)
        if shape != wanted:
            raise UnsupportedError(
                f"{name}: takes maps of {list(wanted)} from a layer of shape {list(shape)}; NIR has "
                "no node that reshapes a value"
            )
        if m.groups > 1:
            raise UnsupportedError(f"{name}: NIR's types have no convolution in groups")
        bias = np.asarray(layer.bias)
        if len(shape) == 2:
            kernel, (_, stride), (_, pad) = layer.weight[:, :, 0], m.stride, m.pad
            node = self.nir.Conv1d(m.width, np.asarray(kernel), stride, pad, 1, 1, bias)
            self._append(f"{name}_feed", node)
            return (out[0], out[2])
        if m.kernel[2] != m.kernel[3]:
            raise UnsupportedError(
                f"{name}: NIR's types have square kernels only; this one is {list(m.kernel[2:])}"
            )
        place = (m.height, m.width)
        node = self.nir.Conv2d(place, np.asarray(layer.weight), m.stride, m.pad, 1, 1, bias)
        self._append(f"{name}_feed", node)
        return out

    def _flat(self, name: str, shape: Shape) -> Shape:
        """Flattens the values to one axis; returns their shape."""
        if len(shape) == 1 or self.lead:
            return shape
        node = self.nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
        self._append(name, node)
        return (int(np.prod(shape)),)

    def _neurons(self, name: str, lif: Lif, shape: Shape) -> Any:
        if lif.reset != "hard":
            raise UnsupportedError(
                f"{name}: resets '{lif.reset}'; NIR's neurons only reset to a value"
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
        self._append("out_feed", self._affine(readout.weight, readout.step_bias))
        if not readout.has_membrane:
            return
        outputs = (*self.lead, readout.size)
        if readout.bias_on_output and readout.bias.any():
            raise UnsupportedError("the readout: counts with a bias have no node in NIR")
        if readout.beta == 1:
            self._append("out", self.nir.I(r=_full(1 / self.dt, outputs)))
            return
        tau, r = self.dt / (1 - readout.beta), 1 / (1 - readout.beta)
        zero = np.zeros(outputs)
        self._append("out", self.nir.LI(tau=_full(tau, outputs), r=_full(r, outputs), v_leak=zero))

    def _feedback(self, name: str, r: Synapses, shape: Shape) -> list[list[tuple[str, Any]]]:
        """Nodes of each feedback path, with the last part of their names."""
        paths = []
        for delay, weight in feedback_paths(name, r, shape):
            path: list[tuple[str, Any]] = []
            if delay.any():
                path.append(("delay", self.nir.Delay(delay=delay.reshape(shape) * self.dt)))
            zero = np.zeros(weight.shape[0], np.float32)
            if weight.ndim == 2:
                path.append(
                    ("rec", self.nir.Linear(weight=weight.reshape(*self.lead, *weight.shape)))
                )
            elif weight.ndim == 3:
                pad = weight.shape[2] // 2
                path.append(("rec", self.nir.Conv1d(shape[1], weight, 1, pad, 1, 1, zero)))
            else:
                pad = weight.shape[2] // 2
                node = self.nir.Conv2d(shape[1:], weight, (1, 1), (pad, pad), 1, 1, zero)
                path.append(("rec", node))
            paths.append(path)
        return paths


def _input_shape(layer: Layer, lead: Shape) -> Shape:
    """Shape of the inputs of a layer; maps of one row have two axes."""
    m = layer.maps
    if m is None:
        return (*lead, layer.inputs)
    flat = m.height == 1 and m.kernel[2] == 1 and m.stride[0] == 1
    return (m.channels, m.width) if flat else (m.channels, m.height, m.width)


def _metadata(network: Network) -> dict[str, Any]:
    """The metadata entry `delrec`: what the graph cannot express."""
    layers: Sequence[dict[str, Any]] = [
        {"fires": y.lif.fires, "recurrence": y.recurrence.kind if y.recurrence else None}
        for y in network.layers
    ]
    return {
        "format": FORMAT,
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        **({} if network.input_bits is None else {"input_bits": network.input_bits}),
        "labels": list(network.labels),
        "name": network.name,
        "notes": dict(network.notes),
        "decision": network.readout.decision,
        "readout": network.readout.kind,
        "loop_step": True,
        "layers": layers,
    }


def _full(value: Any, shape: Shape) -> F64:
    """float64 array of this shape from a number, or from one for each neuron."""
    array = np.asarray(value, np.float64)
    return np.full(shape, float(array)) if array.ndim == 0 else array.reshape(shape).copy()
