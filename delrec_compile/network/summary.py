"""What a network is: sizes, savings, state, and the schema of its ONNX step."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.schema import StateVarIO, state_abi
from delrec_compile.ops.lif import Number


def inspect(network: Network) -> dict[str, Any]:
    """Facts as JSON-ready values; `saving` is the share of recurrent parameters that dense_delay
    would need more."""
    dense = network.dense_recurrent_parameters()
    recurrent = network.recurrent_parameters()
    schema = [StateVarIO(s.name, s.shape, "float32", "zeros", s.meaning) for s in network.state()]
    return {
        "name": network.name,
        "inputs": network.inputs,
        "outputs": network.outputs,
        "labels": list(network.labels),
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        "layers": [
            {
                "neurons": layer.size,
                "inputs": layer.inputs,
                "recurrence": layer.recurrence.name if layer.recurrence else None,
                "recurrent_parameters": layer.recurrence.parameters if layer.recurrence else 0,
                "max_delay": layer.recurrence.depth - 1 if layer.recurrence else 0,
                "beta": _plain(layer.lif.beta),
                "threshold": _plain(layer.lif.threshold),
                "grid": q,
            }
            for layer, q in zip(network.layers, grids(network), strict=False)
        ],
        "readout": {
            "kind": network.readout.kind,
            "beta": network.readout.beta,
            "decision": network.readout.decision,
        },
        "parameters": network.parameters(),
        "recurrent_parameters": recurrent,
        "dense_recurrent_parameters": dense,
        "saving": 1 - recurrent / dense if dense else 0.0,
        "max_delay": network.max_delay,
        "exact": None not in grids(network),
        "state_bytes": state_bytes(network),
        "onnx": {
            "inputs": ["x", *(f"past_{s.name}" for s in schema)],
            "outputs": ["y", *(f"present_{s.name}" for s in schema)],
            "state": [s.as_dict() for s in schema],
            "state_abi": state_abi(schema),
        },
        "sha256": checkpoint.digest(network),
        "notes": dict(network.notes),
    }


def state_bytes(network: Network) -> dict[str, int]:
    """State of one stream: as ONNX shows it, and packed as an artifact keeps it."""
    shown = sum(4 * _count(s.shape) for s in network.state())
    kept = network.outputs if network.readout.has_membrane else 0
    packed = 4 * (sum(layer.size for layer in network.layers) + kept + 1)
    for _, r in network.recurrences():
        packed += 4 * r.line.words()
    return {"onnx": shown, "artifact": packed}


def _plain(value: Number) -> float | list[float]:
    """One number, or one for each neuron."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total
