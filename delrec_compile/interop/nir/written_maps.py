"""Convolutions as NIR nodes.

NIR's types know square kernels between all channels: groups become one with zeros between, a kernel
that is not square gets zeros around, and a pool is a SumPool2d and a Scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.folded_maps import full_kernel
from delrec_compile.interop.linear_parts import MAX_WEIGHTS
from delrec_compile.network.model import Maps

Shape = tuple[int, ...]
Nodes = list[tuple[str, Any]]  # with the last part of their names


def is_row(m: Maps) -> bool:
    """Whether the maps have one axis."""
    return m.height == 1 and m.kernel[2] == 1 and m.stride[0] == 1 and m.pad[0] == 0


def input_shape(m: Maps) -> Shape:
    """Shape of the values that the convolution takes."""
    return (m.channels, m.width) if is_row(m) else (m.channels, m.height, m.width)


def output_shape(m: Maps) -> Shape:
    """Shape of its values."""
    return (m.out[0], m.out[2]) if is_row(m) else m.out


def written(nir: Any, name: str, m: Maps, kernel: F32, bias: F32) -> Nodes:
    """The nodes of a convolution. bias: (O,). Raises UnsupportedError, with the name."""
    if m.peak is not None:
        raise UnsupportedError(f"{name}: NIR has no node for the largest sums of windows")
    pool = not is_row(m) and m.is_pool and m.end is None and m.dilation == (1, 1)
    if pool and not bias.any() and (kernel == kernel.flat[0]).all():
        return _pool(nir, m, float(kernel.flat[0]))
    if kernel.size * m.groups > MAX_WEIGHTS:
        raise UnsupportedError(
            f"{name}: NIR's types have no convolution in groups; as one group it would have more than "
            f"{MAX_WEIGHTS:,} weights"
        )
    whole = full_kernel(m, kernel)
    if is_row(m):
        pad: Any = _same(name, m) or m.pad[1]
        own = whole[:, :, 0], m.stride[1], pad, m.dilation[1]
        return [("", nir.Conv1d(m.width, *own, 1, bias))]
    pad = _same(name, m) or m.pad
    if m.kernel[2] != m.kernel[3]:
        whole, pad = _square(name, m, whole, pad)
    return [("", nir.Conv2d((m.height, m.width), whole, m.stride, pad, m.dilation, 1, bias))]


def _pool(nir: Any, m: Maps, weight: float) -> Nodes:
    sizes = (np.array(size) for size in (m.kernel[2:], m.stride, m.pad))
    nodes: Nodes = [("", nir.SumPool2d(*sizes))]
    if weight != 1:
        nodes.append(("_scale", nir.Scale(np.full(output_shape(m), weight))))
    return nodes


def _same(name: str, m: Maps) -> str | None:
    """The padding `same` where windows reach further behind the maps than before them; else None."""
    if m.end is None:
        return None
    total = [extent - 1 for extent in m.window.extent]
    begins = tuple(n // 2 for n in total)
    ends = tuple(n - n // 2 for n in total)
    if m.stride == (1, 1) and (m.pad, m.end) == (begins, ends):
        return "same"
    raise UnsupportedError(
        f"{name}: windows that reach {list(m.end)} behind the maps and {list(m.pad)} before; in NIR "
        "both are the same, or the padding is 'same'"
    )


def _square(name: str, m: Maps, kernel: F32, pad: Any) -> tuple[F32, Any]:
    """A kernel with zeros around it, and the padding that it needs."""
    side = max(m.kernel[2:])
    around = [side - k for k in m.kernel[2:]]
    if any(n % 2 for n in around):
        raise UnsupportedError(
            f"{name}: NIR's types have square kernels only; this one is {list(m.kernel[2:])}"
        )
    zeros = [(0, 0), (0, 0), *((n // 2, n // 2) for n in around)]
    if pad != "same":
        pad = tuple(p + n // 2 * d for p, n, d in zip(pad, around, m.dilation, strict=True))
    return np.pad(kernel, zeros), pad
