"""PyTorch's pooling: means and sums as convolutions, the largest of spikes as a population.

The largest of sums stays with the one convolution before it, right before neurons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts, torch_modules
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.parts import Neurons, Peak, named
from delrec_compile.interop.torch_modules import array
from delrec_compile.interop.torch_recorder import Call
from delrec_compile.network.model import Convolution, Window
from delrec_compile.network.population import OR

MEANS = (nn.AvgPool1d, nn.AvgPool2d)
EVEN_MEANS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
SUMS = (nn.LPPool1d, nn.LPPool2d)  # of norm 1
LARGEST = (nn.MaxPool1d, nn.MaxPool2d)
EVEN_LARGEST = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
POOLS = (*MEANS, *EVEN_MEANS, *SUMS, *LARGEST, *EVEN_LARGEST)
OF_ROWS = (nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.LPPool1d, nn.MaxPool1d, nn.AdaptiveMaxPool1d)
Shape = tuple[int, int, int]


def add_pool(call: Call, chain: Chain) -> nn.Module | None:
    """Adds a module of POOLS to the chain. Returns it if it becomes a population.

    Raises UnsupportedError.
    """
    m: Any = call.module
    with named(call.name):
        shape = _shape(call)
        window = _window(call.name, m, shape)
        if isinstance(m, (*MEANS, *EVEN_MEANS, *SUMS)):
            own = _part(shape, window, _weight(call.name, m, window))
            torch_modules.add_part(call, own, chain)
            return None
        return _add_largest(call, chain, shape, window)


def _add_largest(call: Call, chain: Chain, shape: Shape, window: Window) -> nn.Module | None:
    name, peak = call.name, Peak(shape, window)
    if getattr(call.module, "return_indices", False) or not np.array_equal(
        peak.reference(array(call.x)), array(call.y)
    ):
        raise UnsupportedError(f"{name}: its output is not the largest value of each window")
    if chain.takes_spikes():
        chain.add(name, _part(shape, window))
        chain.add(name, Neurons(OR))
        return call.module
    chain.add(name, peak)
    return None


def _part(shape: Shape, window: Window, weight: float = 1.0) -> linear_parts.Convolution:
    """The sum of each window of each channel, times a weight."""
    maps = Convolution.pooling(shape, window).maps
    return linear_parts.Convolution(np.full(maps.kernel, weight), np.zeros(shape[0]), maps)


def _shape(call: Call) -> Shape:
    """Channels, rows and columns of what the pool takes."""
    if isinstance(call.module, OF_ROWS):
        channels, width = call.shape[-2:]
        return channels, 1, width
    channels, height, width = call.shape[-3:]
    return channels, height, width


def _window(name: str, m: Any, shape: Shape) -> Window:
    of_rows = isinstance(m, OF_ROWS)
    if isinstance(m, (*EVEN_MEANS, *EVEN_LARGEST)):
        return _even(name, shape[1:], _pair(m.output_size, of_rows, 1))
    size = _pair(m.kernel_size, of_rows, 1)
    given = m.kernel_size if m.stride is None else m.stride
    stride, pad = _pair(given, of_rows, 1), _pair(getattr(m, "padding", 0), of_rows, 0)
    dilation = _pair(getattr(m, "dilation", 1), of_rows, 1)
    window = Window(size, stride, pad, dilation=dilation)
    return _rounded_up(window, shape[1:]) if m.ceil_mode else window


def _rounded_up(window: Window, maps: Sequence[int]) -> Window:
    """With a last window that reaches behind the maps, if it begins before their end."""
    ends = []
    for n, pad, stride, extent in zip(maps, window.pad, window.stride, window.extent, strict=True):
        last = -(-(n + 2 * pad - extent) // stride)  # windows begin at last * stride - pad
        last -= last * stride >= n + pad
        ends.append(max(pad, last * stride + extent - pad - n))
    return Window(window.size, window.stride, window.pad, (ends[0], ends[1]), window.dilation)


def _even(name: str, maps: Sequence[int], out: Sequence[int | None]) -> Window:
    """Windows that divide the maps. Raises UnsupportedError for others."""
    wanted = [n if k is None else k for n, k in zip(maps, out, strict=True)]
    if any(n % k for n, k in zip(maps, wanted, strict=True)):
        raise UnsupportedError(
            f"{name}: {list(maps)} places in {wanted} windows that differ in size; give windows "
            "that divide the places"
        )
    rows, columns = (n // k for n, k in zip(maps, wanted, strict=True))
    return Window((rows, columns), (rows, columns))


def _weight(name: str, m: Any, window: Window) -> float:
    """Of each value of a sum. Raises UnsupportedError for one that differs at the edges."""
    if isinstance(m, SUMS):
        if m.norm_type != 1:
            raise UnsupportedError(f"{name}: a norm of {m.norm_type}; 1, the sum, is allowed")
        padded = False
    else:
        padded = any(window.pad) and not getattr(m, "count_include_pad", True)
    if padded or window.end is not None:
        raise UnsupportedError(f"{name}: a mean whose windows differ at the edges")
    places = window.size[0] * window.size[1]
    return 1.0 if isinstance(m, SUMS) else 1.0 / (getattr(m, "divisor_override", None) or places)


def _pair(value: Any, of_rows: bool, of_row: int) -> tuple[Any, Any]:
    """(rows, columns) from a number, or from one for each axis; None stays."""
    own = tuple(value) if isinstance(value, tuple | list) else (value,)
    if of_rows:
        return of_row, own[0]
    return own if len(own) == 2 else (own[0], own[0])
