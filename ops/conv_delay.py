"""Convolution over the neurons with one axonal delay per sending neuron: the centre of this project.

    I[i] = sum_m sum_k kernel[m, k] * line[delay[m, j], j],   j = i + k - pad

`line[l, j]` is what neuron j sent l steps before the newest step of the line: on a recurrent edge
S[j](t - 1 - l), forwards S[j](t - l); outside the neuron axis it is zero; pad = (K - 1) / 2. As many
neurons receive as send. Each of the M heads has a kernel and delays of its own: M * (K + N)
parameters. The paper has one. Without delays only the kernel counts.

Source: arXiv 2604.15997 and its authors' conv_delays code (kernel (1, 1, K), later (1, 1, K, 1)). Heads
are an extension of this project.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops.arrivals import Arrivals, Axonal, GpuArrivals
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat, of_head

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter, SharedEvents
    from delrec_compile.ops.plane_taps import ShiftedPlanes


# hist (batch, depth, N), kernel (1, M, K), at (M * N,) = delay * N + j; map_shape: 0, M, N
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
ConvDelay <pads, map_shape> (hist, kernel, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    shape = Constant <value_ints: ints = @map_shape> ()
    one = Constant <value: tensor = int64[1] {1}> ()
    map = Reshape (g, shape)
    mixed = Conv <pads: ints = @pads> (map, kernel)
    current = Squeeze (mixed, one)
}
"""


