"""Destinations of the sums of a layer or of the readout: `finish` of `linear.Sums`, in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops import linear
from delrec_compile.ops.neuron import Neuron, NeuronTile
from delrec_compile.ops.readout import Readout, ReadoutTile

Buffers = Callable[[str], Any]  # a table or state variable of a layer, by its local name


@dataclass(frozen=True)
class FireNeurons:
    """The neurons of a layer fire on their sums; spikes: list that they are appended to."""

    e: Emitter
    neuron: Neuron
    buffers: Buffers
    spikes: Events

    def __call__(self, base: Any, size: int) -> linear.Finish:
        tile = self.neuron.tile(self.e, self.buffers, base, size)

        def take(value: Any, at: int, lanes: int) -> None:
            tile.update(as_float32(self.e, value, lanes, tile), self.spikes, at, lanes)

        return take


@dataclass(frozen=True)
class WriteOutputs:
    """The readout integrates its sums; y: all outputs, those of this step from `row` on."""

    e: Emitter
    readout: Readout
    buffers: Buffers
    y: Any
    row: Any

    def __call__(self, base: Any, size: int) -> linear.Finish:
        tile = self.readout.tile(self.e, self.buffers, self.y, self.row, base, size)

        def take(value: Any, at: int, lanes: int) -> None:
            tile.update(as_float32(self.e, value, lanes, tile), at, lanes)

        return take


@dataclass(frozen=True)
class StoreSums:
    """Sums are stored in `to`, from `first` on."""

    e: Emitter
    to: Any
    first: Any

    def __call__(self, base: Any, size: int) -> linear.Finish:
        part = self.e.view(self.to, self.first + base, size)
        return lambda value, at, lanes: self.e.store(part, at, lanes, value)


def as_float32(e: Emitter, value: Any, lanes: int, tile: NeuronTile | ReadoutTile) -> Any:
    """A sum as float32. One in units is exact: below 2^24 of them, times a power of two."""
    if str(value.ty.dtype).startswith("float32"):
        return value
    return e.cast(value, "float32", lanes) * e.splat(tile.unit, lanes)
