"""What a NIR graph's metadata say: our own graphs under `delrec`, and any graph its step as `dt`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from delrec_compile.errors import CheckpointError

METADATA = "delrec"
FORMAT = "delrec.nir/1"
# what each entry must be, in words and as a test
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "dt_ms": ("a number", lambda v: _number(v)),
    "max_input": ("a whole number", lambda v: _number(v) and v % 1 == 0),
    "labels": ("a list of texts", lambda v: _listed(v, str | int | float)),
    "name": ("a text", lambda v: isinstance(v, str)),
    "notes": ("an object", lambda v: isinstance(v, dict)),
    "decision": ("a text", lambda v: isinstance(v, str)),
    "readout": ("a text", lambda v: isinstance(v, str)),
    "loop_step": ("true or false", lambda v: isinstance(v, bool)),
    "layers": ("a list of objects", lambda v: _listed(v, dict)),
}


def told(graph: Any) -> dict[str, Any]:
    """What our own graphs say of themselves. Raises CheckpointError for what they would not say."""
    raw = _held(graph).get(METADATA)
    if raw is None:
        return {}
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return {}
    for key, (needed, fits) in KINDS.items():
        if key in found and not fits(found[key]):
            raise CheckpointError(
                f"metadata '{METADATA}': {key} is {json.dumps(found[key])[:60]}; {needed} is needed: "
                "export the graph again, or take its metadata away"
            )
    return found


def seconds(graph: Any) -> float | None:
    """The step that a graph's metadata names, in milliseconds."""
    value = _held(graph).get("dt")
    try:
        return None if value is None else float(np.ravel(value)[0]) * 1e3
    except (TypeError, ValueError, IndexError):
        return None


def written(facts: Mapping[str, Any]) -> str:
    """As JSON."""
    return json.dumps(facts, sort_keys=True)


def _held(graph: Any) -> dict[Any, Any]:
    return graph.metadata if isinstance(graph.metadata, dict) else {}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _listed(value: Any, kind: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, kind) for v in value)
