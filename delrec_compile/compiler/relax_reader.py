"""Relax -> populations: the calls of a module become the ops' own descriptions again."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from numpy.typing import NDArray
from tvm import relax

from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import (
    INPUT,
    Convolution,
    Dense,
    Maps,
    Network,
    Population,
    Projection,
    Synapses,
)
from delrec_compile.network.state import HISTORY, PAST
from delrec_compile.ops.feed import Feed
from delrec_compile.ops.maps_onnx import KINDS
from delrec_compile.ops.nodes import Node
from delrec_compile.ops.readout import no_weight
from delrec_compile.ops.real_input import RealInput
from delrec_compile.ops.registry import NEURONS, READOUTS, SYNAPSES

PREFIX = "delrec."
FEEDS = ("Linear", *KINDS)
JOINS = {"relax.add": "Add", "relax.concat": "Concat"}  # of currents, and of several outputs
SYNAPSES_OF = {r.node: r for r in SYNAPSES.values()}
NEURON_OF = {node: n for n in NEURONS.values() for node in n.nodes}
READOUT_OF = {node: r for r in READOUTS.values() for node in r.nodes}
OPS = (*FEEDS, *SYNAPSES_OF, *NEURON_OF, *READOUT_OF)


def read_graph(module: tvm.IRModule) -> Network:
    """Relax calls -> populations. Raises UnsupportedError for an operator that has no op here."""
    return _Reader(module["main"]).network()


class _Reader:
    """Walks the bindings of a Relax function and rebuilds the populations."""

    def __init__(self, main: Any) -> None:
        self.nodes: dict[Any, tuple[str, list[Any], dict[str, Any]]] = {}
        self.alias: dict[Any, Any] = {}
        self.order: list[Any] = []
        self.synapses: dict[Any, Synapses | Feed] = {}
        self.parameters = [str(parameter.name) for parameter in main.params]
        for block in main.body.blocks:
            for binding in block.bindings:
                self._bind(binding.var, binding.value)

    def _bind(self, var: Any, value: Any) -> None:
        if isinstance(value, relax.TupleGetItem):
            self.alias[var] = value.tuple_value
        elif isinstance(value, relax.Tuple | relax.Var):
            return
        elif _called(value) == "relax.call_pure_packed":
            name = str(value.args[0].global_symbol).removeprefix(PREFIX)
            self.nodes[var] = (name, list(value.args[1:-1]), json.loads(value.args[-1].value))
            self.order.append(var)
        elif _called(value) in JOINS:
            self.nodes[var] = (JOINS[_called(value)], list(value.args), {})
        else:
            what = _called(value) or type(value).__name__
            raise UnsupportedError(
                f"the graph uses '{what}', which has no event-driven form here; "
                f"allowed: {', '.join(OPS)}, Add"
            )

    def _source(self, value: Any) -> tuple[str, list[Any], dict[str, Any]]:
        return self.nodes[self.alias.get(value, value)]

    def network(self) -> Network:
        """The populations in their order, by the names of their state."""
        populations: list[Population] = []
        made: dict[Any, str] = {}  # name of the population that a value comes from
        for var in self.order:
            name, args, attributes = self.nodes[var]
            node = self._node(name, args, attributes)
            if name in NEURON_OF:
                neuron, current = NEURON_OF[name].from_node(node)
                size = int(current.ty.shape[1])
                own = self._named(args, neuron.states, f"n{len(populations)}")
                parts = self._current(current, made)
                populations.append(Population(own, neuron, parts.projections, parts.bias(size)))
                made[var] = own
            elif name in READOUT_OF:
                parts = self._current(args[0], made)
                bias = parts.bias(int(args[0].ty.shape[1]))
                readout = READOUT_OF[name].from_node(node, no_weight(len(bias)), bias)
                own = self._named(args, readout.states, f"out{len(populations)}")
                populations.append(Population(own, readout, parts.projections))
        if all(p.fires for p in populations):
            raise UnsupportedError(f"the graph has no readout; allowed: {', '.join(READOUT_OF)}")
        return Network.of(populations, **self._inputs())

    def _inputs(self) -> dict[str, Any]:
        """How real inputs are rounded."""
        for name, _, attributes in self.nodes.values():
            if name == "RealInput":
                real = RealInput.from_node(attributes)
                return {"input_bits": real.bits, "max_input": real.max_input}
        return {}

    def _named(self, args: list[Any], states: Collection[str], default: str) -> str:
        """Name of a population, from that of its state; without any, one that no other has."""
        for value in args:
            hint = str(value.name) if isinstance(value, relax.Var) else ""
            if value in self.nodes or not hint.startswith(PAST):
                continue
            for state in states:
                if hint.endswith(f"_{state}"):
                    return hint.removeprefix(PAST).removesuffix(f"_{state}")
        while any(taken.startswith(f"{PAST}{default}_") for taken in self.parameters):
            default += "x"
        return default

    def _node(self, op: str, args: list[Any], attributes: dict[str, Any]) -> Node:
        return Node(op, args, attributes, _array, lambda value: self._node(*self._source(value)))

    def _current(self, value: Any, made: dict[Any, str]) -> _Current:
        """A sum of maps and of biases."""
        if isinstance(value, tvm.ir.GenericConst):
            return _Current((), [_array(value)])
        name, args, attributes = self._source(value)
        if name == "Add":
            parts = [self._current(a, made) for a in args]
            return _Current(
                tuple(p for part in parts for p in part.projections),
                [b for part in parts for b in part.biases],
            )
        if name in FEEDS:
            kernel = _array(args[1])
            feed = self._shared(name, [kernel], attributes, lambda: _feed(name, kernel, attributes))
            source = self._origin(args[0], made)
            return _Current((Projection(source, feed),), [_array(args[2])])
        if name not in SYNAPSES_OF:
            raise UnsupportedError(
                f"the graph has a current that is made by {name}; allowed: a sum of "
                f"{', '.join([*FEEDS, *SYNAPSES_OF])} and constants"
            )
        line, *constants = args
        arrays = [_array(c) for c in constants]
        kind, sources = SYNAPSES_OF[name], int(line.ty.shape[2])
        synapses = self._shared(
            name, arrays, attributes, lambda: kind.from_node(arrays, attributes, sources)
        )
        return _Current((Projection(self._origin(line, made), synapses),), [])

    def _shared(
        self,
        name: str,
        arrays: list[NDArray[Any]],
        attributes: dict[str, Any],
        make: Callable[[], Synapses | Feed],
    ) -> Synapses | Feed:
        """Synapses that equal others are the same object: their weights are stored once."""
        content = tuple((a.shape, str(a.dtype), a.tobytes()) for a in arrays)
        key = (name, json.dumps(attributes, sort_keys=True), content)
        if key not in self.synapses:
            self.synapses[key] = make()
        return self.synapses[key]

    def _origin(self, value: Any, made: dict[Any, str]) -> str:
        """Name of the population, or of the input, whose values or line a value is."""
        if value not in self.nodes and value not in self.alias:
            hint = str(value.name)
            return hint.removeprefix(PAST).removesuffix(f"_{HISTORY}") if hint != INPUT else INPUT
        root = self.alias.get(value, value)
        if root in made:
            return made[root]
        name, args, _ = self._source(value)
        return self._origin(args[-1] if name == "DelayLine" else args[0], made)


@dataclass(frozen=True)
class _Current:
    """The projections into a population, and the parts of its bias."""

    projections: tuple[Projection, ...]
    biases: list[NDArray[Any]]

    def bias(self, size: int) -> NDArray[Any]:
        """(N,), or one per channel where all parts have that many."""
        used = [b.reshape(-1) for b in self.biases if b.any()] or [np.zeros(size, np.float32)]
        if len({len(b) for b in used}) > 1:
            used = [np.repeat(b, size // len(b)) for b in used]
        return np.asarray(np.sum(used, axis=0), np.float32)


def _called(value: Any) -> str:
    return str(getattr(value.op, "name", value.op)) if isinstance(value, tvm.ir.Call) else ""


def _array(value: Any) -> NDArray[Any]:
    return np.array(value.value.numpy())


def _feed(name: str, kernel: NDArray[Any], attributes: dict[str, Any]) -> Feed:
    if name in KINDS:
        return Convolution(kernel, Maps.from_node_attributes(kernel.shape, attributes))
    return Dense(kernel)
