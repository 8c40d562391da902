"""Options of a training, its files, and how it goes on after it was cut off."""

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

import numpy as np
import pytest
import torch
from fixtures.training import small, toy_sets
from helpers import refusal

from delrec_compile.data.sets import Sets
from delrec_compile.errors import CheckpointError, ToolchainError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.classify import outputs
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.training import distillation, plots, state
from delrec_compile.training.augment import Samples
from delrec_compile.training.config import SURROGATES as NAMES
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.delay_lines import spread
from delrec_compile.training.loop import Epoch, TrainResult, train
from delrec_compile.training.losses import rate_cost, soft_loss
from delrec_compile.training.mixes import KernelMix
from delrec_compile.training.model import SpikingNet
from delrec_compile.training.neuron import Neuron, delayed_lif, ring_buffer_lif
from delrec_compile.training.optimisers import Optimisers
from delrec_compile.training.surrogate import SURROGATES


def run(**options: Any) -> TrainResult:
    return train(toy_sets(), small(**options))


def same(one: TrainResult, other: TrainResult) -> bool:
    """Bit for bit, in the network and in what its epochs said."""
    said = [
        [(e.number, e.loss, e.valid_accuracy, e.sigma) for e in r.history] for r in (one, other)
    ]
    digests = [checkpoint.digest(r.network) for r in (one, other)]
    return said[0] == said[1] and digests[0] == digests[1]


