"""Dense synapses with a delay for each of them (DelRec, DCLS).

    I[i] = sum_j weight[i, j] * line[delay[i, j], j]

`line[l, j]` is what neuron j sent l steps before the newest step of the line: forwards S[j](t - l), on
a recurrent edge S[j](t - 1 - l). Rows are receiving neurons, columns sending ones: 2 * N_out * N_in
parameters. A delay of each receiver, d[i, j] = d[i], is `SynapticDelay.of_receivers`.

Compiled code pushes spikes to a ring of the currents to come (`current_ring`), or, where memory is
scarce, pulls them: it holds the spikes of the last steps as bit planes. A neuron's synapses lie
sorted by their delay: a spike that is `lag` steps old adds those of that delay, so each synapse is
added once per spike, as without delays.

Sources: DelRec, arXiv 2509.24852, synaptic delays; forwards DCLS, arXiv 2306.17670.
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
from delrec_compile.ops.current_ring import CurrentRing
from delrec_compile.ops.delay_line import words
from delrec_compile.ops.maps_tir import spike_in
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat, of_head

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


# hist (batch, depth, N_in), weight (N_out, N_in, 1), at (N_out * N_in,) = delay[i, j] * N_in + j;
# each receiving neuron is a group of the Conv
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
    """weight: (N_out, N_in) [to, from]. delay: (N_out, N_in), whole steps."""

    weight: F32
    delay: NDArray[np.int32]
    kind: ClassVar[str] = "synaptic_delay"
    node: ClassVar[str] = "SynapticDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrix("weight", self.weight))
        delay = np.asarray(self.delay)
        if self.weight.shape != delay.shape:
            raise NetworkError(
                f"delay has shape {list(delay.shape)} and weight {list(self.weight.shape)}; one delay "
                "for each weight is required"
            )
        object.__setattr__(self, "delay", checks.delays(delay).reshape(delay.shape))

    @classmethod
    def of_receivers(cls, weight: F32, delay: NDArray[np.int32]) -> SynapticDelay:
        """weight: (N_out, N_in). delay: (N_out,), one for all that a neuron receives."""
        matrix = checks.matrix("weight", weight)
        own = checks.vector_of_delays(delay)
        if len(own) != len(matrix):
            raise NetworkError(
                f"there are {len(own)} delays for {len(matrix)} receiving neurons; one for each is "
                "required"
            )
        return cls(matrix, np.repeat(own[:, None], matrix.shape[1], axis=1))

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def sources(self) -> int:
        return int(self.weight.shape[1])

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    @property
    def line(self) -> History:
        return History(tuple(range(self.depth)), self.sources)

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

    def largest_current(self, largest: float = 1.0) -> float:
        return float(np.abs(self.weight.astype(np.float64)).sum(axis=1).max()) * largest

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
        return {"map_shape": [0, self.weight.size, 1], "group": self.size}

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> SynapticDelay:
        weight, at = constants
        return cls(weight[:, :, 0], at.reshape(-1, size) // size)

    @classmethod
    def outputs_of(
        cls, shapes: Sequence[Sequence[int]], attributes: dict[str, Any], sources: int
    ) -> int:
        return int(shapes[0][0])

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: weight (N_out, N_in, 1); at (N_out * N_in,) = delay[i, j] * N_in + j, int64."""
        weight, at = constants
        g = delay_line.torch_form(hist, at).view(-1, self.size, self.sources)
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

    def current_ring(self, lanes: int, dtype: str) -> CurrentRing:
        return CurrentRing(self.size, self.sources, self.depth, lanes, dtype)

    def ring_tables(self, weights: WeightFormat, ring: CurrentRing) -> Arrays:
        places = ring.places(self.delay)
        return {"recurrent": weights.as_weights(self.weight.T), "place": places}

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
            count = of_head(arrivals.count, lag)
            own = None if count is None else e.bind("own", count(j))
            row = e.bind("row", j * (self.depth + 1) + lag)
            first = e.bind("first", T.cast(begins[row], "int32"))
            with e.loop("k", T.cast(begins[row + 1], "int32") - first) as k:
                synapse = e.bind("synapse", j * n + first + k)
                i = e.bind("to_one", T.cast(to[synapse], "int32"))
                value = T.cast(weight[synapse], dtype)
                if own is not None:
                    value = e.rounded(value * own, 1) if dtype == "float32" else value * own
                e.store(current, i, 1, current[i] + value)
        return [], e.view(current, 0, n)

    def emit_gpu(
        self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        T, n, width = e.T, self.size, words(self.sources)
        weight, delay = buffers("recurrent"), buffers("delay")

        def read(start: Any, place: Any, lanes: int) -> Any:
            i, total = start + place, e.register(1, e.zero(dtype, 1), dtype)
            with e.loop("j", self.sources) as j:
                lag = T.cast(delay[j * n + i], "int32")
                if arrivals.values is None:
                    spike = spike_in(e, arrivals.masks, j, lag * width, dtype)
                else:
                    spike = T.cast(arrivals.values(lag, j), dtype)
                e.store(total, 0, 1, total[0] + T.cast(weight[j * n + i], dtype) * spike)
            return total[0]

        return [], e.lazy(read)
