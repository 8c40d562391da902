"""Convolution over maps: of conv layers, and of conv recurrences with several channels.

    out[o, y, x] = sum_c sum_a sum_b kernel[o, c, a, b] * in[c, y * s + a - pad, x * s + b - pad]

s is the stride; c runs over the channels of o's group; outside the maps `in` is zero. Neurons lie as
(channel, row, column), flattened; maps of one row are convolutions over one axis.

In TIR it is event-driven: a spike adds the kernel of its channel around its place, into sums with
a margin, so that no edge is tested. The sums of a group's outputs lie side by side, and with them
the taps along a row: an event adds a few runs, each in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks
from delrec_compile.ops.delay_line import WORD

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.compiler.tir.gpu import GpuEmitter

Size = tuple[int, int]


@dataclass(frozen=True)
class Maps:
    """channels, height, width: size of the input. kernel: its shape (O, C / groups, rows, columns).

    Raises NetworkError.
    """

    channels: int
    height: int
    width: int
    kernel: tuple[int, int, int, int]
    stride: Size = (1, 1)
    pad: Size = (0, 0)
    groups: int = 1

    def __post_init__(self) -> None:
        numbers = (self.channels, self.height, self.width, *self.kernel, *self.stride, self.groups)
        if len(self.kernel) != 4 or min(numbers) < 1 or min(self.pad) < 0:
            raise NetworkError(f"maps of {self}: every size must be 1 or more")
        outputs, channels = self.kernel[:2]
        if channels * self.groups != self.channels or outputs % self.groups:
            raise NetworkError(
                f"the kernel has shape {list(self.kernel)}; with {self.channels} channels in "
                f"{self.groups} groups, [O, {self.channels / self.groups:g}, rows, columns] is required"
            )
        if any(p >= k for p, k in zip(self.pad, self.kernel[2:], strict=True)):
            raise NetworkError(f"pad is {list(self.pad)}; below the kernel's size is required")
        if min(self.out[1:]) < 1:
            raise NetworkError(
                f"a kernel of {list(self.kernel[2:])} does not fit maps of "
                f"{[self.height, self.width]} with pad {list(self.pad)}"
            )

    @staticmethod
    def of(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], **rest: int) -> Maps:
        """From `attributes`, and the shape of the kernel."""
        shape: Any = tuple(kernel)
        return Maps(kernel=shape, stride=_pair(stride), pad=_pair(pad), **rest)

    def attributes(self) -> dict[str, Any]:
        """All but the kernel's shape, as JSON holds it."""
        rest = asdict(self)
        del rest["kernel"]
        return rest | {"stride": list(self.stride), "pad": list(self.pad)}

    @property
    def inputs(self) -> int:
        return self.channels * self.height * self.width

    @property
    def out(self) -> tuple[int, int, int]:
        """Channels, height and width of the output."""
        high, wide = (
            (n + 2 * p - k) // s + 1
            for n, p, k, s in zip(
                (self.height, self.width), self.pad, self.kernel[2:], self.stride, strict=True
            )
        )
        return self.kernel[0], high, wide

    @property
    def size(self) -> int:
        """Number of outputs."""
        return int(np.prod(self.out))

    @property
    def steps(self) -> Size:
        """Rows and columns of outputs that one input reaches."""
        rows, columns = self.kernel[2:]
        return -(-rows // self.stride[0]), -(-columns // self.stride[1])

    @property
    def summed(self) -> tuple[int, int, int, int]:
        """Shape of the sums with their margins: groups, rows, columns, outputs of a group."""
        high, wide = (
            (n - 1 + p) // s + q
            for n, p, s, q in zip(
                (self.height, self.width), self.pad, self.stride, self.steps, strict=True
            )
        )
        return self.groups, high, wide, self.kernel[0] // self.groups

    def checked(self, kernel: Any) -> F32:
        """The kernel as float32. Raises NetworkError."""
        array = checks.finite("weight", kernel)
        if array.shape != self.kernel:
            raise NetworkError(
                f"weight has shape {list(array.shape)}; {list(self.kernel)} is required"
            )
        return array

    def reference(self, x: F32, kernel: F32) -> F32:
        """x: (batch, inputs). Returns (batch, size)."""
        (rows, columns), (down, right) = self.pad, self.stride
        outputs, high, wide = self.out
        maps = x.reshape(-1, self.groups, self.channels // self.groups, self.height, self.width)
        maps = np.pad(maps, ((0, 0), (0, 0), (0, 0), (rows, rows), (columns, columns)))
        taps = kernel.reshape(self.groups, -1, *kernel.shape[1:])
        shape = (len(x), self.groups, outputs // self.groups, high, wide)
        total = np.zeros(shape, np.result_type(x, kernel))
        for a in range(kernel.shape[2]):
            for b in range(kernel.shape[3]):
                seen = maps[:, :, :, a::down, b::right][:, :, :, :high, :wide]
                total += np.einsum("bgcyx,goc->bgoyx", seen, taps[..., a, b])
        return np.asarray(total.reshape(len(x), -1))

    def torch_form(self, x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The same in eager torch, with a bias (O,)."""
        import torch

        maps = x.view(-1, self.channels, self.height, self.width)
        mixed = torch.nn.functional.conv2d(
            maps, kernel, bias, stride=self.stride, padding=self.pad, groups=self.groups
        )
        return mixed.flatten(1)

    def node_attributes(self) -> dict[str, Any]:
        """Attributes of an ONNX node whose function is a Conv."""
        return {
            "map_shape": [0, self.channels, self.height, self.width],
            "pads": [*self.pad, *self.pad],
            "strides": list(self.stride),
            "group": self.groups,
        }

    @staticmethod
    def from_node_attributes(kernel: Sequence[int], attributes: dict[str, Any]) -> Maps:
        """The way back from an ONNX node, and the shape of its kernel."""
        _, channels, height, width = attributes["map_shape"]
        sizes = {"channels": channels, "height": height, "width": width}
        strides, pads = attributes["strides"], attributes["pads"][:2]
        return Maps.of(kernel, strides, pads, groups=attributes["group"], **sizes)

    def table(self, kernel: NDArray[Any]) -> NDArray[Any]:
        """The kernel as events add it: (channel, row phase, column phase, runs ...), flattened.

        A phase is where an input lies within a stride. Taps run downwards, so that outputs ascend.
        """
        outputs, channels, rows, columns = kernel.shape
        (down, right), (high, wide) = self.stride, self.steps
        padded = np.zeros((outputs, channels, high * down, wide * right), kernel.dtype)
        padded[:, :, :rows, :columns] = kernel
        taps = padded.reshape(self.groups, -1, channels, high, down, wide, right)
        # group, channel, row phase, column phase, rows, columns, outputs of the group
        ordered = taps.transpose(0, 2, 4, 6, 3, 5, 1)[:, :, :, :, ::-1, ::-1]
        return np.ascontiguousarray(ordered).reshape(-1)


def _pair(values: Sequence[int]) -> Size:
    first, second = values
    return first, second


# x (batch, C * height * width), kernel (O, C / group, rows, columns), bias (O,);
# map_shape: 0, C, height, width
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Maps <pads, strides, map_shape, group> (x, kernel, bias) => (current)
{
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    map = Reshape (x, shape)
    mixed = Conv <pads: ints = @pads, strides: ints = @strides, group: int = @group> (map, kernel, bias)
    current = Reshape (mixed, flat_shape)
}
"""


def sums(e: Emitter, maps: Maps, dtype: str) -> Any:
    """Sums with their margins, all zero."""
    size = int(np.prod(maps.summed))
    buffer = e.buffer("sums", size, dtype)
    for at, lanes in e.blocks(size):
        e.store(buffer, at, lanes, e.zero(dtype, lanes))
    return buffer


def scatter(
    e: Emitter,
    maps: Maps,
    events: Events,
    table: Any,
    sums: Any,
    first: int = 0,
    count: Callable[[Any], Any] | None = None,
    exact: bool = True,
) -> None:
    """Adds the kernel of each event to the sums. table: see `Maps.table`, from `first` on.

    count: count of an event; None: each counts 1. exact: see `linear.Rows`.
    """
    (down, right), (high, wide) = maps.stride, maps.steps
    _, _, columns, outputs = maps.summed
    run, channels = wide * outputs, maps.channels // maps.groups
    with e.each(events) as j:
        own = None if count is None else e.bind("own", count(j))
        c = e.bind("c", j // (maps.height * maps.width))
        y = e.bind("y", j // maps.width % maps.height + maps.pad[0])
        x = e.bind("x", j % maps.width + maps.pad[1])
        phase = (c * down + y % down) * right + x % right
        taps = e.bind("taps", phase * (high * run) + first)
        row = (c // channels * maps.summed[1] + y // down) * columns + x // right
        at = e.bind("at", row * outputs)
        for a in range(high):
            for k, lanes in e.blocks(run):
                value = e.cast(e.load(table, taps + a * run + k, lanes), str(sums.dtype), lanes)
                if own is not None:
                    value = value * e.splat(own, lanes)
                    value = value if exact else e.rounded(value, lanes)
                place = at + a * columns * outputs + k
                e.store(sums, place, lanes, e.load(sums, place, lanes) + value)


def without_margins(e: Emitter, maps: Maps, sums: Any) -> Any:
    """The sums of the outputs, neuron after neuron."""
    _, high, wide = maps.out
    _, rows, columns, outputs = maps.summed
    above, left = (s - 1 for s in maps.steps)
    current = e.buffer("current", maps.size, str(sums.dtype))
    with e.loop("o", maps.kernel[0]) as o, e.loop("y", high) as y:
        line = (o // outputs * rows + y + above) * columns + left
        with e.loop("x", wide) as x:
            value = e.load(sums, (line + x) * outputs + o % outputs, 1)
            e.store(current, (o * high + y) * wide + x, 1, value)
    return e.view(current, 0, maps.size)


def emit_gpu(
    e: GpuEmitter,
    maps: Maps,
    i: Any,
    table: Any,
    total: Any,
    value_of: Callable[[Any], Any],
    first: int = 0,
) -> None:
    """Adds the current of neuron i to `total`, in its type. value_of(j): value of input j."""
    T, dtype = e.T, str(total.dtype)
    _, high, wide = maps.out
    outputs, channels, rows, columns = maps.kernel
    (down, right), (tall, broad) = maps.stride, maps.steps
    each = outputs // maps.groups
    o, top, left = i // (high * wide), i // wide % high * down, i % wide * right
    with e.loop("c", channels) as k, e.loop("a", rows) as a, e.loop("b", columns) as b:
        c = o // each * channels + k
        y, x = top + a - maps.pad[0], left + b - maps.pad[1]
        inside = T.And(T.And(y >= 0, y < maps.height), T.And(x >= 0, x < maps.width))
        with e.when(inside):
            phase = (c * down + a % down) * right + b % right
            run = (phase * tall + tall - 1 - a // down) * broad + broad - 1 - b // right
            tap = T.cast(table[first + run * each + o % each], dtype)
            value = T.cast(value_of((c * maps.height + y) * maps.width + x), dtype)
            e.store(total, 0, 1, total[0] + tap * value)


def spike_in(e: GpuEmitter, mask: Any, j: Any, lead: Any, dtype: str = "float32") -> Any:
    """1 where bit j of a mask that begins at word `lead` is set, else 0."""
    T = e.T
    shift = T.cast(T.bitwise_and(j, WORD - 1), "uint32")
    bit = T.bitwise_and(T.shift_right(mask[lead + T.shift_right(j, 5)], shift), T.uint32(1))
    return T.cast(bit, dtype)
