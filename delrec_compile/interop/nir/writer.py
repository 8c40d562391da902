"""Networks as NIR graphs.

A layer is Affine or Conv, then LIF (IF where nothing leaks) or CubaLIF; a recurrence is a cycle of
Delay and weights. Delays are in seconds and come on top of the step that a cycle takes. A graph of
populations is written by `graph_writer`, neurons by `written`.

What a graph cannot express (labels, the decision, the largest input) is in its metadata `delrec`,
beside `dt` in seconds.
"""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.errors import CheckpointError, ParityError, UnsupportedError
from delrec_compile.interop.nir import written_maps
from delrec_compile.interop.nir.graph_writer import GraphWriter, nodes_of
from delrec_compile.interop.nir.metadata import FORMAT, METADATA, to_json
from delrec_compile.interop.nir.reader import from_nir
from delrec_compile.interop.nir.recurrence import feedback_paths, on_maps
from delrec_compile.interop.nir.written import NeuronWriter
from delrec_compile.interop.packages import package
from delrec_compile.interop.result import compare_spikes, random_counts
from delrec_compile.network.model import (
    ConvDelay,
    Layer,
    Network,
    Population,
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

    Raises UnsupportedError, with the layer or the population, for what NIR has no node for, and
    ParityError.
    """
    if network.graph:
        graph = GraphWriter(package("nir"), network).graph(_metadata(network))
    else:
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
    """Builds the graph of a chain node by node."""

    def __init__(self, network: Network) -> None:
        self.nir, self.network = package("nir"), network
        self.dt = network.dt_ms / 1e3
        self.neurons = NeuronWriter(self.nir, self.dt)
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
        return self.nir.NIRGraph(self.nodes, self.edges, _metadata(n))

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
        self._append(name, self.neurons.neuron(name, layer.neuron, shape))
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
        wanted = _input_shape(layer, self.lead)
        if shape != wanted:
            raise UnsupportedError(
                f"{name}: takes maps of {list(wanted)} from a layer of shape {list(shape)}; NIR has "
                "no node that reshapes a value"
            )
        for last, node in written_maps.written(self.nir, name, m, layer.weight, layer.bias):
            self._append(f"{name}_feed{last}", node)
        return written_maps.output_shape(m)

    def _flat(self, name: str, shape: Shape) -> Shape:
        """Flattens the values to one axis; returns their shape."""
        if len(shape) == 1 or self.lead:
            return shape
        node = self.nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
        self._append(name, node)
        return (int(np.prod(shape)),)

    def _readout(self, readout: Readout, shape: Shape) -> None:
        self._flat("out_flat", shape)
        self._append("out_feed", self._affine(readout.weight, readout.step_bias))
        node = self.neurons.readout("the readout", readout, (*self.lead, readout.size))
        if node is not None:
            self._append("out", node)

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
    return (*lead, layer.inputs) if m is None else written_maps.input_shape(m)


def _metadata(network: Network) -> dict[str, Any]:
    """`dt` in seconds, and the entry `delrec`: what the graph cannot express."""
    layers = [_hint(network, p) for p in network.spiking]
    graph = {
        "populations": list(itertools.chain(*(nodes_of(p) for p in network.populations))),
        "readouts": {p.name: p.readout.kind for p in network.readouts},
    }
    told = {
        "format": FORMAT,
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        **({} if network.input_bits is None else {"input_bits": network.input_bits}),
        "labels": list(network.labels),
        "name": network.name,
        "notes": dict(network.notes),
        "decision": network.readout.decision,
        **(graph if network.graph else {"readout": network.readout.kind}),
        "loop_step": True,
        "layers": layers,
    }
    return {METADATA: to_json(told), "dt": network.dt_ms / 1e3}


def _hint(network: Network, p: Population) -> dict[str, Any]:
    """How a population fires, and the kind of its recurrence."""
    own = [q.synapses.kind for q in p.projections if q.source == p.name]
    fires = getattr(p.neuron, "fires", None)
    return {"fires": fires, "recurrence": own[0] if len(own) == 1 else None}
