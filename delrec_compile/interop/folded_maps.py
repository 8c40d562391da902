"""Two convolutions in a row as one: sum and average pooling before or behind a convolution, for example.

With stride s and windows of e places, of the first, and a window of f places of the second,

    windows e + (f - 1) s,   stride s s',   padding p + p' s

Outside its input the second sees zeros. One convolution of both gives these only where its windows see
no input: with pooling of windows that do not overlap, over maps that they fill.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.network.model import Maps


def joined(
    first: Maps, kernel: F64, then: Maps, behind: F64, biased: bool
) -> tuple[F64, Maps] | None:
    """Kernel and maps of both in one, or None where no convolution computes what they do.

    behind: kernel of the second. biased: whether the first has a bias.
    """
    if first.peak is not None:
        return None
    axes = list(_axes(first, then))
    if not all(_is_one(axis) and not (biased and _touches(axis)) for axis in axes):
        return None
    gaps = _gaps(first, then)
    groups = _groups(first, then)
    total = _grouped(_contracted(first, kernel, then, behind, gaps), groups)
    stride = [s * t for s, t in zip(first.stride, then.stride, strict=True)]
    pad = [p + q * s for p, q, s in zip(first.pad, then.pad, first.stride, strict=True)]
    sizes = {"channels": first.channels, "height": first.height, "width": first.width}
    end = [
        _end(axis, s, p, g * (k - 1) + 1)
        for axis, s, p, g, k in zip(axes, stride, pad, gaps, total.shape[2:], strict=True)
    ]
    rest = {"groups": groups, "end": end, "dilation": gaps, "peak": then.peak}
    return total, Maps.of(total.shape, stride, pad, **sizes, **rest)


# along one axis: places of the input, padding, stride and window of the first; of the second its places,
# padding, stride, window, and those of its output
Axis = tuple[int, int, int, int, int, int, int, int, int]


def _axes(first: Maps, then: Maps) -> Iterator[Axis]:
    sizes = (first.height, first.width), (then.height, then.width)
    for k in range(2):
        own = sizes[0][k], first.pad[k], first.stride[k], first.window.extent[k]
        other = sizes[1][k], then.pad[k], then.stride[k], then.window.extent[k]
        yield *own, *other, then.sums[1 + k]


def _last(axis: Axis) -> int:
    """The last place that the second sees, which may lie behind its input."""
    *_, pad, stride, window, out = axis
    return (out - 1) * stride - pad + window - 1


def _touches(axis: Axis) -> bool:
    """Whether the second sees places outside of its input."""
    return axis[5] > 0 or _last(axis) >= axis[4]


def _is_one(axis: Axis) -> bool:
    """Whether the windows of both together see no input where the second sees zeros."""
    size, pad, stride, window, middle, before, *_ = axis
    low = before == 0 or window <= stride + pad
    return low and (_last(axis) < middle or middle * stride - pad >= size)


def _end(axis: Axis, stride: int, pad: int, window: int) -> int:
    """How far the windows of both reach behind the input; the padding, if as many fit in then."""
    size, out = axis[0], axis[8]
    usual = (size + 2 * pad - window) // stride + 1
    return pad if usual == out else (out - 1) * stride - pad + window - size


def _gaps(first: Maps, then: Maps) -> tuple[int, int]:
    """The largest distances of which those between the taps of both are multiples."""
    rows, columns = (
        math.gcd(near if first.kernel[2 + k] > 1 else 0, far if then.kernel[2 + k] > 1 else 0) or 1
        for k, (near, far) in enumerate(zip(first.dilation, _far(first, then), strict=True))
    )
    return rows, columns


def _far(first: Maps, then: Maps) -> tuple[int, int]:
    """Distances between the taps of the second, in places of the input of the first."""
    rows, columns = (d * s for d, s in zip(then.dilation, first.stride, strict=True))
    return rows, columns


def _groups(first: Maps, then: Maps) -> int:
    if first.is_pool or first.groups == then.groups:
        return then.groups
    return first.groups if then.is_pool else 1


def full_kernel(maps: Maps, kernel: Any) -> Any:
    """The kernel between all channels (O, C, rows, columns)."""
    if maps.groups == 1:
        return kernel
    out = np.zeros((len(kernel), maps.channels, *kernel.shape[2:]), kernel.dtype)
    rows, columns = len(kernel) // maps.groups, kernel.shape[1]
    for g in range(maps.groups):
        own = slice(g * rows, (g + 1) * rows)
        out[own, g * columns : (g + 1) * columns] = kernel[own]
    return out


def _contracted(first: Maps, kernel: F64, then: Maps, behind: F64, gaps: tuple[int, int]) -> F64:
    """The kernel of both, between all channels, whose taps lie `gaps` apart."""
    one, two = full_kernel(first, kernel), full_kernel(then, behind)
    down, right = (d // g or 1 for d, g in zip(first.dilation, gaps, strict=True))
    lower, further = (d // g for d, g in zip(_far(first, then), gaps, strict=True))
    height, width = ((k - 1) * n + 1 for k, n in zip(one.shape[2:], (down, right), strict=True))
    rows, columns = (two.shape[2] - 1) * lower + height, (two.shape[3] - 1) * further + width
    total = np.zeros((len(two), one.shape[1], rows, columns))
    for a, b in np.ndindex(*two.shape[2:]):
        top, left = a * lower, b * further
        own = total[:, :, top : top + height : down, left : left + width : right]
        own += np.tensordot(two[:, :, a, b], one, axes=1)
    return total


def _grouped(kernel: F64, groups: int) -> F64:
    """The kernel of so many groups of channels from one between all."""
    rows, columns = len(kernel) // groups, kernel.shape[1] // groups
    own = [
        kernel[g * rows : (g + 1) * rows, g * columns : (g + 1) * columns] for g in range(groups)
    ]
    return np.concatenate(own)
