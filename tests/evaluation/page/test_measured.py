"""The page of an artifact: what its build measured, and every file with its size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures.manifests import typed

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.events import Events
from delrec_compile.evaluation import report
from delrec_compile.evaluation.page import measured
from delrec_compile.evaluation.page.figures import Page
from delrec_compile.evaluation.page.recording import Recording
from delrec_compile.network.model import Network
from delrec_compile.network.summary import inspect

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


EMULATED: dict[str, Any] = {
    "how": "emulated cortex_m4",
    "instructions_per_step": 42_000.0,
    "worst_instructions": 50_000,
    "stack_bytes": 512,
    "clock_mhz": 168.0,
    "estimated_us": 250.0,
    "estimated_share_of_dt": 0.025,
}


def test_a_program_for_a_chip_has_an_estimate_and_its_sizes(
    network: Network, recording: Recording
) -> None:
    m = typed(target="cortex_m4", core="cortex_m4", flash_bytes=20 * 1024, ram_bytes=3 * 1024)
    found = {"emulated": EMULATED}
    facts = {f.name: f for f in measured._facts(m, found, [], inspect(network), recording)}
    assert "spikes that differ" not in facts
    assert facts["time per step, estimate"].value == "~250 µs"
    assert facts["time per step, estimate"].detail == "42,000 instructions"
    assert (facts["program"].value, facts["program"].detail) == ("20.0 KB", "flash; RAM 3.0 KB")
    bounded = replace(m, stack_bytes=1024)
    (program,) = (
        f
        for f in measured._facts(bounded, {}, [], inspect(network), recording)
        if f.name == "program"
    )
    assert program.detail == "flash; RAM 3.0 KB, stack at most 1.0 KB"
    section = measured._latency_section(found, m)
    assert section is not None
    assert section.parts[1].lines == (report.emulated_line(EMULATED),)
    bars = measured._memory_section(m, network).parts[0]
    assert all("20.0 KB of" in bar.value for bar in bars.rows)
    other = measured._memory_section(replace(m, core="a core of no chip"), network).parts[0]
    assert other.title == "Least memory on each chip"


def test_a_tuned_schedule_is_told_beside_the_times() -> None:
    bench = {
        "rows": [{"name": "ours", "us_per_step": 0.5, "spread": 0.1, "ratio_to_ours": 1.0}],
        "workload": {"device": "a GPU", "input_density": 0.2, "hidden_rate": 0.1},
    }
    tuned = typed(tuning={"origin": "the file", "ratio": 0.5, "own": {}})
    section = measured._latency_section({"bench": bench}, tuned)
    assert section is not None
    times, schedule = section.parts[1].lines
    assert times.startswith("a GPU, medians of interleaved runs; inputs 20.0% active")
    assert schedule == report.schedule_line(tuned)
    assert "2.00x as fast" in schedule


def test_without_labels_there_is_no_accuracy(network: Network, recording: Recording) -> None:
    """Nor the size of a library where the artifact is C sources."""
    unlabelled = {**CHECK, "accuracy": None}
    assert list(measured._scores([unlabelled, CHECK])) == []
    facts = [
        f.name for f in measured._facts(typed(), {}, [unlabelled], inspect(network), recording)
    ]
    assert facts == ["spikes that differ", "parameters", "longest delay", "sample shown"]
