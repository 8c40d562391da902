"""NIR graphs as networks: neurons of continuous time in steps of dt, delays in whole steps.

Source of the format: the NIR primitives of the package `nir` (Pedersen et al., arXiv 2311.14641).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from delrec_compile.errors import NetworkError, UnsupportedError, UsageError
from delrec_compile.interop.nir import file, metadata
from delrec_compile.interop.nir.filters import without_filters
from delrec_compile.interop.nir.graph import walk
from delrec_compile.interop.nir.parts import NodeReader
from delrec_compile.interop.nir.units import STEPS, UNITS, check_seconds, in_seconds, unknown_step
from delrec_compile.interop.result import Imported
from delrec_compile.network import grid
from delrec_compile.network.model import Network, Readout
from delrec_compile.ops.registry import make_readout

METHODS = ("euler", "exact")


def from_nir(
    graph: Any,
    *,
    dt_ms: float | None = None,
    method: str = "euler",
    time_unit: str | None = None,
    loop_step: bool | None = None,
    round_delays: bool = False,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str | None = None,
) -> Imported:
    """A NIR graph (of the package `nir`, or the path of its file) as a frozen network.

    dt_ms: length of a step; by default that of the graph's metadata (`dt`, in seconds).
    time_unit: of the graph's constants: `seconds`, or `steps` for graphs of simulators that count
    steps; by default seconds, and a graph that would hardly ever fire in them is refused.
    method: discretisation of dv/dt: `euler`, beta = 1 - dt/tau, as in snnTorch, SpikingJelly and
    Norse; or `exact`, beta = exp(-dt/tau). Membranes begin at v_leak.
    loop_step: the edge that closes a cycle takes a step of its own, in addition to a Delay: a spike
    at t arrives at t + 1 + delay. False: only the Delay counts, and must be a step or more.
    round_delays: round delays to whole steps; by default other delays are refused.
    Defaults of loop_step, max_input, input_bits and name: the metadata of this project's graphs, else
    True, 31 (of real inputs 1), None and "network".

    Raises UnsupportedError, with the node's name, for what networks do not have.
    """
    step: dict[str, Any] = {"dt_ms": dt_ms, "method": method, "time_unit": time_unit}
    given = opened(graph)
    reader, dt_ms = reader_of(given, **step, loop_step=loop_step, round_delays=round_delays)
    own = reader.metadata
    if time_unit is None and not own:
        with in_seconds(reader.walk.nodes):
            model = reader.units()
    else:
        model = reader.units()
    network = model.network(
        dt_ms=dt_ms,
        max_input=own.get("max_input") if max_input is None else max_input,
        input_bits=own.get("input_bits") if input_bits is None else input_bits,
        labels=tuple(own.get("labels", ())),
        name=own.get("name", "network") if name is None else name,
        decision=own.get("decision"),
        notes=own.get("notes", {"imported_from": "NIR"}),
    )
    if time_unit is None and not own:
        reader.remarks += check_seconds(reader.walk.nodes, network, dt_ms)
    network = _as_written(network, own)
    frozen = network if own and grid.exact(network) else grid.snap(network)
    return Imported(frozen, network, "NIR", tuple(reader.remarks), names=model.spiking)


def opened(graph: Any) -> Any:
    """The graph, or that of the file at this path. Raises UnsupportedError, CheckpointError."""
    if isinstance(graph, str | os.PathLike):
        return file.read(os.fspath(graph))
    if not hasattr(graph, "nodes"):
        raise UnsupportedError(f"a {type(graph).__name__} is not a NIR graph, nor a path of one")
    return graph


def reader_of(
    graph: Any,
    *,
    dt_ms: float | None,
    method: str,
    time_unit: str | None,
    loop_step: bool | None,
    round_delays: bool,
) -> tuple[NodeReader, float]:
    """The reader of the graph's nodes, and the length of a step in ms. Options as in `from_nir`."""
    for what, value, allowed in (("method", method, METHODS), ("time unit", time_unit, UNITS)):
        if value is not None and value not in allowed:
            raise UsageError(f"unknown {what} '{value}'; allowed: {', '.join(allowed)}")
    own = metadata.read_metadata(graph)
    walked = without_filters(walk(graph, own.get("populations", ())))
    if dt_ms is None:
        dt_ms = own.get("dt_ms", metadata.step_ms(graph))
    if dt_ms is None:
        raise unknown_step(walked.nodes)
    if not (np.isfinite(dt_ms) and dt_ms > 0):
        raise UsageError(f"the step is {dt_ms} ms; a positive number is required")
    if loop_step is None:
        loop_step = own.get("loop_step", True)
    dt = 1.0 if time_unit == STEPS else dt_ms / 1e3
    return NodeReader(walked, dt, method, loop_step, round_delays, own), dt_ms


def _as_written(network: Network, own: Mapping[str, Any]) -> Network:
    """The network with the kinds of readouts that the metadata name."""
    if not network.graph:
        kind_of = own.get("readout", network.readout.kind)
        return replace(network, readout=_with_kind(network.readout, kind_of))
    kinds = own.get("readouts", {})
    graph = tuple(
        replace(p, neuron=_with_kind(p.neuron, kinds.get(p.name, p.neuron.kind)))
        if isinstance(p.neuron, Readout)
        else p
        for p in network.graph
    )
    readout = next(p.readout for p in graph if not p.fires)
    return replace(network, graph=graph, readout=readout)


def _with_kind(readout: Readout, kind_of: str) -> Readout:
    """The readout as the kind that the metadata name, if its numbers allow that."""
    if kind_of == readout.kind:
        return readout
    try:
        return make_readout(kind_of, readout.weight, readout.bias, readout.beta, readout.decision)
    except NetworkError:
        return readout
