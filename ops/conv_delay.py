"""Convolutional recurrence with one axonal delay per sending neuron: the centre of this project.

    I[i](t) = sum_k kernel[k] * S[j](t - 1 - delay[j]),   j = i + k - pad,   pad = (K - 1) / 2

`S[j](t)` is the spike of neuron j at step t; outside the neuron axis it is zero. K + N parameters.

Source: arXiv 2604.15997 and its authors' conv_delays code (kernel (1, 1, K), delays (N,)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.ops import checks, delay_line

if TYPE_CHECKING:
    import torch

    from delrec_compile.ops.emit import Emitter
    from delrec_compile.ops.emit_gpu import GpuEmitter, Marked
    from delrec_compile.ops.emit_lists import Events

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ConvDelay:
    """kernel: (K,), K odd, zero padding. delay: (N,) whole steps, arrival at t + 1 + delay."""

    kernel: F32
    delay: NDArray[np.int32]
    kind: ClassVar[str] = "conv_delay"

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", checks.kernel(self.kernel))
        object.__setattr__(self, "delay", checks.delays(self.delay))

    @property
    def size(self) -> int:
        return len(self.delay)

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    @property
    def parameters(self) -> int:
        return self.kernel.size + self.delay.size

    @property
    def weights(self) -> dict[str, F32]:
        return {"kernel": self.kernel}

    def largest_current(self) -> float:
        """Bound of |I|, every neuron spiking."""
        return float(np.abs(self.kernel.astype(np.float64)).sum())

    def reference(self, hist: F32) -> F32:
        """hist: (batch, depth, N), newest first. Returns the current (batch, N)."""
        taps, pad = len(self.kernel), len(self.kernel) // 2
        g = np.pad(delay_line.reference(hist, self.delay), ((0, 0), (pad, pad)))
        current = np.zeros((len(hist), self.size), np.float32)
        for k in range(taps):
            current = current + self.kernel[k] * g[:, k : k + self.size]
        return current

    def torch_form(
        self, hist: torch.Tensor, kernel: torch.Tensor, at: torch.Tensor
    ) -> torch.Tensor:
        """hist: (batch, depth, N). kernel: (K,). at: (N,) = delay * N + j, int64."""
        import torch

        g = delay_line.torch_form(hist, at)
        pad = len(kernel) // 2
        return torch.nn.functional.conv1d(g[:, None], kernel[None, None], padding=pad)[:, 0]


# hist (batch, depth, N), kernel (1, 1, K), at (N,) = delay * N + j
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
ConvDelay <pads> (hist, kernel, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    one = Constant <value: tensor = int64[1] {1}> ()
    map = Unsqueeze (g, one)
    mixed = Conv <pads: ints = @pads> (map, kernel)
    current = Squeeze (mixed, one)
}
"""


def emit(e: Emitter, arrivals: Events, kernel: Any, taps: int, current: Any, n: int) -> None:
    """current[pad + i] = I[i] from the arriving spikes; what falls into the two pads is dropped.

    current: (pad + n + pad,). Each arrival adds the flipped kernel around its own place. A neuron's
    taps are added in ascending k, because arrivals come in ascending j.
    """
    _clear(e, current, n + taps - 1)
    with e.each(arrivals) as j:
        for q in range(taps):
            e.store(current, j + q, 1, current[j + q] + kernel[taps - 1 - q])


def emit_rows(
    e: Emitter, arrivals: Events, rows: Any, taps: int, current: Any, n: int, unit: int
) -> None:
    """As `emit`, with a kernel of its own for each receiving neuron, in whole numbers of `unit`.

    rows: (n * K,), what a spike of neuron j adds to its neighbours j - pad + q.
    """
    _clear(e, current, n + taps - 1)
    scatter(e, arrivals, rows, taps, current, unit)


def scatter(e: Emitter, arrivals: Events, rows: Any, taps: int, current: Any, unit: int) -> None:
    """Adds the rows of the arriving spikes to what `current` holds already."""
    T = e.T
    with e.each(arrivals) as j:
        for q in range(taps):
            tap = T.cast(rows[j * taps + q], "int32")
            e.store(current, j + q, 1, current[j + q] + (tap * unit if unit > 1 else tap))


def _clear(e: Emitter, current: Any, size: int) -> None:
    for at, lanes in e.blocks(size):
        e.store(current, at, lanes, e.zero(str(current.dtype), lanes))


def emit_gpu(e: GpuEmitter, arrivals: Marked, kernel: Any, taps: int, at: Any) -> Any:
    """I[at], gathered from the mask of the arriving spikes, its taps in ascending k."""
    T = e.T
    current = e.register(1, T.float32(0))
    with e.loop("k", taps) as k:
        bit = at + k - taps // 2 + arrivals.lead * delay_line.WORD
        word = arrivals.mask[T.shift_right(bit, 5)]
        shift = T.cast(T.bitwise_and(bit, delay_line.WORD - 1), "uint32")
        arrives = T.bitwise_and(T.shift_right(word, shift), T.uint32(1)) != T.uint32(0)
        with e.when(arrives):
            e.store(current, 0, 1, current[0] + kernel[k])
    return current[0]