@dataclass(frozen=True, eq=False)
class ConvDelay(Synapses):
    """kernel: (K,), or (M, K) with M > 1 heads; K odd, zero padding.

    delay: (N,), or (M, N), whole steps.
    """

    kernel: F32
    delay: NDArray[np.int32]
    kind: ClassVar[str] = "conv_delay"
    node: ClassVar[str] = "ConvDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", checks.kernel(self.kernel))
        object.__setattr__(self, "delay", checks.delays(self.delay))
        checks.heads(self.kernel, self.delay)

    @property
    def heads(self) -> int:
        return len(self.kernels)

    @property
    def taps(self) -> int:
        return int(self.kernel.shape[-1])

    @property
    def kernels(self) -> F32:
        """(M, K)."""
        return np.atleast_2d(self.kernel)

    @property
    def size(self) -> int:
        return int(self.delay.shape[-1])

    @property
    def line(self) -> Axonal:
        return Axonal(np.atleast_2d(self.delay), self.taps)

    @property
    def name(self) -> str:
        return "conv_delay" if self.delay.any() else "conv"

    @property
    def parameters(self) -> int:
        return self.kernel.size + (self.delay.size if self.delay.any() else 0)

    @property
    def weights(self) -> dict[str, F32]:
        return {"kernel": self.kernel}

    def arrays(self) -> Arrays:
        return {"kernel": self.kernel, "delay": self.delay}

    def largest_current(self, largest: float = 1.0) -> float:
        return float(np.abs(self.kernel.astype(np.float64)).sum()) * largest

    def reference(self, hist: F32) -> F32:
        n, pad = self.size, self.taps // 2
        current = np.zeros((len(hist), n), np.float32)
        g = delay_line.reference(hist, np.atleast_2d(self.delay))
        around = np.pad(g, ((0, 0), (0, 0), (pad, pad)))
        for m, kernel in enumerate(self.kernels):
            for k, tap in enumerate(kernel):
                current = current + tap * around[:, m, k : k + n]
        return current

    def constants(self) -> Arrays:
        return {"kernel": self.kernels[None], "at": delay_line.gather_index(self.delay)}

    def node_attributes(self) -> dict[str, Any]:
        pad = self.taps // 2
        return {"pads": [pad, pad], "map_shape": [0, self.heads, self.size]}

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> ConvDelay:
        kernel, at = constants
        return cls(np.squeeze(kernel, 0), at.reshape(-1, size) // size)

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: kernel (1, M, K); at (M * N,) = delay * N + j, int64."""
        import torch

        kernel, at = constants
        g = delay_line.torch_form(hist, at).view(-1, self.heads, self.size)
        return torch.nn.functional.conv1d(g, kernel, padding=self.taps // 2)[:, 0]

    def tables(self, weights: WeightFormat) -> Arrays:
        return {"kernel": weights.as_accumulators(self.kernel), **self.line.tables()}

    def emit(
        self,
        e: Emitter,
        arrivals: Arrivals | ShiftedPlanes,
        buffers: Callable[[str], Any],
        dtype: str,
    ) -> Sums:
        kernel = buffers("kernel")
        if not isinstance(arrivals, Arrivals):
            return [], arrivals.shared(e, kernel)
        current = e.buffer("current", self.size + self.taps - 1, dtype)
        emit(e, arrivals, kernel, self.taps, current, self.size)
        return [], e.view(current, self.taps // 2, self.size)

    def emit_gpu(
        self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        kernel, values = buffers("kernel"), arrivals.values

        def read(start: Any, i: Any, _: int) -> Any:
            own, shape = (self.taps, start + i, values, dtype), (self.heads, self.size)
            return emit_gpu(e, arrivals.heads, kernel, *own, shape=shape)

        return [], e.lazy(read)


def emit(e: Emitter, arrivals: Arrivals, kernel: Any, taps: int, current: Any, n: int) -> None:
    """current[pad + i] = I[i] from the arriving spikes; sums in the two pads are dropped.

    current: (pad + n + pad,). Each arrival adds the flipped kernel around its own place. A neuron's
    taps are added in ascending k, because arrivals come in ascending j.
    """
    clear(e, current, n + taps - 1)
    for head in range(arrivals.heads):
        last, count = head * taps + taps - 1, of_head(arrivals.count, head)
        with e.each(arrivals.read(head)) as j:
            own = None if count is None else e.bind("own", count(j))
            for q in range(taps):
                tap = kernel[last - q]
                if own is not None:
                    tap = tap * own
                    tap = e.rounded(tap, 1) if str(current.dtype) == "float32" else tap
                e.store(current, j + q, 1, current[j + q] + tap)


def emit_rows(
    e: Emitter, arrivals: Arrivals, rows: Any, taps: int, current: Any, n: int, unit: int
) -> None:
    """Same as `emit`, with a separate kernel for each receiving neuron, as integers in units of `unit`.

    rows: (M * n * K,), what a spike of neuron j adds to its neighbours j - pad + q.
    """
    clear(e, current, n + taps - 1)
    scatter(e, arrivals, rows, taps, current, n, unit)


def scatter(
    e: Emitter, arrivals: Arrivals, rows: Any, taps: int, current: Any, n: int, unit: int
) -> None:
    """Adds the rows of the arriving spikes to `current`."""
    T = e.T
    for head in range(arrivals.heads):
        count = of_head(arrivals.count, head)
        with e.each(arrivals.read(head)) as j:
            own = None if count is None else e.bind("own", count(j))
            at = (j + head * n) * taps if head else j * taps
            for q in range(taps):
                tap = T.cast(rows[at + q], "int32")
                tap = tap if own is None else tap * own
                e.store(current, j + q, 1, current[j + q] + (tap * unit if unit > 1 else tap))


def clear(e: Emitter, current: Any, size: int) -> None:
    for at, lanes in e.blocks(size):
        e.store(current, at, lanes, e.zero(str(current.dtype), lanes))


def emit_gpu(
    e: GpuEmitter,
    heads: Sequence[SharedEvents],
    kernel: Any,
    taps: int,
    at: Any,
    values: Callable[[Any, Any], Any] | None = None,
    dtype: str = "float32",
    kernels: int = 0,
    shape: tuple[int, int] = (0, 0),
) -> Any:
    """I[at], gathered from the masks of the arriving spikes, its taps in ascending k.

    values: see `GpuArrivals`; they have no masks, and need shape, (M, N). dtype: of the sum. kernels:
    neurons with a kernel each, (M, K, neurons); 0: all share one per head.
    """
    T, current = e.T, e.register(1, e.zero(dtype, 1), dtype)
    assert values is None or shape[0]
    for head in range(len(heads) if values is None else shape[0]):
        with e.loop("k", taps) as k:
            j = at + k - taps // 2
            place = k + head * taps if head else k
            tap = T.cast(kernel[place * kernels + at if kernels else place], dtype)
            if values is None:
                with e.when(_arrives(e, heads[head], j)):
                    e.store(current, 0, 1, current[0] + tap)
            else:
                with e.when(T.And(j >= 0, j < shape[1])):
                    value = T.cast(values(head, j), dtype)
                    e.store(current, 0, 1, current[0] + tap * value)
    return current[0]


def _arrives(e: GpuEmitter, arrivals: SharedEvents, j: Any) -> Any:
    T, bit = e.T, j + arrivals.lead * delay_line.WORD
    word = arrivals.mask[T.shift_right(bit, 5)]
    shift = T.cast(T.bitwise_and(bit, delay_line.WORD - 1), "uint32")
    return T.bitwise_and(T.shift_right(word, shift), T.uint32(1)) != T.uint32(0)
