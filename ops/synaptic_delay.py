"""Dense recurrence with a delay for every synapse (DelRec).

    I[i](t) = sum_j weight[i, j] * S[j](t - 1 - delay[i, j])

Rows are receiving neurons, columns sending ones. 2 * N * N parameters.

Compiled code holds the spikes of the last steps as bit planes. A neuron's synapses lie sorted by
their delay: a spike that is `lag` steps old adds those of that delay, so each synapse is added once
per spike, as without delays.

Source: DelRec, arXiv 2509.24852, synaptic delays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops.arrivals import Arrivals, GpuArrivals, History
from delrec_compile.ops.delay_line import words
from delrec_compile.ops.maps import spike_in
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


# hist (batch, depth, N), weight (N, N, 1), at (N * N,) = delay[i, j] * N + j; each receiving
# neuron is a group of the Conv
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
SynapticDelay <map_shape, group> (hist, weight, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    map = Reshape (g, shape)
    mixed = Conv <group: int = @group> (map, weight)
    current = Reshape (mixed, flat_shape)
}
"""


@dataclass(frozen=True, eq=False)
class SynapticDelay(Synapses):
    """weight: (N, N) [to, from]. delay: (N, N) whole steps, arrival at t + 1 + delay."""

    weight: F32
    delay: NDArray[np.int32]
    kind: ClassVar[str] = "synaptic_delay"
    node: ClassVar[str] = "SynapticDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrix("recurrent weight", self.weight))
        n = len(self.weight)
        delay = np.asarray(self.delay)
        if self.weight.shape != (n, n) or delay.shape != (n, n):
            raise NetworkError(
                f"recurrent weight has shape {list(self.weight.shape)}, delay {list(delay.shape)}; "
                "both must be [N, N]"
            )
        object.__setattr__(self, "delay", checks.delays(delay).reshape(n, n))

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    @property
    def line(self) -> History:
        return History(tuple(range(self.depth)), self.size)

    @property
    def parameters(self) -> int:
        return self.weight.size + self.delay.size

    @property
    def weights(self) -> dict[str, F32]:
        return {"weight": self.weight}

    @property
    def rows(self) -> list[F32]:
        return [self.weight]

    def arrays(self) -> Arrays:
        return {"weight": self.weight, "delay": self.delay}

    def largest_current(self) -> float:
        return float(np.abs(self.weight.astype(np.float64)).sum(axis=1).max())

    def reference(self, hist: F32) -> F32:
        current = np.zeros((len(hist), self.size), np.float32)
        for lag in range(self.depth):
            due = np.where(self.delay == lag, self.weight, np.float32(0))
            for j in np.flatnonzero(hist[:, lag].any(axis=0)):
                current = current + hist[:, lag, j, None] * due[:, j]
        return current

    def constants(self) -> Arrays:
        return {"recurrent": self.weight[:, :, None], "at": delay_line.gather_index(self.delay)}

    def node_attributes(self) -> dict[str, Any]:
        return {"map_shape": [0, self.size * self.size, 1], "group": self.size}

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> SynapticDelay:
        weight, at = constants
        return cls(weight[:, :, 0], at.reshape(size, size) // size)

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: weight (N, N, 1); at (N * N,) = delay[i, j] * N + j, int64."""
        weight, at = constants
        g = delay_line.torch_form(hist, at).view(-1, self.size, self.size)
        return (g * weight[:, :, 0]).sum(2)

    def tables(self, weights: WeightFormat) -> Arrays:
        n, order = self.size, np.argsort(self.delay, axis=0, kind="stable").T
        lags = np.arange(self.depth + 1)
        # (from, lag): number of synapses with a shorter delay
        begins = np.stack([np.searchsorted(np.sort(row), lags) for row in self.delay.T])
        small = np.uint8 if n <= 1 << 8 else np.uint16
        return {
            "recurrent": weights.as_weights(np.take_along_axis(self.weight.T, order, axis=1)),
            "to": order.astype(small),
            "begins": begins.astype(np.uint8 if n < 1 << 8 else np.uint16),
        }

    def gpu_tables(self, weights: WeightFormat) -> Arrays:
        small = np.uint8 if self.depth <= 1 << 8 else np.uint16
        return {"recurrent": weights.as_weights(self.weight.T), "delay": self.delay.T.astype(small)}

    def emit(
        self, e: Emitter, arrivals: Arrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        T, n = e.T, self.size
        current = e.buffer("current", n, dtype)
        for place, lanes in e.blocks(n):
            e.store(current, place, lanes, e.zero(dtype, lanes))
        weight, to, begins = buffers("recurrent"), buffers("to"), buffers("begins")
        with e.loop("lag", self.depth) as lag, e.each(arrivals.read(lag)) as j:
            row = e.bind("row", j * (self.depth + 1) + lag)
            first = e.bind("first", T.cast(begins[row], "int32"))
            with e.loop("k", T.cast(begins[row + 1], "int32") - first) as k:
                synapse = e.bind("synapse", j * n + first + k)
                i = e.bind("to_one", T.cast(to[synapse], "int32"))
                e.store(current, i, 1, current[i] + T.cast(weight[synapse], dtype))
        return [], e.view(current, 0, n)

    def emit_gpu(self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any]) -> Sums:
        T, n, width = e.T, self.size, words(self.size)
        weight, delay = buffers("recurrent"), buffers("delay")

        def read(start: Any, place: Any, lanes: int) -> Any:
            i, total = start + place, e.register(1, T.float32(0))
            with e.loop("j", n) as j:
                lag = T.cast(delay[j * n + i], "int32")
                spike = spike_in(e, arrivals.masks, j, lag * width)
                e.store(total, 0, 1, total[0] + T.cast(weight[j * n + i], "float32") * spike)
            return total[0]

        return [], e.lazy(read)
