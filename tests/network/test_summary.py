"""The summary of a network: sizes, savings, state."""

from __future__ import annotations

import json

import cases

from delrec_compile.network.summary import inspect, state_bytes


def test_a_summary_is_json_and_counts_what_the_network_holds() -> None:
    network = cases.network("mixed")  # dense 16, conv3 32, 14 inputs, 5 outputs
    summary = json.loads(json.dumps(inspect(network)))
    first, second = summary["layers"]
    assert (first["neurons"], first["inputs"], first["recurrence"]) == (16, 14, "dense_delay")
    assert (second["recurrent_parameters"], second["max_delay"]) == (3 + 32, 12)
    assert summary["recurrent_parameters"] == network.recurrent_parameters()
    assert 0 < summary["saving"] < 1
    assert summary["exact"]
    assert summary["onnx"]["inputs"][0] == "x"
    assert summary["onnx"]["outputs"][-1] == "present_out_v"


def test_state_is_counted_in_both_forms() -> None:
    network = cases.network("linear_readout")
    sizes = state_bytes(network)
    assert sizes["onnx"] == sum(4 * value.size for value in network.reset().values())
    rings = sum(r.line.words() for _, r in network.recurrences())
    neurons = sum(layer.size for layer in network.layers)
    assert sizes["artifact"] == 4 * (neurons + rings + 1)  # and the clock; no readout membrane


def test_without_recurrence_nothing_is_saved() -> None:
    assert inspect(cases.network("feed_forward"))["saving"] == 0


def test_a_fine_grid_is_told_with_its_bits() -> None:
    fine, coarse, rounding = (inspect(cases.network(n)) for n in ("fine", "mixed", "off_grid"))
    assert {layer["weight_bits"] for layer in fine["layers"]} == {32}
    assert (fine["readout"]["grid"], fine["readout"]["weight_bits"]) == (22, 32)
    assert coarse["layers"][0]["weight_bits"] == coarse["readout"]["weight_bits"] == 16
    assert {(x["grid"], x["weight_bits"]) for x in rounding["layers"]} == {(None, None)}
