"""Compiled networks as bare C programs: memory, size, state, and that they compute what they should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile import build
from delrec_compile.artifact.manifest import Artifact, Form, load_artifact
from delrec_compile.data.events import Events, save_samples
from delrec_compile.errors import (
    InputError,
    ParityError,
    UnsupportedError,
    UsageError,
)
from delrec_compile.evaluation.footprint import measure
from delrec_compile.evaluation.footprint.measure import FootprintRow, footprint
from delrec_compile.evaluation.footprint.programs import NAMES, OURS, Program
from delrec_compile.network import checkpoint

pytestmark = pytest.mark.usefixtures("children_here")

COMMAND = [sys.executable, "-m", "delrec_compile", "footprint"]
MIB = 1 << 20


@pytest.fixture(scope="module")
def whole(artifacts: dict[str, Path]) -> dict[str, Any]:
    """Every row of the bundled network, through the command."""
    done = subprocess.run(
        [*COMMAND, artifacts["conv_delay_256"], "--rounds", "1", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_bundled_network_as_a_bare_program(whole: dict[str, Any]) -> None:
    assert whole["schema"] == "delrec.footprint/1"
    rows = {r["name"]: r for r in whole["rows"]}
    assert tuple(rows) == NAMES
    assert not [r["skipped"] for r in rows.values() if r["skipped"]]
    for name in OURS:
        assert 0 < rows[name]["rss_bytes"] <= 2.5 * MIB
        assert rows[name]["disk_bytes"] < MIB
        assert 0 < rows[name]["cold_start_cpu_ms"] <= rows[name]["cold_start_ms"]
    assert rows["shared"]["ratio_rss"] == rows["shared"]["ratio_cold_start"] == 1.0
    assert rows["static_musl"]["rss_bytes"] < rows["shared"]["rss_bytes"]


def test_peers_take_many_times_more(whole: dict[str, Any]) -> None:
    ours = whole["rows"][0]
    for row in whole["rows"][len(OURS) :]:
        assert row["ratio_rss"] > 20
        assert row["ratio_disk"] > 100
        assert row["ratio_rss"] == pytest.approx(row["rss_bytes"] / ours["rss_bytes"])
        assert row["cold_start_cpu_ms"] > 20 * ours["cold_start_cpu_ms"]


def test_the_state_of_a_stream(whole: dict[str, Any], artifacts: dict[str, Path]) -> None:
    state = whole["state"]
    manifest = load_artifact(artifacts["conv_delay_256"]).manifest
    members = sum(v.elements * np.dtype(v.dtype).itemsize for v in manifest.state)
    assert state["bytes_without_padding"] == members
    assert members <= state["bytes"] <= 3.2 * 1024
    assert state["bytes"] <= state["resident_bytes_per_stream"] < 1.1 * state["bytes"]


def test_parts_of_the_library(whole: dict[str, Any], artifacts: dict[str, Path]) -> None:
    parts, library = whole["parts"], load_artifact(artifacts["conv_delay_256"]).library
    assert library is not None
    assert parts["file"] == library.stat().st_size
    weights = 2 * (140 * 256 + 256 * 256 + 256 * 20)
    assert weights < parts["constants"] < parts["file"]
    assert 5_000 < parts["code"] < 100_000
    assert parts["code"] + parts["constants"] + parts["variables"] <= parts["file"]


def test_people_read_a_table(artifacts: dict[str, Path]) -> None:
    line = [*COMMAND, artifacts["conv_delay_256"], "--rows", "static,onnxruntime", "--rounds", "1"]
    wide = {**os.environ, "COLUMNS": "120"}
    text = subprocess.run(line, capture_output=True, text=True, check=True, env=wide).stdout
    for part in ("bare C, shared library", "bare C, static", "ONNX Runtime", "KiB", "one stream"):
        assert part in text
    assert "PyTorch" not in text
    folder = artifacts["conv_delay_256"]
    assert text.strip().splitlines()[-1] == f"next: delrec-compile bench {folder}"


def made(name: str, folder: Path, target: str = "x86_64", **options: Any) -> tuple[Artifact, Path]:
    """A small network, built, and a sample for it."""
    network = cases.network(name)
    artifact = build(network, target, folder / "a", **options)
    counts = cases.counts(cases.CASES[name], steps=20)[:, 0][None].astype(np.uint8)
    samples = Events(counts, np.zeros(1, np.int64), None, None, 10.0)
    save_samples(folder / "w.npz", samples)
    return artifact, folder / "w.npz"


@pytest.mark.parametrize(
    ("target", "options"),
    [("portable_c", {}), ("x86_64", {"numeric": "int8"}), ("x86_64", {"unroll": 5})],
)
def test_every_form_of_an_artifact(target: str, options: Any, tmp_path: Path) -> None:
    artifact, samples = made("both_layers", tmp_path, target, **options)
    found = footprint(artifact, str(samples), rows=OURS, rounds=1)
    assert [r.name for r in found.rows] == list(OURS)
    assert not [r.skipped for r in found.rows if r.skipped]
    assert found.state["bytes"] >= found.state["bytes_without_padding"] > 0
    assert found.workload["steps"] == 20


def test_another_network_is_noticed(tmp_path: Path) -> None:
    artifact, samples = made("both_layers", tmp_path)
    network = checkpoint.load(artifact.path / "network.safetensors")
    layers = (replace(network.layers[0], weight=-network.layers[0].weight), *network.layers[1:])
    file = artifact.path / "network.safetensors"
    file.unlink()
    checkpoint.save(replace(network, layers=layers), file)
    with refusal(ParityError, "footprint: shared computes different outputs", 6):
        footprint(artifact, str(samples), rows=("shared",), rounds=1)


def test_what_is_refused(artifacts: dict[str, Path], tmp_path: Path) -> None:
    path = artifacts["conv_delay_256"]
    with refusal(UsageError, "unknown row 'sharde'", 2):
        footprint(path, rows=("sharde",))
    with refusal(UsageError, "at least 1", 2):
        footprint(path, rounds=0)
    artifact = load_artifact(path)
    for facts, where in (({"machine": "aarch64"}, "aarch64"), ({"form": Form.CUDA}, "a GPU")):
        other = Artifact(path, replace(artifact.manifest, **facts))
        with refusal(UnsupportedError, f"is built for {where}.*compare", 4):
            footprint(other)
    old = replace(artifact.manifest, static_library=None)
    with refusal(InputError, "build it again", 3):
        footprint(Artifact(path, old), rows=("static",), rounds=1)


def test_a_row_that_was_skipped_has_no_figures() -> None:
    row = measure._row(Program("static", skipped="no static C library"), [])
    assert row == FootprintRow("static", skipped="no static C library")
