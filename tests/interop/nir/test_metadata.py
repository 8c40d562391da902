"""Metadata of NIR graphs: the project's own entry, and the step."""

from __future__ import annotations

import json

import pytest
from fixtures.nir_graphs import DT, two
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError
from delrec_compile.interop.nir import metadata

TOLD = {
    "max_input": ("abc", None, True),
    "labels": (3, [[1], [2]]),
    "notes": (3, []),
    "dt_ms": ("q", None, 1e301),
    "name": (5,),
    "loop_step": (1,),
    "layers": (3, [3]),
    "decision": (1,),
    "readout": ([],),
}


@pytest.mark.parametrize("key", TOLD)
def test_damaged_metadata(key: str) -> None:
    for value in TOLD[key]:
        graph = two()
        told = json.dumps({"format": "delrec.nir/1", key: value})
        graph.metadata = {"dt": DT, "delrec": told}
        with refusal(CheckpointError, f"metadata 'delrec': {key} is .* is required", 3):
            delrec_compile.from_nir(graph)


def test_metadata_that_is_no_json() -> None:
    """Ours is refused when damaged; another program's is left alone."""
    graph = two()
    graph.metadata = {"dt": DT, "delrec": '{"format": "delrec.nir/1", "dt_ms": 1' + "0" * 400 + "}"}
    with refusal(CheckpointError, "metadata 'delrec': a number has 401 digits", 3):
        delrec_compile.from_nir(graph)
    graph.metadata["delrec"] = "seen"
    delrec_compile.from_nir(graph)


def test_equal_entries_are_equal_text() -> None:
    assert metadata.to_json({"b": [1], "a": None}) == '{"a": null, "b": [1]}'
