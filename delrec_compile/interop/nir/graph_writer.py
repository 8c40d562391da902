"""Graphs of populations as NIR graphs: a node for each population, paths of Delay and weights between.

Values are flat, but for those that a convolution takes. A bias stands in the weights of the first path
into its population that can hold it, behind its delay.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir import written_maps
from delrec_compile.interop.nir.recurrence import feedback_paths
from delrec_compile.interop.nir.written import NeuronWriter
from delrec_compile.network.model import (
    INPUT,
    ConvDelay,
    Convolution,
    Dense,
    DenseDelay,
    Maps,
    Network,
    Population,
    Projection,
    Readout,
    SynapticDelay,
)
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.map_delay import MapDelay

FLAT = (DenseDelay, SynapticDelay, ConvDelay)
MAPPED = (Convolution, ChannelConvDelay, MapDelay)
Shape = tuple[int, ...]


def nodes_of(p: Population) -> list[str]:
    """Names of the nodes of a population: of its neurons, and of its output."""
    if p.fires or not p.readout.has_membrane:
        return [p.name]
    return [p.name, f"{p.name}_output"]


class GraphWriter:
    """Builds the graph of a network that is no chain."""

    def __init__(self, nir: Any, network: Network) -> None:
        self.nir, self.network = nir, network
        self.dt = network.dt_ms / 1e3
        self.neurons = NeuronWriter(nir, self.dt)
        self.shapes = _shapes(network)
        self.nodes: dict[str, Any] = {INPUT: nir.Input(np.array(self.shapes[INPUT]))}
        self.edges: list[tuple[str, str]] = []

    def graph(self, metadata: dict[str, Any]) -> Any:
        """Raises UnsupportedError, with the population, for what NIR has no node for."""
        for p in self.network.populations:
            node = self._node(p)
            bias = p.readout.step_bias if isinstance(p.neuron, Readout) else p.biases
            holds = _holder(p, bias)
            for k, projection in enumerate(p.projections):
                own = bias if k == holds else np.zeros_like(bias)
                self._paths(f"{p.name}_{k}", p, projection, own)
            if node is not None:
                self.nodes[p.name] = node
            if not p.fires:
                names = nodes_of(p)
                self.nodes[names[-1]] = self.nir.Output(np.array([p.size]))
                self.edges += itertools.pairwise(names)
        return self.nir.NIRGraph(self.nodes, self.edges, metadata)

    def _node(self, p: Population) -> Any:
        """The neurons; None for a readout without a membrane, which is its output."""
        if isinstance(p.neuron, Readout):
            return self.neurons.readout(p.name, p.neuron, (p.size,))
        return self.neurons.neuron(p.name, p.model, self.shapes[p.name])

    def _paths(self, name: str, p: Population, projection: Projection, bias: F32) -> None:
        source = projection.source
        for k, (delay, weight, maps) in enumerate(_weights(name, projection)):
            own = bias if k == 0 else np.zeros_like(bias)
            shape, path = self.shapes[source], [source]
            if delay.any():
                path += self._add(
                    f"{name}_delay{k}", self.nir.Delay(delay.reshape(shape) * self.dt)
                )
            if maps is None:
                path += self._flat(f"{name}_flat{k}", shape)
                path += self._add(
                    f"{name}_weight{k}", self.nir.Affine(np.asarray(weight), np.asarray(own))
                )
                shape = (p.size,)
            else:
                channels = own.reshape(len(weight), -1)[:, 0]
                for last, node in written_maps.written(self.nir, p.name, maps, weight, channels):
                    path += self._add(f"{name}_weight{k}{last}", node)
                shape = written_maps.output_shape(maps)
            if len(self.shapes[p.name]) == 1:
                path += self._flat(f"{name}_flat{k}_out", shape)
            elif shape != self.shapes[p.name]:
                raise UnsupportedError(
                    f"{p.name}: takes values of shape {list(shape)} from '{source}', and sends maps of "
                    f"{list(self.shapes[p.name])}; NIR has no node that reshapes a value to maps"
                )
            self.edges += itertools.pairwise([*path, p.name])

    def _add(self, name: str, node: Any) -> list[str]:
        self.nodes[name] = node
        return [name]

    def _flat(self, name: str, shape: Shape) -> list[str]:
        if len(shape) == 1:
            return []
        return self._add(name, self.nir.Flatten({"input": np.array(shape)}, 0, -1))


def _weights(name: str, projection: Projection) -> Iterator[tuple[Any, F32, Maps | None]]:
    """Delays (N,), and weights of each path; with their maps those of a convolution."""
    synapses = projection.synapses
    if isinstance(synapses, Dense):
        yield np.zeros(synapses.sources, np.int32), synapses.weight, None
    elif isinstance(synapses, FLAT):
        for delay, weight in feedback_paths(name, synapses, (synapses.sources,)):
            yield delay, weight, None
    elif isinstance(synapses, Convolution):
        yield np.zeros(synapses.sources, np.int32), synapses.kernel, synapses.maps
    elif isinstance(synapses, ChannelConvDelay):
        if synapses.edges != "zero":
            raise UnsupportedError(
                f"{name}: a convolution with {synapses.edges} edges; NIR's are zero around their maps"
            )
        maps = synapses.maps
        yield synapses.delay, synapses.kernel.reshape(maps.kernel), maps
    else:
        assert isinstance(synapses, MapDelay)
        for lag, kernel in zip(synapses.lags, synapses.kernels, strict=True):
            yield np.full(synapses.sources, lag), kernel, synapses.maps


def _holder(p: Population, bias: F32) -> int:
    """The projection with which the bias is written. Raises UnsupportedError."""
    for k, projection in enumerate(p.projections):
        if not isinstance(projection.synapses, MAPPED):
            return k
    first = p.projections[0].synapses
    assert isinstance(first, MAPPED)
    channels = bias.reshape(first.maps.out[0], -1)
    if (channels != channels[:, :1]).any():
        raise UnsupportedError(
            f"{p.name}: a bias that differs within a map; NIR's convolutions have one for each channel"
        )
    return 0


def _shapes(network: Network) -> dict[str, Shape]:
    """Shapes of the input and of the populations. Raises UnsupportedError."""
    sizes = {INPUT: network.inputs, **{p.name: p.size for p in network.populations}}
    shapes: dict[str, Shape] = {}
    for p in network.populations:
        for projection in p.projections:
            if not isinstance(projection.synapses, MAPPED):
                continue
            source, shape = projection.source, written_maps.input_shape(projection.synapses.maps)
            if shapes.setdefault(source, shape) != shape:
                raise UnsupportedError(
                    f"{source}: sends maps of {list(shapes[source])} and of {list(shape)}; NIR has no "
                    "node that reshapes a value to maps"
                )
    return {name: shapes.get(name, (size,)) for name, size in sizes.items()}
