"""Every case gives the same bits in NumPy, PyTorch and ONNX Runtime, and lost state is noticed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import onnx
import pytest
from fixtures.traces import same
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from delrec_compile.errors import InputError, ModelError, ParityError, UsageError
from delrec_compile.network.golden import golden_hash, golden_input
from delrec_compile.network.grid import exact
from delrec_compile.network.model import Lif, Network
from delrec_compile.network.onnx_step.export import FORMS, export, verify_graph
from delrec_compile.network.onnx_step.schema import load_model, read_model
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner

PLAIN = {
    "Abs",
    "Add",
    "Concat",
    "Conv",
    "Gather",
    "Gemm",
    "Identity",
    "Less",
    "Mul",
    "Neg",
    "Reshape",
    "Slice",
    "Squeeze",
    "Unsqueeze",
    "Where",
}


@pytest.mark.parametrize("form", ["portable", "semantic"])
@pytest.mark.parametrize("unroll", [1, 3])
def test_a_fixed_batch_stands_in_every_shape(form: str, unroll: int) -> None:
    """And computes what any batch does, rows that do not fill the last one too."""
    network = cases.network("mixed")
    model = export(network, form=form, unroll=unroll, batch=2)
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        assert not any(d.dim_param for d in value.type.tensor_type.shape.dim), value.name
    runner = OnnxRunner(read_model(model))
    assert runner.model.batch == 2
    x = cases.counts(cases.CASES["mixed"], steps=7)
    x = np.concatenate([x, x[::-1], x * 0], axis=1)[:, :5]
    want, got = TorchRunner(network).trace(x), runner.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(UsageError, match="batch=0: at least 1 stream"):
        export(cases.network("conv3"), batch=0)


@pytest.mark.parametrize("name", cases.CASES)
def test_no_case_is_silent_or_saturated(name: str) -> None:
    case, network = cases.CASES[name], cases.network(name)
    x = cases.counts(case)
    assert exact(network) == case.exact
    assert len(x) >= 60
    assert (case.counts == 1) or x.max() > 1
    for layer, spikes in enumerate(TorchRunner(network).trace(x).spikes):
        assert 0.03 < spikes.mean() < 0.5, f"layer {layer}"
    for _, recurrence in () if network.graph else network.recurrences():
        delay = recurrence.arrays().get("delay")  # conv2d_delay has none
        if delay is not None:
            ends = (delay.min(), delay.max())
            assert ends in {case.delays, (case.delays[1], case.delays[1])}
        assert len(x) > recurrence.depth + 60


@pytest.mark.parametrize("name", cases.EXACT)
def test_reference_equals_torch(name: str) -> None:
    network, x = cases.network(name), cases.counts(cases.CASES[name], batch=3)
    same(ReferenceRunner(network).trace(x), TorchRunner(network).trace(x))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", cases.EXACT)
def test_onnx_equals_torch(name: str, form: str, in_onnx: Callable[..., OnnxRunner]) -> None:
    network, x = cases.network(name), cases.counts(cases.CASES[name], batch=2)
    same(in_onnx(name, form).trace(x), TorchRunner(network).trace(x))


def test_off_the_grid_all_engines_stay_close(in_onnx: Callable[..., OnnxRunner]) -> None:
    network, x = cases.network("off_grid"), cases.counts(cases.CASES["off_grid"])
    want = TorchRunner(network).trace(x)
    for runner in (ReferenceRunner(network), in_onnx("off_grid"), in_onnx("off_grid", "semantic")):
        have = runner.trace(x)
        np.testing.assert_allclose(have.y, want.y, atol=1e-5)
        for p, q in zip(have.spikes, want.spikes, strict=True):
            np.testing.assert_array_equal(p, q)


@st.composite
def networks(draw: st.DrawFn) -> cases.Case:
    kinds = st.sampled_from(["", "conv1", "conv3", "conv5", "conv7", "dense"])
    sizes = draw(st.lists(st.integers(1, 24), min_size=1, max_size=3))
    low = draw(st.integers(0, 8))
    return cases.Case(
        f"drawn_{draw(st.integers(0, 10**6))}",
        sizes=tuple(sizes),
        recurrence=tuple(draw(kinds) for _ in sizes),
        inputs=draw(st.integers(1, 20)),
        outputs=draw(st.integers(1, 9)),
        delays=(low, low + draw(st.integers(0, 12))),
        neuron=Lif(
            draw(st.floats(0, 1, width=32)),
            threshold=draw(st.sampled_from([0.5, 1.0, 1.7])),
            v_reset=draw(st.sampled_from([0.0, -0.4, 0.1])),
        ),
        readout_beta=draw(st.floats(0, 1, width=32)),
        counts=draw(st.integers(1, 31)),
    )


@given(networks())
def test_any_snapped_network_is_bit_identical(case: cases.Case) -> None:
    network = cases.made(case)
    x = cases.counts(case, batch=2, steps=60)
    want = TorchRunner(network).trace(x)
    same(ReferenceRunner(network).trace(x), want)
    same(OnnxRunner(read_model(export(network))).trace(x), want)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("unroll", [2, 7])
@pytest.mark.parametrize("name", ["three_layers", "off_grid"])
def test_unrolled_steps_equal_single_steps(
    name: str, unroll: int, form: str, in_onnx: Callable[..., OnnxRunner]
) -> None:
    x = cases.counts(cases.CASES[name])
    same(in_onnx(name, form, unroll).trace(x), in_onnx(name, form).trace(x))


def test_the_portable_form_is_plain_onnx(exported: Callable[..., onnx.ModelProto]) -> None:
    for unroll in (1, 2):
        model = exported("mixed", "portable", unroll)
        assert {node.op_type for node in model.graph.node} <= PLAIN
        assert {o.domain for o in model.opset_import} == {""}
        assert not model.functions
        onnx.checker.check_model(model, full_check=True)


def test_the_contract_of_names_and_shapes(exported: Callable[..., onnx.ModelProto]) -> None:
    network = cases.network("mixed")
    model = exported("mixed")
    ins = [v.name for v in model.graph.input]
    outs = [v.name for v in model.graph.output]
    state = [s.name for s in network.state()]
    assert ins == ["x", *(f"past_{n}" for n in state)]
    assert outs == ["y", *(f"present_{n}" for n in state)]
    assert all(name.isidentifier() for name in (*ins, *outs))
    assert (model.ir_version, model.opset_import[0].version) == (9, 18)
    facts = read_model(model).metadata
    assert facts["golden_sha256"] == golden_hash(network)
    assert facts["max_delay"] == "12"


def test_the_file_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        export(cases.network("mixed"), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert load_model(tmp_path / "a.onnx").unroll == 1


def test_golden_input_stays_within_the_exact_counts() -> None:
    for name in ("counts", "conv3"):
        x = golden_input(cases.network(name))
        assert x.min() >= 0
        assert 0 < x.max() <= cases.CASES[name].counts


def loses(model: onnx.ModelProto, state: str) -> onnx.ModelProto:
    """The graph with one state output wired to its input: nothing is remembered."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    node = next(n for n in cut.graph.node if f"present_{state}" in n.output)
    node.CopyFrom(helper.make_node("Identity", [f"past_{state}"], [f"present_{state}"]))
    return cut


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("state", ["l0_v", "l0_hist", "l1_v", "l1_hist", "out_v"])
def test_a_graph_that_lost_its_state_is_refused(
    state: str, form: str, exported: Callable[..., onnx.ModelProto]
) -> None:
    model = exported("mixed", form)
    verify_graph(model, cases.network("mixed"))
    with pytest.raises(
        ParityError, match=r"diverged from PyTorch at step \d+.*no file was written"
    ) as e:
        verify_graph(loses(model, state), cases.network("mixed"))
    assert "\n" not in str(e.value)


