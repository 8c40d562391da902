"""The table of the papers, on a small folder in the layout of SHD."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures.shd import SPEAKERS, write_published
from helpers import refusal

from delrec_compile.data.partition import Sets
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims import cache
from delrec_compile.evaluation.claims.claim import Claims
from delrec_compile.evaluation.claims.measure import claims
from delrec_compile.evaluation.claims.published import (
    BASELINES,
    PAPER_BASELINE,
    PAPER_SEEDS,
    PAPER_VARIANTS,
    PUBLISHED,
    baseline,
    steps_of,
    table_variants,
)
from delrec_compile.evaluation.claims.table import PUBLISHED as COLUMNS
from delrec_compile.evaluation.claims.table import Table, tables
from delrec_compile.evaluation.claims.variants import VARIANTS, select_variants
from delrec_compile.evaluation.page.claimed import claims_page
from delrec_compile.system.jobs import Place
from delrec_compile.training import loop

SMALL = {"hidden": 16, "batch": 8}


def measured(folder: Path, data: Path, **options: Any) -> Claims:
    told: dict[str, Any] = {"variants": PAPER_VARIANTS, "quick": True, "options": SMALL, **options}
    return claims(data, cache=folder, with_grid=False, with_latency=False, **told)


def beside(result: Claims) -> Table:
    (found,) = [table for table in tables(result) if table.columns == COLUMNS]
    return found


def test_validation_speakers_train_nothing_and_each_network_is_tested_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, trained, tested = write_published(tmp_path / "shd"), [], []
    train, score = cache.train, loop.accuracy

    def told(sets: Sets, *rest: Any, **options: Any) -> Any:
        trained.append(sets)
        return train(sets, *rest, **options)

    def scored(network: Any, counts: Any, labels: Any) -> float:
        tested.append(len(labels))
        return score(network, counts, labels)

    monkeypatch.setattr(cache, "train", told)
    monkeypatch.setattr(loop, "accuracy", scored)
    result = measured(tmp_path / "cache", data)
    assert len(trained) == len(PAPER_VARIANTS) == result.trained
    for sets in trained:
        heard = [{*part.speaker.tolist()} for part in (sets.train, sets.valid, sets.test)]
        assert heard == [{0, 1, 3}, {8, 9}, {*SPEAKERS["test"]}]
        assert sets.train.steps == 140
        assert max(part.outside for part in (sets.train, sets.valid, sets.test)) == 0
    valid, test = len(trained[0].valid), len(trained[0].test)
    assert tested == [valid, test] * len(PAPER_VARIANTS)
    assert result.valid_speakers == 2
    assert "samples are of 2 speakers of whom no training sample is." in beside(result).note

    again = measured(tmp_path / "cache", data)
    assert (again.trained, again.rows) == (0, result.rows)
    assert len(tested) == 2 * len(PAPER_VARIANTS)


def test_the_published_figures_stand_beside_those_measured_and_come_back(tmp_path: Path) -> None:
    result = measured(tmp_path / "cache", write_published(tmp_path / "shd"))
    told = {row[0]: row[1:3] for row in beside(result).rows}
    assert told["conv-DelRec, 4 x 256"] == ("91.51 ± 0.70 %", "9")
    assert told["DelRec, 4 x 256"] == ("90.41 ± 0.83 %", "9")
    assert told["DelRec, 2 x 256"] == ("91.72 %", "-")
    assert [told[v.title] for v in PAPER_VARIANTS[:2]] == [("-", "-")] * 2
    rows = {row.kind: row for row in result.rows}
    conv, dense = rows["paper_conv_delay"], rows["paper_dense_delay"]
    assert conv.published == PUBLISHED["paper_conv_delay"]
    assert (conv.recurrent_parameters, dense.recurrent_parameters) == (3 * 19, 3 * (16**2 + 16))
    assert (dense.saving, dense.gap) == (0, 0)
    assert conv.accuracy_mean is not None
    (row,) = [r for r in beside(result).rows if r[0] == conv.title]
    assert row[4] == f"{100 * (conv.accuracy_mean - 0.9151):+.1f}"

    read = Claims.from_dict(json.loads(json.dumps(result.as_dict())))
    assert read == result
    names = [getattr(part, "columns", ()) for part in claims_page(read).sections[-2].parts]
    assert COLUMNS in names


def test_workers_read_as_many_steps(tmp_path: Path) -> None:
    data, one = write_published(tmp_path / "shd"), table_variants(True, ["paper_conv_delay"])
    here = measured(tmp_path / "1", data, variants=one)
    there = measured(tmp_path / "2", data, variants=one, place=Place(2))
    assert there.trained == 1
    assert replace(there.rows[0], seconds=0) == replace(here.rows[0], seconds=0)
    assert there.rows[0].saving == pytest.approx(1 - 57 / (3 * 272)), "of the dense one, untrained"


def test_the_recipes_are_those_of_the_authors() -> None:
    assert PAPER_SEEDS == 10
    configs = {v.name: v.config(0) for v in PAPER_VARIANTS}
    assert {c.hidden for c in configs.values()} == {256}
    assert {c.epochs for c in configs.values()} == {450}
    counted = {
        name: sum(c.recurs(i) for i in range(c.layers)) * (c.kernel if "conv" in name else 256**2)
        for name, c in configs.items()
    }
    # as the README of delrec_snn counts them: without delays
    assert counted["paper_conv_delay"] == counted["paper_conv"] == 9
    assert counted["paper_dense_delay"] == counted["paper_dense"] == 196_608
    assert counted["paper_dense_delay_2"] == 65_536
    delays = [(c.max_delay > 0) == ("delay" in name) for name, c in configs.items()]
    assert all(delays)


def test_tables_are_chosen_by_name_and_compared_with_their_own_dense_network() -> None:
    assert table_variants(True) == PAPER_VARIANTS
    assert table_variants(False) == VARIANTS
    (taught,) = table_variants(False, ["conv_delay_taught"])
    assert baseline([taught]).name == BASELINES[0] == "dense_delay"
    assert baseline(table_variants(True, ["paper_conv"])) is PAPER_BASELINE
    with refusal(UsageError, "unknown variant 'conv_delay'.*; allowed: paper_conv, ", 2):
        table_variants(True, ["conv_delay"])
    with refusal(UsageError, "unknown variant 'paper_conv'", 2):
        table_variants(False, ["paper_conv"])


def test_samples_of_two_lengths_are_refused() -> None:
    mixed = (*select_variants(["conv_delay"]), PAPER_BASELINE)
    assert steps_of(mixed[:1], 80) == 80
    assert steps_of(mixed[1:], 80) == 140
    assert steps_of((), 80) == 80
    with refusal(UsageError, "these variants need samples of 80 and 140 steps; measure them", 2):
        steps_of(mixed, 80)
