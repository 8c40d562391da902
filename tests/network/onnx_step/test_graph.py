"""The semantic graph: its nodes, its names, its constants."""

from __future__ import annotations

import cases
import pytest

from delrec_compile.network.onnx_step.graph import semantic_graph


def test_a_layer_is_a_chain_of_ops() -> None:
    graph = semantic_graph(cases.network("conv3")).graph
    of_layer = [n.op_type for n in graph.node if n.output[0].startswith("l1_")]
    assert of_layer == ["Linear", "ConvDelay", "Add", "Lif", "DelayPush"]
    of_readout = [n.op_type for n in graph.node if n.output[0].startswith("out_")]
    assert of_readout == ["Linear", "LeakyIntegrator"]
    assert {n.name for n in graph.initializer} >= {
        "l0_weight",
        "l0_bias",
        "l1_kernel",
        "out_weight",
    }


@pytest.mark.parametrize(
    ("name", "node", "constants"),
    [
        ("gain", "Gain", {"l0_gain"}),
        ("own_soft", "LifSoftAbove", {"l0_beta", "l0_threshold", "l0_v_reset", "l0_gain"}),
        ("count_readout", "SpikeCount", {"out_offset"}),
        ("linear_readout", "LinearReadout", set()),
    ],
)
def test_a_kind_writes_its_own_nodes(name: str, node: str, constants: set[str]) -> None:
    graph = semantic_graph(cases.network(name)).graph
    assert node in {n.op_type for n in graph.node}
    assert constants <= {n.name for n in graph.initializer}


def test_unrolled_steps_have_names_of_their_own() -> None:
    graph = semantic_graph(cases.network("mixed"), unroll=2).graph
    outputs = [name for node in graph.node for name in node.output]
    assert len(set(outputs)) == len(outputs)
    assert {"t0_l0_spikes", "t1_l0_spikes"} <= set(outputs)
    assert [o.name for o in graph.output][:2] == ["y", "present_l0_v"]
