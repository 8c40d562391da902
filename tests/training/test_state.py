"""An unfinished training on disk, resumed to the same bits, and the log of its epochs."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures.training import run, small, toy_sets
from helpers import refusal

from delrec_compile.data.partition import Sets
from delrec_compile.errors import CheckpointError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.training import loop, state
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.loop import Epoch, TrainResult, train


def same(one: TrainResult, other: TrainResult) -> bool:
    """Bit for bit, in the network and in what its epochs said."""
    said = [
        [(e.number, e.loss, e.valid_accuracy, e.sigma) for e in r.history] for r in (one, other)
    ]
    digests = [checkpoint.digest(r.network) for r in (one, other)]
    return said[0] == said[1] and digests[0] == digests[1]


def test_validations_may_be_fewer_after_a_break(tmp_path: Path) -> None:
    kept, log = tmp_path / "t.unfinished", tmp_path / "t.csv"

    def cut(epoch: Epoch, _: int) -> None:
        if epoch.number == 1:
            raise CutError

    with pytest.raises(CutError):
        train(toy_sets(), small(epochs=4), cut, state=kept)
    seldom = small(epochs=4, valid_every=3)
    resumed = train(toy_sets(), seldom, state=kept, resume=True, log=log)
    whole = run(epochs=4)
    assert [e.loss for e in resumed.history] == [e.loss for e in whole.history]
    with log.open() as file:
        cells = [row["valid_accuracy"] for row in csv.DictReader(file)]
    said = [str(e.valid_accuracy) for e in whole.history]
    assert cells == [said[0], "", *said[2:]]


class CutError(Exception):
    """Ends a training in the middle."""


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frozen_tail": 0.5, "spread": "learned", "delays_from": 1},
        {"recurrence": "none", "neuron": "adlif", "constants": "learned", "forward": "dense_delay"},
    ],
)
@pytest.mark.parametrize("after", [1, 3])
def test_a_resumed_training_has_the_bits_of_an_unbroken_one(
    tmp_path: Path, options: dict[str, Any], after: int
) -> None:
    config, kept, log = small(epochs=4, **options), tmp_path / "t.unfinished", tmp_path / "t.csv"

    def cut(epoch: Epoch, _: int) -> None:
        if epoch.number == after:
            raise CutError

    with pytest.raises(CutError):
        train(toy_sets(), config, cut, state=kept)
    numbers: list[int] = []
    resumed = train(
        toy_sets(),
        config,
        lambda epoch, _: numbers.append(epoch.number),
        state=kept,
        resume=True,
        log=log,
    )
    assert numbers == list(range(after + 1, 5))
    assert same(resumed, train(toy_sets(), config))
    assert [row["number"] for row in csv.DictReader(log.read_text().splitlines())] == list("1234")


def test_a_state_of_another_training_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "t.unfinished"
    train(toy_sets(), small(), state=kept)
    with refusal(
        UsageError, r"trained with lr 0\.002, not 0\.01; use the same options", 2, tmp_path
    ):
        train(toy_sets(), small(lr=0.01), state=kept, resume=True)
    with refusal(UsageError, "trained on different data", 2, tmp_path):
        train(toy_sets(1), small(), state=kept, resume=True)
    one, other = toy_sets(), toy_sets(1)
    for sets in (
        replace(one, valid=other.valid),
        replace(one, test=other.test),
        Sets(*(replace(e, keys=("a", "b", "d")) for e in (one.train, one.valid, one.test))),
        replace(one, train=replace(one.train, dt_ms=5.0)),
    ):
        with refusal(UsageError, "trained on different data", 2, tmp_path):
            train(sets, small(), state=kept, resume=True)
    raw = bytearray(kept.read_bytes())
    kept.write_bytes(raw[:100])
    with refusal(CheckpointError, "not a readable unfinished training run", 3, tmp_path):
        train(toy_sets(), small(), state=kept, resume=True)
    raw[len(raw) // 2] ^= 1  # in a tensor: other weights
    kept.write_bytes(raw)
    with refusal(CheckpointError, "not a readable unfinished training run", 3, tmp_path):
        train(toy_sets(), small(), state=kept, resume=True)


@pytest.mark.parametrize("suffix", state.LOGS)
def test_logs_hold_a_row_per_epoch(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"epochs{suffix}"
    result = train(toy_sets(), small(), log=path)
    text = path.read_text()
    rows = (
        list(csv.DictReader(text.splitlines()))
        if suffix == ".csv"
        else [json.loads(line) for line in text.splitlines()]
    )
    assert [float(row["loss"]) for row in rows] == [e.loss for e in result.history]
    assert [int(row["number"]) for row in rows] == [1, 2]


def test_a_killed_command_goes_on(tmp_path: Path, tiny_data: Path) -> None:
    """kill -9 in the middle; then --resume gives the bits of an unbroken run."""
    out, whole = tmp_path / "net.safetensors", tmp_path / "whole.safetensors"
    base = [
        sys.executable,
        "-m",
        "delrec_compile",
        "train",
        str(tiny_data),
        "--hidden",
        "16",
    ]
    base += ["--epochs", "6", "--set", "steps=20", "-o"]
    kept = out.with_suffix(".unfinished")
    with subprocess.Popen([*base, str(out)], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        log = tmp_path / "net.epochs.csv"  # written after the state
        while not (kept.exists() and log.exists()) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert kept.exists()
    assert not out.exists()
    for name in (".net.unfinished.a1b2c3d4", ".net.epochs.csv.a1b2c3d4"):
        (tmp_path / name).write_text("half of it: killed while it was written")

    def call(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([*base, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "--resume to continue it" in " ".join(call(str(out), code=3).split())
    call(str(out), "--resume", "--log", "jsonl")
    call(str(whole), "--log", "none")
    unnamed = (replace(checkpoint.load(path), name="network") for path in (out, whole))
    assert len({checkpoint.digest(network) for network in unnamed}) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "net.epochs.csv",  # of the run that was killed
        "net.epochs.jsonl",
        "net.safetensors",
        "whole.safetensors",
    ]


def test_a_state_goes_on_where_its_teacher_moved_to(tmp_path: Path) -> None:
    old, new, kept = (tmp_path / n for n in ("old.safetensors", "new.safetensors", "t.unfinished"))
    checkpoint.save(run(recurrence="dense", epochs=1).network, old)
    train(toy_sets(), small(teacher=str(old)), state=kept)
    old.rename(new)
    assert train(toy_sets(), small(teacher=str(new)), state=kept, resume=True).history
    checkpoint.save(run(recurrence="dense", epochs=1, seed=1).network, new)
    with refusal(UsageError, "with a different teacher", 2, tmp_path):
        train(toy_sets(), small(teacher=str(new)), state=kept, resume=True)


@pytest.mark.parametrize(
    "held",
    [
        [1],
        {"format": state.FORMAT},
        {"format": state.FORMAT, "config": 3, "data": "d"},
        {"format": state.FORMAT, "config": {"lr": torch.ones(2)}, "data": "d"},
        {"format": state.FORMAT, "config": {}, "data": "d"},
        {"format": state.FORMAT, "config": {}, "data": "d", "net": {}, "history": [3]},
    ],
)
def test_a_state_without_its_parts_is_refused(
    held: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.unfinished"
    torch.save(held, path)
    monkeypatch.setattr(state, "_FREE", set(TrainConfig.__dataclass_fields__))
    monkeypatch.setattr(loop, "_sources", lambda *_: "d")
    with refusal(CheckpointError, "is not a readable unfinished training run; remove it", 3):
        train(toy_sets(), small(), state=path, resume=True)
