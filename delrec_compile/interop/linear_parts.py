"""Linear parts of foreign models, folded into the one product or convolution that feeds a layer.

Each part maps a flattened value to another. Folding is done in float64; parts that are not one
product or one convolution together become the matrix of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import folded_maps
from delrec_compile.network.model import Maps

MAX_IDENTITY = 1 << 24  # entries of the matrix that stands for no weights
MAX_WEIGHTS = 1 << 23  # entries of the matrix that several parts are folded into


@dataclass(frozen=True, eq=False)
class Affine:
    """A product with a matrix. weight: (out, in). bias: (out,)."""

    weight: F64
    bias: F64

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        return len(self.weight)

    @property
    def biases(self) -> F64:
        """Bias of each output (outputs,)."""
        return self.bias

    def linear(self, x: F64) -> F64:
        """Outputs (n, out) of x (n, in), without the bias."""
        return np.asarray(x @ self.weight.T)


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution. kernel: (O, C / groups, rows, columns). bias: (O,). maps: shapes, as of a Layer."""

    kernel: F64
    bias: F64
    maps: Maps

    @property
    def inputs(self) -> int:
        return self.maps.inputs

    @property
    def outputs(self) -> int:
        return self.maps.size

    @property
    def biases(self) -> F64:
        """Bias of each output (outputs,): that of its channel."""
        return np.repeat(self.bias, self.outputs // len(self.bias))

    def linear(self, x: F64) -> F64:
        """Outputs (n, out) of x (n, in), without the bias."""
        import torch

        rows, kernel = (torch.from_numpy(np.ascontiguousarray(v)) for v in (x, self.kernel))
        return np.asarray(self.maps.torch_form(rows, kernel, kernel.new_zeros(len(kernel))).numpy())

    def back(self, rows: F64) -> F64:
        """rows (n, out) times the matrix of the convolution, which is not made: (n, in)."""
        import torch

        given, kernel = (torch.from_numpy(np.ascontiguousarray(v)) for v in (rows, self.kernel))
        x = torch.zeros(len(rows), self.inputs, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            y = self.maps.torch_form(x, kernel, kernel.new_zeros(len(kernel)))
            (out,) = torch.autograd.grad(y, x, given)
        return np.asarray(out.numpy())


@dataclass(frozen=True, eq=False)
class Scale:
    """An affine map of each value. factor, shift: (n,)."""

    factor: F64
    shift: F64

    @property
    def inputs(self) -> int:
        return len(self.factor)

    @property
    def outputs(self) -> int:
        return len(self.factor)

    @property
    def biases(self) -> F64:
        """Bias of each output (n,)."""
        return self.shift

    def linear(self, x: F64) -> F64:
        """Outputs (n, out) of x (n, in), without the shift."""
        return np.asarray(x * self.factor)


LinearPart = Affine | Convolution | Scale


def affine(weight: Any, bias: Any = None) -> Affine:
    """The part with weights (out, in) and a bias (out,), or None."""
    matrix = np.asarray(weight, np.float64)
    offset = np.zeros(len(matrix)) if bias is None else np.asarray(bias, np.float64)
    return Affine(matrix, offset)


def convolution(
    kernel: Any,
    bias: Any,
    shape: Sequence[int],
    stride: Any = 1,
    pad: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    end: Any = None,
) -> Convolution:
    """A convolution over values of shape (C, W) or (C, H, W); kernels of one axis have one row.

    pad: a number, one for each axis, `same` or `valid`. end: how far windows may reach behind the maps,
    as in `Window`; None: as pad. Raises UnsupportedError.
    """
    taps = np.asarray(kernel, np.float64)
    flat = taps.ndim == 3
    if len(shape) != taps.ndim - 1:
        raise UnsupportedError(
            f"a convolution of {taps.ndim - 2} axes over values of shape {list(shape)}"
        )
    taps = taps[:, :, None] if flat else taps
    channels, *place = (int(n) for n in shape)
    height, width = (1, *place) if flat else place
    steps, gaps = _pair(stride, flat, 1), _pair(dilation, flat, 1)
    pads = _pair(0 if isinstance(pad, str) else pad, flat, 0)
    ends = pads if end is None else _pair(end, flat, 0)
    if isinstance(pad, str) and pad == "same":
        if steps != (1, 1):
            raise UnsupportedError("padding 'same' with a stride")
        total = [(k - 1) * d for k, d in zip(taps.shape[2:], gaps, strict=True)]
        pads = total[0] // 2, total[1] // 2
        ends = total[0] - pads[0], total[1] - pads[1]
    sizes = {"channels": channels, "height": height, "width": width, "groups": int(groups)}
    maps = Maps.of(taps.shape, steps, pads, end=ends, dilation=gaps, **sizes)
    offset = np.zeros(len(taps)) if bias is None else np.asarray(bias, np.float64)
    return Convolution(taps, offset, maps)


def pooling(kind: str, size: Any, stride: Any, pad: Any, shape: Sequence[int]) -> Convolution:
    """A sum or a mean over windows, as a convolution of each channel with itself.

    kind: sum or mean. Means over windows that reach over an edge include the zeros there.
    """
    flat = len(shape) == 2
    rows, columns = _pair(size, flat, 1)
    value = 1.0 if kind == "sum" else 1.0 / (rows * columns)
    kernel = np.full((int(shape[0]), 1, rows, columns), value)
    kernel = kernel[:, :, 0] if flat else kernel
    return convolution(kernel, None, shape, stride, pad, groups=int(shape[0]))


def unbiased(part: LinearPart) -> LinearPart:
    """The part without its bias."""
    if isinstance(part, Scale):
        return Scale(part.factor, np.zeros_like(part.shift))
    return replace(part, bias=np.zeros_like(part.bias))


def per_channel(factor: Any, shift: Any, shape: Sequence[int]) -> Scale:
    """A scale of each channel, the first axis of values of this shape."""
    n = int(np.prod(shape))
    repeat = n // len(np.atleast_1d(factor))
    return Scale(
        np.repeat(np.atleast_1d(np.asarray(factor, np.float64)), repeat),
        np.repeat(np.atleast_1d(np.asarray(shift, np.float64)), repeat),
    )


def batch_norm(mean: Any, variance: Any, eps: float, weight: Any, bias: Any) -> tuple[F64, F64]:
    """Factor and shift of each channel of a BatchNorm. weight, bias: of each channel, or None."""
    spread = np.sqrt(np.asarray(variance, np.float64) + eps)
    factor = (1.0 if weight is None else np.asarray(weight, np.float64)) / spread
    offset = 0.0 if bias is None else np.asarray(bias, np.float64)
    return factor, offset - np.asarray(mean, np.float64) * factor


def fold(parts: Sequence[LinearPart], size: int) -> Affine | Convolution:
    """One part that does what the parts do in order, on values of this size."""
    if not parts:
        if size * size > MAX_IDENTITY:
            raise UnsupportedError(
                f"{size:,} values go on without weights, which would need a matrix of more than "
                f"{MAX_IDENTITY:,}; put weights between"
            )
        return affine(np.eye(size))
    total = parts[0]
    for part in parts[1:]:
        total = _joined(total, part)
    return dense(total) if isinstance(total, Scale) else total


def dense(part: LinearPart) -> Affine:
    """The part as a matrix. Raises UnsupportedError if that is too large."""
    if isinstance(part, Affine):
        return part
    if part.inputs * part.outputs > MAX_WEIGHTS:
        raise UnsupportedError(
            f"a chain of linear layers from {part.inputs} to {part.outputs} values that is not one "
            f"convolution would need a matrix of more than {MAX_WEIGHTS:,} weights; put spiking neurons "
            "between its layers"
        )
    return Affine(np.ascontiguousarray(part.linear(np.eye(part.inputs)).T), part.biases)


def _joined(first: LinearPart, then: LinearPart) -> LinearPart:
    made: LinearPart | None = None
    if isinstance(then, Scale):
        made = _scaled(first, then)
    elif isinstance(first, Scale) and isinstance(then, Affine):
        made = Affine(then.weight * first.factor, then.bias + then.weight @ first.shift)
    elif isinstance(first, Scale) and isinstance(then, Convolution):
        made = _of_scaled(first, then)
    elif isinstance(first, Convolution) and isinstance(then, Convolution):
        made = _of_convolved(first, then)
    elif isinstance(first, Convolution) and isinstance(then, Affine):
        made = Affine(first.back(then.weight), then.bias + then.weight @ first.biases)
    if made is not None:
        return made
    before, after = dense(first), dense(then)
    return Affine(after.weight @ before.weight, after.weight @ before.bias + after.bias)


def _scaled(first: LinearPart, then: Scale) -> LinearPart | None:
    """A part with scaled outputs, or None for a convolution whose channels are scaled differently."""
    if isinstance(first, Scale):
        return Scale(first.factor * then.factor, first.shift * then.factor + then.shift)
    if isinstance(first, Affine):
        weight = first.weight * then.factor[:, None]
        return Affine(weight, first.bias * then.factor + then.shift)
    factor, shift = (np.reshape(v, (len(first.bias), -1)) for v in (then.factor, then.shift))
    if (factor != factor[:, :1]).any() or (shift != shift[:, :1]).any():
        return None
    kernel = first.kernel * factor[:, :1, None, None]
    return Convolution(kernel, first.bias * factor[:, 0] + shift[:, 0], first.maps)


def _of_convolved(first: Convolution, then: Convolution) -> Convolution | None:
    biased = bool(first.bias.any())
    both = folded_maps.joined(first.maps, first.kernel, then.maps, then.kernel, biased)
    if both is None:
        return None
    return Convolution(both[0], then.bias + _of_constants(then, first.bias), both[1])


def _of_scaled(first: Scale, then: Convolution) -> Convolution | None:
    """A convolution of scaled channels, or None if values of a channel are scaled differently.

    Outside the maps there is no shift: one needs a convolution without padding.
    """
    m = then.maps
    factor, shift = (np.reshape(v, (m.channels, -1)) for v in (first.factor, first.shift))
    padded = any(n > 0 for n in (*m.window.pad, *m.window.ends))
    if (factor != factor[:, :1]).any() or (shift != shift[:, :1]).any() or (padded and shift.any()):
        return None
    kernel = then.kernel * factor[:, 0][_taken(m)][:, :, None, None]
    return Convolution(kernel, then.bias + _of_constants(then, shift[:, 0]), m)


def _of_constants(part: Convolution, values: F64) -> F64:
    """What each output gets of constant channels (C,)."""
    return np.asarray((part.kernel.sum(axis=(2, 3)) * values[_taken(part.maps)]).sum(axis=1))


def _taken(m: Maps) -> NDArray[np.int64]:
    """Channels (O, C / groups) that each output takes."""
    each = np.arange(m.channels).reshape(m.groups, -1)
    return np.repeat(each, m.kernel[0] // m.groups, axis=0)


def _pair(value: Any, flat: bool, of_row: int) -> tuple[int, int]:
    """(rows, columns) from a number, or from one for each axis."""
    numbers = [int(n) for n in np.atleast_1d(np.asarray(value))]
    if flat:
        return of_row, numbers[0]
    return (numbers[0], numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
