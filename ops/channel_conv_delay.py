"""Convolution between the channels of maps, with one axonal delay per sending neuron.

    I[o, x] = sum_c sum_k kernel[o, c, k] * line[delay[c, y], c, y],
    y = x * stride + k * dilation - pad

C_in channels of L places send, and each place of the C_out output maps is a neuron that receives: on
one axis, or on two with kernels of rows and columns. `line[l]` is what was sent l steps before the
newest step of the line: forwards S(t - l), on a recurrent edge S(t - 1 - l). Outside the maps it is
zero; with circular edges maps go on at their other ends: y counts modulo L. Parameters: those of the
kernel and a delay for each neuron that sends; without delays only the kernel counts.

Source: the layers of arXiv 2604.15997 with a (C, C, K) kernel; `maps` is the convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, circular, delay_line
from delrec_compile.ops import maps_tir as maps_op
from delrec_compile.ops.arrivals import Arrivals, Axonal, GpuArrivals
from delrec_compile.ops.map_delay import placed, spread, unusual, whole_pair
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat, of_head
from delrec_compile.ops.window import EACH, NONE, Size

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


EDGES = ("zero", "circular")

# hist (batch, depth, N_in), kernel (C_out, C_in / group, rows, columns), at = delay * N_in + j for each
# neuron j of the maps that the convolution takes, of map_shape (0, C_in, rows, columns)
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
ChannelConvDelay <pads, strides, dilations, map_shape, group> (hist, kernel, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    map = Reshape (g, shape)
    mixed = Conv <pads: ints = @pads, strides: ints = @strides, dilations: ints = @dilations,
        group: int = @group> (map, kernel)
    current = Reshape (mixed, flat_shape)
}
"""


