"""Summary of a network: sizes, savings, state, and the schema of its ONNX step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids, row_widths
from delrec_compile.network.model import INPUT, Layer, Network, Population, Projection
from delrec_compile.network.onnx_step.schema import schema_of, state_abi
from delrec_compile.network.state import past, present
from delrec_compile.ops import value_line
from delrec_compile.ops.synapses import Synapses


def inspect(network: Network) -> dict[str, Any]:
    """JSON-ready values.

    `saving`: share of the parameters of dense_delay recurrence that the network does without.
    """
    dense = network.dense_recurrent_parameters()
    recurrent = network.recurrent_parameters()
    of_parts = grids(network)
    pairs = zip(network.populations, of_parts, strict=True)
    first_readout = next(pair for pair in pairs if not pair[0].fires)
    return {
        "name": network.name,
        "inputs": network.inputs,
        "outputs": network.outputs,
        "labels": list(network.labels),
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        "input_bits": network.input_bits,
        "populations": [
            _population(network, *p) for p in zip(network.populations, of_parts, strict=True)
        ],
        "projections": _projections(network),
        "layers": _layers(network, of_parts),
        "readout": {
            "kind": network.readout.kind,
            "beta": network.readout.attributes()["beta"],
            "decision": network.readout.decision,
            **_weights(network, *first_readout),
        },
        "parameters": network.parameters(),
        "recurrent_parameters": recurrent,
        "dense_recurrent_parameters": dense,
        "saving": 1 - recurrent / dense if dense else 0.0,
        "max_delay": network.max_delay,
        "exact": None not in of_parts,
        "state_bytes": state_bytes(network),
        "onnx": _onnx_ports(network),
        "sha256": checkpoint.digest(network),
        "notes": dict(network.notes),
    }


def _population(network: Network, p: Population, grid: int | None) -> dict[str, Any]:
    return {
        "name": p.name,
        "size": p.size,
        "model": p.neuron.kind,
        "fires": p.fires,
        **_weights(network, p, grid),
    }


def _projections(network: Network) -> list[dict[str, Any]]:
    """Each projection. shared: whether an earlier one holds the same synapses."""
    out, seen = [], set()
    for target, each in network.projections():
        shared = id(each.synapses) in seen
        out.append(_projection(network, target, each) | {"shared": shared})
        seen.add(id(each.synapses))
    return out


def _projection(network: Network, target: Population, each: Projection) -> dict[str, Any]:
    """delays: the shortest and the longest, in steps, or None. cycle: whether a step is added."""
    s = each.synapses
    delays = None
    if isinstance(s, Synapses):
        steps = s.arrays().get("delay", range(s.depth))
        delays = [int(np.min(steps)), int(np.max(steps))]
    return {
        "source": each.source,
        "target": target.name,
        "map": s.name,
        "sources": s.sources,
        "size": s.size,
        "parameters": s.parameters,
        "delays": delays,
        "cycle": network.closes_cycle(target, each),
    }


def _layers(network: Network, of_parts: Sequence[int | None]) -> list[dict[str, Any]]:
    """The layers of a chain; none of a graph."""
    if network.graph:
        return []
    parts = zip(network.layers, network.populations, of_parts, strict=False)
    return [_layer(layer, _weights(network, p, grid)) for layer, p, grid in parts]


def _layer(layer: Layer, weights: dict[str, Any]) -> dict[str, Any]:
    r = layer.recurrence
    return {
        "neurons": layer.size,
        "inputs": layer.inputs,
        "recurrence": r.name if r else None,
        "recurrent_parameters": r.parameters if r else 0,
        "max_delay": r.depth - 1 if r else 0,
        **layer.neuron.summary(),
        **weights,
    }


def _weights(network: Network, p: Population, grid: int | None) -> dict[str, Any]:
    """The grid, and the bits of integers that hold the weights; None where sums round."""
    bits = [bits for _, bits in row_widths(network, p, grid)]
    return {"grid": grid, "weight_bits": None if grid is None else max(bits, default=32)}


def _onnx_ports(network: Network) -> dict[str, Any]:
    """Inputs, outputs and state of the ONNX step."""
    schema = schema_of(network)
    return {
        "inputs": ["x", *(past(s.name) for s in schema)],
        "outputs": ["y", *(present(s.name) for s in schema)],
        "state": [s.as_dict() for s in schema],
        "state_abi": state_abi(schema),
    }


def state_bytes(network: Network) -> dict[str, int]:
    """State of one stream in bytes: as ONNX tensors, and packed in an artifact."""
    as_onnx = sum(4 * math.prod(s.shape) for s in network.state())
    packed = 4 * (1 + sum(p.size * len(p.states) for p in network.populations))
    for _, each in network.projections():
        if isinstance(each.synapses, Synapses):
            line = each.synapses.line
            of_input = each.source == INPUT
            values = value_line.elements(line) * np.dtype(value_line.DTYPE).itemsize
            packed += values if of_input else 4 * line.words()
    return {"onnx": as_onnx, "artifact": packed}
