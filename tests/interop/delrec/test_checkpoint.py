"""Checkpoints in the layout of the authors' code: their network, run in its training form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.authors import IN, Net, Recurrent, hard, saved, soft
from grids import STEPS
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.runners.reference import ReferenceRunner

CASES = {
    "conv, shd": (Net(True, True), hard, 0.0, "shd"),
    "dense, shd": (Net(False, True), hard, 0.0, "shd"),
    "conv, spread kept": (Net(True, True), hard, 0.25, "shd"),
    "conv, ssc": (Net(True, False, spread=True), soft, 0.0, "ssc"),
    "dense, ssc": (Net(False, False), soft, 0.0, "ssc"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_spike_of_the_training_form(case: str, tmp_path: Path) -> None:
    net, neuron, sigma, recipe = CASES[case]
    made = delrec_compile.import_model(saved(tmp_path, net), sigma=sigma, max_input=3)
    assert made.network.notes["recipe"] == recipe
    assert any("sigma" in remark for remark in made.remarks)
    x = np.random.default_rng(0).integers(0, 3, (STEPS, IN)).astype(np.float32)
    theirs = net.run(torch.from_numpy(x), neuron, sigma)
    ours = ReferenceRunner(made.network).trace(x[:, None]).spikes
    for a, b in zip(ours, theirs, strict=True):
        assert STEPS < b.sum() < b.size - STEPS
        np.testing.assert_array_equal(a[:, 0], b)
    recurrence = made.network.layers[1].recurrence
    assert recurrence is not None
    assert recurrence.kind == ("conv_delay" if "conv" in case else "dense_delay")
    assert made.network.readout.kind == ("leaky" if recipe == "shd" else "linear")


def test_check_compares_with_the_model_before_freezing(tmp_path: Path) -> None:
    made = delrec_compile.import_model(saved(tmp_path, Net(True, True)))
    found = made.check(50)
    assert found.against == "the model before freezing"
    assert found.differing == 0 < found.spikes


def test_options(tmp_path: Path) -> None:
    path = saved(tmp_path, Net(False, True))
    made = delrec_compile.from_checkpoint(path, tau=2.0, gain="leak", reset="soft")
    lif = made.network.layers[0].lif
    assert (lif.beta, lif.gain, lif.reset) == (0.5, 0.5, "soft")
    for options, kind, message in (
        ({"sigma": 0.1}, UnsupportedError, "use sigma 0"),
        ({"recipe": "mnist"}, UsageError, "allowed: shd, ssc"),
        ({"tau": 0.5}, UsageError, "1 step or more"),
        ({"reset": "never"}, UsageError, "allowed: hard"),
    ):
        with refusal(kind, message, kind.exit_code):
            delrec_compile.from_checkpoint(path, **options)  # type: ignore[arg-type]


def test_delays_that_are_no_whole_steps_are_told(tmp_path: Path) -> None:
    net = Net(True, True)
    recurrent = next(m for m in net.modules() if isinstance(m, Recurrent))
    recurrent.recurrent_delays.data += 0.25
    made = delrec_compile.from_checkpoint(saved(tmp_path, net))
    assert any("rounded to whole steps, by up to 0.25" in remark for remark in made.remarks)
