"""Maps with circular edges: a convolution of stride 1 sees them go on at their other ends.

    in[c, y, x] = in[c, y mod height, x mod width]

As a reference, in ONNX and in torch, the convolution takes wider maps, in which neurons stand that lie
around. Event by event, an input adds to sums with margins, and these are added where they belong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.ops.maps import Maps
from delrec_compile.ops.window import NONE

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter


def wider(maps: Maps) -> Maps:
    """The convolution over maps that hold what lies around them, in place of its pad."""
    high, wide = (n + 2 * p for n, p in zip((maps.height, maps.width), maps.pad, strict=True))
    return replace(maps, height=high, width=wide, pad=NONE)


def neurons(maps: Maps) -> NDArray[np.int64]:
    """The neuron at each place of `wider`, flattened."""
    own = np.arange(maps.inputs).reshape(maps.channels, maps.height, maps.width)
    return np.pad(own, ((0, 0), *((p, p) for p in maps.pad)), mode="wrap").reshape(-1)


def neuron_at(maps: Maps, place: Any) -> Any:
    """The neuron at a place of `wider`, in TIR."""
    m = wider(maps)
    above, left = (-p % n for n, p in zip((maps.height, maps.width), maps.pad, strict=True))
    y = (place // m.width % m.height + above) % maps.height
    x = (place % m.width + left) % maps.width
    return (place // (m.height * m.width) * maps.height + y) * maps.width + x


def close(e: Emitter, maps: Maps, sums: Any) -> None:
    """Adds the margins of sums, those of `maps_tir.scatter`, to the places at the other ends."""
    groups, rows, columns, outputs = maps.summed
    above, left = (s - 1 for s in maps.steps)
    line = columns * outputs

    def add(to: Any, of: Any, n: int) -> None:
        for k, lanes in e.blocks(n):
            value = e.load(sums, to + k, lanes) + e.load(sums, of + k, lanes)
            e.store(sums, to + k, lanes, value)

    with e.loop("g", groups) as g:
        for row, other in _margins(rows, above, maps.height):
            add((g * rows + other) * line, (g * rows + row) * line, line)
        with e.loop("y", maps.height) as y:
            first = e.bind("first", (g * rows + y + above) * line)
            for column, other in _margins(columns, left, maps.width):
                add(first + other * outputs, first + column * outputs, outputs)


def _margins(places: int, before: int, inside: int) -> Iterator[tuple[int, int]]:
    """Each place of the margins, of which `before` lie in front, with that at the other end."""
    for place in range(places):
        if not before <= place < before + inside:
            yield place, before + (place - before) % inside
