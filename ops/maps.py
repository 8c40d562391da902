"""Convolution over maps: of conv layers, and of conv recurrences with several channels.

    out[o, y, x] = sum_c sum_a sum_b kernel[o, c, a, b] * in[c, y * s + a * d - pad, x * s + b * d - pad]

s is the stride, d the dilation; c runs over the channels of o's group; outside the maps `in` is zero.
Neurons lie as (channel, row, column), flattened; maps of one row are convolutions over one axis. With
a `peak`, the current is the largest `out` in each of its windows: max pooling of sums.

`maps_tir` is its form in compiled code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks
from delrec_compile.ops.window import EACH, NONE, Size, Window, pair

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Maps:
    """channels, height, width: size of the input. kernel: its shape (O, C / groups, rows, columns).

    stride, pad, end, dilation: as of a `Window`. peak: None, or windows over the sums.
    Raises NetworkError.
    """

    channels: int
    height: int
    width: int
    kernel: tuple[int, int, int, int]
    stride: Size = EACH
    pad: Size = NONE
    groups: int = 1
    end: Size | None = None
    dilation: Size = EACH
    peak: Window | None = None

    def __post_init__(self) -> None:
        numbers = (self.channels, self.height, self.width, *self.kernel, self.groups)
        if len(self.kernel) != 4 or min(numbers) < 1:
            raise NetworkError(
                f"the kernel (weight) has shape {list(self.kernel)}, for {self.channels} maps of "
                f"{self.height} x {self.width} in {self.groups} groups; [O, C, rows, columns] is "
                "required, and every size must be 1 or more"
            )
        outputs, channels = self.kernel[:2]
        if channels * self.groups != self.channels or outputs % self.groups:
            raise NetworkError(
                f"the kernel (weight) has shape {list(self.kernel)}; with {self.channels} channels in "
                f"{self.groups} groups, [O, {self.channels / self.groups:g}, rows, columns] is required"
            )
        object.__setattr__(self, "end", self.window.end)
        self._check_peak(self.window.places(self.height, self.width))

    def _check_peak(self, summed: Size) -> None:
        if self.peak is None:
            return
        self.peak.places(*summed)
        outside = [*self.peak.pad, *self.peak.ends]
        if any(2 * p > k for p, k in zip(outside, self.peak.size * 2, strict=True)):
            raise NetworkError(f"max pooling with a pad above half its windows: {self.peak}")
        if any(outside) and self.peak.dilation != EACH:
            raise NetworkError("max pooling of sums with a pad and with a dilation; one is allowed")

    @staticmethod
    def of(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], **rest: Any) -> Maps:
        """From `attributes`, and the shape of the kernel."""
        shape: Any = tuple(kernel)
        for name in ("end", "dilation"):
            if rest.get(name) is not None:
                rest[name] = pair(rest[name])
        if isinstance(peak := rest.get("peak"), dict):
            rest["peak"] = Window.of(**peak)
        return Maps(kernel=shape, stride=pair(stride), pad=pair(pad), **rest)

    def attributes(self) -> dict[str, Any]:
        """All but the kernel's shape, as JSON holds it; what is not as usual is left out."""
        names = ("channels", "height", "width", "groups")
        own = self.window.attributes()
        del own["size"]
        peak = {} if self.peak is None else {"peak": self.peak.attributes()}
        return {name: getattr(self, name) for name in names} | own | peak

    @property
    def window(self) -> Window:
        """What an output sees of the input."""
        rows, columns = self.kernel[2:]
        return Window((rows, columns), self.stride, self.pad, self.end, self.dilation)

    @property
    def inputs(self) -> int:
        return self.channels * self.height * self.width

    @property
    def sums(self) -> tuple[int, int, int]:
        """Channels, height and width of the sums."""
        return self.kernel[0], *self.window.places(self.height, self.width)

    @property
    def out(self) -> tuple[int, int, int]:
        """Channels, height and width of the output."""
        outputs, *size = self.sums
        return self.sums if self.peak is None else (outputs, *self.peak.places(*size))

    @property
    def size(self) -> int:
        """Number of outputs."""
        return int(np.prod(self.out))

    @property
    def is_pool(self) -> bool:
        """Whether each channel is mapped to itself alone: with equal weights, a pooling of sums."""
        return self.kernel[:2] == (self.channels, 1) and self.groups == self.channels

    @property
    def steps(self) -> Size:
        """Rows and columns of sums that one input reaches."""
        (rows, columns), (down, right) = self.window.extent, self.stride
        return -(-rows // down), -(-columns // right)

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

    def taken(self, x: NDArray[Any]) -> NDArray[Any]:
        """x: (batch, inputs). Returns it as maps (batch, C, rows, columns), padded and cropped."""
        left, right, above, below = self.window.filled
        maps = x.reshape(-1, self.channels, self.height, self.width)
        maps = maps[:, :, : self.height + min(below, 0), : self.width + min(right, 0)]
        around = ((above, max(below, 0)), (left, max(right, 0)))
        return np.pad(maps, ((0, 0), (0, 0), *around))

    def reference(self, x: F32, kernel: F32) -> F32:
        """x: (batch, inputs). Returns (batch, size)."""
        outputs, high, wide = self.sums
        maps = self.taken(x)
        maps = maps.reshape(len(x), self.groups, -1, *maps.shape[2:])
        taps = kernel.reshape(self.groups, -1, *kernel.shape[1:])
        dtype = np.result_type(x, kernel)
        # whole sums are below 2^53; NumPy multiplies matrices of floats many times faster
        fast = np.float64 if np.issubdtype(dtype, np.integer) else dtype
        total = np.zeros((len(x), self.groups, outputs // self.groups, high * wide), fast)
        for a, b, seen in _seen(maps, self.window, (high, wide)):
            flat = seen.reshape(*seen.shape[:3], -1).astype(fast, copy=False)
            total += taps[..., a, b].astype(fast, copy=False) @ flat
        total = total.reshape(len(x), outputs, high, wide).astype(dtype, copy=False)
        if self.peak is not None:
            total = _largest(total, self.peak)
        return np.asarray(total.reshape(len(x), -1))

    def torch_form(self, x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The same in eager torch, with a bias (O,)."""
        import torch

        own, pad = torch.nn.functional, self.pad
        maps = x.view(-1, self.channels, self.height, self.width)
        if self.end is not None:
            maps, pad = own.pad(maps, self.window.filled), NONE
        mixed = own.conv2d(maps, kernel, bias, self.stride, pad, self.dilation, self.groups)
        if (peak := self.peak) is not None:
            wide = own.pad(mixed, peak.filled, value=-torch.inf)
            mixed = own.max_pool2d(wide, peak.size, peak.stride, dilation=peak.dilation)
        return mixed.flatten(1)

    @property
    def node(self) -> str:
        """Name of its ONNX function."""
        cropped, peak = any(self.window.cropped), self.peak is not None
        if cropped or peak:
            return f"{'Cropped' if cropped else ''}{'Peak' if peak else ''}Maps"
        return "Maps" if self.dilation == EACH else "DilatedMaps"

    def node_attributes(self) -> dict[str, Any]:
        """Attributes of an ONNX node whose function is a Conv."""
        m, peak = self.window, self.peak
        out = {
            "map_shape": [0, self.channels, self.height, self.width],
            "pads": [*m.pad, *(max(0, end) for end in m.ends)],
            "strides": list(m.stride),
            "group": self.groups,
        }
        if self.node != "Maps":
            out["dilations"] = list(m.dilation)
        if any(m.cropped):
            out["used"] = [n - k for n, k in zip((self.height, self.width), m.cropped, strict=True)]
        if peak is not None:
            out["peak"] = list(peak.size)
            out["peak_pads"] = [*peak.pad, *peak.ends]
            out["peak_strides"], out["peak_dilations"] = list(peak.stride), list(peak.dilation)
        return out

    @staticmethod
    def from_node_attributes(kernel: Sequence[int], attributes: dict[str, Any]) -> Maps:
        """The way back from an ONNX node, and the shape of its kernel."""
        _, channels, height, width = attributes["map_shape"]
        pads, used = attributes["pads"], attributes.get("used", (height, width))
        cropped = [own - n for own, n in zip(used, (height, width), strict=True)]
        end = [crop or pad for crop, pad in zip(cropped, pads[2:], strict=True)]
        rest: dict[str, Any] = {"end": end, "dilation": attributes.get("dilations", EACH)}
        if "peak" in attributes:
            own = [attributes[f"peak{name}"] for name in ("", "_strides", "_pads", "_dilations")]
            rest["peak"] = Window(pair(own[0]), pair(own[1]), *_halves(own[2]), pair(own[3]))
        sizes = {"channels": channels, "height": height, "width": width}
        strides, groups = attributes["strides"], attributes["group"]
        return Maps.of(kernel, strides, pads[:2], groups=groups, **sizes, **rest)

    def table(self, kernel: NDArray[Any]) -> NDArray[Any]:
        """The kernel as events add it: (channel, row phase, column phase, runs ...), flattened.

        A phase is where an input lies within a stride. Taps run downwards, so that outputs ascend.
        """
        outputs, channels = kernel.shape[:2]
        (rows, columns), (along, across) = self.window.extent, self.dilation
        (down, right), (high, wide) = self.stride, self.steps
        padded = np.zeros((outputs, channels, high * down, wide * right), kernel.dtype)
        padded[:, :, :rows:along, :columns:across] = kernel
        taps = padded.reshape(self.groups, -1, channels, high, down, wide, right)
        # group, channel, row phase, column phase, rows, columns, outputs of the group
        ordered = taps.transpose(0, 2, 4, 6, 3, 5, 1)[:, :, :, :, ::-1, ::-1]
        return np.ascontiguousarray(ordered).reshape(-1)


def _halves(pads: Sequence[int]) -> tuple[Size, Size]:
    return pair(pads[:2]), pair(pads[2:])


def _seen(
    maps: NDArray[Any], window: Window, places: Size
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """For each place of a window, what all windows see there of padded maps (..., rows, columns)."""
    (high, wide), (down, right), (along, across) = places, window.stride, window.dilation
    for a in range(window.size[0]):
        for b in range(window.size[1]):
            seen = maps[..., a * along :: down, b * across :: right]
            yield a, b, seen[..., :high, :wide]


def _largest(sums: NDArray[Any], peak: Window) -> NDArray[Any]:
    """The largest in each window of sums (batch, O, rows, columns)."""
    left, right, above, below = peak.filled
    around = ((0, 0), (0, 0), (above, below), (left, right))
    padded = np.pad(sums, around, constant_values=-np.inf)
    places = peak.places(*sums.shape[2:])
    return np.asarray(np.max([seen for _, _, seen in _seen(padded, peak, places)], axis=0))
