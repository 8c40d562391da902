"""The page of an artifact: what its build measured, and every file with its size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.events import Events
from delrec_compile.evaluation.page import measured
from delrec_compile.evaluation.page.figures import Page
from delrec_compile.network.model import Network

CHECK: dict[str, Any] = {
    "target": "x86_64",
    "reference": "torch",
    "sequences": 1,
    "steps": 80,
    "spikes": {"compared": 1000, "differing": 0, "first": None},
    "membrane": {"max_abs_error": 0.0},
    "classes": {"compared": 1, "differing": 0},
    "accuracy": 1.0,
    "against_float": None,
    "agrees": True,
    "passed": True,
}


def page(
    folder: Path, network: Network, samples: Events, found: dict[str, Any] | None, index: int | None
) -> Page:
    file = folder / "measured.json"
    file.unlink(missing_ok=True)
    if found is not None:
        file.write_text(json.dumps(found))
    made, recording = measured.artifact_page(load_artifact(folder), network, samples, index, "c")
    assert recording.index == (index or 0)
    return made


def test_an_artifact_with_measurements(
    built: Path, network: Network, bundled_samples: Events
) -> None:
    bench = {
        "rows": [
            {"name": "ours", "us_per_step": 0.5, "spread": 0.1, "ratio_to_ours": 1.0},
            {"name": "torch_eager", "us_per_step": 50.0, "spread": 0.1, "ratio_to_ours": 100.0},
        ],
        "workload": {"input_density": 0.2, "hidden_rate": 0.1},
    }
    folder = built
    made = page(folder, network, bundled_samples, {"check": CHECK, "bench": bench}, None)
    facts = {f.name: f for f in made.facts}
    assert facts["spikes that differ"].value == "0"
    assert facts["spikes that differ"].kind == "good"
    assert facts["accuracy"].detail == "1 sample"
    assert facts["time per step"].value == "500 ns"
    assert facts["time per step"].detail == "100x as fast as PyTorch"
    assert [s.name for s in made.sections] == [
        *("network", "raster", "membranes", "delays", "parity", "latency", "memory", "energy"),
        *("pipeline", "environment"),
    ]
    stages, files = made.sections[-2].parts
    assert {row[0] for row in files.rows} == set(load_artifact(folder).manifest.files)
    onnx = (folder / "model.onnx").stat().st_size
    assert stages.stages[1].size == f"{onnx / 1024:,.1f} KB"


def test_an_artifact_that_was_not_measured(
    built: Path, network: Network, bundled_samples: Events
) -> None:
    made = page(built, network, bundled_samples, None, 1)
    names = [s.name for s in made.sections]
    assert "latency" not in names
    parity = made.sections[names.index("parity")]
    assert parity.parts[0].lines == ("The code was not run: nothing was compared.",)


def test_a_failed_check_tells_where_it_differs() -> None:
    first = {"sequence": 2, "step": 5, "layer": 0, "neuron": 7, "margin": None}
    spikes = {"compared": 1000, "differing": 3, "first": first}
    bad = {**CHECK, "spikes": spikes, "agrees": False, "passed": False}
    table, lines = measured.parity_section([bad], "float32").parts
    assert table.kinds == ["failed"]
    assert "3 of 1000 spikes, first at sequence 2, step 5, layer 0, neuron 7" in lines.lines[0]
    assert lines.kind == "bad"


def test_a_shortened_check_tells_what_is_left_out() -> None:
    short = {**CHECK, "remark": "1 of 3 samples"}
    _, lines = measured.parity_section([short], "float32").parts
    assert lines.lines[0] == f"{CHECK['target']}: 1 of 3 samples"


@pytest.mark.parametrize(("index", "shown"), [(None, 2), (7, 7)])
def test_the_sample_is_that_of_the_first_difference(index: int | None, shown: int) -> None:
    first = {"sequence": 2, "step": 5, "layer": 0, "neuron": 7}
    bad = {**CHECK, "spikes": {"compared": 1, "differing": 1, "first": first}}
    assert measured._sample(index, [CHECK, bad], 10) == shown
    assert measured._sample(None, [bad], 1) == 0


def test_a_network_that_was_not_compiled(network: Network, bundled_samples: Events) -> None:
    made, recording = measured.network_page(network, bundled_samples, 0, "")
    assert [s.name for s in made.sections] == [
        *("network", "raster", "membranes", "delays", "memory", "energy", "environment")
    ]
    assert recording.other is None
