"""Graphs of populations as NIR graphs: a node for each population, paths of Delay and weights between.

Values are flat. A bias stands in the weights of the first path into its population, behind its delay.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.recurrence import feedback_paths
from delrec_compile.interop.nir.written import NeuronWriter
from delrec_compile.network.model import (
    INPUT,
    ConvDelay,
    Dense,
    DenseDelay,
    Network,
    Population,
    Projection,
    Readout,
    SynapticDelay,
)

SYNAPSES = (DenseDelay, SynapticDelay, ConvDelay)


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
        self.nodes: dict[str, Any] = {INPUT: nir.Input(np.array([network.inputs]))}
        self.edges: list[tuple[str, str]] = []

    def graph(self, metadata: dict[str, Any]) -> Any:
        """Raises UnsupportedError, with the population, for what NIR has no node for."""
        for p in self.network.populations:
            node = self._node(p)
            bias = p.readout.step_bias if isinstance(p.neuron, Readout) else p.biases
            for k, projection in enumerate(p.projections):
                self._paths(f"{p.name}_{k}", p, projection, np.zeros_like(bias) if k else bias)
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
        return self.neurons.neuron(p.name, p.model, (p.size,))

    def _paths(self, name: str, p: Population, projection: Projection, bias: Any) -> None:
        synapses = projection.synapses
        if isinstance(synapses, Dense):
            paths = [(np.zeros(synapses.sources, np.int32), synapses.weight)]
        elif isinstance(synapses, SYNAPSES):
            paths = feedback_paths(name, synapses, (synapses.sources,))
        else:
            raise UnsupportedError(
                f"{p.name}: a {synapses.kind} projection from '{projection.source}'; NIR has no node "
                "that reshapes a value to maps"
            )
        for k, (delay, weight) in enumerate(paths):
            own = [f"{name}_delay{k}"] if delay.any() else []
            if own:
                self.nodes[own[0]] = self.nir.Delay(delay=delay * self.dt)
            own.append(f"{name}_weight{k}")
            first = np.asarray(np.zeros_like(bias) if k else bias)
            self.nodes[own[-1]] = self.nir.Affine(weight=np.asarray(weight), bias=first)
            self.edges += itertools.pairwise([projection.source, *own, p.name])
