"""ONNX files are read with their state schema; one that does not match itself is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cases
import onnx
import pytest
from helpers import refusal
from onnx import TensorProto, helper

from delrec_compile.errors import ModelError
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.onnx_step.schema import StateVarIO, load_model, read_model, state_abi


@pytest.fixture
def file(tmp_path: Path, exported: Callable[..., onnx.ModelProto]) -> Path:
    path = tmp_path / "step.onnx"
    path.write_bytes(exported("mixed").SerializeToString())
    return path


@pytest.fixture
def model(exported: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(exported("mixed"))
    return copy


def fact(model: onnx.ModelProto, key: str) -> onnx.StringStringEntryProto:
    return next(p for p in model.metadata_props if p.key == f"delrec.{key}")


@pytest.mark.parametrize("form", ["portable", "semantic"])
@pytest.mark.parametrize("unroll", [1, 3])
def test_a_file_says_what_it_is(form: str, unroll: int, tmp_path: Path) -> None:
    network = cases.network("mixed")
    export(network, tmp_path / "m.onnx", form=form, unroll=unroll)
    model = load_model(tmp_path / "m.onnx")
    assert (model.form, model.unroll, model.inputs, model.dt_ms) == (form, unroll, 14, 10.0)
    assert [(s.name, s.shape) for s in model.state] == [(s.name, s.shape) for s in network.state()]
    assert {s.init for s in model.state} == {"zeros"}
    assert model.decision == "softmax_sum"


def test_the_abi_hashes_names_types_and_shapes_in_any_order() -> None:
    a = StateVarIO("a", (3,), "float32", "zeros", "")
    b = StateVarIO("b", (2, 4), "float32", "zeros", "")
    abi = state_abi([a, b])
    assert abi == state_abi([b, a])
    assert len(abi) == 64
    others = [
        StateVarIO("c", (2, 4), "float32", "zeros", ""),
        StateVarIO("b", (4, 2), "float32", "zeros", ""),
        StateVarIO("b", (2, 4), "float16", "zeros", ""),
    ]
    assert len({abi, state_abi([a]), *(state_abi([a, o]) for o in others)}) == 5


def test_missing_truncated_and_foreign_files(file: Path) -> None:
    with refusal(
        ModelError,
        "no such file; did you mean .*step.onnx.*; an ONNX step of this",
        3,
    ):
        load_model(file.with_name("none.onnx"))
    with refusal(ModelError, "is a folder without an artifact; an ONNX step", 3):
        load_model(file.parent)
    raw = file.read_bytes()
    for size in (0, 1, 10, 100, len(raw) // 3, len(raw) // 2, len(raw) - 1):
        file.write_bytes(raw[:size])
        with refusal(ModelError, "not a complete ONNX file|not a step of this|is an empty", 3):
            load_model(file)
    for foreign in (b"hello, world\n" * 9, b"\xff" * 64, b"PK\x03\x04", b'{"a": 1}'):
        file.write_bytes(foreign)
        with refusal(
            ModelError, "not a complete ONNX file .*delrec-compile export|is text; an ONNX", 3
        ):
            load_model(file)


def test_an_onnx_file_of_somebody_else(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2]) for n in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    onnx.save(helper.make_model(graph), tmp_path / "relu.onnx")
    with refusal(ModelError, "not a step of this project .*'absent', needed '1'", 3):
        load_model(tmp_path / "relu.onnx")


def test_another_format_version(model: onnx.ModelProto) -> None:
    fact(model, "format_version").value = "2"
    with refusal(ModelError, "delrec.format_version is '2', needed '1'", 3):
        read_model(model)


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_renamed_state(side: str, model: onnx.ModelProto) -> None:
    value = next(v for v in getattr(model.graph, side) if v.name.endswith("l1_hist"))
    value.name = value.name.replace("l1_hist", "l1_past")
    with refusal(ModelError, "does not match its schema: '.*l1_.*' is only in the", 3):
        read_model(model)


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_state_of_another_shape(side: str, model: onnx.ModelProto) -> None:
    value = next(v for v in getattr(model.graph, side) if v.name.endswith("l1_hist"))
    value.type.tensor_type.shape.dim[1].dim_value = 12
    message = r"has shape \[12, 32\], the schema says \[13, 32\]; make one"
    with refusal(ModelError, message, 3):
        read_model(model)


def test_a_state_of_another_type(model: onnx.ModelProto) -> None:
    value = next(v for v in model.graph.input if v.name == "past_l1_v")
    value.type.tensor_type.elem_type = TensorProto.DOUBLE
    with refusal(ModelError, "'past_l1_v' has type double, the schema says float", 3):
        read_model(model)


def test_a_state_that_was_dropped(model: onnx.ModelProto) -> None:
    value = next(v for v in model.graph.input if v.name == "past_out_v")
    model.graph.input.remove(value)
    with refusal(ModelError, "'past_out_v' is only in the schema", 3):
        read_model(model)


def test_an_edited_schema(model: onnx.ModelProto) -> None:
    rows = json.loads(fact(model, "state").value)
    rows[1]["shape"] = [99, 16]
    fact(model, "state").value = json.dumps(rows)
    with refusal(ModelError, "the state schema does not match its own hash", 3):
        read_model(model)


@pytest.mark.parametrize("name", ["x", "y"])
def test_other_ports(name: str, model: onnx.ModelProto) -> None:
    ports = model.graph.input if name == "x" else model.graph.output
    ports[0].name = "z"
    with refusal(ModelError, f"'{name}' with 2 axes must come first", 3):
        read_model(model)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state", "[{]"),
        ("state", '[{"name": "a"}]'),
        ("state", "3"),
        ("unroll", "many"),
        ("unroll", "0"),
        ("dt_ms", "x"),
        ("labels", "7"),
        ("labels", "[1, 2]"),
        ("labels", "[" * 200_000),
        ("state", "[" * 200_000),
        ("dt_ms", "nan"),
        ("dt_ms", "-1"),
        ("decision", "vote"),
        ("unroll", "9" * 5000),
    ],
)
def test_damaged_facts(key: str, value: str, model: onnx.ModelProto) -> None:
    fact(model, key).value = value
    with refusal(ModelError, "its description is damaged .*; make one", 3):
        read_model(model)


def test_ports_and_facts_that_disagree(model: onnx.ModelProto) -> None:
    fact(model, "labels").value = '["a"]'
    with refusal(ModelError, "1 labels for another number of outputs", 3):
        read_model(model)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "many"
    with refusal(ModelError, r"'x' has shape \['batch', 'many'\]", 3):
        read_model(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["l0_weight", "l1_kernel", "out_bias"])
def test_weights_that_are_no_numbers(name: str, value: float, model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == name)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.reshape(-1)[-1] = value
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    with refusal(ModelError, rf"{name}\[[\d, ]+\] is {value}; weights are finite", 3):
        read_model(model)


def test_missing_facts(model: onnx.ModelProto) -> None:
    model.metadata_props.remove(fact(model, "state_abi"))
    with refusal(ModelError, "damaged .*state_abi", 3):
        read_model(model)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("populations", "["),
        ("populations", "5"),
        ("max_input", "wide"),
        ("max_input", "nan"),
        ("max_input", "0"),
        ("source_sha256", None),
    ],
)
def test_facts_that_are_read_later_are_checked_here(
    key: str, value: str | None, model: onnx.ModelProto
) -> None:
    kept = [p for p in model.metadata_props if p.key != f"delrec.{key}"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if value is not None:
        model.metadata_props.add(key=f"delrec.{key}", value=value)
    with refusal(ModelError, "its description is damaged", 3):
        read_model(model)


def test_a_state_of_a_type_that_onnx_does_not_have(model: onnx.ModelProto) -> None:
    state = next(v for v in model.graph.input if v.name.startswith("past_"))
    state.type.tensor_type.elem_type = 61
    with refusal(ModelError, "has type number 61, the schema says float32", 3):
        read_model(model)