@pytest.mark.parametrize("name", NAMES)
def test_surrogates_peak_at_the_threshold_and_hold_their_area(name: str) -> None:
    u = torch.linspace(-40, 40, 400_001, dtype=torch.double)
    slope = SURROGATES[name](u, 3.0)
    assert slope.argmax() == len(u) // 2 or name == "box"
    assert torch.allclose(slope, slope.flip(0))
    area = float(slope.sum() * (u[1] - u[0]))
    assert area == pytest.approx(2 / 3 if name == "fast_sigmoid" else 1.0, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_with_every_surrogate_equal_the_ring_buffer(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 9, 3, generator=generator, dtype=torch.double).requires_grad_()
    weight = torch.randn(2, 3, generator=generator, dtype=torch.double).requires_grad_()
    delay = (torch.rand(2, 9, generator=generator, dtype=torch.double) * 5).requires_grad_()
    neuron = Neuron(0.3, surrogate=name)
    mask = spread(delay, 0.7).transpose(0, 1)
    fast, ring = (
        lif(x, neuron, weight, mask, KernelMix(), 2.0) for lif in (delayed_lif, ring_buffer_lif)
    )
    assert torch.equal(fast, ring)
    cost = torch.randn(fast.shape, generator=generator, dtype=torch.double)
    inputs = [x, weight, delay]
    ours, theirs = (
        torch.autograd.grad((s * cost).sum(), inputs, retain_graph=True) for s in (fast, ring)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert other.any()
        assert (one - other).abs().max() <= 1e-12 * other.abs().max()


def test_a_surrogate_changes_the_training() -> None:
    losses = {name: run(surrogate=name).history[-1].loss for name in ("atan", "triangle")}
    assert losses["atan"] != losses["triangle"]


def test_learned_spread_learns_and_goes_with_the_freeze() -> None:
    net = SpikingNet(12, 3, small(spread="learned"))
    (recurrence,) = net.recurrences()
    net.spread_to(2.0)
    assert torch.equal(recurrence.mask(), spread(recurrence.delay, 2.0).transpose(0, 1))
    recurrence.mask().square().sum().backward()
    assert recurrence.width is not None
    assert recurrence.width.grad is not None
    assert recurrence.width.grad.any()
    assert any(p is recurrence.width for p in net.timing())
    assert all(p is not recurrence.width for p in net.weights())
    net.freeze_delays()
    assert net.timing() == []
    assert torch.equal(recurrence.mask().sum(2), torch.ones(24, 1))
    losses = [e.loss for e in run(spread="learned", epochs=3, lr=1e-2).history]
    assert losses[-1] < losses[0]


def test_delays_wait_for_their_epoch() -> None:
    torch.manual_seed(0)
    config = small(delays_from=1, delay_lr=0.5)
    net = SpikingNet(12, 3, config)
    optimisers, (recurrence,) = Optimisers(net, config, batches=2), net.recurrences()
    x = torch.rand(20, 8, 12)
    moved = []
    for _ in range(3):
        before = recurrence.delay.detach().clone()
        net.spread_to(2.0)
        assert optimisers.step(net(x).square().mean())
        moved.append(bool((recurrence.delay != before).any()))
    assert moved == [False, False, True]


@pytest.mark.parametrize(("schedule", "ends"), [("onecycle", 0), ("cosine", 0), ("constant", 1)])
def test_schedules(schedule: str, ends: float) -> None:
    config = small(schedule=schedule, epochs=5, lr=0.01, recurrence="none")
    net = SpikingNet(12, 3, config)
    optimisers, rates = Optimisers(net, config, batches=2), []
    for _ in range(10):
        rates.append(optimisers.parts[0][0].param_groups[0]["lr"])
        optimisers.step(net(torch.rand(20, 8, 12)).square().mean())
    assert max(rates) == pytest.approx(0.01, rel=0.1)
    assert rates[-1] < 0.01 * 0.3 if ends == 0 else rates == [0.01] * 10
    assert (rates[0] < 0.001) == (schedule == "onecycle")


def test_l1_makes_kernels_small() -> None:
    sizes = []
    for l1 in (0.0, 1.0):
        recurrence = run(l1=l1, epochs=4, lr=0.02).network.layers[1].recurrence
        assert recurrence is not None
        sizes.append(np.abs(recurrence.arrays()["kernel"]).sum())
    assert sizes[1] < 0.5 * sizes[0]


def test_the_rate_penalty_lowers_rates() -> None:
    x = toy_sets().test.counts.swapaxes(0, 1).astype(np.float32)
    rates = []
    for penalty in (0.0, 30.0):
        network = run(rate_penalty=penalty, epochs=4, lr=0.02).network
        rates.append(np.mean([spikes.mean() for spikes in TorchRunner(network).trace(x).spikes]))
    assert 0 < rates[1] < 0.7 * rates[0]


def test_the_rate_cost_is_the_published_one() -> None:
    spikes = torch.zeros(10, 2, 5)
    spikes[:3, 0, 1] = 1
    assert rate_cost([spikes, torch.ones(10, 2, 5)]) == pytest.approx((0.5 * 3 / 100 + 0.5) / 2)


def test_blends_keep_the_class_and_about_the_number_of_spikes() -> None:
    events = toy_sets().train
    config = small(blend=0.99, shift_steps=0, shift_channels=0)
    samples = Samples(events, config, torch.Generator().manual_seed(0))
    index = torch.arange(64)
    blended = samples.batch(index)
    plain = torch.from_numpy(events.counts[:64]).float()
    assert blended.shape == plain.shape
    assert (blended != plain).any(dim=(1, 2)).float().mean() > 0.9
    assert float(blended.sum()) == pytest.approx(float(plain.sum()), rel=0.1)
    # channels tell the class: most spikes stay in those of the utterance's own
    for i, label in enumerate(events.labels[:64]):
        own = blended[i, :, 4 * label : 4 * label + 4].sum()
        assert own > 0.4 * blended[i].sum()
    assert run(blend=0.5).history[0].loss != run().history[0].loss


def test_a_teacher_gives_the_outputs_of_its_network(tmp_path: Path) -> None:
    counts = toy_sets().test.counts
    x = torch.from_numpy(counts).float().transpose(0, 1)
    for i, options in enumerate(
        ({"heads": 2}, {"recurrence": "dense"}, {"recurrence": "synaptic"}, {"readout": "count"})
    ):
        network = run(**options).network
        checkpoint.save(network, tmp_path / f"{i}.safetensors")
        y = distillation.load(tmp_path / f"{i}.safetensors", 12, 3)(x)
        assert np.abs(y.numpy() - outputs(network, counts)).max() < 1e-4


def test_distillation_draws_the_outputs_to_the_teacher(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    taught = run(recurrence="dense", epochs=4, lr=1e-2).network
    checkpoint.save(taught, path)
    counts = toy_sets().test.counts
    target = torch.from_numpy(outputs(taught, counts))
    far = [
        float(
            soft_loss(
                torch.from_numpy(outputs(run(epochs=4, lr=1e-2, **o).network, counts)), target
            )
        )
        for o in ({}, {"teacher": str(path), "distill": 0.9})
    ]
    assert far[1] < far[0]
    assert float(soft_loss(target, target)) == pytest.approx(0, abs=1e-6)
    with refusal(UsageError, r"has 12 inputs and 3 classes; the data has 12 and 4", 2):
        distillation.load(path, 12, 4)


class CutError(Exception):
    """Ends a training in the middle."""


@pytest.mark.parametrize(
    "options",
    [{}, {"frozen_tail": 0.5, "spread": "learned", "delays_from": 1}, {"recurrence": "none"}],
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
        UsageError, r"trained with lr 0\.002, not 0\.01; give the same options", 2, tmp_path
    ):
        train(toy_sets(), small(lr=0.01), state=kept, resume=True)
    with refusal(UsageError, "trained on other data", 2, tmp_path):
        train(toy_sets(1), small(), state=kept, resume=True)
    one, other = toy_sets(), toy_sets(1)
    for sets in (
        replace(one, valid=other.valid),
        replace(one, test=other.test),
        Sets(*(replace(e, keys=("a", "b", "d")) for e in (one.train, one.valid, one.test))),
        replace(one, train=replace(one.train, dt_ms=5.0)),
    ):
        with refusal(UsageError, "trained on other data", 2, tmp_path):
            train(sets, small(), state=kept, resume=True)
    kept.write_bytes(kept.read_bytes()[:100])
    with refusal(CheckpointError, "no unfinished training that can be read", 3, tmp_path):
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


def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "net.safetensors"
    result = run(heads=2)
    made = plots.draw(result.history, result.network, out)
    assert [p.name for p in made] == ["net.curves.png", "net.delays.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in made)
    for recurrence in ("none", "conv2d"):
        plain = run(recurrence=recurrence)
        assert len(plots.draw(plain.history, plain.network, out)) == 1
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with refusal(ToolchainError, r"pip install 'delrec-compile\[plots\]'", 5):
        plots.available()


def test_options_of_a_file_give_way_to_texts_and_values(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('recurrence = "dense"\nepochs = 7\nlr = 1\nhidden = 32\n')
    config = TrainConfig.with_options(["epochs=8"], path, hidden=64, seed=None)
    assert (config.recurrence, config.epochs, config.lr, config.hidden) == ("dense", 8, 1.0, 64)
    assert config.changed() == {"recurrence": "dense", "epochs": 8, "lr": 1.0, "hidden": 64}
    with refusal(UsageError, "--set epochs=1e2: '1e2' is not a whole number$", 2):
        TrainConfig.with_options(["epochs=1e2"])
    with refusal(UsageError, "--set lr=fast: 'fast' is not a number$", 2):
        TrainConfig.with_options(["lr=fast"])
    for text, message in (
        ("epoch = 7", "no option 'epoch'.*did you mean 'epochs'"),
        ('epochs = "7"', "epochs is '7'; give a whole number"),
        ("epochs = 1.5", "epochs is 1.5; give a whole number"),
        ("epochs = true", "epochs is True; give a whole number"),
        ("epochs", "is no TOML"),
    ):
        path.write_text(text)
        with refusal(UsageError, message, 2):
            TrainConfig.with_options((), path)
    with refusal(UsageError, "cannot be read", 2):
        TrainConfig.with_options((), tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"surrogate": "step"}, "surrogate is 'step'; allowed: atan, "),
        ({"schedule": "linear"}, "schedule is 'linear'; allowed: onecycle, cosine, constant"),
        ({"spread": "wide"}, "spread is 'wide'; allowed: shared, learned"),
        ({"spread": "learned", "recurrence": "none"}, "spread is learned, which the recurrence"),
        ({"l1": -1.0}, "l1 is -1.0; give 0 or a positive number"),
        ({"rate_penalty": -1.0}, "rate_penalty is -1.0"),
        ({"blend": 1.0}, "blend is 1.0; give a share"),
        ({"distill": 0.0}, "distill is 0.0; give a share above 0"),
        ({"delays_from": -1}, "delays_from is -1; give 0 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with refusal(UsageError, message, 2):
        TrainConfig(**options)


def test_a_device_that_is_not_there_is_refused() -> None:
    with refusal(UsageError, "device is 'gpu', which this torch cannot use", 2):
        run(device="gpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
def test_training_on_a_gpu_lowers_the_loss() -> None:
    history = run(device="cuda", epochs=4, lr=1e-2, heads=2).history
    assert history[-1].loss < 0.9 * history[0].loss


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
        while not kept.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert kept.exists()
    assert not out.exists()
    (tmp_path / ".net.unfinished.a1b2c3d4").write_text("half of it: killed while it was written")

    def call(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([*base, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "--resume to go on" in " ".join(call(str(out), code=3).split())
    call(str(out), "--resume", "--log", "jsonl")
    call(str(whole), "--log", "none")
    assert checkpoint.digest(checkpoint.load(out)) == checkpoint.digest(checkpoint.load(whole))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "net.epochs.csv",  # of the run that was killed
        "net.epochs.jsonl",
        "net.safetensors",
        "whole.safetensors",
    ]


def test_notes_name_the_teacher_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    checkpoint.save(run(recurrence="dense", epochs=1).network, path)
    notes = run(teacher=str(path), epochs=1).network.notes
    assert "--set teacher=teacher.safetensors" in notes["command"]
    assert str(tmp_path) not in json.dumps(notes)


def test_a_state_goes_on_where_its_teacher_moved_to(tmp_path: Path) -> None:
    old, new, kept = (tmp_path / n for n in ("old.safetensors", "new.safetensors", "t.unfinished"))
    checkpoint.save(run(recurrence="dense", epochs=1).network, old)
    train(toy_sets(), small(teacher=str(old)), state=kept)
    old.rename(new)
    assert train(toy_sets(), small(teacher=str(new)), state=kept, resume=True).history
    checkpoint.save(run(recurrence="dense", epochs=1, seed=1).network, new)
    with refusal(UsageError, "by another teacher", 2, tmp_path):
        train(toy_sets(), small(teacher=str(new)), state=kept, resume=True)
