"""Weights that a graph holds in 8 bits (QDQ), kept so, and dequantised where a product reads them.

https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html: (q - zero point) scale, in float32.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx
import tvm_ffi
from onnx import helper, numpy_helper
from tvm import ir, relax, s_tir, tirx
from tvm.relax.dpl import is_op, wildcard

from delrec_compile.plain_onnx.rewrites.nodes import Array

BYTES = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
PRODUCTS = ("MatMul", "Gemm", "Conv")
FUSED = "fused_relax_dequantize"  # begins the names of products with such weights
INLINED = ("dequantized", "T_transpose")


def stored(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The graph with the weights that only a product reads as inputs at its end, and these weights."""
    graph = proto.graph
    tensors = {t.name: t for t in graph.initializer if t.data_type in BYTES}
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(v.name for v in graph.output)
    weights = {
        n.input[1]
        for n in graph.node
        if n.op_type in PRODUCTS and len(n.input) > 1 and uses[n.input[1]] == 1
    }
    kept = {
        n.input[0]: numpy_helper.to_array(tensors[n.input[0]])
        for n in graph.node
        if n.op_type == "DequantizeLinear" and n.output[0] in weights and n.input[0] in tensors
    }
    kept = {name: array for name, array in kept.items() if uses[name] == 1}
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    constants = [t for t in graph.initializer if t.name not in kept]
    inputs = [v for v in graph.input if v.name not in kept]
    inputs += [
        helper.make_tensor_value_info(n, tensors[n].data_type, tensors[n].dims) for n in kept
    ]
    for values, left in ((made.graph.initializer, constants), (made.graph.input, inputs)):
        del values[:]
        values.extend(left)
    return made, kept


def with_products() -> Any:
    """The pass that puts the dequantising of weights into the kernel of their product."""
    weights = is_op("relax.dequantize")(wildcard(), wildcard(), wildcard())
    turned = is_op("relax.permute_dims")(weights)
    patterns = [
        (f"{FUSED}_{op}", is_op(f"relax.{op}")(wildcard(), w))
        for op in ("matmul", "nn.conv2d", "nn.conv1d")
        for w in (weights, turned)
    ]
    return relax.transform.FuseOpsByPattern(patterns, bind_constants=False)


def in_product(name: str, function: Any) -> Any:
    """A product's kernel that dequantises each weight where it reads it, without an array of them."""
    if not name.startswith(FUSED):
        return function
    schedule = s_tir.Schedule(ir.IRModule({"main": function}))
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        if str(schedule.get(block).name_hint).startswith(INLINED):
            schedule.compute_inline(block)
    return schedule.mod["main"]


def halves_to_even(name: str, function: Any) -> Any:
    """QuantizeLinear rounds halves to the even neighbour, which TVM's kernel does not."""
    if "quantize" not in name:
        return function

    def to_even(call: Any) -> Any:
        rounds = str(getattr(call.op, "name", "")).rpartition(".")[2] == "round"
        return tirx.nearbyint(call.args[0]) if rounds else call

    body = tvm_ffi.structural_map(function.body, [(ir.Call, to_even)], order="post")
    return function.with_body(body)
