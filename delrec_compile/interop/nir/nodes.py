"""Nodes of a NIR graph: those with weights as linear parts, constants, and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.hdf5_entries import MAX_VALUES
from delrec_compile.interop.nir.graph import kind

Shape = tuple[int, ...]
WEIGHTS = ("Affine", "Linear", "Conv1d", "Conv2d", "Scale", "SumPool2d", "AvgPool2d")
# each node of the package `nir`, and what it becomes
READS = {
    "Input": "the input; one in a graph",
    "Output": "outputs, one after another",
    "Affine": "weights and biases",
    "Linear": "weights",
    "Conv1d": "a convolution",
    "Conv2d": "a convolution",
    "Scale": "a factor, folded into weights",
    "SumPool2d": "a convolution of each channel with itself",
    "AvgPool2d": "a convolution of each channel with itself",
    "Flatten": "nothing",
    "Delay": "delays of a projection, in whole steps",
    "LIF": "`lif`",
    "IF": "`lif`, without a leak",
    "CubaLIF": "`cuba_lif`",
    "Threshold": "`lif`, without a memory",
    "LI": "as the last a `leaky` readout; before neurons their synaptic current: `cuba_lif`",
    "I": "as the last a readout without a leak; before neurons their synaptic current",
    "CubaLI": "a `synaptic` readout; as the last",
    "NIRGraph": "its nodes, one by one",
}


def linear_part(name: str, node: Any, shape: Shape) -> tuple[linear_parts.LinearPart, Shape]:
    """A node with weights as a linear part, and the shape of its output. Raises UnsupportedError."""
    what = kind(node)
    if what not in WEIGHTS:
        raise UnsupportedError(f"{name}: networks have no {what} node")
    try:
        if what in ("Affine", "Linear"):
            weight = array(node.weight)
            lead = weight.shape[:-2]
            if int(np.prod(lead)) != 1:
                raise UnsupportedError(f"{name}: weights of shape {list(weight.shape)}")
            bias = array(node.bias).ravel() if what == "Affine" else None
            return linear_parts.affine(weight.reshape(weight.shape[-2:]), bias), (
                *lead,
                weight.shape[-2],
            )
        if what == "Scale":
            factor = np.broadcast_to(array(node.scale), shape).ravel()
            return linear_parts.Scale(factor, np.zeros(len(factor))), shape
        part = _mapped(what, node, shape)
    except (NetworkError, ValueError, UnsupportedError) as error:
        text = str(error)
        raise UnsupportedError(text if text.startswith(name) else f"{name}: {text}") from error
    out = part.maps.out
    return part, (out[0], out[2]) if len(shape) == 2 or what == "Conv1d" else out


def check_size(name: str, part: linear_parts.LinearPart, shape: Shape) -> None:
    """Raises UnsupportedError if the part does not take values of this shape."""
    size = int(np.prod(shape))
    if part.inputs == size:
        return
    turned = isinstance(part, linear_parts.Affine) and part.outputs == size
    hint = ""
    if turned and isinstance(part, linear_parts.Affine):
        hint = (
            f"; its weight of shape {list(part.weight.shape)} is (in, out): write it as (out, in)"
        )
    elif len(shape) > 1 and part.inputs == int(np.prod(shape[1:])):
        hint = f"; the first axis of {list(shape)} may be one of steps: write shapes without it"
    raise UnsupportedError(
        f"{name}: takes {part.inputs} values, what comes before sends {size}{hint}"
    )


def _mapped(what: str, node: Any, shape: Shape) -> linear_parts.Convolution:
    if what in ("SumPool2d", "AvgPool2d"):
        which = "sum" if what == "SumPool2d" else "mean"
        return linear_parts.pooling(which, node.kernel_size, node.stride, node.padding, shape)
    if what == "Conv1d" and len(shape) == 1:
        shape = (1, *shape)
    pad = node.padding.decode() if isinstance(node.padding, bytes) else node.padding
    groups = int(node.groups)
    bias = None if node.bias is None else array(node.bias)
    own = array(node.weight), bias, shape, node.stride, pad, groups
    return linear_parts.convolution(*own, dilation=node.dilation)


def flattened(node: Any, shape: Shape) -> Shape:
    """The shape behind a Flatten of these values: all of its axes from the first to the last one."""
    axes = len(shape)
    first, last = (int(k) + axes * (int(k) < 0) for k in (node.start_dim, node.end_dim))
    if not 0 <= first <= last < axes:  # told with an axis for the batch
        return (int(np.prod(shape)),)
    return (*shape[:first], int(np.prod(shape[first : last + 1])), *shape[last + 1 :])


def node_constant(name: str, node: Any, key: str, shape: Shape) -> F64:
    """A constant of a node: (1,), or one for each value of this shape. Raises UnsupportedError."""
    values = array(getattr(node, key))
    size = int(np.prod(shape))
    if values.size != 1 and values.shape != (size,) and _full(values.shape) != _full(shape):
        raise UnsupportedError(
            f"{name}: {key} of shape {list(values.shape)} for values of shape {list(shape)}; one "
            "number, or one for each value, is required"
        )
    return values.ravel()


def input_shape(name: str, node: Any) -> Shape:
    """Shape of the input node's output. Raises CheckpointError."""
    declared = node.output_type["output"]
    try:
        sizes = np.ravel(np.asarray(declared, np.float64))
    except (TypeError, ValueError):
        sizes = np.full(1, np.nan)
    if not np.isfinite(sizes).all() or (sizes < 1).any() or (sizes % 1 != 0).any():
        raise CheckpointError(f"{name}: its shape is {declared}; positive integers are required")
    if sizes.prod() > MAX_VALUES:
        raise CheckpointError(
            f"{name}: its shape is {declared}; at most {MAX_VALUES:,} values are read"
        )
    return tuple(int(n) for n in sizes)


def _full(shape: Shape) -> Shape:
    """The shape without axes of size 1."""
    return tuple(n for n in shape if n != 1)


def array(value: Any) -> F64:
    """float64 array of one axis or more; of tensors, some of which are trained, too."""
    value = value.detach() if hasattr(value, "detach") else value
    return np.atleast_1d(np.asarray(value, np.float64))
