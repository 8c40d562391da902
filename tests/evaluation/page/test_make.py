"""The report of what a path is, and refusals."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.comparison import ROWS, comparison

import delrec_compile
from delrec_compile.errors import InputError, UnsupportedError, UsageError
from delrec_compile.evaluation.page import make
from delrec_compile.evaluation.page.make import report

TOLD = {"schema": "delrec.compare/1", **comparison().as_dict()}


def test_of_a_bundled_network_and_of_its_artifact(built: Path) -> None:
    alone = delrec_compile.report("conv_delay_256", sample=2)
    assert alone.as_dict()["sample"]["index"] == 2
    assert alone.as_dict()["sample"]["spikes"]["compared"] == 0
    whole = report(built, sample=2, command="the command")
    told = whole.as_dict()["sample"]
    assert told["spikes"] == {"compared": 80 * 512, "differing": 0, "first": None}
    assert told["class"] == alone.as_dict()["sample"]["class"]
    html = whole.html()
    assert "the command" in html
    assert len(html.encode()) < 1_500_000


def test_samples_are_those_that_are_named() -> None:
    counts = np.zeros((2, 30, 140), np.uint8)
    counts[1, 7] = 1
    made = report("conv_delay_256", samples=counts, sample=1)
    assert made.recording is not None
    assert made.recording.steps == 30
    assert made.recording.x[7].sum() == 140
    with pytest.raises(UsageError, match="sample 2 is none of the 2"):
        report("conv_delay_256", samples=counts, sample=2)


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("words")
    with pytest.raises(InputError, match=r"a\.txt is text; an artifact's folder"):
        report(file)
    with pytest.raises(InputError, match="no such file"):
        report(tmp_path / "nothing")


def test_a_plain_step_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"form": "plain"}')
    with pytest.raises(UnsupportedError, match="no populations to draw; delrec-compile inspect"):
        report(tmp_path)


def test_of_what_other_commands_printed(tmp_path: Path, built: Path) -> None:
    file = tmp_path / "told.json"
    row = replace(ROWS[0], artifact=str(built))
    told = {"schema": "delrec.compare/1", **comparison((row,)).as_dict()}
    file.write_text(json.dumps(told))
    made = report(file, sample=1)
    assert made.recording is not None  # the network of the artifact that is still there
    assert [s.name for s in made.page.sections][:2] == ["targets", "latency"]
    told["rows"][0]["artifact"] = "gone"
    file.write_text(json.dumps(told))
    assert report(file).recording is None
    claims: dict[str, Any] = {"rows": [], "grid": [], "data": "d", "samples": {}, "seconds": 0}
    file.write_text(json.dumps({"schema": "delrec.claims/1", **claims, "trained": 0, "taken": ""}))
    assert report(file).page.title == "Claims"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"schema": "delrec.compare/1"}, "of another version of this package, or damaged"),
        ({"schema": "delrec.claims/1", "rows": [{}], "grid": []}, "print it again with --json"),
        ({**TOLD, "dt_ms": "ten"}, "damaged .ValueError"),
        ({**TOLD, "rows": [{**TOLD["rows"][0], "us_per_step": "x"}]}, "or damaged"),
        ({"schema": "delrec.bench/1"}, "is a delrec.bench/1; an artifact's folder, a network"),
        ({"schema": 3}, "is text"),
    ],
)
def test_what_was_printed_otherwise_is_refused(
    tmp_path: Path, told: dict[str, Any], why: str
) -> None:
    file = tmp_path / "told.json"
    file.write_text(json.dumps(told))
    with pytest.raises(InputError, match=why):
        report(file)


@pytest.mark.parametrize("check", ["[3]", '{"spikes": 3}', '{"spikes": {"first": null}}'])
def test_measurements_that_are_damaged_are_refused(built: Path, tmp_path: Path, check: str) -> None:
    shutil.copytree(built, tmp_path / "net")
    (tmp_path / "net" / "measured.json").write_text(f'{{"check": {check}}}')
    with pytest.raises(InputError, match=r"measured\.json is of another version .* remove it"):
        report(tmp_path / "net", samples=np.zeros((1, 3, 140), np.uint8))


def test_an_artifact_that_cannot_be_drawn_is_no_damaged_measurement(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the page itself is not put down to measured.json where there is none."""

    def broken(*_: object) -> None:
        raise KeyError("a part")

    monkeypatch.setattr(make, "artifact_page", broken)
    (built / "measured.json").unlink(missing_ok=True)
    with pytest.raises(KeyError, match="a part"):
        report(built)


def test_a_page_without_a_sample_says_so(tmp_path: Path) -> None:
    file = tmp_path / "told.json"
    file.write_text(json.dumps(TOLD))
    assert report(file).as_dict()["sample"] is None
