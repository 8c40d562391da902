"""Trainings of a pool of voices: folds, what is sealed, and what a fixed recipe may tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fixtures.claims import OPTIONS, PAIR, PARTS, VOICES, pooled_claims, toy_pool
from fixtures.shd import write_pool
from fixtures.training import toy_sets
from helpers import refusal, tree

from delrec_compile.data.events import save_samples
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims import cache
from delrec_compile.evaluation.claims.measure import claims
from delrec_compile.evaluation.claims.table import SEALED, tables
from delrec_compile.network import checkpoint


def results(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [r for r in found if "key" in r]


def test_no_test_sample_is_heard_before_a_recipe_is_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    plain = cache.by_voice
    monkeypatch.setattr(
        cache, "by_voice", lambda n, e: measured.append(len({*e.speaker.tolist()})) or plain(n, e)
    )
    sealed = pooled_claims(tmp_path)
    assert sealed.trained == 2 * PARTS == len(measured)
    for row in sealed.rows:
        assert (row.accuracy_mean, row.gap, row.interval, row.other) == (None,) * 4
        assert row.delays == {}
        assert (row.folds, row.seeds) == (PARTS, 1)
    for found in results(tmp_path):
        assert "test" not in found["accuracy"]
        assert set(found["voices"]) == {"valid"}
        network = checkpoint.load(tmp_path / f"{found['key']}.safetensors")
        assert "test" not in network.notes["accuracy"]
    first = next(iter(tables(sealed)))
    assert first.note == SEALED
    assert first.rows[0][3:5] == ("-", "-")
    conv, _ = sealed.rows
    assert conv.valid_interval is not None
    assert conv.valid_gap is not None
    assert conv.valid_interval[0] <= conv.valid_gap <= conv.valid_interval[1]

    fixed = pooled_claims(tmp_path, fix=True)
    assert fixed.trained == 0
    assert all(row.accuracy_mean is not None for row in fixed.rows)
    assert next(iter(tables(fixed))).note == ""
    assert len(measured) == 4 * PARTS
    assert pooled_claims(tmp_path).rows == fixed.rows, "it stays fixed"
    assert len(measured) == 4 * PARTS, "and is measured once"


def test_each_network_that_is_tested_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    options: dict[str, Any] = {"progress": lambda _d, _t, note: told.append(note)}

    def run() -> list[str]:
        told.clear()
        pooled_claims(tmp_path / "cache", PAIR[:1], fix=True, **options)
        return [note for note in told if note.startswith("testing ")]

    assert run() == [f"testing {PAIR[0].title}, fold {fold}, seed 0" for fold in range(PARTS)]
    assert run() == []
    options["other"] = tmp_path / "other.npz"
    save_samples(options["other"], toy_sets(1).test)
    assert [note.rpartition(" on ")[2] for note in run()] == ["another synthesiser's words"] * PARTS
    assert run() == []


def test_each_voice_is_tested_once(tmp_path: Path) -> None:
    pooled_claims(tmp_path, PAIR[:1], fix=True)
    found = results(tmp_path)
    assert sorted(r["fold"] for r in found) == list(range(PARTS))
    heard = [voice for r in found for voice in r["voices"]["test"]]
    assert sorted(heard) == [str(v) for v in range(VOICES)]
    for r in found:
        assert not {*r["voices"]["test"]} & {*r["voices"]["valid"]}
        right = sum(n for n, _ in r["voices"]["test"].values())
        assert r["accuracy"]["test"] == right / 40


def test_the_row_is_the_mean_of_folds_and_seeds(tmp_path: Path) -> None:
    (row,) = pooled_claims(tmp_path, PAIR[:1], seeds=2, fix=True).rows
    found = results(tmp_path)
    assert row.accuracy_mean == pytest.approx(sum(r["accuracy"]["test"] for r in found) / 6)
    means = [
        sum(r["accuracy"]["test"] for r in found if r["seed"] == seed) / PARTS for seed in (0, 1)
    ]
    assert row.accuracy_std == pytest.approx(abs(means[0] - means[1]) / 2**0.5)
    (kept,) = pooled_claims(tmp_path, PAIR[:1], seeds=5, recorded=True).rows
    assert kept == row


def test_one_recipe_may_be_fixed_and_another_not(tmp_path: Path) -> None:
    pooled_claims(tmp_path, PAIR[1:], fix=True)
    conv, dense = pooled_claims(tmp_path).rows
    assert conv.accuracy_mean is None
    assert conv.gap is None
    assert conv.valid_gap is not None
    assert dense.accuracy_mean is not None


def test_other_samples_are_for_fixed_recipes(tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    save_samples(other, toy_sets(1).test)
    folder = tmp_path / "cache"
    (row,) = pooled_claims(folder, PAIR[:1], folds=1, other=other).rows
    assert row.other is None
    assert not any(r.get("other") for r in results(folder))
    (row,) = pooled_claims(folder, PAIR[:1], folds=1, other=other, fix=True).rows
    (found,) = results(folder)
    assert row.other == found["other"]["accuracy"]
    before = tree(folder)
    assert pooled_claims(folder, PAIR[:1], folds=1, other=other).rows == (row,)
    assert tree(folder) == before


def test_other_samples_are_binned_as_the_pool(tmp_path: Path) -> None:
    """Spike times of another synthesiser, as `data synth` writes them."""
    pool = write_pool(tmp_path / "pool")
    (times,) = pool.glob("*.h5")
    (row,) = claims(
        pool,
        variants=PAIR[:1],
        seeds=1,
        folds=1,
        with_grid=False,
        with_latency=False,
        cache=tmp_path / "cache",
        options=dict(OPTIONS),
        other=times,
        fix=True,
    ).rows
    (found,) = results(tmp_path / "cache")
    assert row.other == found["other"]["accuracy"]
    assert found["other"]["samples"] == 10


def test_folds_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with refusal(UsageError, "folds is 4; allowed: 1 to 3, those of the data", 2):
        pooled_claims(tmp_path, folds=4)
    with refusal(UsageError, "this data has no folds; .*data synth --folds 5", 2):
        claims(toy_sets(), folds=2, cache=tmp_path)
    for name in ("fix", "other"):
        with refusal(UsageError, f"--{name} is for a pool of voices", 2):
            claims(toy_sets(), cache=tmp_path, **{name: True})
    with refusal(UsageError, "--fix with --quick", 2):
        claims(toy_pool(), cache=tmp_path, fix=True, quick=True)
    assert not results(tmp_path)
