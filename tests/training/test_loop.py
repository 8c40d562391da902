"""Training: the fast backward pass, the loop, and the way to the frozen network."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.shd import write_pool
from fixtures.training import (
    run,
    small,
    toy_sets,
)
from torch import Tensor

from delrec_compile.data.folds import load_folds
from delrec_compile.errors import UsageError
from delrec_compile.network import checkpoint, grid
from delrec_compile.network.classify import accuracy
from delrec_compile.network.model import (
    ConvDelay,
    DenseDelay,
)
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.loop import train
from delrec_compile.training.optimisers import Optimisers


@pytest.mark.parametrize("recurrence", ["conv", "dense", "none"])
def test_training_lowers_the_loss_and_ends_frozen(recurrence: str) -> None:
    told: list[tuple[int, int]] = []
    batches: list[tuple[int, int]] = []
    sets, config = toy_sets(), small(recurrence=recurrence, epochs=4, lr=1e-2, frozen_tail=0.5)
    result = train(
        sets,
        config,
        lambda epoch, epochs: told.append((epoch.number, epochs)),
        batches=lambda *step: batches.append(step),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    each = math.ceil(len(sets.train) / config.batch)
    assert batches == [(n, 4 * each) for n in range(4 * each) if n % each]
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.8 * losses[0]
    network = result.network
    assert grid.exact(network)
    assert network.labels == ("a", "b", "c")
    kinds: dict[str, type] = {"conv": ConvDelay, "dense": DenseDelay, "none": type(None)}
    assert isinstance(network.layers[1].recurrence, kinds[recurrence])
    parameters = {"conv": 3 + 24, "dense": 24 * 24 + 24, "none": 0}
    assert result.recurrent_parameters == parameters[recurrence]
    assert network.max_delay <= 6
    test = toy_sets().test
    assert result.accuracy["test"] == accuracy(network, test.counts, test.labels)
    assert result.accuracy["test"] > 0.5
    if recurrence != "none":
        assert [epoch.sigma > 0 for epoch in result.history] == [True, True, False, False]


def test_two_epochs_lower_the_loss() -> None:
    first, second = run().history
    assert second.loss < first.loss


def test_a_seed_gives_the_same_network_and_leaves_torch_alone() -> None:
    torch.manual_seed(11)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    one, same, other = run(seed=5), run(seed=5), run(seed=6)
    assert torch.equal(before, torch.random.get_rng_state())
    assert threads == torch.get_num_threads()
    assert [e.loss for e in one.history] == [e.loss for e in same.history]
    assert np.array_equal(one.network.layers[1].weight, same.network.layers[1].weight)
    assert not np.array_equal(one.network.layers[1].weight, other.network.layers[1].weight)


def test_fewer_validations_change_no_bit() -> None:
    often, seldom = run(epochs=5), run(epochs=5, valid_every=2)
    said = [epoch.valid_accuracy for epoch in often.history]
    assert [e.valid_accuracy for e in seldom.history] == [None, said[1], None, said[3], said[4]]
    assert [e.loss for e in often.history] == [e.loss for e in seldom.history]
    plain = [replace(r.network, notes={}) for r in (often, seldom)]
    assert checkpoint.digest(plain[0]) == checkpoint.digest(plain[1])
    assert [e.of(5, "loss") for e in seldom.history[:2]] == [
        "epoch 1 of 5, loss",
        f"epoch 2 of 5, loss, valid {said[1]:.1%}",
    ]


def test_notes_say_how_to_train_the_network_again() -> None:
    notes = run().network.notes
    assert notes["command"].startswith("delrec-compile train DATA --recurrence conv --hidden 24")
    assert notes["config"]["lr"] == TrainConfig().lr
    assert set(notes["accuracy"]) == {"valid", "test"}
    assert len(notes["train_data_sha256"]) == 64
    assert "fold" not in notes


def test_notes_say_which_fold_of_a_pool_a_network_was_trained_on(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool")
    result = train(pool, small(epochs=1), fold=2)
    assert result.network.notes["fold"] == 2
    assert result.network.notes["command"].startswith("delrec-compile train DATA --fold 2 --recu")
    told = train(load_folds(pool, steps=20).sets(2), small(epochs=1), fold=2)
    assert told.network.notes == result.network.notes
    assert train(pool, small(epochs=1)).network.notes["fold"] == 0


def test_the_largest_options_train() -> None:
    result = run(seed=2**64 - 1, max_delay=4094, epochs=1)
    assert 0 < result.network.max_delay <= 4094
    run(recurrence="tap_conv", channels=2, taps=30, max_delay=40, whole_delays=0, epochs=1)


def test_bundled_files_are_small() -> None:
    folder = checkpoint.bundled().parent
    assert sum(path.stat().st_size for path in folder.glob("*.*")) < 3_000_000


def test_training_that_diverges_is_reported() -> None:
    with pytest.raises(UsageError, match=r"diverged in epoch 1.*smaller lr.*backflow below 1"):
        run(lr=1e38, clip=1e30)


def test_a_batch_without_a_finite_gradient_moves_no_parameter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, calls = Optimisers.step, []

    def step(self: Optimisers, loss: Tensor) -> bool:
        calls.append(self.net.readout.weight.detach().clone())
        return whole(self, loss * float("inf") if len(calls) == 2 else loss)

    monkeypatch.setattr(Optimisers, "step", step)
    history = run(epochs=2).history
    assert [epoch.skipped for epoch in history] == [1, 0]
    assert not torch.equal(calls[1], calls[0])
    assert torch.equal(calls[2], calls[1])
    assert all(np.isfinite(epoch.loss) for epoch in history)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
def test_training_on_a_gpu_lowers_the_loss() -> None:
    history = run(device="cuda", epochs=4, lr=1e-2, heads=2).history
    assert history[-1].loss < 0.9 * history[0].loss


def test_notes_name_the_teacher_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    checkpoint.save(run(recurrence="dense", epochs=1).network, path)
    notes = run(teacher=str(path), epochs=1).network.notes
    assert "--set teacher=teacher.safetensors" in notes["command"]
    assert str(tmp_path) not in json.dumps(notes)
