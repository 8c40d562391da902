"""The lines of an import: its check, and the cost of a fine grid."""

from __future__ import annotations

from typing import Any

import pytest

from delrec_compile.cli.imported import show_import

CHECK: dict[str, Any] = {
    "against": "snnTorch",
    "sequences": 4,
    "steps": 200,
    "compared": 204_800,
    "differing": 0,
    "spikes": 54_887,
    "density": 0.126,
    "random": True,
    "layers": ["rlif1"],
    "firing": {"rates": [0.28, 0.25], "fired": [9, 9], "silent": False},
    "differing_before_freezing": 0,
    "differing_on_int16": 11_996,
}
RESULT: dict[str, Any] = {
    "path": "n.safetensors",
    "source": "snnTorch",
    "inputs": 1,
    "layers": [128, 128],
    "outputs": 1,
    "recurrences": ["dense", None],
    "populations": [],
    "input_bits": None,
    "dt_ms": 10.0,
    "remarks": [],
    "check": CHECK,
    "accuracy": None,
    "grids": [19, 15, 14],
    "wide_layers": [0],
    "row_bytes": 300,
    "row_bytes_int16": 200,
}


def shown(result: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    show_import(result)
    return " ".join(capsys.readouterr().out.split())


def test_a_fine_grid_tells_why_and_at_what_cost(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(RESULT, capsys)
    assert "1 -> 128 (dense) -> 128 -> 1" in text
    assert "neurons that fire in a step: rlif1 28.00%, layer 1 25.00%" in text
    assert (
        "note: 11,996 differ with weights of 16 bits, so the grid of layer 0 (2^-19) is fine"
        in text
    )
    assert "300 bytes in place of 200 (1.50 times)" in text
    assert "before its weights" not in text  # nothing differs


def test_a_graph_is_told_by_the_names_of_its_populations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(RESULT | {"populations": ["a", "b", "out"]}, capsys)
    assert "1 -> a 128 (dense), b 128 -> 1" in text
    assert "the grid of a (2^-19) is fine" in text


def test_a_grid_of_16_bits_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    check = {**CHECK, "differing": 7, "differing_on_int16": None}
    text = shown({**RESULT, "check": check, "wide_layers": []}, capsys)
    assert "fine;" not in text
    assert "note: 0 differ before its weights go onto the grid" in text
    assert "the grid of layer 0" in shown({**RESULT, "check": None}, capsys)
