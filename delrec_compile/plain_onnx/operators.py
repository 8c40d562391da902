"""Operators of a step: those that the compiler has kernels for, and what would do for the others."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from delrec_compile.errors import UnsupportedError
from delrec_compile.system import tvm_loader

DOMAINS = ("", "ai.onnx", "com.microsoft")
CELLS = (
    "of one time step it is products, sigmoids and a tanh: export a cell of MatMul, Add, Sigmoid and "
    "Tanh, such as torch.nn.{cell} with its state as past_<name> and present_<name>"
)
UNROLL = "export the graph of one time step, without a loop around it"
INSTEAD = {
    "LSTM": CELLS.format(cell="LSTMCell"),
    "GRU": CELLS.format(cell="GRUCell"),
    "RNN": CELLS.format(cell="RNNCell"),
    "Loop": UNROLL,
    "Scan": UNROLL,
    "If": "export the branch that runs: its condition is known when a step is exported",
    "NonZero": "its size is known only when it runs: use Where",
    "QuantizeLinear": "build the network that was quantised, in float32",
    "DequantizeLinear": "build the network that was quantised, in float32",
}
OTHERWISE = "compute it from other operators, or leave it out of the step"


def supported() -> list[str]:
    """Operators that TVM imports. Runs in a child."""
    tvm_loader.load()
    from tvm.relax.frontend.onnx import onnx_frontend

    return sorted(onnx_frontend._get_convert_map())


def why_refused(node: onnx.NodeProto, known: Iterable[str]) -> tuple[str, str] | None:
    """Why a node cannot be compiled, and what would do; None for one that can."""
    if node.domain not in DOMAINS:
        return f"an operator of domain '{node.domain}'", "export the step in standard operators"
    if node.op_type in known:
        return None
    return f"no kernel for {node.op_type}", INSTEAD.get(node.op_type, OTHERWISE)


def name_of(node: onnx.NodeProto) -> str:
    """The node's name, or that of its first output."""
    return str(node.name or next(iter(node.output), node.op_type))


def refuse_unknown(graph: onnx.GraphProto, known: Iterable[str]) -> None:
    """Raises UnsupportedError, which names the first node that cannot be compiled."""
    known = set(known)
    refused = [(n, why) for n in graph.node if (why := why_refused(n, known)) is not None]
    if not refused:
        return
    node, (reason, instead) = refused[0]
    more = (
        f"; {len(refused) - 1} more nodes are refused: --dry-run lists them" if refused[1:] else ""
    )
    raise UnsupportedError(f"node '{name_of(node)}' ({node.op_type}): {reason}; {instead}{more}")
