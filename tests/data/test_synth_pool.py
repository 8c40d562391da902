"""A pool of spoken digits: every voice says every word, and each is tested in one fold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fixtures.synthesisers import needs_espeak
from helpers import refusal

from delrec_compile.data import cast, synth_pool, voices
from delrec_compile.data.folds import load_folds
from delrec_compile.data.kinds import kind_of
from delrec_compile.data.summary import describe
from delrec_compile.errors import DataError, ToolchainError, UsageError


def test_the_pool_has_every_word_of_every_voice_equally_often() -> None:
    words = synth_pool.plan(5, 0)
    assert len(words) == 7700
    counts = Counter((u.speaker, u.label) for u in words)
    assert set(counts.values()) == {5}
    assert len(counts) == 77 * 20
    assert len({u.seed for u in words}) == 7700
    for u in words[:200]:
        assert u.voice.variant == voices.VARIANTS[u.speaker]
        assert u.voice.base.startswith("en" if u.label < 10 else "de")
    assert synth_pool.plan(1, 3) == synth_pool.plan(1, 3) != synth_pool.plan(1, 4)


def test_five_folds_have_enough_words_to_test_and_to_validate() -> None:
    table = synth_pool.speaker_table(5, 0)
    sizes = Counter(table.folds)
    assert sorted(sizes) == list(range(5))
    assert min(sizes.values()) >= 15  # 1,500 words
    assert table.kinds == tuple(kind_of(variant) for variant in voices.VARIANTS)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"folds": 2}, "folds is 2; 3 to 66, the number of voices that do not sound alike"),
        ({"folds": 67}, "folds is 67; 3 to 66"),
        ({"words_per_voice_and_class": 0}, "at least 1"),
        ({"seed": -1}, "0 or more"),
        ({"drawn_voices": 2}, "drawn_voices is 2; 3 to 10,000"),
        ({"drawn_voices": 4}, "folds is 5; 3 to 4, the number of voices"),
        (
            {"words_per_voice_and_class": 1 << 20},
            r"1,614,807,040 words take 2\d\d,\d\d\d GB of memory; .* fit: take fewer voices",
        ),
    ],
)
def test_numbers_that_make_no_pool_are_refused(
    tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    with refusal(UsageError, why, 2, clean=tmp_path):
        synth_pool.synthesise_pool(tmp_path / "out", **options)


def test_what_no_pool_can_be_made_with_is_refused(
    tmp_path: Path, fake_espeak: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusal(DataError, "'de' and 'de.* give the same audio", 3, clean=tmp_path):
        synth_pool.synthesise_pool(tmp_path / "new" / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "synth_test.h5").write_text("another data set")
    with refusal(DataError, "'synth_test.h5', which is not part", 3, clean=tmp_path):
        synth_pool.synthesise_pool(tmp_path / "out", force=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    with refusal(ToolchainError, "apt-get install espeak-ng", 5, clean=tmp_path):
        synth_pool.synthesise_pool(tmp_path / "new")


@needs_espeak
def test_a_small_pool_is_whole_and_the_same_by_any_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cast, "VARIANTS", voices.VARIANTS[:4])
    monkeypatch.setattr(synth_pool, "WORDS", voices.WORDS[:4])
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "pool"
    report = synth_pool.synthesise_pool(
        out,
        folds=3,
        words_per_voice_and_class=2,
        workers=1,
        progress=lambda *step: told.append(step),
    )
    assert (report.utterances, report.speakers) == ({"pool": 32}, {"pool": 4})
    assert [stage for stage, done, total in told if done == total] == ["voices", "pool"]
    folds = load_folds(out)
    assert (folds.count, folds.kinds, len(folds.events)) == (3, ("male",) * 4, 32)
    assert [part.samples for part in report.parts] == [16, 8, 8]
    assert describe(report.files["pool"]).parts == report.parts
    with h5py.File(report.files["pool"]) as file:
        assert file.attrs["seed"] == 0
        rows = file["extra/meta_info"]
        assert [row.decode() for row in rows["voice"]] == list(voices.VARIANTS[:4])
        assert [row.decode() for row in rows["gender"]] == ["male"] * 4
    before = report.files["pool"].read_bytes()
    synth_pool.synthesise_pool(out, folds=3, words_per_voice_and_class=2, workers=3, force=True)
    assert report.files["pool"].read_bytes() == before


@needs_espeak
def test_a_pool_of_drawn_voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth_pool, "WORDS", voices.WORDS[:2])
    monkeypatch.setattr(voices, "PER_FOLDER", 3)  # as of many voices
    options: dict[str, Any] = {"folds": 3, "words_per_voice_and_class": 1, "drawn_voices": 7}
    report = synth_pool.synthesise_pool(tmp_path / "pool", **options, workers=2)
    assert (report.utterances, report.speakers) == ({"pool": 14}, {"pool": 7})
    drawn = cast.draw_voices(7, np.random.default_rng([0, synth_pool.DRAWN]))
    with h5py.File(report.files["pool"]) as file:
        rows = file["extra/meta_info"]
        assert [row.decode() for row in rows["voice"]] == list(drawn.variants)
        assert [row.decode() for row in rows["gender"]] == list(drawn.genders)
        assert [row.decode() for row in rows["kind"]] == list(drawn.kinds)
        assert [row.decode() for row in rows["variant"]] == list(drawn.files.values())
        assert sorted(Counter(rows["fold"][:].tolist()).values()) == [2, 2, 3]
    assert load_folds(tmp_path / "pool").kinds == drawn.kinds
    before = report.files["pool"].read_bytes()
    again = synth_pool.synthesise_pool(tmp_path / "again", **options, workers=1)
    assert again.files["pool"].read_bytes() == before
    other = synth_pool.synthesise_pool(tmp_path / "other", **options, seed=1)
    assert other.files["pool"].read_bytes() != before


def test_each_drawn_voice_is_compared_and_each_base() -> None:
    drawn = cast.draw_voices(40, np.random.default_rng(0))
    pairs = synth_pool._compared(synth_pool.plan(2, 0, drawn), drawn)
    assert {variant for _, variant in pairs} == set(drawn.variants)
    assert {base for base, _ in pairs} == {*voices.ENGLISH_BASES, *voices.GERMAN_BASES}
    assert len(pairs) == 40 + 8
