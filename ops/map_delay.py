"""Shared parts of the recurrences over maps with delay taps: tap_conv_delay and conv2d_delay.

    I(t) = sum_d convolution(kernel[d], S(t - 1 - lag[d]))

All neurons share their delays, so one ring of bit planes is all the memory: see `delay_line`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops import maps as maps_op
from delrec_compile.ops.arrivals import Arrivals, GpuArrivals, History
from delrec_compile.ops.delay_line import words
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


@dataclass(frozen=True, eq=False)
class MapDelay(Synapses):
    """A convolution per lag, over the same maps."""

    @property
    @abstractmethod
    def maps(self) -> Maps:
        """Shape of each convolution."""

    @property
    @abstractmethod
    def lags(self) -> tuple[int, ...]:
        """Lag of each convolution, in steps after the first."""

    @property
    @abstractmethod
    def kernels(self) -> list[F32]:
        """Kernel of each lag, of the maps' shape."""

    @property
    def size(self) -> int:
        return self.maps.inputs

    @property
    def depth(self) -> int:
        return max(self.lags) + 1

    @property
    def line(self) -> History:
        return History(self.lags, self.size)

    @property
    def rows(self) -> list[F32]:
        return [kernel.reshape(len(kernel), -1) for kernel in self.kernels]

    def largest_current(self) -> float:
        sums = np.sum([np.abs(k.astype(np.float64)) for k in self.kernels], axis=0)
        return float(sums.sum(axis=(1, 2, 3)).max())

    def reference(self, hist: F32) -> F32:
        current = np.zeros((len(hist), self.size), np.float32)
        for lag, kernel in zip(self.lags, self.kernels, strict=True):
            current = current + self.maps.reference(hist[:, lag], kernel)
        return current

    def tables(self, weights: WeightFormat) -> Arrays:
        taps = [self.maps.table(kernel) for kernel in self.kernels]
        return {"kernel": weights.as_weights(np.concatenate(taps))}

    def emit(
        self, e: Emitter, arrivals: Arrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        sums, step = maps_op.sums(e, self.maps, dtype), len(self.maps.table(self.kernels[0]))
        for head in range(arrivals.heads):
            events = arrivals.read(head)
            maps_op.scatter(e, self.maps, events, buffers("kernel"), sums, head * step)
        return [], maps_op.without_margins(e, self.maps, sums)

    def emit_gpu(self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any]) -> Sums:
        step, width = len(self.maps.table(self.kernels[0])), words(self.size)

        def read(start: Any, place: Any, lanes: int) -> Any:
            total = e.register(1, e.T.float32(0))
            for head in range(len(self.lags)):

                def spike(j: Any, lead: int = head * width) -> Any:
                    return maps_op.spike_in(e, arrivals.masks, j, lead)

                maps_op.emit_gpu(
                    e, self.maps, start + place, buffers("kernel"), total, spike, head * step
                )
            return total[0]

        return [], e.lazy(read)
