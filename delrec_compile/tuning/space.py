"""What `tune` searches: the choices of a Schedule that a generator, a CPU and a network have.

A point is a whole Schedule as a dict. Choices that do nothing beside others stay as they are
shipped, so that no two points make the same code.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from delrec_compile.aliases import Numeric
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule

Point = dict[str, Any]
WIDTHS = (2, 4, 8, 16, 32)
# (choice, its value, lanes) -> features of LLVM that a CPU needs for it; with other lanes it does
# nothing, or is none
NEEDS = {
    ("events", "compress", 8): {"avx512vbmi2", "avx512vl"},
    ("events", "compress", 16): {"avx512vbmi2", "avx512vl"},
    ("events", "compress", 32): {"avx512vbmi2", "avx512vl"},
    ("events", "movemask", 4): {"sse2"},
    ("events", "movemask", 8): {"avx"},
    ("events", "table", 4): set(),
    ("events", "table", 8): set(),
    ("rows", "pairs", 4): {"sse2"},
    ("rows", "pairs", 8): {"avx2"},
    ("rows", "pairs", 16): {"avx512vnni", "avx512bw"},
}
BOUND = {key[:2] for key in NEEDS}


@dataclass(frozen=True)
class Space:
    """knobs: values by field of Schedule. shipped: the point that a build has without tuning.

    features: of the CPU, in LLVM's words.
    """

    knobs: dict[str, tuple[Any, ...]]
    shipped: Point
    numeric: Numeric
    features: tuple[str, ...] = ()

    def allows(self, point: Mapping[str, Any]) -> bool:
        """Whether the CPU has the point, and no other one of the space repeats it."""
        if point == self.shipped:
            return True
        try:
            schedule = Schedule(**point)
            for kernel in schedule.kernels:
                schedule.of(kernel)
        except UnsupportedError:
            return False
        for choice in BOUND:
            if point[choice[0]] == choice[1]:
                needed = NEEDS.get((*choice, point["lanes"]))
                if needed is None or not needed <= set(self.features):
                    return False
        return all(point[name] == self.shipped[name] for name in idle(point, self.numeric))

    @property
    def untuned(self) -> Point | None:
        """What a profile has that says nothing but the width of its vectors; None: it is no point."""
        plain = {**vars(Schedule(lanes=self.shipped["lanes"]))}
        point = {**self.shipped, **{name: plain[name] for name in self.knobs}}
        point |= {name: self.shipped[name] for name in idle(point, self.numeric)}
        return point if self.index(point) is not None and self.allows(point) else None

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


def idle(point: Mapping[str, Any], numeric: Numeric) -> tuple[str, ...]:
    """Choices that the others leave without effect."""
    whole = () if point["chunk"] else ("tile",)
    if numeric is Numeric.INT8 and point["bytes"] == "words":
        return ("registers", *whole)
    if numeric.is_integer and point["bytes"] == "memory":
        return ("registers", "words", *whole)
    return ("words", "neurons", *whole)


def space_of(
    generator: str,
    features: Collection[str],
    shipped: Mapping[str, Any],
    *,
    numeric: Numeric = Numeric.FLOAT32,
    conv: bool = True,
    sequences: bool = True,
) -> Space:
    """The space of a target.

    conv: whether the network has a convolutional recurrence. sequences: whether many steps in one
    call are measured. Raises UnsupportedError.
    """
    if generator == "cuda":
        raise UnsupportedError("tune: GPUs have one schedule so far; allowed: any other target")
    knobs = _vectors() if generator == "llvm" else _text(numeric)
    if numeric is Numeric.INT16:  # whose rows are 16-bit integers in any case
        same = "float32" if shipped["rows"] == "units" else "units"
        knobs["rows"] = tuple(r for r in knobs.get("rows", ()) if r != same)
    if numeric is Numeric.INT16 and shipped["bytes"] == "words":  # which is `wide` there
        knobs["bytes"] = tuple(b for b in knobs.get("bytes", ()) if b != "wide")
    for name, used in (("taps", conv), ("chunk", sequences), ("tile", sequences)):
        if not used:
            knobs.pop(name, None)
    own = {name: tuple(dict.fromkeys((shipped[name], *values))) for name, values in knobs.items()}
    free = {name: values for name, values in own.items() if len(values) > 1}
    return Space(free, dict(shipped), numeric, tuple(features))


def _vectors() -> dict[str, tuple[Any, ...]]:
    return {
        "lanes": (4, 8, 16, 32),
        "registers": WIDTHS,
        "events": ("scan", "branch", "table", "movemask", "compress"),
        "rows": ("float32", "units", "pairs"),
        "taps": ("scatter", "planes"),
        "chunk": (0, 16, 32, 64),
        "tile": (4, 8, 16),
    }


def _text(numeric: Numeric) -> dict[str, tuple[Any, ...]]:
    """C text has no vectors."""
    knobs: dict[str, tuple[Any, ...]] = {"registers": WIDTHS, "events": ("scan", "branch")}
    if numeric is Numeric.FLOAT32:
        return {**knobs, "rows": ("float32", "units")}
    if numeric is Numeric.INT16:
        return {**knobs, "bytes": ("wide", "memory"), "neurons": (2, 4, 8, 16)}
    return {
        **knobs,
        "bytes": ("wide", "words", "memory"),
        "words": (1, 2, 3, 4, 6, 8),
        "neurons": (2, 4, 8, 16),
    }
