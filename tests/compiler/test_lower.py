"""Lowering reads back what was exported, phase by phase, and refuses what has no op."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cases
import numpy as np
import onnx
import pytest
from helpers import refusal
from onnx import helper

from delrec_compile.compiler.lower import lower, phases, read_graph, to_relax
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule

Exported = Callable[..., onnx.ModelProto]


@pytest.mark.parametrize(
    "name",
    [
        "mixed",
        "three_layers",
        "odd_lif",
        "cuba_lif",
        "own_cuba_lif",
        "refractory",
        "own_alif",
        "adlif",
        "feed_forward",
        "delay_300",
    ],
)
def test_the_layers_come_back_from_relax(name: str, exported: Exported) -> None:
    network = cases.network(name)
    graph = read_graph(to_relax(exported(name, "semantic")))
    assert len(graph.layers) == len(network.layers)
    for have, want in zip(graph.layers, network.layers, strict=True):
        np.testing.assert_array_equal(have.weight, want.weight)
        np.testing.assert_array_equal(have.bias, want.bias)
        assert have.neuron.kind == want.neuron.kind
        assert have.neuron.attributes() == want.neuron.attributes()
        for key, value in want.neuron.arrays().items():
            np.testing.assert_array_equal(have.neuron.arrays()[key], value)
        assert type(have.recurrence) is type(want.recurrence)
        if have.recurrence is not None and want.recurrence is not None:
            np.testing.assert_array_equal(have.recurrence.delay, want.recurrence.delay)
            for key, weight in want.recurrence.weights.items():
                np.testing.assert_array_equal(have.recurrence.weights[key], weight)
    np.testing.assert_array_equal(graph.readout.weight, network.readout.weight)
    assert graph.readout.beta == network.readout.beta


def test_each_phase_leaves_a_dump(tmp_path: Path, exported: Exported) -> None:
    schedule = Schedule(4, 8, "scan")
    kernels = lower(exported("mixed", "semantic"), schedule, dump=tmp_path / "dump")
    assert set(kernels) == {"run", "trace"}
    wanted = [f"{i}_{name}.txt" for i, (name, _) in enumerate(phases(schedule))]
    assert sorted(p.name for p in (tmp_path / "dump").iterdir()) == wanted
    assert "delrec.ConvDelay" in (tmp_path / "dump" / "0_import.txt").read_text()
    assert "prim_func" in (tmp_path / "dump" / "2_compose.txt").read_text()


def foreign(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with a Tanh on its first current."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    at = next(i for i, n in enumerate(changed.graph.node) if n.op_type == "Lif")
    current = changed.graph.node[at].input[0]
    changed.graph.node[at].input[0] = "bent"
    changed.graph.node.insert(at, helper.make_node("Tanh", [current], ["bent"]))
    return changed


def test_an_operator_without_an_op_is_named(exported: Exported) -> None:
    with refusal(UnsupportedError, "uses 'relax.tanh', .*allowed: Linear, Maps, ConvDelay", 4):
        lower(foreign(exported("conv3", "semantic")), Schedule())


def test_a_graph_without_a_readout_is_refused(exported: Exported) -> None:
    cut = onnx.ModelProto()
    cut.CopyFrom(exported("conv3", "semantic"))
    last = next(n for n in cut.graph.node if n.op_type == "LeakyIntegrator")
    last.op_type, last.domain = "Add", ""
    del last.attribute[:]
    with refusal(
        UnsupportedError, "no readout; allowed: LeakyIntegrator, LinearReadout, SpikeCount", 4
    ):
        lower(cut, Schedule())


@pytest.mark.parametrize(
    ("op", "name", "message"),
    [
        ("Lif", "treshold", "did you mean 'threshold'.; allowed: beta, threshold, v_reset"),
        ("Lif", "pads", "; allowed: beta"),
        ("ConvDelay", "group", "; allowed: pads"),
        ("Linear", "alpha", "; allowed: none"),
    ],
)
def test_an_attribute_that_lowering_does_not_know_is_named(
    exported: Exported, op: str, name: str, message: str
) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(exported("conv3", "semantic"))
    node = next(n for n in changed.graph.node if n.op_type == op)
    node.attribute.append(helper.make_attribute(name, 0.5))
    with refusal(UnsupportedError, f"'{op}' has the attribute '{name}', .*{message}", 4):
        lower(changed, Schedule())
