"""Candidates are built, checked against the shipped schedule, and measured in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cases
import pytest
from fixtures.tuning import NAME

from delrec_compile.errors import CompilerCrash, ParityError
from delrec_compile.network import checkpoint
from delrec_compile.tuning import evaluator as evaluation
from delrec_compile.tuning.evaluator import Evaluator


@pytest.fixture(scope="module")
def evaluator(place: Path) -> Evaluator:
    return Evaluator(str(place), "x86_64", "x86-64", str(place / "samples.npz"))


def test_an_evaluator_builds_proves_and_times(evaluator: Evaluator) -> None:
    facts = evaluator.describe()
    assert facts["unit"] == "us"
    assert facts["key"]["cpu"] == "x86-64"
    _, back = facts["key"]["workload"]["parts"][1]["projections"]
    assert back["synapses"]["depth"] == 13
    assert set(facts["costs"]) == {"steps", "sequence"}
    shipped = facts["space"]["shipped"]
    same = evaluator.measure(shipped)
    assert same["ratios"]["steps"] == 1.0, "it is the same code"
    assert 0.3 < same["ratios"]["sequence"] < 3
    other = evaluator.compare([{**shipped, "registers": 32, "events": "branch"}], rounds=3)[0]
    assert min(other["costs"].values()) > 0
    assert other["ratios"]["steps"] != 1.0
    assert other["wins"] in (0, 1 / 3, 2 / 3, 1)


def test_ratios_are_taken_within_a_turn() -> None:
    shipped = [{"steps": 1.0, "sequence": 1.0}, {"steps": 100.0, "sequence": 50.0}]
    mine = [{"steps": 0.5, "sequence": 0.125}, {"steps": 50.0, "sequence": 6.25}]
    found = evaluation.summary(mine, shipped, False)
    assert found["ratios"] == {"steps": 0.5, "sequence": 0.125}
    assert found["ratio"] == pytest.approx(0.25)
    assert found["wins"] == 1.0
    assert evaluation.summary(mine, shipped, True)["ratios"] == {"steps": 1.0, "sequence": 0.125}


def test_wrong_code_never_counts(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """A candidate of another network: its own self-test passes, its outputs are others."""
    real = evaluation.assemble
    before = set(place.glob("candidate-*"))

    def wrong(stage: str, *args: Any, **kw: Any) -> Any:
        network = cases._shift(cases.network(NAME), 0, 0.125)
        checkpoint.save(network, Path(stage) / "network.safetensors")
        return real(stage, *args, **kw)

    monkeypatch.setattr(evaluation, "assemble", wrong)
    with pytest.raises(ParityError, match="outputs or spikes differ"):
        evaluator.measure(dict(evaluator.shipped.artifact.manifest.schedule))
    with pytest.raises(ParityError, match="differs from the reference"):
        Evaluator(str(place), "x86_64", "x86-64", str(place / "samples.npz"))
    left = set(place.glob("candidate-*")) - before
    assert len(left) <= 1, "candidates are removed, but for the shipped schedule of the second"


def test_a_candidate_that_cannot_be_built_leaves_nothing(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    def broken(*_args: Any, **_kw: Any) -> Any:
        raise CompilerCrash("it died")

    before = set(place.glob("candidate-*"))
    monkeypatch.setattr(evaluation, "assemble", broken)
    with pytest.raises(CompilerCrash, match="it died"):
        evaluator.measure(dict(evaluator.shipped.artifact.manifest.schedule))
    assert set(place.glob("candidate-*")) == before
