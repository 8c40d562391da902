"""Lowering reads back what was exported, phase by phase, and refuses what has no op."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from helpers import refusal
from onnx import helper

from delrec_compile.compiler.lower import lower, phases
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule

Exported = Callable[..., onnx.ModelProto]


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
    with refusal(UnsupportedError, "uses 'relax.tanh', .*allowed: Linear, Maps, .*ConvDelay", 4):
        lower(foreign(exported("conv3", "semantic")), Schedule())


def test_a_graph_without_a_readout_is_refused(exported: Exported) -> None:
    cut = onnx.ModelProto()
    cut.CopyFrom(exported("conv3", "semantic"))
    last = next(n for n in cut.graph.node if n.op_type == "LeakyIntegrator")
    last.op_type, last.domain = "Add", ""
    del last.attribute[:]
    with refusal(
        UnsupportedError,
        "no readout; allowed: LeakyIntegrator, LeakyIntegrators, LinearReadout, SpikeCount",
        4,
    ):
        lower(cut, Schedule())


@pytest.mark.parametrize(
    ("op", "name", "message"),
    [
        ("Lif", "treshold", "did you mean 'threshold'.; allowed: beta, threshold, under, v_reset"),
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