@dataclass(frozen=True, eq=False)
class ChannelConvDelay(Synapses):
    """kernel: (C_out, C_in / groups, K) on one axis, or (C_out, C_in / groups, rows, columns).

    delay: (C_in * height * width,), whole steps. height: of a map that sends. stride, pad, dilation: by
    axis; pad None: as far on both sides as a kernel of odd extent reaches. edges: one of EDGES; circular
    ones take a stride of 1 and the usual pad. Raises NetworkError.
    """

    kernel: F32
    delay: NDArray[np.int32]
    height: int = 1
    stride: Size = (1, 1)
    pad: Size | None = None
    groups: int = 1
    dilation: Size = EACH
    edges: str = "zero"
    kind: ClassVar[str] = "channel_conv_delay"
    node: ClassVar[str] = "ChannelConvDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        kernel = checks.finite("kernel", self.kernel)
        if kernel.ndim not in (3, 4) or 0 in kernel.shape:
            raise NetworkError(
                f"kernel has shape {list(kernel.shape)}; [C_out, C_in, K] or [C_out, C_in, rows, "
                "columns] is required"
            )
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "delay", checks.vector_of_delays(self.delay))
        for name in ("height", "groups"):
            checks.count(name, getattr(self, name))
        object.__setattr__(self, "dilation", whole_pair("dilation", self.dilation))
        stride, pad = placed(self._extent, self.stride, self.pad)
        object.__setattr__(self, "stride", stride)
        object.__setattr__(self, "pad", pad)
        self._check_edges()
        rows = kernel.shape[1] * self.groups * self.height
        if len(self.delay) % rows:
            raise NetworkError(
                f"there are {len(self.delay)} delays for {rows} rows of neurons; one for each neuron "
                "of each row is required"
            )
        assert self.maps.size  # its sizes are checked

    def _check_edges(self) -> None:
        if self.edges not in EDGES:
            raise NetworkError(f"edges is '{self.edges}'; allowed: {', '.join(EDGES)}")
        if self._circular and unusual(self._extent, self.stride, self.pad or NONE):
            raise NetworkError(
                "edges is 'circular', with a stride, or a pad of its own; a stride of 1, and a kernel "
                "that reaches as far on both sides, are required"
            )

    @classmethod
    def of_maps(cls, kernel: F32, maps: Maps, delay: NDArray[np.int32]) -> ChannelConvDelay:
        """A convolution behind the delays; pads that differ by side become zeros of the kernel.

        Raises NetworkError for maps that are cropped, or of which the largest sums are taken.
        """
        window = maps.window
        if maps.peak is not None or any(window.cropped):
            raise NetworkError(
                "a convolution with delays takes whole maps, and has no max pooling of its sums"
            )
        if window.ends == window.pad:
            own = maps.stride, window.pad, maps.groups, window.dilation
            return cls(kernel, delay, maps.height, *own)
        # zeros before the taps let the window begin further outside, and end as far
        more = [end - pad for pad, end in zip(window.pad, window.ends, strict=True)]
        around = ((0, 0), (0, 0), *((max(k, 0), max(-k, 0)) for k in more))
        kernel = np.pad(spread(kernel, window.dilation), around)
        pad = [max(own) for own in zip(window.pad, window.ends, strict=True)]
        return cls(kernel, delay, maps.height, maps.stride, (pad[0], pad[1]), maps.groups)

    @property
    def _full(self) -> F32:
        """(C_out, C_in / groups, rows, columns)."""
        return self.kernel if self.kernel.ndim == 4 else self.kernel[:, :, None]

    @property
    def _extent(self) -> Size:
        """Rows and columns from the first tap to the last."""
        sizes = self._full.shape[2:]
        rows, columns = ((k - 1) * d + 1 for k, d in zip(sizes, self.dilation, strict=True))
        return rows, columns

    @property
    def maps(self) -> Maps:
        """Its convolution, zero around the maps."""
        shape = self._full.shape
        channels = shape[1] * self.groups
        return Maps.of(
            shape,
            self.stride,
            self.pad or (),
            channels=channels,
            height=self.height,
            width=len(self.delay) // (channels * self.height),
            groups=self.groups,
            dilation=self.dilation,
        )

    @property
    def _circular(self) -> bool:
        return self.edges == "circular"

    @property
    def _taken(self) -> Maps:
        """The convolution over all that it sees."""
        return circular.wider(self.maps) if self._circular else self.maps

    @property
    def size(self) -> int:
        return self.maps.size

    @property
    def sources(self) -> int:
        return len(self.delay)

    @property
    def line(self) -> Axonal:
        return Axonal(self.delay[None])

    @property
    def name(self) -> str:
        return "channel_conv_delay" if self.delay.any() else "channel_conv"

    @property
    def parameters(self) -> int:
        return self.kernel.size + (self.delay.size if self.delay.any() else 0)

    @property
    def weights(self) -> dict[str, F32]:
        return {"kernel": self.kernel}

    @property
    def rows(self) -> list[F32]:
        return [self.kernel.reshape(len(self.kernel), -1)]

    def arrays(self) -> Arrays:
        return {"kernel": self.kernel, "delay": self.delay}

    def attributes(self) -> dict[str, Any]:
        m = self.maps
        own: dict[str, Any] = {"height": m.height, "groups": m.groups}
        own |= {} if m.dilation == EACH else {"dilation": list(m.dilation)}
        own |= {} if self.edges == "zero" else {"edges": self.edges}
        return {**own, **unusual(self._extent, m.stride, m.pad)}

    def largest_current(self, largest: float = 1.0) -> float:
        sums = np.abs(self._full.astype(np.float64)).sum(axis=(1, 2, 3))
        return float(sums.max()) * largest

    def reference(self, hist: F32) -> F32:
        arrived = delay_line.reference(hist, self.delay)
        arrived = arrived[:, circular.neurons(self.maps)] if self._circular else arrived
        return self._taken.reference(arrived, self._full)

    def constants(self) -> Arrays:
        at = delay_line.gather_index(self.delay)
        at = at[circular.neurons(self.maps)] if self._circular else at
        return {"kernel": self._full, "at": at}

    def node_attributes(self) -> dict[str, Any]:
        return {**self._taken.node_attributes(), "dilations": list(self.dilation)}

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> ChannelConvDelay:
        kernel, at = constants
        m = Maps.from_node_attributes(kernel.shape, attributes)
        if len(at) == size:
            own = m.stride, m.pad, m.groups, m.dilation
            return cls(kernel, at // size, m.height, *own)
        delay = np.zeros(size, np.int32)
        delay[at % size] = at // size
        height = m.height - m.window.extent[0] + 1
        edges: dict[str, Any] = {"dilation": m.dilation, "edges": "circular"}
        made = cls(kernel, delay, height, groups=m.groups, **edges)
        if not np.array_equal(made.constants()["at"], at):
            raise NetworkError(
                f"'at' has {len(at)} places for {size} neurons; one for each neuron, or those of "
                "circular edges, are required"
            )
        return made

    @classmethod
    def outputs_of(
        cls, shapes: Sequence[Sequence[int]], attributes: dict[str, Any], sources: int
    ) -> int:
        return Maps.from_node_attributes(shapes[0], attributes).size

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: kernel (C_out, C_in / groups, rows, columns); at (N_in,), int64."""
        import torch

        kernel, at = constants
        m = self._taken
        g = delay_line.torch_form(hist, at).view(-1, m.channels, m.height, m.width)
        mixed = torch.nn.functional.conv2d(
            g, kernel, stride=m.stride, padding=m.pad, dilation=m.dilation, groups=m.groups
        )
        return mixed.flatten(1)

    def tables(self, weights: WeightFormat) -> Arrays:
        return {"kernel": weights.as_weights(self.maps.table(self._full)), **self.line.tables()}

    def emit(
        self, e: Emitter, arrivals: Arrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        sums, table = maps_op.sums(e, self.maps, dtype), buffers("kernel")
        count, exact = of_head(arrivals.count, 0), dtype != "float32"
        maps_op.scatter(e, self.maps, arrivals.read(0), table, sums, count=count, exact=exact)
        if self._circular:
            circular.close(e, self.maps, sums)
        return [], maps_op.without_margins(e, self.maps, sums)

    def emit_gpu(
        self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        m = self._taken

        def sent(place: Any) -> Any:
            j = circular.neuron_at(self.maps, place) if self._circular else place
            if arrivals.values is not None:
                return arrivals.values(0, j)
            spikes = arrivals.heads[0]
            return maps_op.spike_in(e, spikes.mask, j, spikes.lead, dtype)

        def read(start: Any, place: Any, lanes: int) -> Any:
            total = e.register(1, e.zero(dtype, 1), dtype)
            maps_op.emit_gpu(e, m, start + place, buffers("kernel"), total, sent)
            return total[0]

        return [], e.lazy(read)
