"""What `tune` searches: the choices of a Schedule that a generator, a CPU and a numeric mode have.

A point is a whole Schedule as a dict. Choices that do nothing beside others stay as they are
shipped, so that no two points make the same code.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from delrec_compile.errors import UnsupportedError
from delrec_compile.ops.schedule import Schedule

Point = dict[str, Any]
WIDTHS = (2, 4, 8, 16, 32)
COMPRESS = {"avx512vbmi2", "avx512vl"}  # CPUs with a vector compress of bytes
PAIRS = {"avx512vnni", "avx512bw"}


@dataclass(frozen=True)
class Space:
    """knobs: values by field of Schedule. shipped: the point that a build has without tuning."""

    knobs: dict[str, tuple[Any, ...]]
    shipped: Point
    numeric: str

    def allows(self, point: Mapping[str, Any]) -> bool:
        """Whether the point is a Schedule that no other point of the space repeats."""
        try:
            Schedule(**point)
        except UnsupportedError:
            return False
        shipped = self.shipped
        return all(point[name] == shipped[name] for name in idle(point, self.numeric))

    def points(self) -> Iterator[Point]:
        """Every point."""
        for values in itertools.product(*self.knobs.values()):
            point = self.point(values)
            if self.allows(point):
                yield point

    def point(self, values: Collection[Any]) -> Point:
        """values: one per knob, in their order."""
        return {**self.shipped, **dict(zip(self.knobs, values, strict=True))}

    def index(self, point: Mapping[str, Any]) -> list[int] | None:
        """Which value of each knob a point has; None where it lies outside of the space."""
        fixed = {k: v for k, v in self.shipped.items() if k not in self.knobs}
        if point.keys() != self.shipped.keys() or any(point[k] != v for k, v in fixed.items()):
            return None
        if any(point[name] not in values for name, values in self.knobs.items()):
            return None
        return [values.index(point[name]) for name, values in self.knobs.items()]


def idle(point: Mapping[str, Any], numeric: str) -> tuple[str, ...]:
    """Choices that the others leave without effect."""
    if numeric == "int8" and point["bytes"] == "words":
        return ("registers",)
    if numeric != "float32" and point["bytes"] == "memory":
        return ("registers", "words")
    return ("words", "neurons")


def space_of(
    generator: str, features: Collection[str], numeric: str, shipped: Mapping[str, Any]
) -> Space:
    """The space of a target. features: of its CPU, in LLVM's words. Raises UnsupportedError."""
    if generator == "cuda":
        raise UnsupportedError("tune: GPUs have one schedule so far; allowed: any other target")
    whole = numeric != "float32"
    knobs = _vectors(set(features), whole) if generator == "llvm" else _text(numeric)
    if whole and shipped["rows"] == "units":  # in whole numbers all rows are
        knobs["rows"] = tuple(r for r in knobs.get("rows", ()) if r != "float32")
    if numeric == "int16" and shipped["bytes"] == "words":  # which is `wide` there
        knobs["bytes"] = tuple(b for b in knobs.get("bytes", ()) if b != "wide")
    own = {name: tuple(dict.fromkeys((shipped[name], *values))) for name, values in knobs.items()}
    return Space(
        {name: values for name, values in own.items() if len(values) > 1}, dict(shipped), numeric
    )


def _vectors(features: set[str], whole: bool) -> dict[str, tuple[Any, ...]]:
    rows = ["float32"] if whole else ["float32", "units"]
    return {
        "lanes": (4, 8, 16, 32),
        "registers": WIDTHS,
        "events": ("scan", "branch", *(["compress"] if features >= COMPRESS else [])),
        "rows": (*rows, *(["pairs"] if features >= PAIRS else [])),
    }


def _text(numeric: str) -> dict[str, tuple[Any, ...]]:
    """C text has no vectors."""
    knobs: dict[str, tuple[Any, ...]] = {"registers": WIDTHS, "events": ("scan", "branch")}
    if numeric == "float32":
        return {**knobs, "rows": ("float32", "units")}
    if numeric == "int16":
        return {**knobs, "bytes": ("wide", "memory"), "neurons": (2, 4, 8, 16)}
    return {
        **knobs,
        "bytes": ("wide", "words", "memory"),
        "words": (1, 2, 3, 4, 6, 8),
        "neurons": (2, 4, 8, 16),
    }
