"""Convolution between the channels of maps, with one axonal delay per sending neuron.

    I[o, x] = sum_c sum_k kernel[o, c, k] * line[delay[c, y], c, y],   y = x * stride + k - pad

C_in channels of L places send, and each place of the C_out output maps is a neuron that receives: on
one axis, or on two with kernels of rows and columns. `line[l]` is what was sent l steps before the
newest step of the line: forwards S(t - l), on a recurrent edge S(t - 1 - l); outside the maps it is
zero. Parameters: those of the kernel and a delay for each neuron that sends; without delays only the
kernel counts.

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
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops import maps_tir as maps_op
from delrec_compile.ops.arrivals import Arrivals, Axonal, GpuArrivals
from delrec_compile.ops.map_delay import placed, unusual
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat, of_head
from delrec_compile.ops.window import Size

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


# hist (batch, depth, N_in), kernel (C_out, C_in / group, rows, columns), at (N_in,) = delay * N_in + j;
# map_shape: 0, C_in, height, width
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
ChannelConvDelay <pads, strides, map_shape, group> (hist, kernel, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    map = Reshape (g, shape)
    mixed = Conv <pads: ints = @pads, strides: ints = @strides, group: int = @group> (map, kernel)
    current = Reshape (mixed, flat_shape)
}
"""


@dataclass(frozen=True, eq=False)
class ChannelConvDelay(Synapses):
    """kernel: (C_out, C_in / groups, K) on one axis, or (C_out, C_in / groups, rows, columns).

    delay: (C_in * height * width,), whole steps. height: of a map that sends. stride, pad: by axis;
    pad None: (size - 1) / 2 of an odd kernel. Raises NetworkError.
    """

    kernel: F32
    delay: NDArray[np.int32]
    height: int = 1
    stride: Size = (1, 1)
    pad: Size | None = None
    groups: int = 1
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
        stride, pad = placed(self._full.shape[2:], self.stride, self.pad)
        object.__setattr__(self, "stride", stride)
        object.__setattr__(self, "pad", pad)
        rows = kernel.shape[1] * self.groups * self.height
        if len(self.delay) % rows:
            raise NetworkError(
                f"there are {len(self.delay)} delays for {rows} rows of neurons; one for each neuron "
                "of each row is required"
            )
        assert self.maps.size  # its sizes are checked

    @classmethod
    def of_maps(cls, kernel: F32, maps: Maps, delay: NDArray[np.int32]) -> ChannelConvDelay:
        """A convolution behind the delays: taps that are spread become a kernel with zeros between.

        Raises NetworkError for maps that are cropped, or of which the largest sums are taken.
        """
        window = maps.window
        if maps.peak is not None or any(window.cropped):
            raise NetworkError(
                "a convolution with delays takes whole maps, and has no max pooling of its sums"
            )
        (rows, columns), (along, across) = window.extent, window.dilation
        spread = np.zeros((*kernel.shape[:2], rows, columns), np.float32)
        spread[:, :, ::along, ::across] = kernel
        # zeros before the taps let the window begin further outside, and end as far
        more = [end - pad for pad, end in zip(window.pad, window.ends, strict=True)]
        spread = np.pad(spread, ((0, 0), (0, 0), *((max(k, 0), max(-k, 0)) for k in more)))
        pad = [max(own) for own in zip(window.pad, window.ends, strict=True)]
        return cls(spread, delay, maps.height, maps.stride, (pad[0], pad[1]), maps.groups)

    @property
    def _full(self) -> F32:
        """(C_out, C_in / groups, rows, columns)."""
        return self.kernel if self.kernel.ndim == 4 else self.kernel[:, :, None]

    @property
    def maps(self) -> Maps:
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
        )

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
        own = {"height": m.height, "groups": m.groups}
        return {**own, **unusual(m.kernel[2:], m.stride, m.pad)}

    def largest_current(self, largest: float = 1.0) -> float:
        sums = np.abs(self._full.astype(np.float64)).sum(axis=(1, 2, 3))
        return float(sums.max()) * largest

    def reference(self, hist: F32) -> F32:
        return self.maps.reference(delay_line.reference(hist, self.delay), self._full)

    def constants(self) -> Arrays:
        return {"kernel": self._full, "at": delay_line.gather_index(self.delay)}

    def node_attributes(self) -> dict[str, Any]:
        return self.maps.node_attributes()

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> ChannelConvDelay:
        kernel, at = constants
        m = Maps.from_node_attributes(kernel.shape, attributes)
        return cls(kernel, at // size, m.height, m.stride, m.pad, m.groups)

    @classmethod
    def outputs_of(
        cls, shapes: Sequence[Sequence[int]], attributes: dict[str, Any], sources: int
    ) -> int:
        return Maps.from_node_attributes(shapes[0], attributes).size

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: kernel (C_out, C_in / groups, rows, columns); at (N_in,), int64."""
        import torch

        kernel, at = constants
        m = self.maps
        g = delay_line.torch_form(hist, at).view(-1, m.channels, m.height, m.width)
        mixed = torch.nn.functional.conv2d(
            g, kernel, stride=m.stride, padding=m.pad, groups=m.groups
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
        return [], maps_op.without_margins(e, self.maps, sums)

    def emit_gpu(
        self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        def sent(j: Any) -> Any:
            if arrivals.values is not None:
                return arrivals.values(0, j)
            spikes = arrivals.heads[0]
            return maps_op.spike_in(e, spikes.mask, j, spikes.lead, dtype)

        def read(start: Any, place: Any, lanes: int) -> Any:
            total = e.register(1, e.zero(dtype, 1), dtype)
            maps_op.emit_gpu(e, self.maps, start + place, buffers("kernel"), total, sent)
            return total[0]

        return [], e.lazy(read)
