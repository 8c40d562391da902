"""Arrays of a step in as little memory as their lifetimes allow: one arena for each type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Array:
    """Elements of a type that are needed from one call of a step to another, both included."""

    name: str
    dtype: str
    elements: int
    first: int
    last: int

    def meets(self, other: Array) -> bool:
        """Whether both are needed at once, in one arena."""
        return self.dtype == other.dtype and self.first <= other.last and other.first <= self.last


def placed(arrays: Iterable[Array]) -> tuple[dict[str, int], dict[str, int]]:
    """First element of each array in the arena of its type, and elements of each arena.

    Greedy by size: the largest first, each at the lowest place where nothing else is at its time
    (Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020).
    """
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    done: list[Array] = []
    for array in sorted(arrays, key=lambda a: (-a.elements, a.name)):
        taken = sorted((offsets[a.name], a.elements) for a in done if a.meets(array))
        at = 0
        for start, elements in taken:
            if at + array.elements <= start:
                break
            at = max(at, start + elements)
        offsets[array.name] = at
        sizes[array.dtype] = max(sizes.get(array.dtype, 0), at + array.elements)
        done.append(array)
    return offsets, sizes
