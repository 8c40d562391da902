"""Shared parts of the convolutions over maps with delay taps: tap_conv_delay and conv2d_delay.

    I = sum_d convolution(kernel[d], line[lag[d]])

All neurons share their delays, so one ring of bit planes is all the memory: see `delay_line`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import maps_tir as maps_op
from delrec_compile.ops.arrivals import Arrivals, GpuArrivals, History
from delrec_compile.ops.delay_line import words
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat, of_head
from delrec_compile.ops.window import Size

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


def whole_pair(name: str, value: Any) -> Size:
    """Two integers. Raises NetworkError for anything else."""
    whole = isinstance(value, list | tuple) and all(type(k) is int for k in value)
    if not whole or len(value) != 2:
        raise NetworkError(f"{name} is {value!r}; two integers are required")
    first, second = value
    return first, second


def placed(sizes: Sequence[int], stride: Any, pad: Any) -> tuple[Size, Size]:
    """Stride and pad as pairs; pad None: a kernel of odd sizes reaches as far on both sides.

    sizes: rows and columns from the kernel's first tap to its last. Raises NetworkError.
    """
    if pad is None and any(size % 2 == 0 for size in sizes):
        raise NetworkError(
            f"kernel has {' x '.join(map(str, sizes))} taps; odd numbers are required, or a pad"
        )
    same = [size // 2 for size in sizes]
    return whole_pair("stride", stride), whole_pair("pad", same if pad is None else pad)


def unusual(sizes: Sequence[int], stride: Size, pad: Size) -> dict[str, list[int]]:
    """Stride and pad, where they are not what `placed` makes of none."""
    out = {} if stride == (1, 1) else {"stride": list(stride)}
    same = all(size % 2 and own == size // 2 for size, own in zip(sizes, pad, strict=True))
    return out if same else {**out, "pad": list(pad)}


def spread(kernel: F32, dilation: Sequence[int]) -> F32:
    """The same kernel of dilation 1: with zeros between its taps. dilation: of its last axes."""
    if all(d == 1 for d in dilation):
        return kernel
    first = kernel.ndim - len(dilation)
    sizes = [(k - 1) * d + 1 for k, d in zip(kernel.shape[first:], dilation, strict=True)]
    wide = np.zeros((*kernel.shape[:first], *sizes), np.float32)
    places: tuple[Any, ...] = (..., *(slice(None, None, d) for d in dilation))
    wide[places] = kernel
    return wide


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
        """Lag of each convolution, in steps before the newest of the line."""

    @property
    @abstractmethod
    def kernels(self) -> list[F32]:
        """Kernel of each lag, of the maps' shape."""

    @property
    def size(self) -> int:
        return self.maps.size

    @property
    def sources(self) -> int:
        return self.maps.inputs

    @property
    def line(self) -> History:
        return History(self.lags, self.sources)

    @property
    def rows(self) -> list[F32]:
        return [kernel.reshape(len(kernel), -1) for kernel in self.kernels]

    def largest_current(self, largest: float = 1.0) -> float:
        sums = np.sum([np.abs(k.astype(np.float64)) for k in self.kernels], axis=0)
        return float(sums.sum(axis=(1, 2, 3)).max()) * largest

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
            maps_op.scatter(
                e,
                self.maps,
                arrivals.read(head),
                buffers("kernel"),
                sums,
                head * step,
                count=of_head(arrivals.count, head),
                exact=dtype != "float32",
            )
        return [], maps_op.without_margins(e, self.maps, sums)

    def emit_gpu(
        self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        step, width = len(self.maps.table(self.kernels[0])), words(self.sources)

        def read(start: Any, place: Any, lanes: int) -> Any:
            total = e.register(1, e.zero(dtype, 1), dtype)
            for head in range(len(self.lags)):

                def spike(j: Any, head: int = head) -> Any:
                    if arrivals.values is not None:
                        return arrivals.values(head, j)
                    return maps_op.spike_in(e, arrivals.masks, j, head * width, dtype)

                maps_op.emit_gpu(
                    e, self.maps, start + place, buffers("kernel"), total, spike, head * step
                )
            return total[0]

        return [], e.lazy(read)
