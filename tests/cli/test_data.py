"""delrec-compile data: synth and info."""

from __future__ import annotations

import json

import h5py
import numpy as np
from fixtures.command import cli, ok, refused
from fixtures.shd import write

from delrec_compile.cli.data import _in_one


def test_data_info_says_what_a_training_leaves_out(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, kind in (("times", "f4"), ("units", "u2")):
            rows = file.create_dataset(f"spikes/{name}", (1,), h5py.vlen_dtype(kind))
            rows[0] = [0, 1, 2, 3]
        file["labels"] = [0]
    done = cli("data", "info", tmp_path / "a.h5", "--json")
    told = json.loads(done.stdout)
    assert (told["window_s"], told["outside"]) == (0.8, 0.75)
    assert "note: 75.0% of the spikes come after 0.8 s, up to 3 s" in done.stderr


def test_missing_espeak_is_exit_5(tmp_path):
    said = refused(5, "data", "synth", tmp_path / "d", env={"PATH": str(tmp_path)})
    assert "apt-get install espeak-ng" in said
    assert list(tmp_path.iterdir()) == []


def test_data_info_takes_every_form_and_names_a_command_that_takes_it(tmp_path):
    np.savetxt(tmp_path / "a.csv", np.eye(3), "%d", ",")
    said = ok("data", "info", tmp_path / "a.csv")
    assert "counts of 1 samples, 3 steps, 3 inputs" in said
    assert "next:" not in said
    assert "next: delrec-compile run conv_delay_256 --input samples" in ok(
        "data", "info", "samples"
    )
    write(tmp_path / "a.h5", [([0.1] * 31, [0] * 31)], [0])
    assert "next: delrec-compile run conv_delay_256" in ok("data", "info", tmp_path / "a.h5")
    for times in ([0.1] * 32, [90.0]):  # more than it takes in a step; after its steps
        write(tmp_path / "a.h5", [(times, [0] * len(times))], [0])
        assert "next:" not in ok("data", "info", tmp_path / "a.h5")
    assert "is Python code; a file of samples (" in refused(3, "data", "info", __file__)


def test_the_sets_are_one_count_of_samples():
    said = []
    progress = _in_one(lambda *step: said.append(step), {"train": 3, "valid": 1, "test": 2})
    progress("voices", 7, 7)
    for stage, samples in (("train", 60), ("valid", 20), ("test", 40)):
        progress(stage, samples, samples)
    assert said == [(7, 7, "voices"), (60, 120, "train"), (80, 120, "valid"), (120, 120, "test")]
