"""The spoken-digits maker: voices that really differ, SHD's layout, the same bytes for a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fixtures.synthesisers import needs_espeak

from delrec_compile.data import synth, voices
from delrec_compile.data.events import load_events
from delrec_compile.data.summary import describe
from delrec_compile.errors import DataError, ToolchainError, UsageError


def test_a_missing_espeak_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="apt-get install espeak-ng") as caught:
        synth.synthesise(tmp_path / "out")
    assert caught.value.exit_code == 5
    assert not (tmp_path / "out").exists()


def test_an_ignored_variant_is_refused(fake_espeak: str, tmp_path: Path) -> None:
    assert voices.check_distinct(fake_espeak, [("en", "f1"), ("en", "m1")]) == 3
    with pytest.raises(DataError, match=r"'de' and 'de\+f1' give the same audio"):
        voices.check_distinct(fake_espeak, [("en", "f1"), ("de", "f1")])
    with pytest.raises(DataError, match="give the same audio"):
        synth.synthesise(tmp_path / "out", train=1, valid=1, test=1)
    assert not (tmp_path / "out").exists()


def test_no_speaker_is_in_two_sets() -> None:
    assert len(set(voices.VARIANTS)) == len(voices.VARIANTS) == 77
    for seed in range(5):
        split = synth.speaker_split(seed)
        everyone = [speaker for speakers in split.values() for speaker in speakers]
        assert sorted(everyone) == list(range(len(voices.VARIANTS)))
        for name in synth.SETS:
            assert {u.speaker for u in synth.plan(name, 3, seed)} <= set(split[name])


def test_a_plan_has_every_class_equally_often_and_its_own_language() -> None:
    utterances = synth.plan("train", 4, 0)
    labels = [u.label for u in utterances]
    assert np.bincount(labels).tolist() == [4] * 20
    assert labels != sorted(labels)
    for u in utterances:
        assert u.voice.base.startswith("en" if u.label < 10 else "de")
        assert u.voice.variant == voices.VARIANTS[u.speaker]
    assert utterances == synth.plan("train", 4, 0)
    assert utterances != synth.plan("train", 4, 1)


@pytest.mark.parametrize("counts", [{"train": 0}, {"test": -1}, {"seed": -1}])
def test_counts_that_make_no_sense_are_refused(tmp_path: Path, counts: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        synth.synthesise(tmp_path / "out", **counts)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "synth_train.h5").write_text("old")
    with pytest.raises(DataError, match="not empty"):
        synth.synthesise(out)
    (out / "thesis.tex").write_text("precious")
    with pytest.raises(DataError, match=r"contains 'thesis\.tex'"):
        synth.synthesise(out, force=True)
    assert (out / "thesis.tex").read_text() == "precious"
    with pytest.raises(DataError, match="is a file"):
        synth.synthesise(out / "thesis.tex")


@needs_espeak
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        synth.synthesise(tmp_path / "file" / "out", train=1, valid=1, test=1)


@needs_espeak
def test_a_tiny_data_set_is_whole_and_reproducible(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "digits"
    report = synth.synthesise(
        out, train=1, valid=1, test=1, seed=3, progress=lambda *step: told.append(step)
    )
    assert report.utterances == {"train": 20, "valid": 20, "test": 20}
    assert [stage for stage, done, total in told if done == total] == ["voices", *synth.SETS]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits"]
    info = describe(report.files["train"])
    assert (info.utterances, info.classes, info.keys) == (20, 20, voices.WORDS)
    assert info.times_dtype == "float16"
    assert info.duration_s <= 1.0
    assert info.spikes_min > 500
    with h5py.File(report.files["test"]) as file:
        assert file.attrs["seed"] == 3
    events = load_events(report.files["test"], steps=80)
    assert np.bincount(events.labels).tolist() == [1] * 20
    before = {name: path.read_bytes() for name, path in report.files.items()}
    synth.synthesise(out, train=1, valid=1, test=1, seed=3, force=True)
    assert before == {name: path.read_bytes() for name, path in report.files.items()}
