"""ONNX files before any engine reads them: tensors elsewhere, faulty values, sizes, names, loops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import refusal
from onnx import TensorProto, helper, numpy_helper

from delrec_compile.errors import ModelError
from delrec_compile.network.onnx_step import file
from delrec_compile.network.onnx_step.schema import load_model, read_model

ONE = numpy_helper.from_array(np.ones(2, np.float32), "one")


def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", [value("x", 2)], [value("y", 2)], list(tensors))
    return helper.make_model(graph)


def inner(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """A branch of a branch with an initializer."""
    body = helper.make_graph([], "b", [], [value("one", 2)], [tensor])
    branch = helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=body)
    outer = helper.make_graph([branch], "a", [], [value("z", 2)])
    return model(helper.make_node("If", ["c"], ["y"], then_branch=outer, else_branch=outer))


def in_function(tensor: onnx.TensorProto) -> onnx.ModelProto:
    made = model(helper.make_node("F", ["x"], ["y"], domain="own"))
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    made.functions.append(
        helper.make_function("own", "F", ["x"], ["y"], [node], [helper.make_opsetid("", 18)])
    )
    return made


HOMES: dict[str, Callable[[onnx.TensorProto], onnx.ModelProto]] = {
    "graph": lambda t: model(helper.make_node("Add", ["x", "one"], ["y"]), tensors=(t,)),
    "attribute": lambda t: model(helper.make_node("Constant", [], ["y"], value=t)),
    "inner graph": inner,
    "function": in_function,
}


@pytest.mark.parametrize("home", HOMES)
def test_tensors_are_found_wherever_they_are(home: str) -> None:
    made = HOMES[home](ONE)
    assert {t.name for t in file.tensors(made)} == {"one"}
    assert file.unsound(made, infinite=True) is None
    bad = numpy_helper.from_array(np.array([1, np.nan], np.float32), "bad")
    assert file.unsound(HOMES[home](bad), infinite=False) == ("bad[1]", "nan")
    low = numpy_helper.from_array(np.array(-np.inf), "low")
    assert file.unsound(HOMES[home](low), infinite=False) is None
    assert file.unsound(HOMES[home](low), infinite=True) == ("low", "-inf")


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("place", ["w.bin", "../w.bin", "/proc/self/environ"])
def test_tensors_of_other_files_are_refused(home: str, place: str) -> None:
    outside = onnx.TensorProto()
    outside.CopyFrom(ONE)
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value=place)
    with refusal(ModelError, f"'one' lies in another file .{place}.; a step holds its own", 3):
        file.refuse_data_files(HOMES[home](outside), "m.onnx", "do so")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_faulty_attributes_are_named(number: float) -> None:
    made = model(helper.make_node("Constant", [], ["y"], "here", value_floats=[1.0, number]))
    assert file.unsound(made, infinite=True) == ("value_floats of node 'here'", str(number))


def test_huge_tensors_and_values_are_refused() -> None:
    lie = onnx.TensorProto()
    lie.CopyFrom(ONE)
    lie.dims[0] = 1 << 40
    for home in HOMES.values():
        with refusal(ModelError, r"'one' has shape \[1099511627776\]; allowed: up to", 3):
            file.refuse_huge(home(lie), "m.onnx")
    made = model(helper.make_node("Add", ["x", "x"], ["y"]))
    made.graph.value_info.append(value("inside", "batch", 1 << 20, 1 << 20))
    with refusal(ModelError, "'inside' has shape", 3):
        file.refuse_huge(made, "m.onnx")
    file.refuse_huge(HOMES["graph"](ONE), "m.onnx")


def test_loops_are_known() -> None:
    body = helper.make_graph([], "b", [], [])
    assert file.may_not_end(model(helper.make_node("Loop", ["", ""], ["y"], body=body)))
    assert not file.may_not_end(HOMES["inner graph"](ONE))


def test_names_that_are_no_text(tmp_path: Path) -> None:
    made = HOMES["graph"](ONE)
    made.metadata_props.add(key="delrec.XY", value="1")
    raw = made.SerializeToString().replace(b"delrec.XY", b"delrec.\xff\xfe")
    (tmp_path / "m.onnx").write_bytes(raw)
    with refusal(ModelError, "not a complete ONNX file", 3):
        load_model(tmp_path / "m.onnx")


def test_our_own_steps_are_looked_at(exported: Callable[..., onnx.ModelProto]) -> None:
    for spoil, words in (
        (lambda t: t.external_data.add(key="location", value="w.npz"), "lies in another file"),
        (lambda t: t.dims.__setitem__(0, 1 << 40), "allowed: up to"),
    ):
        made = onnx.ModelProto()
        made.CopyFrom(exported("mixed"))
        spoil(next(t for t in made.graph.initializer if t.name == "l0_weight"))
        with refusal(ModelError, words, 3):
            read_model(made)


def test_types_of_tensors_by_name() -> None:
    assert file.type_name(TensorProto.FLOAT) == "float"
    assert file.type_name(TensorProto.INT64) == "int64"
    assert file.type_name(9999) == "number 9999"
