"""The claims: what is cached, what is counted, and the tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures.claims import OPTIONS, PAIR, small_claims
from fixtures.training import toy_sets
from helpers import refusal, tree

from delrec_compile.data.events import Events
from delrec_compile.data.partition import Sets, sets_digest
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims import latency as timing
from delrec_compile.evaluation.claims import work
from delrec_compile.evaluation.claims.claim import Claims
from delrec_compile.evaluation.claims.measure import claims
from delrec_compile.evaluation.claims.page import markdown
from delrec_compile.evaluation.claims.table import tables
from delrec_compile.evaluation.claims.variants import (
    RATE,
    VARIANTS,
    Variant,
    select_variants,
)
from delrec_compile.network import checkpoint
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.loop import train

OPTIONS |= {"shift_steps": 1, "shift_channels": 0}


def test_a_rerun_trains_nothing_and_says_the_same(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = small_claims(tmp_path, progress=lambda done, total, _: told.append((done, total)))
    assert told == [(i, 8) for i in range(1, 9)]
    again = small_claims(tmp_path)
    assert (first.trained, again.trained) == (4, 0)
    assert again.rows == first.rows
    more = small_claims(tmp_path, seeds=3)
    assert more.trained == 2
    conv, dense = first.rows
    assert conv.accuracy_std is not None
    assert conv.gap == pytest.approx(conv.accuracy_mean - dense.accuracy_mean)
    assert conv.recurrent_parameters == 3 + 24
    assert conv.saving == pytest.approx(1 - 27 / (24 * 24 + 24))
    assert dense.saving == 0


def test_results_are_those_of_training(tmp_path: Path) -> None:
    small_claims(tmp_path, PAIR[:1], seeds=1)
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())
    network = checkpoint.load(path.with_suffix(".safetensors"))
    options = {"lr": RATE, **PAIR[0].options, **OPTIONS, "seed": 0}
    same = train(toy_sets(), TrainConfig(**options))
    assert found["accuracy"] == same.accuracy
    assert checkpoint.digest(same.network) == found["network_sha256"]
    assert checkpoint.digest(network) == found["network_sha256"]


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    class CutError(Exception):
        """Ends a run in the middle."""

    def cut(done: int, total: int, note: str) -> None:
        if done == 3:
            raise CutError

    with pytest.raises(CutError):
        small_claims(tmp_path, progress=cut)
    assert len(list(tmp_path.glob("*.unfinished"))) == 1
    seen: list[int] = []
    whole = small_claims(tmp_path, progress=lambda done, _total, _note: seen.append(done))
    assert not list(tmp_path.glob("*.unfinished"))
    assert (len(seen), whole.trained) == (5, 3)
    assert (
        replace(whole, seconds=0.0).rows[0].accuracy_mean
        == small_claims(tmp_path / "other").rows[0].accuracy_mean
    )


def test_results_without_networks_still_tell(tmp_path: Path) -> None:
    first = small_claims(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    assert small_claims(tmp_path, with_latency=True).rows == first.rows


def test_what_is_on_record_is_shown_without_training(tmp_path: Path) -> None:
    with refusal(UsageError, "holds no training runs of these networks .* --recorded", 2):
        small_claims(tmp_path, recorded=True)
    whole = small_claims(tmp_path)
    small_claims(tmp_path, PAIR[:1], seeds=3)
    held = small_claims(tmp_path, recorded=True, seeds=5, with_grid=True)
    assert held.trained == 0
    assert [(r.kind, r.seeds) for r in held.rows] == [("conv_delay", 3), ("dense_delay", 2)]
    assert held.rows[0].gap == pytest.approx(whole.rows[0].gap)
    assert held.rows[1] == whole.rows[1]
    alone = small_claims(tmp_path, recorded=True, variants=PAIR[:1])
    assert alone.rows[0].gap is None
    for file in tmp_path.glob("*.json"):
        if '"dense_delay"' in file.read_text():
            file.unlink()
    assert small_claims(tmp_path, recorded=True).rows == alone.rows, "a row for what is held"


def test_a_variant_with_a_teacher_trains_it_first(tmp_path: Path) -> None:
    (taught,) = select_variants(["conv_delay_taught"])
    result = small_claims(tmp_path, (taught,), seeds=1)
    assert result.trained == 2
    names = {json.loads(p.read_text())["variant"] for p in tmp_path.glob("*.json")}
    assert names == {"conv_delay_taught", "dense_delay"}
    assert small_claims(tmp_path, select_variants(["dense_delay"]), seeds=1).trained == 0
    assert taught not in VARIANTS
    (path,) = (p for p in tmp_path.glob("*.json") if '"conv_delay_taught"' in p.read_text())
    path.unlink()
    assert small_claims(tmp_path, (taught,), seeds=1).trained == 1, "its teacher is kept"


def test_options_reach_every_variant_but_fixed_delays_stay_fixed(tmp_path: Path) -> None:
    variants = select_variants(["conv_delay", "conv_fixed"])
    tiny = {**OPTIONS, "epochs": 3, "delays_from": 1}
    claims(
        toy_sets(),
        variants=variants,
        seeds=1,
        cache=tmp_path,
        with_grid=False,
        with_latency=False,
        options=tiny,
    )
    found = [json.loads(p.read_text()) for p in tmp_path.glob("*.json")]
    told = {f["variant"]: f["config"]["delays_from"] for f in found}
    assert told == {"conv_delay": 1, "conv_fixed": 3}


def test_other_data_has_another_digest() -> None:
    sets = toy_sets()

    def other(change: Callable[[Events], dict[str, Any]]) -> str:
        parts = (sets.train, sets.valid, sets.test)
        return sets_digest(Sets(*(replace(e, **change(e)) for e in parts)))

    digests = [
        sets_digest(sets),
        other(lambda e: {"counts": e.counts.reshape(len(e), 12, 20)}),
        other(lambda _: {"keys": ("c", "b", "a")}),
        other(lambda _: {"keys": None}),
        other(lambda _: {"keys": ("a", "b", "c", "d")}),
        other(lambda _: {"dt_ms": 5.0}),
    ]
    assert len(set(digests)) == len(digests)
    assert sets_digest(toy_sets()) == digests[0]


def test_times_are_of_this_machine_and_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[Path] = []

    def took(path: Path) -> dict[str, Any]:
        timed.append(path)
        return {"us_per_step": float(len(timed)), "authors_us_per_step": None, "skipped": None}

    monkeypatch.setattr(work, "latency", took)
    said: list[str] = []

    def told(**options: Any) -> Claims:
        return small_claims(
            tmp_path, with_latency=True, seeds=1, progress=lambda *s: said.append(s[2]), **options
        )

    def cells(found: Claims) -> tuple[list[str], str]:
        (table,) = [t for t in tables(found) if t.title.startswith("Time")]
        return [row[1] for row in table.rows], table.note

    small_claims(tmp_path, seeds=1)
    assert all(r.latency is None for r in told(recorded=True).rows)
    assert not said
    first = told()
    assert said == ["timing conv_delay", "timing dense_delay"]
    assert told().rows == first.rows
    assert cells(first) == (["1.00 us", "2.00 us"], "")
    assert len(timed) == len(said) == 2

    monkeypatch.setattr(timing, "__version__", "9.9")
    before = tree(tmp_path)
    kept = told(recorded=True)
    assert tree(tmp_path) == before
    assert len(timed) == len(said) == 2
    assert kept.rows == first.rows
    machine = timing.machine()
    note = (
        f"The times were taken on {machine['cpu']}, {machine['system']}, Python {machine['python']}"
    )
    assert cells(kept)[1].startswith(f"{note}, by version ")
    assert f" |\n\n{cells(kept)[1]}\n\n### " in markdown(kept, "claims")
    assert cells(told()) == (["3.00 us", "4.00 us"], "")

    for path in tmp_path.glob("*.json"):  # as kept before machines were
        found = json.loads(path.read_text())
        if found["variant"] == "conv_delay":
            del found["latency"]["machine"]
        else:
            del found["latency"]
        path.write_text(json.dumps(found))
    rows, line = cells(told(recorded=True))
    assert rows == ["3.00 us", "-"]
    assert line == "The times were taken on a machine that is not on record."
    assert cells(told()) == (["5.00 us", "6.00 us"], "")


def test_times_that_cannot_be_taken_here_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = {"us_per_step": None, "authors_us_per_step": None, "skipped": "no compiler"}
    some = {**none, "us_per_step": 0.5}
    shown = []
    for version, found in (("1", none), ("1", some), ("2", none)):
        monkeypatch.setattr(timing, "__version__", version)
        monkeypatch.setattr(work, "latency", lambda _, found=found: found)
        (row,) = small_claims(tmp_path, PAIR[:1], seeds=1, with_latency=True).rows
        assert row.latency is not None
        shown.append(row.latency["us_per_step"])
    assert shown == [None, 0.5, 0.5]


@pytest.mark.parametrize("kind", ["synaptic", "tap_conv", "conv2d"])
def test_other_kinds_make_a_row(tmp_path: Path, kind: str) -> None:
    other = (Variant("other", "other", {"recurrence": kind}),)
    result = small_claims(tmp_path, other)
    (row,) = result.rows
    shared = kind != "synaptic"
    assert (row.delays["shuffled"] is None) == shared
    cells = {title.split()[0]: rows[0] for title, _, rows, _ in tables(result)}
    assert (cells["What"][2] == "-") == shared
    assert small_claims(tmp_path, other, recorded=True).rows == result.rows
