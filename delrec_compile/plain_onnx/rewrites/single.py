"""Operators of which each is a line of others. Equations: https://onnx.ai/onnx/operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from delrec_compile.plain_onnx.rewrites.nodes import Nodes, attributes


def celu(node: onnx.NodeProto, n: Nodes) -> None:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""
    alpha = n.constant(float(attributes(node).get("alpha", 1.0)))
    (x,), zero = node.input, n.constant(0.0)
    grown = n.add("Sub", n.add("Exp", n.add("Div", x, alpha)), n.constant(1.0))
    low = n.add("Min", zero, n.add("Mul", alpha, grown))
    n.add("Add", n.add("Max", zero, x), low, out=node.output[0])


def swish(node: onnx.NodeProto, n: Nodes) -> None:
    """x sigmoid(alpha x)."""
    (x,), alpha = node.input, float(attributes(node).get("alpha", 1.0))
    inner = x if alpha == 1.0 else n.add("Mul", x, n.constant(alpha))
    n.add("Mul", x, n.add("Sigmoid", inner), out=node.output[0])


def lp_normalization(node: onnx.NodeProto, n: Nodes) -> None:
    """x / its 1-norm or 2-norm along an axis."""
    values = attributes(node)
    axis, p = int(values.get("axis", -1)), int(values.get("p", 2))
    (x,), kind = node.input, f"ReduceL{p}"
    if n.known.opset < 18:
        size = n.add(kind, x, axes=[axis], keepdims=1)
    else:
        size = n.add(kind, x, n.constant([axis], np.int64), keepdims=1)
    n.add("Div", x, size, out=node.output[0])


SINGLE: dict[str, Callable[[onnx.NodeProto, Nodes], None]] = {
    "Celu": celu,
    "Swish": swish,
    "LpNormalization": lp_normalization,
}
