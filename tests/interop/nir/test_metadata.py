"""Metadata of NIR graphs: the project's own entry, and the step."""

from __future__ import annotations

import json

import pytest
from fixtures.nir_graphs import DT, two
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError

TOLD = {
    "max_input": ("abc", None, True),
    "labels": (3, [[1], [2]]),
    "notes": (3, []),
    "dt_ms": ("q", None, 10**400),
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
