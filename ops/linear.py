"""Feed-forward input of a layer: `I = W x + b`.

The sum starts from the recurrent current, then the bias, then the inputs in ascending order. On
frozen weights that lie on a grid (see `delrec_compile.freeze`) every order gives the same bits.

In TIR it is event-driven: only the rows of active inputs are read, with the sums held in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from delrec_compile.ops.emit import Emitter, Events

F32 = NDArray[np.float32]


def reference(x: F32, weight: F32, bias: F32, start: F32 | None = None) -> F32:
    """x: (batch, in), weight: (out, in), bias: (out,), start and result: (batch, out)."""
    total = bias + (np.zeros((len(x), 1), np.float32) if start is None else start)
    for j in np.flatnonzero(x.any(axis=0)):
        total = total + x[:, j, None] * weight[:, j]
    return total


def torch_form(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return x @ weight.T + bias


ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Linear (x, weight, bias) => (current)
{
    current = Gemm <transB = 1> (x, weight, bias)
}
"""


@dataclass(frozen=True)
class Rows:
    """A sum of weight rows: one row per event, times its count where counts are given.

    weight: flat (in * n,), one row per input. counts: (in,), or None when every event counts 1.
    """

    events: Events
    weight: Any
    counts: Any = None


def emit(
    e: Emitter,
    n: int,
    before: list[Rows],
    bias: Any,
    after: Rows,
    finish: Callable[[Any, int, int], None],
    start: Callable[[int, int], Any] | None = None,
) -> None:
    """Sums of n outputs, held in registers: start + rows `before` + bias + rows `after`.

    finish(value, at, lanes) takes each finished block.
    """
    for tile in e.tiles(n):
        acc = [e.register(lanes, _begin(e, bias, start, before, at, lanes)) for at, lanes in tile]
        for rows in before:
            _emit_rows(e, rows, tile, acc, n)
        if before:
            for (at, lanes), a in zip(tile, acc, strict=True):
                e.store(a, 0, lanes, e.load(a, 0, lanes) + e.load(bias, at, lanes))
        _emit_rows(e, after, tile, acc, n)
        for (at, lanes), a in zip(tile, acc, strict=True):
            finish(e.load(a, 0, lanes), at, lanes)


def _begin(e: Emitter, bias: Any, start: Any, before: list[Rows], at: int, lanes: int) -> Any:
    if before:
        return e.splat(e.T.float32(0), lanes)
    value = e.load(bias, at, lanes)
    return value if start is None else start(at, lanes) + value


def _emit_rows(e: Emitter, rows: Rows, tile: list[tuple[int, int]], acc: list[Any], n: int) -> None:
    with e.each(rows.events) as j:
        for (at, lanes), a in zip(tile, acc, strict=True):
            row = e.load(rows.weight, j * n + at, lanes)
            if rows.counts is not None:
                row = row * e.splat(rows.counts(j), lanes)
            e.store(a, 0, lanes, e.load(a, 0, lanes) + row)
