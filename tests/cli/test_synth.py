"""delrec-compile data synth: three sets, a pool, the set of another synthesiser."""

from __future__ import annotations

import json

from fixtures.command import ok_here, refused, refused_here
from fixtures.synthesisers import needs_flite

from delrec_compile.cli.synth import _in_one


def test_missing_espeak_is_exit_5(tmp_path):
    said = refused(5, "data", "synth", tmp_path / "d", env={"PATH": str(tmp_path)})
    assert "apt-get install espeak-ng" in said
    assert list(tmp_path.iterdir()) == []


def test_missing_flite_is_exit_5(tmp_path):
    line = ("data", "synth", tmp_path / "d", "--synthesiser", "flite")
    assert "apt-get install flite" in refused(5, *line, env={"PATH": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_go_together_are_refused(tmp_path):
    line = ("data", "synth", tmp_path / "d")
    said = refused_here(2, *line, "--folds", 5, "--train", 3)
    assert "--train is no option of a pool (--folds); allowed: --folds, --words-per" in said
    said = refused_here(2, *line, "--words-per-voice-and-class", 3)
    assert "is no option of three sets (--folds makes a pool); allowed: --train, --valid" in said
    said = refused_here(2, *line, "--drawn-voices", 9)
    assert "--drawn-voices is no option of three sets" in said
    for option in (("--folds", 5), ("--test", 3), ("--drawn-voices", 9), ("--with-frontend",)):
        said = refused_here(2, *line, "--synthesiser", "flite", *option)
        assert f"{option[0]} is no option of --synthesiser flite" in said
    assert "did you mean 'flite'?" in refused_here(2, *line, "--synthesiser", "fleet")
    assert "folds is 2; 3 to 66" in refused_here(2, *line, "--folds", 2)
    said = refused_here(2, *line, "--folds", 5, "--drawn-voices", 0)
    assert "drawn_voices is 0; 3 to 10,000 are allowed" in said
    assert list(tmp_path.iterdir()) == []


@needs_flite
def test_the_set_of_the_other_synthesiser_is_one_to_run_on(tmp_path):
    out = tmp_path / "other"
    line = ("data", "synth", out, "--synthesiser", "flite", "--words-per-voice-and-class", 1)
    said = ok_here(*line)
    assert "synth_other.h5: 40 samples" in said
    assert f"next: delrec-compile run conv_delay_256 --input {out}" in said
    told = json.loads(ok_here(*line, "--force", "--json"))
    assert (told["utterances"], told["voices_checked"]) == ({"other": 40}, 11)
    assert "accuracy" in ok_here("run", "conv_delay_256", "--input", out, "--limit", 10)


def test_the_sets_are_one_count_of_samples():
    said = []
    progress = _in_one(lambda *step: said.append(step), {"train": 3, "valid": 1, "test": 2})
    progress("voices", 7, 7)
    for stage, samples in (("train", 60), ("valid", 20), ("test", 40)):
        progress(stage, samples, samples)
    assert said == [(7, 7, "voices"), (60, 120, "train"), (80, 120, "valid"), (120, 120, "test")]
