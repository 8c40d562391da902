"""Real inputs: rounded once, half to even, the same in every form."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
import tvm
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from tvm.script.ir_builder import IRBuilder

from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.errors import NetworkError
from delrec_compile.ops.real_input import ONNX, RealInput, input_text
from delrec_compile.targets.schedule import Schedule

REAL = RealInput(4, 2.5)
TINY, HALF = 1e-42, 2.0**-5
# beside ties, their neighbours; subnormals; the ends and beyond
NEXT = np.nextafter(np.float32(HALF), np.float32(1))
NEAR = [0, -0.0, HALF, 3 * HALF, 5 * HALF, -HALF, -3 * HALF, NEXT, 0.3, -0.7]
FAR = [2.5, 2.49, -2.5, 2.53, -9, 1e30, -1e30, np.inf, -np.inf, TINY, -TINY]
X = np.float32([*NEAR, *FAR])
WANT = [0, 0, 0, 2, 2, 0, -2, 1, 5, -11, 40, 40, -40, 40, -40, 40, -40, 40, -40, 0, 0]


def test_the_rounding_is_its_formula() -> None:
    assert REAL.largest == 40
    np.testing.assert_array_equal(REAL.units(X), WANT)
    np.testing.assert_array_equal(REAL.reference(X), np.float32(WANT) / 16)
    np.testing.assert_array_equal(REAL.torch_form(torch.from_numpy(X)), np.float32(WANT) / 16)
    assert REAL.reference(X).dtype == np.float32


def test_its_onnx_function_is_the_same_and_holds_its_numbers() -> None:
    value = helper.make_tensor_value_info
    shape = [1, len(X)]
    node = helper.make_node("RealInput", ["x"], ["y"], domain="ai.delrec", **REAL.node_attributes())
    ports = [[value(name, TensorProto.FLOAT, shape)] for name in "xy"]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.delrec", 1)]
    model = helper.make_model(
        helper.make_graph([node], "g", *ports),
        opset_imports=opsets,
        functions=[onnx.parser.parse_function(ONNX)],
    )
    (y,) = ReferenceEvaluator(model).run(None, {"x": X[None]})
    np.testing.assert_array_equal(y[0], np.float32(WANT) / 16)
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    assert RealInput.from_node(attributes) == REAL


@pytest.mark.parametrize("lanes", [1, 16])
def test_compiled_code_rounds_alike_and_takes_a_nan_for_some_value_in_range(lanes: int) -> None:
    n = 32
    e = Emitter(Schedule(lanes))
    with IRBuilder() as builder, e.T.prim_func(s_tir=True):
        e.T.func_name("round")
        x, y = (e.T.arg(name, e.T.buffer((n,), "float32")) for name in "xy")
        for at, width in e.blocks(n):
            e.store(y, at, width, REAL.emit_value(e, e.load(x, at, width), width))
    module = tvm.IRModule({"round": builder.get().with_attr("global_symbol", "round")})
    built = tvm.compile(module, target=tvm.target.Target("llvm"))
    given = np.full(n, np.nan, np.float32)
    given[: len(X)] = X
    arrays = [tvm.runtime.tensor(a) for a in (given, np.zeros(n, np.float32))]
    built["round"](*arrays)
    out = arrays[1].numpy()
    np.testing.assert_array_equal(out[: len(X)], np.float32(WANT) / 16)
    np.testing.assert_array_equal(np.abs(out[len(X) :]), 2.5)


@pytest.mark.parametrize(
    ("bits", "largest", "why"),
    [
        (2.5, 1, "a whole number is required"),
        (True, 1, "a whole number is required"),
        (16, 1, "allowed: 0 to 15"),
        (-1, 1, "allowed: 0 to 15"),
        (15, 1, r"32768 units of 2\^-15; allowed: 1 to 32767"),
        (0, 0.25, "allowed: 1 to 32767"),
        (2, float("nan"), "allowed: 1 to 32767"),
        (2, 1.3, r"a multiple of 2\^-2 \(input_bits\) is required, such as 1.5"),
    ],
)
def test_what_has_no_16_bits_is_refused(bits: int, largest: float, why: str) -> None:
    with pytest.raises(NetworkError, match=why):
        RealInput(bits, largest)


def test_people_read_what_a_network_takes() -> None:
    assert input_text({"max_input": 31, "input_bits": None}) == "counts up to 31"
    text = "real values up to 2.5 in size, rounded to multiples of 2^-4"
    assert input_text({"max_input": 2.5, "input_bits": 4}) == text
