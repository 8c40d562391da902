"""The search space of `tune`: the choices of a Schedule for a generator, a CPU and a network.

A candidate has every field of a Schedule, as a dict; not every one is a valid Schedule. Choices that
do nothing beside others stay as they are shipped, so that no two candidates make the same code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from delrec_compile.aliases import Numeric
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import Network, Synapses, SynapticDelay
from delrec_compile.targets.schedule import LEAKS, PAIRED, ROWS, SILENT, Schedule

Candidate = dict[str, Any]
WIDTHS = (2, 4, 8, 16, 32)
# (choice, its value, lanes) -> CPU features that it needs; with other lanes it has no effect, or is
# invalid
NEEDS = {
    ("events", "compress", 8): {"avx512vbmi2", "avx512vl"},
    ("events", "compress", 16): {"avx512vbmi2", "avx512vl"},
    ("events", "compress", 32): {"avx512vbmi2", "avx512vl"},
    ("events", "words", 16): {"avx512vbmi2", "avx512vl", "avx512bitalg"},
    ("events", "movemask", 4): {"sse2"},
    ("events", "movemask", 8): {"avx"},
    ("events", "table", 4): set(),
    ("events", "table", 8): set(),
    ("events", "multiply", 4): set(),
    ("events", "multiply", 8): set(),
    ("leak", "halves", 4): set(),
    ("leak", "halves", 8): {"avx2"},
    ("leak", "halves", 16): {"avx512bw"},
    ("leak", "halves", 32): set(),
    **{("leak", "sqrdmulh", lanes): {"neon", "v8a"} for lanes in (4, 8, 16, 32)},
    **{("leak", "vqrdmulh", lanes): {"neon", "v7"} for lanes in (4, 8, 16, 32)},
    **{("rows", rows, 4): {"sse2"} for rows in PAIRED},
    **{("rows", rows, 8): {"avx2"} for rows in PAIRED},
    **{("rows", rows, 16): {"avx512vnni", "avx512bw"} for rows in PAIRED},
}
BOUND = {key[:2] for key in NEEDS}
# choices that change neither whether a candidate is valid nor which others have an effect
FREE = ("line", "synapses", "silent", "sums", "ahead")


@dataclass(frozen=True)
class Space:
    """knobs: values by field of Schedule. shipped: the schedule of a build without tuning.

    features: CPU features by LLVM's names.
    """

    knobs: dict[str, tuple[Any, ...]]
    shipped: Candidate
    numeric: Numeric
    features: tuple[str, ...] = ()

    def allows(self, candidate: Mapping[str, Any]) -> bool:
        """Whether a candidate is valid on the CPU, and no other one of the space makes the same code."""
        if candidate == self.shipped:
            return True
        if not self._runs_here(candidate):
            return False
        try:
            schedule = Schedule(**candidate)
            for kernel in schedule.kernels:
                schedule.of(kernel)
        except UnsupportedError:
            return False
        return all(
            candidate[name] == self.shipped[name] for name in inactive(schedule, self.numeric)
        )

    def _runs_here(self, candidate: Mapping[str, Any]) -> bool:
        """Whether the CPU has what the choices need; the profile is for CPUs that have those shipped."""
        own = candidate["lanes"] == self.shipped["lanes"]
        for choice in BOUND:
            if candidate[choice[0]] != choice[1] or (own and self.shipped[choice[0]] == choice[1]):
                continue
            needed = NEEDS.get((*choice, candidate["lanes"]))
            if needed is None or not needed <= set(self.features):
                return False
        return True

    @property
    def untuned(self) -> Candidate | None:
        """The schedule of a profile that gives only the width of its vectors; None: not in the space."""
        default = vars(Schedule(lanes=self.shipped["lanes"]))
        candidate = {**self.shipped, **{name: default[name] for name in self.knobs}}
        own = inactive(Schedule(**candidate), self.numeric)
        candidate |= {name: self.shipped[name] for name in own}
        return candidate if self.index(candidate) is not None and self.allows(candidate) else None

    @property
    def size(self) -> int:
        """The number of allowed candidates."""
        return sum(math.prod(map(len, free.values())) for _, free in self._groups())

    def candidates(self) -> Iterator[Candidate]:
        """Every allowed candidate."""
        for candidate, free in self._groups():
            for values in itertools.product(*free.values()):
                yield {**candidate, **dict(zip(free, values, strict=True))}

    def _groups(self) -> Iterator[tuple[Candidate, dict[str, tuple[Any, ...]]]]:
        """Allowed candidates as shipped in FREE; those of FREE that have an effect beside them."""
        bound = {name: values for name, values in self.knobs.items() if name not in FREE}
        for values in itertools.product(*bound.values()):
            candidate = {**self.shipped, **dict(zip(bound, values, strict=True))}
            if self.allows(candidate):
                blocked = inactive(Schedule(**candidate), self.numeric)
                free = [name for name in FREE if name in self.knobs and name not in blocked]
                yield candidate, {name: self.knobs[name] for name in free}

    def candidate(self, values: Collection[Any]) -> Candidate:
        """The candidate with these values, one per knob, in their order."""
        return {**self.shipped, **dict(zip(self.knobs, values, strict=True))}

    def index(self, candidate: Mapping[str, Any]) -> list[int] | None:
        """The index of its value of each knob; None where it lies outside of the space."""
        fixed = {k: v for k, v in self.shipped.items() if k not in self.knobs}
        if candidate.keys() != self.shipped.keys() or any(
            candidate[k] != v for k, v in fixed.items()
        ):
            return None
        if any(candidate[name] not in values for name, values in self.knobs.items()):
            return None
        return [values.index(candidate[name]) for name, values in self.knobs.items()]


def inactive(schedule: Schedule, numeric: Numeric) -> tuple[str, ...]:
    """Choices that the other ones leave without effect."""
    blocked: tuple[str, ...] = () if schedule.chunk else ("tile", "ahead")
    whole = numeric.is_integer or schedule.rows != "float32"
    kept = schedule.chunk and whole and replace(schedule, sums="changes").changes
    blocked += () if kept else ("sums",)
    blocked += () if schedule.chunk and schedule.rows in PAIRED else ("together",)
    blocked += () if replace(schedule, line="history").masks else ("line",)
    blocked += () if _subtracts(schedule, numeric) else ("silent",)
    halves = schedule.doubles or replace(schedule, leak="halves").halves
    blocked += () if halves else ("leak",)
    if numeric is Numeric.INT8 and schedule.bytes == "words":
        return ("registers", *blocked)
    if numeric.is_integer and schedule.bytes == "memory":
        return ("registers", "words", *blocked)
    without = {"biased": not schedule.biases, "narrow": not schedule.parts}
    if without.get(schedule.bytes, False):
        blocked = ("bytes", *blocked)
    return ("words", "neurons", *blocked)


def _subtracts(schedule: Schedule, numeric: Numeric) -> bool:
    """Whether rows of silent neurons may be subtracted, from sums of integers in registers."""
    if numeric is Numeric.FLOAT32:
        return schedule.rows != "float32"
    return schedule.bytes != "memory" and not (
        numeric is Numeric.INT8 and schedule.bytes == "words"
    )


def space_of(
    generator: str,
    features: Collection[str],
    shipped: Mapping[str, Any],
    *,
    numeric: Numeric = Numeric.FLOAT32,
    conv: bool = True,
    sequences: bool = True,
    synaptic: bool = True,
) -> Space:
    """The space of a target.

    conv: whether the network has a convolutional recurrence. sequences: whether calls of many steps
    are measured. synaptic: whether the network has a delay per synapse. Raises UnsupportedError.
    """
    if generator == "cuda":
        raise UnsupportedError("tune: GPUs have one schedule so far; allowed: any other target")
    knobs = _vectors(numeric) if generator == "llvm" else _text(numeric)
    if numeric is Numeric.INT16:  # whose rows are 16-bit integers in any case
        same = "float32" if shipped["rows"] == "units" else "units"
        knobs["rows"] = tuple(r for r in knobs.get("rows", ()) if r != same)
    if numeric.is_integer:  # whose `joined` rows are `pairs`
        same = "pairs" if shipped["rows"] == "joined" else "joined"
        knobs["rows"] = tuple(r for r in knobs.get("rows", ()) if r != same)
    if numeric is Numeric.INT16 and shipped["bytes"] == "words":  # which is `wide` there
        knobs["bytes"] = tuple(b for b in knobs.get("bytes", ()) if b != "wide")
    used = {"taps": conv, "line": conv, "synapses": synaptic}
    used |= dict.fromkeys(("sums", "chunk", "tile", "together", "ahead"), sequences)
    knobs = {name: values for name, values in knobs.items() if used.get(name, True)}
    own = {
        name: tuple(dict.fromkeys((shipped[name], *(v for v in values if _has(features, name, v)))))
        for name, values in knobs.items()
    }
    free = {name: values for name, values in own.items() if len(values) > 1}
    return Space(free, dict(shipped), numeric, tuple(features))


def _has(features: Collection[str], name: str, value: Any) -> bool:
    """Whether the features are enough for a choice, with some number of lanes."""
    needs = [needed for key, needed in NEEDS.items() if key[:2] == (name, value)]
    return not needs or any(needed <= set(features) for needed in needs)


def _vectors(numeric: Numeric) -> dict[str, tuple[Any, ...]]:
    """The choices of LLVM code."""
    integers: dict[str, tuple[Any, ...]] = {"leak": LEAKS} if numeric.is_integer else {}
    if numeric is Numeric.INT8:
        integers["bytes"] = ("wide", "narrow", "biased")
    return {
        **integers,
        "lanes": (4, 8, 16, 32),
        "registers": WIDTHS,
        "events": ("scan", "branch", "table", "multiply", "movemask", "compress", "words"),
        "rows": ROWS,
        "taps": ("scatter", "planes"),
        "line": ("ring", "history"),
        "synapses": ("pull", "push"),
        "silent": SILENT,
        "sums": ("all", "changes"),
        "chunk": (0, 16, 32, 64),
        "tile": (4, 8, 16),
        "together": (1, 2),
        "ahead": (0, 1),
    }


def _text(numeric: Numeric) -> dict[str, tuple[Any, ...]]:
    """The choices of C text, which has no vectors."""
    knobs: dict[str, tuple[Any, ...]] = {
        "registers": WIDTHS,
        "events": ("scan", "branch"),
        "synapses": ("pull", "push"),
        "silent": SILENT,
    }
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


def has_kernels(network: Network) -> bool:
    """Whether any projection with delays is a convolution."""
    delayed = (p.synapses for _, p in network.projections() if isinstance(p.synapses, Synapses))
    return any(hasattr(synapses, "kernel") for synapses in delayed)


def has_synaptic_delays(network: Network) -> bool:
    """Whether any projection has a delay per synapse."""
    return any(isinstance(p.synapses, SynapticDelay) for _, p in network.projections())
