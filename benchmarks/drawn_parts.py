"""Random parts of a graph: a map from so many neurons to so many, with delays or without; a neuron."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.ops import adlif, alif, alpha, cuba_lif, lif
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.alpha import Alpha
from delrec_compile.ops.channel_conv_delay import EDGES, ChannelConvDelay
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.feed import Convolution, Dense, Feed
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.loihi import Loihi
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.ops.tap_conv_delay import TapConvDelay
from delrec_compile.ops.window import Window

Generator = np.random.Generator
LONGEST = (1, 4, 33, 70)  # delays are below one of them
Make = Callable[[Generator, int, int], Synapses]


def synapses(r: Generator, sources: int, size: int) -> Synapses:
    """A map with delays, of any kind that fits."""
    kinds = [_dense, _synaptic, _tap_conv, _conv2d, _channel_conv]
    kinds += [_conv, _depthwise] if sources == size else []
    return kinds[r.integers(len(kinds))](r, sources, size)


def feed(r: Generator, sources: int, size: int) -> Feed:
    """A map without a delay."""
    if r.random() < 0.7:
        return Dense(normal(r, (size, sources)) / np.sqrt(sources))
    maps = _maps(r, sources, size)
    maps = _odd_maps(r, maps) if r.random() < 0.5 else maps
    return Convolution(normal(r, maps.kernel) / np.sqrt(np.prod(maps.kernel[1:])), maps)


def neuron(r: Generator, n: int) -> Neuron:
    """A neuron model; each constant for the population, or for each neuron."""
    return NEURONS[r.choice(list(NEURONS), p=[0.4, 0.2, 0.1, 0.15, 0.1, 0.05])](r, n)


def normal(r: Generator, shape: int | tuple[int, ...]) -> F32:
    """Standard normal numbers."""
    return r.normal(size=shape).astype(np.float32)


def _delays(r: Generator, shape: tuple[int, ...]) -> NDArray[np.int32]:
    return r.integers(0, int(r.choice(LONGEST)), shape, dtype=np.int32)


def _conv(r: Generator, sources: int, size: int) -> Synapses:
    heads, taps = int(r.integers(1, 4)), int(r.choice([1, 3, 5, 9]))
    return ConvDelay(normal(r, (heads, taps)) * 0.5, _delays(r, (heads, sources)))


def _dense(r: Generator, sources: int, size: int) -> Synapses:
    heads = int(r.choice([1, 1, 2, 3]))
    weight = normal(r, (heads, size, sources)) / np.sqrt(heads * sources)
    return DenseDelay(weight, _delays(r, (heads, sources)))


def _synaptic(r: Generator, sources: int, size: int) -> Synapses:
    weight = normal(r, (size, sources)) / np.sqrt(sources)
    if r.random() < 0.3:
        return SynapticDelay.of_receivers(weight, _delays(r, (size,)))
    return SynapticDelay(weight, _delays(r, (size, sources)))


def _depthwise(r: Generator, sources: int, size: int) -> Synapses:
    width = _divisor(r, size)
    count, taps = int(r.integers(1, 6)), int(r.choice([1, 3, 5]))
    delays = r.choice(40, count, replace=False).astype(np.int32)
    return TapConvDelay(normal(r, (count, size // width, taps)) * 0.4, delays, width)


def _tap_conv(r: Generator, sources: int, size: int) -> Synapses:
    width = _divisor(r, math.gcd(sources, size))
    count, taps = int(r.integers(1, 4)), int(r.choice([1, 3, 5]))
    kernel = normal(r, (count, size // width, sources // width, taps))
    delays = r.choice(40, count, replace=False).astype(np.int32)
    return TapConvDelay(kernel / np.sqrt(np.prod(kernel.shape[::2]) * taps), delays, width)


def _conv2d(r: Generator, sources: int, size: int) -> Synapses:
    maps, depth = _maps(r, sources, size, groups=1), int(r.integers(1, 4))
    kernel = normal(r, (depth, *maps.kernel)) / np.sqrt(depth * np.prod(maps.kernel[1:]))
    return Conv2dDelay(kernel, maps.height, maps.width, maps.stride, maps.pad)


def _channel_conv(r: Generator, sources: int, size: int) -> Synapses:
    m = _maps(r, sources, size)
    kernel = normal(r, m.kernel) / np.sqrt(np.prod(m.kernel[1:]))
    delay = _delays(r, (sources,))
    if m.height == 1 and r.random() < 0.5 and m.kernel[2] == 1:
        kernel = kernel[:, :, 0]
    own = np.random.default_rng(delay)  # what r draws next stays the same
    if m.out[1:] == (m.height, m.width) and all(k % 2 for k in m.kernel[2:]) and own.random() < 0.4:
        spread: Any = tuple(own.integers(1, 4, 2).tolist())
        edges: Any = {"dilation": spread, "edges": str(own.choice(EDGES))}
        return ChannelConvDelay(kernel, delay, m.height, groups=m.groups, **edges)
    return ChannelConvDelay(kernel, delay, m.height, m.stride, m.pad, m.groups)


def _divisor(r: Generator, n: int) -> int:
    return int(r.choice([k for k in range(1, n + 1) if n % k == 0]))


def _maps(r: Generator, sources: int, size: int, groups: int | None = None) -> Maps:
    """A convolution that makes `size` outputs: strides where the maps of the source are larger."""
    places = _divisor(r, math.gcd(sources, size))
    height = 1 if r.random() < 0.4 else _divisor(r, places)
    out = (height, places // height)
    channels, outputs = sources // places, size // places
    down = int(r.choice([s for s in (1, 2, 3) if channels % s == 0]))
    right = int(r.choice([s for s in (1, 2) if channels // down % s == 0]))
    channels //= down * right
    common = [g for g in range(1, channels + 1) if channels % g == 0 and outputs % g == 0]
    groups = groups or int(r.choice(common))
    sizes = [_taps(r, extent, stride) for extent, stride in zip(out, (down, right), strict=True)]
    (rows, top), (columns, left) = sizes
    kernel = (outputs, channels // groups, rows, columns)
    return Maps(channels, out[0] * down, out[1] * right, kernel, (down, right), (top, left), groups)


def _odd_maps(r: Generator, m: Maps) -> Maps:
    """Maps with as many outputs: with spread taps, edges that differ, or largest sums."""
    if r.random() < 0.3:
        return replace(m, peak=Window((3, 3), pad=(1, 1)))
    spread = (int(r.integers(1, 3)), int(r.integers(1, 3)))
    extents = Window(m.kernel[2:], m.stride, dilation=spread).extent
    edges = [
        _edges(r, n, out, s, extent)
        for n, out, s, extent in zip((m.height, m.width), m.out[1:], m.stride, extents, strict=True)
    ]
    (top, bottom), (left, right) = edges
    return replace(m, pad=(top, left), end=(bottom, right), dilation=spread)


def _edges(r: Generator, places: int, out: int, stride: int, extent: int) -> tuple[int, int]:
    """Padding before and behind, or a place that is cropped, that makes `out` outputs."""
    allowed = [
        (pad, end)
        for pad in range(extent)
        for end in range(-1, extent)
        if places + pad + end >= extent and (places + pad + end - extent) // stride + 1 == out
    ]
    return allowed[r.integers(len(allowed))]


def _taps(r: Generator, extent: int, stride: int) -> tuple[int, int]:
    """Taps and pad that make `extent` outputs of `extent * stride` places."""
    allowed = [
        (taps, pad)
        for taps in range(1, 6)
        for pad in range(taps)
        if (extent * stride + 2 * pad - taps) // stride + 1 == extent
        and extent * stride + 2 * pad >= taps
    ]
    taps, pad = allowed[r.integers(len(allowed))]
    return taps, pad


def _number(r: Generator, n: int, low: float, high: float, *corners: float) -> Any:
    if corners and r.random() < 0.3:
        return float(r.choice(corners))
    return r.uniform(low, high, n if r.random() < 0.25 else None)


def _lif(r: Generator, n: int) -> Neuron:
    return Lif(
        _number(r, n, 0, 1, 0, 1),
        _number(r, n, 0.5, 1.5, 1),
        _number(r, n, -0.3, 0.3, 0),
        _number(r, n, 0.2, 1.3, 1),
        str(r.choice(lif.FIRES)),
        str(r.choice(lif.RESETS)),
    )


def _cuba_lif(r: Generator, n: int) -> Neuron:
    return CubaLif(
        _number(r, n, 0, 0.9, 0),
        _number(r, n, 0, 1, 0, 1),
        _number(r, n, 0.5, 1.5, 1),
        _number(r, n, -0.3, 0.3, 0),
        _number(r, n, 0.2, 1.3, 1),
        _number(r, n, 0.2, 1.3, 1),
        str(r.choice(lif.FIRES)),
        str(r.choice(lif.RESETS)),
        str(r.choice(cuba_lif.ENTERS)),
    )


def _alpha(r: Generator, n: int) -> Neuron:
    decay, gain = _number(r, n, 0.6, 0.95), _number(r, n, 0.5, 3)
    fires, reset = str(r.choice(lif.FIRES)), str(r.choice(alpha.RESETS))
    return Alpha(decay, decay * 0.6, gain, _number(r, n, 0.5, 1.5, 1), fires, reset)


def _adaptive(r: Generator, n: int, resets: tuple[str, ...]) -> dict[str, Any]:
    return {
        "threshold": _number(r, n, 0.5, 1.5, 1),
        "v_reset": _number(r, n, -0.3, 0.3, 0),
        "gain": _number(r, n, 0.2, 1.3, 1),
        "refractory": float(r.choice([0, 0, 1, 3])),
        "fires": str(r.choice(lif.FIRES)),
        "reset": str(r.choice(resets)),
    }


def _alif(r: Generator, n: int) -> Neuron:
    own = _number(r, n, 0, 1, 0), _number(r, n, 0.5, 1), _number(r, n, 0, 0.5, 0)
    return Alif(*own, **_adaptive(r, n, alif.RESETS))


def _adlif(r: Generator, n: int) -> Neuron:
    own = _number(r, n, 0.3, 0.95), _number(r, n, 0.5, 0.95)
    jumps = _number(r, n, -0.2, 0.2, 0), _number(r, n, 0, 0.5, 0)
    order = str(r.choice(adlif.ORDERS))
    return Adlif(*own, *jumps, **_adaptive(r, n, adlif.RESETS), order=order)


def _loihi(r: Generator, n: int) -> Neuron:
    decays: list[Any] = [r.integers(0, 2000, n if r.random() < 0.5 else ()) for _ in range(2)]
    threshold = _number(r, n, 0.5, 1.5, 1)
    return Loihi(decays[0], decays[1], threshold, _number(r, n, -0.1, 0.1, 0))


NEURONS: dict[str, Callable[[Generator, int], Neuron]] = {
    "lif": _lif,
    "cuba_lif": _cuba_lif,
    "alpha": _alpha,
    "alif": _alif,
    "adlif": _adlif,
    "loihi": _loihi,
}