def test_lost_state_is_noticed_in_a_silent_network() -> None:
    quiet = silent(cases.network("mixed"))
    model = export(quiet)
    with pytest.raises(ParityError):
        verify_graph(loses(model, "l0_v"), quiet)


def silent(network: Network) -> Network:
    layers = tuple(
        replace(layer, neuron=replace(layer.lif, threshold=64.0)) for layer in network.layers
    )
    return replace(network, layers=layers)


def test_a_refused_graph_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ParityError("refused")

    monkeypatch.setattr(
        importlib.import_module("delrec_compile.network.onnx_step.export"), "verify_graph", refuse
    )
    with pytest.raises(ParityError):
        export(cases.network("conv3"), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_export_refuses(tmp_path: Path) -> None:
    network = cases.network("conv3")
    with pytest.raises(UsageError, match="'portabel'; allowed: portable, semantic"):
        export(network, form="portabel")
    with pytest.raises(UsageError, match="unroll=0: at least 1"):
        export(network, unroll=0)
    file = tmp_path / "a.onnx"
    file.write_text("mine")
    with pytest.raises(ModelError, match=r"a\.onnx exists; add force=True"):
        export(network, file, force=False)
    assert file.read_text() == "mine"
    with pytest.raises(InputError, match="cannot write"):
        export(network, file / "below.onnx")
    with pytest.raises(UsageError, match=r"a\.txt: a name that ends in \.onnx is required"):
        export(network, tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == [file]
