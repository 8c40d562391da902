"""A picture of a network in text: each source, and what it reaches, with the delays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def picture(summary: dict[str, Any]) -> list[str]:
    """One line for each projection. summary: see `network.summary`.

    x ---> a
    a -+-> a    1 + (0 to 31)
       +-> out
    """
    targets: dict[str, list[tuple[str, str]]] = {}
    for each in summary["projections"]:
        targets.setdefault(each["source"], []).append((each["target"], delays(each)))
    wide = max(map(len, targets))
    room = max(len(p["name"]) for p in summary["populations"])
    out = []
    for source, reached in targets.items():
        for k, (target, delay) in enumerate(reached):
            name = source if k == 0 else ""
            joint = "---" if len(reached) == 1 else "-+-" if k == 0 else " +-"
            out.append(f"{name:{wide}} {joint}> {target:{room}}  {delay}".rstrip())
    return out


def delays(projection: Mapping[str, Any]) -> str:
    """The shortest and the longest delay; a projection that closes a cycle has a step more."""
    if projection["delays"] is None:
        return ""
    low, high = projection["delays"]
    if projection["cycle"]:
        return f"1 + {low}" if low == high else f"1 + ({low} to {high})"
    return f"{low}" if low == high else f"{low} to {high}"
