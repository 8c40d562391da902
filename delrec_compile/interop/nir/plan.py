"""The plan of a NIR graph: what each node becomes, or why it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from delrec_compile.errors import DelrecError, UnsupportedError
from delrec_compile.interop.nir import metadata
from delrec_compile.interop.nir.graph import Walk, flattened, kind
from delrec_compile.interop.nir.reader import from_nir, opened, reader_of
from delrec_compile.interop.nir.units import STEPS, counts_steps, step_of
from delrec_compile.interop.planned import Refusals, planned
from delrec_compile.interop.refusals import reason
from delrec_compile.network.plan import Plan, PlannedPart

FORM = "NIR"
UNSEEN = "not looked at"


def plan_nir(
    graph: Any,
    source: str = "",
    *,
    dt_ms: float | None = None,
    method: str = "euler",
    time_unit: str | None = None,
    loop_step: bool | None = None,
    round_delays: bool = False,
    max_input: float | None = None,
    input_bits: int | None = None,
    **_: Any,
) -> Plan:
    """The plan of a graph, or of the file at a path. Options as in `from_nir`.

    Without a step of the graph or of the options, it is planned with one that its constants suggest.
    """
    graph = opened(graph)
    nodes, own = flattened(graph), metadata.read_metadata(graph)
    options: dict[str, Any] = {
        "method": method,
        "loop_step": loop_step,
        "round_delays": round_delays,
    }
    options |= {"dt_ms": dt_ms, "time_unit": time_unit}
    remarks = _suggest_step(graph, nodes, options)
    names = [(name, kind(node)) for name, node in nodes.items()]
    try:
        reader, _step = reader_of(graph, **options)
    except UnsupportedError as error:  # how the nodes are joined
        return Plan(source, FORM, tuple(_unread(names, error)), tuple(remarks))
    refusals: Refusals = {}
    reader.remarks += remarks
    inputs = {
        "max_input": own.get("max_input") if max_input is None else max_input,
        "input_bits": own.get("input_bits") if input_bits is None else input_bits,
    }
    made = planned(source, FORM, names, reader.units(refusals), refusals, inputs, bool(own))
    return replace(made, parts=tuple(_looped(made.parts, reader.walk)))


def _looped(rows: Iterable[PlannedPart], walk: Walk) -> Iterator[PlannedPart]:
    """The rows, with nodes of cycles as parts of a recurrence, and integrators on the way."""
    inside = {n: stop.name for stop in walk.stops for r in stop.closing for n in r.nodes}
    for row in rows:
        becomes = f"recurrence of {inside[row.name]}" if row.name in inside else row.becomes
        if row.name in walk.filters:
            becomes = f"the synaptic current of {walk.filters[row.name]}"
        yield row if row.refused else replace(row, becomes=becomes)


def _suggest_step(graph: Any, nodes: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Sets the step and the unit where import would ask for them, or refuse; the remarks on it."""
    remarks = []
    own = bool(metadata.read_metadata(graph))
    stated = options["dt_ms"] is not None or metadata.step_ms(graph) is not None or own
    if not stated:
        options["dt_ms"] = step_of(nodes) or 1.0
        remarks.append(
            "the graph does not state its step, so import needs it; planned with "
            f"--dt-ms {options['dt_ms']:g}"
        )
    if options["time_unit"] is None and not own and (why := counts_steps(nodes)):
        notes = _notes_in_seconds(graph, options) if stated else None
        if notes is None:
            options["time_unit"] = STEPS
        text = "so import needs its unit; planned with --time-unit steps"
        remarks += notes or [f"the graph seems to count steps ({why}), {text}"]
    return remarks


def _notes_in_seconds(graph: Any, options: dict[str, Any]) -> tuple[str, ...] | None:
    """Remarks on a graph that is read in seconds, or None if that is refused."""
    try:
        return from_nir(graph, **options).remarks
    except DelrecError:
        return None


def _unread(names: list[tuple[str, str]], error: UnsupportedError) -> list[PlannedPart]:
    """Rows of a graph that no walk goes through; the graph's own row if no node is named."""
    blamed = max((n for n, _ in names if str(error).startswith(f"{n}: ")), key=len, default="")
    rows = [PlannedPart(n, k, UNSEEN) for n, k in names if n != blamed]
    what = dict(names).get(blamed, "NIRGraph")
    return [PlannedPart(blamed or "the graph", what, "", *reason(blamed, error)), *rows]
