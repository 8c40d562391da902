"""Operators of a step: those that the compiler has kernels for, and what would do for the others."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx.rewrites.nodes import Known, RefusedError
from delrec_compile.plain_onnx.rewrites.rewrite import taken_apart
from delrec_compile.system import tvm_loader

DOMAINS = ("", "ai.onnx", "com.microsoft")
UNROLL = "export the graph of one time step, without a loop around it"
INSTEAD = {
    "Loop": UNROLL,
    "Scan": UNROLL,
    "If": "export the branch that runs: its condition is known when a step is exported",
    "NonZero": "its size is known only when it runs: use Where",
}
# operators that call functions of a C library; sources for chips bring those of float32
FUNCTIONS = frozenset(
    {
        *(
            "Abs",
            "Acos",
            "Acosh",
            "Asin",
            "Asinh",
            "Atan",
            "Atanh",
            "Ceil",
            "Celu",
            "Cos",
            "Cosh",
            "Elu",
        ),
        *(
            "Erf",
            "Exp",
            "Floor",
            "GRU",
            "Gelu",
            "GroupNormalization",
            "InstanceNormalization",
            "IsInf",
        ),
        *(
            "LSTM",
            "LayerNormalization",
            "Log",
            "LogSoftmax",
            "LpNormalization",
            "Mish",
            "Mod",
            "Pow",
        ),
        *("BatchNormalization", "RNN", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"),
        *(
            "Round",
            "Selu",
            "Sigmoid",
            "Sin",
            "Sinh",
            "Softmax",
            "Softplus",
            "Softsign",
            "Sqrt",
            "Swish",
        ),
        *("Tan", "Tanh", "RMSNormalization"),
    }
)
OTHERWISE = "compute it from other operators, or leave it out of the step"


def supported() -> list[str]:
    """Operators that TVM imports. Runs in a child."""
    tvm_loader.load()
    from tvm.relax.frontend.onnx import onnx_frontend

    return sorted(onnx_frontend._get_convert_map())


def why_refused(
    node: onnx.NodeProto, supported: Iterable[str], known: Known, library: bool = True
) -> tuple[str, str] | None:
    """Why a node cannot be compiled, and what would do; None for one that can.

    supported: operators that the compiler imports. known: what is known of the graph. library:
    whether the target has a C library.
    """
    if node.domain not in DOMAINS:
        return f"an operator of domain '{node.domain}'", "export the step in standard operators"
    doubles = any(
        known.dtypes.get(n) == onnx.TensorProto.DOUBLE for n in (*node.input, *node.output)
    )
    if not library and doubles and node.op_type in FUNCTIONS:
        reason = "in float64 it needs a C library, which this target does without"
        return reason, "cast to float32 before it"
    taken = taken_apart(node, known)
    if isinstance(taken, RefusedError):
        return taken.reason, taken.instead
    kinds = [n.op_type for n in taken.nodes] if taken else [node.op_type]
    lacking = next((kind for kind in kinds if kind not in supported), None)
    return (f"no kernel for {lacking}", INSTEAD.get(lacking, OTHERWISE)) if lacking else None


def name_of(node: onnx.NodeProto) -> str:
    """The node's name, or that of its first output."""
    return str(node.name or next(iter(node.output), node.op_type))


def refuse_unknown(proto: onnx.ModelProto, supported: Iterable[str], library: bool = True) -> None:
    """Raises UnsupportedError, which names the first node that cannot be compiled.

    library: whether the target has a C library.
    """
    supported, known = set(supported), Known.of(proto)
    whys = ((n, why_refused(n, supported, known, library)) for n in proto.graph.node)
    refused = [(n, why) for n, why in whys if why is not None]
    if not refused:
        return
    node, (reason, instead) = refused[0]
    more = (
        f"; {len(refused) - 1} more nodes are refused: --dry-run lists them" if refused[1:] else ""
    )
    raise UnsupportedError(f"node '{name_of(node)}' ({node.op_type}): {reason}; {instead}{more}")
