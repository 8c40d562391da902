"""Summary of a network: sizes, savings, state, and the schema of its ONNX step."""

from __future__ import annotations

import math
from typing import Any

from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids, row_bits, weight_rows
from delrec_compile.network.model import Layer, Network, Population
from delrec_compile.network.onnx_step.schema import schema_of, state_abi
from delrec_compile.network.state import past, present


def inspect(network: Network) -> dict[str, Any]:
    """JSON-ready values.

    `saving`: share of the parameters of dense_delay recurrence that the network does without.
    """
    dense = network.dense_recurrent_parameters()
    recurrent = network.recurrent_parameters()
    of_parts = grids(network)
    return {
        "name": network.name,
        "inputs": network.inputs,
        "outputs": network.outputs,
        "labels": list(network.labels),
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        "input_bits": network.input_bits,
        "layers": [
            _layer(*each)
            for each in zip(network.layers, network.populations, of_parts, strict=False)
        ],
        "readout": {
            "kind": network.readout.kind,
            "beta": network.readout.beta,
            "decision": network.readout.decision,
            **_weights(network.populations[-1], of_parts[-1]),
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


def _layer(layer: Layer, population: Population, grid: int | None) -> dict[str, Any]:
    r = layer.recurrence
    return {
        "neurons": layer.size,
        "inputs": layer.inputs,
        "recurrence": r.name if r else None,
        "recurrent_parameters": r.parameters if r else 0,
        "max_delay": r.depth - 1 if r else 0,
        **layer.neuron.summary(),
        **_weights(population, grid),
    }


def _weights(part: Population, grid: int | None) -> dict[str, Any]:
    """The grid, and the bits of integers that hold the weights; None where sums round."""
    bits = [row_bits(rows, grid) for rows in weight_rows(part)]
    return {"grid": grid, "weight_bits": None if grid is None else max(bits)}


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
    variables = [layer.size * len(layer.states) for layer in network.layers]
    variables.append(network.outputs * len(network.readout.states))
    packed = 4 * (sum(variables) + 1)
    for _, r in network.recurrences():
        packed += 4 * r.line.words()
    return {"onnx": as_onnx, "artifact": packed}
