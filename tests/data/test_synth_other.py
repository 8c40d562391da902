"""The set of the other synthesiser: ten words of the same classes, by voices that nothing trains on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.synthesisers import needs_flite
from helpers import refusal

from delrec_compile.data import synth_other
from delrec_compile.data.flite import VOICES
from delrec_compile.data.samples import describe_samples, read_samples
from delrec_compile.data.summary import Info
from delrec_compile.data.voices import WORDS
from delrec_compile.errors import DataError, ToolchainError, UsageError


def test_the_set_has_at_least_a_thousand_words_at_many_speeds() -> None:
    words = synth_other.plan(synth_other.PER_VOICE_AND_CLASS, 0)
    assert len(words) == 1200
    assert set(Counter((u.speaker, u.label) for u in words).values()) == {30}
    assert {u.label for u in words} == set(range(10))
    assert len({u.voice.speed for u in words}) > 50
    assert all(u.voice.base == VOICES[u.speaker] for u in words)
    assert synth_other.plan(1, 3) == synth_other.plan(1, 3) != synth_other.plan(1, 4)


@pytest.mark.parametrize("options", [{"words_per_voice_and_class": 0}, {"seed": -1}])
def test_numbers_that_make_no_set_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with refusal(UsageError, "is required", 2, clean=tmp_path):
        synth_other.synthesise_other(tmp_path / "out", **options)


def test_a_flite_that_cannot_speak_is_refused(
    tmp_path: Path, fake_flite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusal(ToolchainError, "flite wrote no WAV stream.*re-install", 5, clean=tmp_path):
        synth_other.synthesise_other(tmp_path / "out")
    monkeypatch.setenv("DEAF", "1")
    with refusal(DataError, "give the same audio", 3, clean=tmp_path):
        synth_other.synthesise_other(tmp_path / "out")
    monkeypatch.setenv("PATH", str(tmp_path))
    with refusal(ToolchainError, "flite is not on PATH; install it with", 5, clean=tmp_path):
        synth_other.synthesise_other(tmp_path / "out")


@needs_flite
def test_a_small_set_is_found_in_its_folder_and_reproducible(tmp_path: Path) -> None:
    out = tmp_path / "other"
    report = synth_other.synthesise_other(out, words_per_voice_and_class=1, workers=1)
    assert (report.utterances, report.speakers) == ({"other": 40}, {"other": 4})
    info = describe_samples(out)
    assert isinstance(info, Info)
    assert (info.utterances, info.keys, info.speakers) == (40, WORDS, (0, 1, 2, 3))
    samples = read_samples(out, steps=80)
    assert np.bincount(samples.known_labels).tolist() == [4] * 10
    before = report.files["other"].read_bytes()
    synth_other.synthesise_other(out, words_per_voice_and_class=1, workers=3, force=True)
    assert report.files["other"].read_bytes() == before
