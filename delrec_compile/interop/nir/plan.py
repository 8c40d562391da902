"""The plan of a NIR graph: what each node becomes, or why it is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir import metadata
from delrec_compile.interop.nir.graph import flattened, kind
from delrec_compile.interop.nir.reader import opened, reader_of
from delrec_compile.interop.nir.units import counts_steps, step_of
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
    **_: Any,
) -> Plan:
    """The plan of a graph, or of the file at a path. Options as in `from_nir`.

    Without a step of the graph or of the options, it is planned with one that its constants suggest.
    """
    graph = opened(graph)
    nodes = flattened(graph)
    remarks = []
    if dt_ms is None and metadata.step_ms(graph) is None and not metadata.read_metadata(graph):
        dt_ms = step_of(nodes) or 1.0
        remarks.append(f"the graph does not state its step; planned with --dt-ms {dt_ms:g}")
    if time_unit is None and (why := counts_steps(nodes)):
        time_unit = "steps"
        remarks.append(f"the graph seems to count steps ({why}); planned with --time-unit steps")
    options: dict[str, Any] = {"dt_ms": dt_ms, "method": method, "time_unit": time_unit}
    names = [(name, kind(node)) for name, node in nodes.items()]
    try:
        reader, _step = reader_of(graph, **options, loop_step=loop_step, round_delays=round_delays)
    except UnsupportedError as error:  # how the nodes are joined
        return Plan(source, FORM, tuple(_unread(names, error)), tuple(remarks))
    refusals: Refusals = {}
    reader.remarks += remarks
    made = planned(source, FORM, names, reader.chain(refusals), refusals)
    inside = {n: stop.name for stop in reader.walk.stops for path in stop.loops for n in path[:-1]}
    rows = [
        replace(row, becomes=f"recurrence of {inside[row.name]}")
        if row.name in inside and not row.refused
        else row
        for row in made.parts
    ]
    return replace(made, parts=tuple(rows))


def _unread(names: list[tuple[str, str]], error: UnsupportedError) -> list[PlannedPart]:
    """Rows of a graph that no walk goes through; the graph's own row if no node is named."""
    blamed = max((n for n, _ in names if str(error).startswith(f"{n}: ")), key=len, default="")
    rows = [PlannedPart(n, k, UNSEEN) for n, k in names if n != blamed]
    what = dict(names).get(blamed, "NIRGraph")
    return [PlannedPart(blamed or "the graph", what, "", *reason(blamed, error)), *rows]
