"""Dense synapses with one axonal delay per sending neuron (DelRec).

    I[i] = sum_m sum_j weight[m, i, j] * line[delay[m, j], j]

`line[l, j]` is what neuron j sent l steps before the newest step of the line: forwards S[j](t - l), on
a recurrent edge S[j](t - 1 - l). Rows of a weight are receiving neurons, columns sending ones. Each
of the M heads has a weight and delays of its own: several delays for each synapse, as DelRec's spread
of a delay over neighbouring steps. M * (N_out * N_in + N_in) parameters; without delays only the
weights count.

Source: DelRec, arXiv 2509.24852, axonal delays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.ops import checks, delay_line, linear, silent_rows
from delrec_compile.ops.arrivals import Arrivals, Axonal, GpuArrivals
from delrec_compile.ops.linear import Rows
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat, of_head

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


# hist (batch, depth, N_in), weight (N_out, M * N_in), at (M * N_in,) = delay * N_in + j
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
DenseDelay (hist, weight, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    current = Gemm <transB = 1> (g, weight)
}
"""


@dataclass(frozen=True, eq=False)
class DenseDelay(Synapses):
    """weight: (N_out, N_in) [to, from], or (M, N_out, N_in) with M > 1 heads.

    delay: (N_in,), or (M, N_in), whole steps.
    """

    weight: F32
    delay: NDArray[np.int32]
    kind: ClassVar[str] = "dense_delay"
    node: ClassVar[str] = "DenseDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrices("weight", self.weight))
        object.__setattr__(self, "delay", checks.delays(self.delay))
        checks.axonal(self.weight, self.delay)

    @property
    def matrices(self) -> F32:
        """(M, N_out, N_in)."""
        return self.weight.reshape(-1, *self.weight.shape[-2:])

    @property
    def size(self) -> int:
        return int(self.weight.shape[-2])

    @property
    def sources(self) -> int:
        return int(self.weight.shape[-1])

    @property
    def line(self) -> Axonal:
        return Axonal(np.atleast_2d(self.delay))

    @property
    def name(self) -> str:
        return "dense_delay" if self.delay.any() else "dense"

    @property
    def parameters(self) -> int:
        return self.weight.size + (self.delay.size if self.delay.any() else 0)

    @property
    def weights(self) -> dict[str, F32]:
        return {"weight": self.weight}

    @property
    def rows(self) -> list[F32]:
        return list(self.matrices)

    def arrays(self) -> Arrays:
        return {"weight": self.weight, "delay": self.delay}

    def largest_current(self, largest: float = 1.0) -> float:
        return float(np.abs(self._joined.astype(np.float64)).sum(axis=1).max()) * largest

    @property
    def _joined(self) -> F32:
        """The weights of all heads side by side, (N_out, M * N_in)."""
        return np.ascontiguousarray(self.matrices.transpose(1, 0, 2).reshape(self.size, -1))

    def reference(self, hist: F32) -> F32:
        g = delay_line.reference(hist, np.atleast_2d(self.delay))
        current = np.zeros((len(hist), self.size), np.float32)
        for m, j in np.argwhere(g.any(axis=0)):
            current = current + g[:, m, j, None] * self.matrices[m, :, j]
        return current

    def constants(self) -> Arrays:
        return {"recurrent": self._joined, "at": delay_line.gather_index(self.delay)}

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> DenseDelay:
        weight, at = constants
        heads = weight.reshape(len(weight), -1, size).transpose(1, 0, 2)
        return cls(heads, at.reshape(-1, size) // size)

    @classmethod
    def outputs_of(
        cls, shapes: Sequence[Sequence[int]], attributes: dict[str, Any], sources: int
    ) -> int:
        return int(shapes[0][0])

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: weight (N_out, M * N_in); at (M * N_in,) = delay * N_in + j, int64."""
        weight, at = constants
        return delay_line.torch_form(hist, at) @ weight.T

    def tables(self, weights: WeightFormat) -> Arrays:
        return {"recurrent": weights.as_rows(self._joined.T), **self.line.tables()}

    def emit(
        self, e: Emitter, arrivals: Arrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        n = self.size
        if arrivals.heads == 1:
            return [self._rows(e, arrivals, 0, buffers, dtype)], None
        current = e.buffer("current", n, dtype)

        def store(base: Any, size: int) -> linear.Finish:
            part = e.view(current, base, size)
            return lambda value, at, lanes: e.store(part, at, lanes, value)

        for head in range(arrivals.heads):
            rows = self._rows(e, arrivals, head, buffers, dtype)
            sums = linear.Sums(dtype, store, rows, start=[current] if head else [])
            linear.emit(e, n, lambda _, sums=sums: sums)  # type: ignore[misc]
        return [], e.view(current, 0, n)

    def _rows(
        self,
        e: Emitter,
        arrivals: Arrivals,
        head: int,
        buffers: Callable[[str], Any],
        dtype: str,
    ) -> Rows:
        table = buffers("recurrent")
        each, n = self.sources * self.size, self.size
        own = e.view(table, head * each, each) if head else table
        counts, events, total = of_head(arrivals.count, head), arrivals.read(head), None
        if counts is None and dtype != "float32" and e.schedule.subtracts:
            events = silent_rows.turn(e, events, self.sources)
            total = e.view(buffers("recurrent" + silent_rows.TOTAL), head * n, n)
        return Rows(events, own, counts, exact=dtype != "float32", total=total)

    def emit_gpu(
        self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        table, each = buffers("recurrent"), self.sources * self.size
        if arrivals.values is not None:
            return [], self._gpu_products(e, arrivals.values, table, dtype)
        rows = [
            Rows(listed, e.view(table, head * each, each) if head else table)
            for head, listed in enumerate(arrivals.heads)
        ]
        return rows, None

    def _gpu_products(
        self, e: GpuEmitter, values: Callable[[Any, Any], Any], table: Any, dtype: str
    ) -> Any:
        """The current of values, of which there are no lists, summed where it is read."""
        n, sources, T = self.size, self.sources, e.T

        def read(start: Any, i: Any, _: int) -> Any:
            total = e.register(1, e.zero(dtype, 1), dtype)
            for head in range(self.line.heads):
                with e.loop("j", sources) as j:
                    weight = T.cast(table[(head * sources + j) * n + start + i], dtype)
                    value = T.cast(values(head, j), dtype)
                    e.store(total, 0, 1, total[0] + weight * value)
            return total[0]

        return e.lazy(read)
