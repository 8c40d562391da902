"""delrec-compile data info."""

from __future__ import annotations

import json

import h5py
import numpy as np
from fixtures.command import cli, ok, refused
from fixtures.shd import write, write_pool


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


def test_data_info_of_a_pool_tells_its_parts_and_how_to_train(tmp_path):
    folder = write_pool(tmp_path / "pool")
    for name in (folder, folder / "x_pool.h5"):
        said = ok("data", "info", name)
        assert "part 0: 4 samples of 2 voices (1 female, 1 male)" in said
        assert f"next: delrec-compile train {folder} --fold 0 -o net" in said
    told = json.loads(ok("data", "info", folder, "--json"))
    assert told["parts"][3] == {"samples": 2, "voices": 1, "kinds": {"klatt": 1}}
    assert "of which every network has heard a part" in refused(
        3, "run", "conv_delay_256", "--input", folder
    )
