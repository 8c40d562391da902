"""Checkpoints in the layout of the authors' code: their network, run in its training form."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.authors import IN, OUT, N, Net, Recurrent, hard, saved, soft
from grids import STEPS
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.network import checkpoint
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


def changed(net: Net, **tensors: Any) -> dict[str, Any]:
    state = {k: v.clone() for k, v in net.state_dict().items()}
    for key, value in tensors.items():
        state[key.replace("__", ".")] = value
    return state


PLAIN = Net(True, True)
BAD = {
    "key": (changed(PLAIN, other=torch.zeros(2)), "unknown key 'other'"),
    "unknown": (changed(PLAIN, layers__5__odd=torch.zeros(2)), "layers.5.odd: unknown; allowed"),
    "nan": (changed(PLAIN, layers__0__weight=torch.full((N, IN), torch.nan)), "not finite"),
    "size": (
        changed(PLAIN, layers__5__weight=torch.zeros(OUT, 5)),
        "layers.5: takes 5 values, the l",
    ),
    "delays": (
        changed(PLAIN, layers__4__recurrent_delays=torch.zeros(3)),
        r"layers.4.recurrent_delays has shape \[3\]; \[12\]",
    ),
    "long delays": (
        changed(PLAIN, layers__4__recurrent_delays=torch.full((N,), 2.0**32 + 3).double()),
        r"layers.4.recurrent_delays: 4.29497e\+09 steps; the longest delay allowed is 4094",
    ),
    "kernel": (
        changed(PLAIN, layers__4__recurrent_kernel=torch.zeros(3, 1, 5)),
        r"layers.4.recurrent_kernel has shape \[3, 1, 5\]; \[K\] or \[1, 1, K\]",
    ),
    "kernel of two axes": (
        changed(PLAIN, layers__4__recurrent_kernel=torch.zeros(1, 3)),
        r"layers.4.recurrent_kernel has shape \[1, 3\]",
    ),
    "current": (
        changed(PLAIN, layers__4__recurrent_bias=torch.zeros(1)),
        r"layers.4.recurrent_bias has shape \[1\]; \[12\]",
    ),
    "two recurrences": (
        changed(PLAIN, layers__3__recurrent_kernel=torch.zeros(3)),
        "layers.4.recurrent_delays: a second recurrence beside layers.3",
    ),
    "half a norm": (
        {k: v for k, v in PLAIN.state_dict().items() if k != "layers.1.running_var"},
        "layers.1.running_var is missing; a BatchNorm needs it",
    ),
    "norm of one": (
        changed(PLAIN, layers__1__weight=torch.zeros(1)),
        r"layers.1.weight has shape \[1\]; \[12\]",
    ),
    "norm of three": (
        changed(PLAIN, layers__1__bias=torch.zeros(3)),
        r"layers.1.bias has shape \[3\]; \[12\]",
    ),
    "two norms": (
        changed(PLAIN, layers__1__bn__running_mean=torch.zeros(N)),
        "layers.1: several BatchNorms",
    ),
    "variance": (
        changed(PLAIN, layers__1__running_var=-torch.ones(N)),
        "layers.1.running_var is below 0",
    ),
    "bias": (changed(PLAIN, layers__0__bias=torch.zeros(1)), r"layers.0.bias has shape \[1\]"),
    "empty": (
        changed(PLAIN, layers__0__weight=torch.zeros(N, 0)),
        r"layers.0.weight has shape \[12, 0\]",
    ),
    "twice": (changed(PLAIN, layers__00__weight=torch.zeros(N, IN)), "unknown key 'layers.00.w"),
    "complex": (
        changed(PLAIN, layers__0__weight=torch.zeros(N, IN, dtype=torch.complex64)),
        "'layers.0.weight' is a tensor of complex numbers; dense real numbers are needed",
    ),
    "sparse": (
        changed(PLAIN, layers__0__weight=torch.zeros(N, IN).to_sparse()),
        "'layers.0.weight' is a tensor that is not dense",
    ),
    "meta": (
        changed(PLAIN, layers__0__weight=torch.empty(N, IN, device="meta")),
        "'layers.0.weight' is a tensor without values",
    ),
    "one": ({"layers.0.weight": torch.zeros(2, 2)}, "1 Linear layers; two or more"),
    "text": ({"layers.0.weight": "x"}, "is no tensor"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_checkpoints(what: str, tmp_path: Path) -> None:
    state, message = BAD[what]
    path = tmp_path / "best.pth"
    torch.save({"net": state}, path)
    with refusal(CheckpointError, message, 3, tmp_path):
        delrec_compile.from_checkpoint(path)


def test_shapes_that_say_the_same(tmp_path: Path) -> None:
    """A kernel of one axis, and delays with axes of one."""
    made = delrec_compile.from_checkpoint(saved(tmp_path, PLAIN))
    state = PLAIN.state_dict()
    state["layers.4.recurrent_kernel"] = state["layers.4.recurrent_kernel"].flatten()
    state["layers.4.recurrent_delays"] = state["layers.4.recurrent_delays"][:, None]
    torch.save({"net": state}, tmp_path / "flat.pth")
    again = delrec_compile.from_checkpoint(tmp_path / "flat.pth")
    assert checkpoint.digest(again.network) == checkpoint.digest(made.network)


def test_nothing_is_run_from_a_file(tmp_path: Path) -> None:
    class Run:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "ran").touch, ())

    path = tmp_path / "best.pth"
    path.write_bytes(pickle.dumps(Run()))
    with refusal(CheckpointError, "without running code", 3, tmp_path):
        delrec_compile.from_checkpoint(path)
    torch.save(Net(True, True), path)
    with refusal(CheckpointError, "without running code", 3, tmp_path):
        delrec_compile.from_checkpoint(path)


def test_options(tmp_path: Path) -> None:
    path = saved(tmp_path, Net(False, True))
    made = delrec_compile.from_checkpoint(path, tau=2.0, gain="leak", reset="soft")
    lif = made.network.layers[0].lif
    assert (lif.beta, lif.gain, lif.reset) == (0.5, 0.5, "soft")
    for options, kind, message in (
        ({"sigma": 0.1}, UnsupportedError, "take sigma 0"),
        ({"recipe": "mnist"}, UsageError, "allowed: shd, ssc"),
        ({"tau": 0.5}, UsageError, "steps from 1"),
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
