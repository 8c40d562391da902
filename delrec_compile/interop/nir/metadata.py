"""Metadata of NIR graphs: the entry `delrec` of this project's graphs, and the step `dt` of any."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from delrec_compile.errors import CheckpointError
from delrec_compile.system.fields import parse_json

METADATA = "delrec"
FORMAT = "delrec.nir/1"
# entry -> its type as text, and a test for it
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "dt_ms": ("a number", lambda v: _number(v)),
    "max_input": ("a number", lambda v: _number(v)),
    "input_bits": ("an integer", lambda v: _number(v) and v % 1 == 0),
    "labels": ("a list of text", lambda v: _listed(v, str | int | float)),
    "name": ("text", lambda v: isinstance(v, str)),
    "notes": ("an object", lambda v: isinstance(v, dict)),
    "decision": ("text", lambda v: isinstance(v, str)),
    "readout": ("text", lambda v: isinstance(v, str)),
    "loop_step": ("true or false", lambda v: isinstance(v, bool)),
    "layers": ("a list of objects", lambda v: _listed(v, dict)),
    "populations": ("a list of text", lambda v: _listed(v, str)),
    "readouts": ("an object", lambda v: isinstance(v, dict)),
}


def read_metadata(graph: Any) -> dict[str, Any]:
    """The entry `delrec` of a graph, or nothing. Raises CheckpointError for an invalid one."""
    raw = _metadata_of(graph).get(METADATA)
    if raw is None:
        return {}
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    try:
        entries = parse_json(text)
    except ValueError as error:
        if FORMAT not in text:
            return {}
        raise CheckpointError(
            f"metadata '{METADATA}': {error}; export the graph again, or remove its metadata"
        ) from None
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        return {}
    for key, (needed, fits) in KINDS.items():
        if key in entries and not fits(entries[key]):
            raise CheckpointError(
                f"metadata '{METADATA}': {key} is {json.dumps(entries[key])[:60]}; "
                f"{needed} is required; "
                "export the graph again, or remove its metadata"
            )
    return entries


def step_ms(graph: Any) -> float | None:
    """Length of a step in milliseconds from the metadata `dt` (in seconds), or None."""
    value = _metadata_of(graph).get("dt")
    try:
        return None if value is None else float(np.ravel(value)[0]) * 1e3
    except (TypeError, ValueError, IndexError):
        return None


def to_json(entries: Mapping[str, Any]) -> str:
    """The entry `delrec` as text."""
    return json.dumps(entries, sort_keys=True)


def _metadata_of(graph: Any) -> dict[Any, Any]:
    return graph.metadata if isinstance(graph.metadata, dict) else {}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _listed(value: Any, kind: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, kind) for v in value)
