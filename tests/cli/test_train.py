"""delrec-compile train: options, files and notes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from fixtures.command import cli_here, ok, ok_here, refused, refused_here
from fixtures.shd import write_pool

from delrec_compile.cli.train import _Batches
from delrec_compile.network import checkpoint
from delrec_compile.training.state import Epoch


def test_progress_counts_batches_and_tells_the_last_epoch():
    said = []
    told = _Batches(lambda *step: said.append(step), epochs=2)
    told.batches(1, 6)
    told.epoch(Epoch(1, 0.5, 0.1, 0.25, 1.0, 2.0, 0), 2)
    told.batches(4, 6)
    assert [step[:2] for step in said] == [(0, 0), (1, 6), (3, 6), (4, 6)]
    assert [step[2] for step in said[:2]] == ["first of 2 epochs"] * 2
    assert [step[2] for step in said[2:]] == ["epoch 1 of 2, loss 0.500, valid 25.0%"] * 2


def test_data_and_train(tmp_path, tiny_data):
    told = json.loads(ok("data", "info", tiny_data / "tiny_train.h5", "--json"))
    assert told["utterances"] > 0
    net = tmp_path / "net.safetensors"
    arguments = ("train", tiny_data, "--hidden", 16, "--epochs", 2, "-o", net)
    told = json.loads(ok(*arguments, "--json"))
    assert set(told["accuracy"]) == {"valid", "test"}
    assert told["recurrent_parameters"] == 3 + 16
    assert len(told["history"]) == 2
    assert "--force" in refused(3, *arguments)
    assert "network" in ok("inspect", net)
    assert "odd number of taps" in refused_here(2, *arguments, "--force", "--kernel", 4)


def test_a_fold_of_a_pool_is_trained_on_and_kept_with_the_network(tmp_path, tiny_data):
    pool, net = write_pool(tmp_path / "pool"), tmp_path / "net.safetensors"
    arguments = ("train", pool, "--hidden", 8, "--epochs", 1, "-o", net)
    assert "the pool has the folds 0 to 3" in refused_here(2, *arguments, "--fold", 4)
    assert set(json.loads(ok_here(*arguments, "--fold", 3, "--json"))["accuracy"]) == {
        "valid",
        "test",
    }
    notes = checkpoint.load(net).notes
    assert notes["fold"] == 3
    assert "train DATA --fold 3 " in notes["command"]
    ok_here(*arguments, "--force")
    assert checkpoint.load(net).notes["fold"] == 0
    said = refused_here(2, "train", tiny_data, *arguments[2:], "--force", "--fold", 0)
    assert "is no pool of folds" in said


def test_a_training_writes_only_where_it_can(tmp_path, tiny_data):
    arguments = ("train", tiny_data, "--hidden", 8, "--epochs", 1)
    for name in ("net.unfinished", "run.1", "net"):
        said = refused_here(2, *arguments, "-o", tmp_path / name)
        assert "a name that ends in .safetensors is required" in said
    for name in ("net.safetensors", "net.epochs.csv"):
        (tmp_path / name).mkdir()
        said = refused_here(3, *arguments, "-o", tmp_path / "net.safetensors", "--force")
        assert f"{name}: it is a folder; name a file" in said
        (tmp_path / name).rmdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_training_leaves_out_is_said(tmp_path, tiny_data):
    options = ("--set", "channels=2", "--set", "steps=5", "--plots", "--json")
    arguments = ("train", tiny_data, "--recurrence", "conv2d", "--hidden", 8, "--epochs", 1)
    done = cli_here(*arguments, *options, "-o", tmp_path / "net.safetensors")
    assert done.returncode == 0, done.stderr
    assert "note: spikes after 0.05 s (5 steps of 10 ms) are left out" in done.stderr
    assert "note: no net.delays.png: the network has no delays of its own" in done.stderr
    assert [Path(f).name for f in json.loads(done.stdout)["files"]] == [
        "net.epochs.csv",
        "net.curves.png",
    ]
    assert not (tmp_path / "net.delays.png").exists()


def test_options_of_a_training_come_from_a_file_too(tmp_path, tiny_data):
    config, net = tmp_path / "c.toml", tmp_path / "net.safetensors"
    config.write_text('recurrence = "dense"\nhidden = 8\nepochs = 5\nsurrogate = "triangle"\n')
    arguments = ("train", tiny_data, "--config", config, "--epochs", 1, "-o", net)
    told = json.loads(ok_here(*arguments, "--plots", "--json"))
    assert told["recurrent_parameters"] == 8 * 8 + 8
    assert len(told["history"]) == 1
    names = [Path(f).name for f in told["files"]]
    assert names == ["net.epochs.csv", "net.curves.png", "net.delays.png"]
    assert all(Path(f).exists() for f in told["files"])
    config.write_text("hiden = 8")
    before = sorted(tmp_path.iterdir())
    assert "did you mean 'hidden'" in refused_here(2, *arguments, "--force")
    assert "allowed: csv, jsonl, none" in refused_here(2, *arguments[:2], "-o", net, "--log", "txt")
    assert sorted(tmp_path.iterdir()) == before


def test_richer_networks_train_by_their_options(tmp_path, tiny_data):
    """Neurons, forward delays and real values: each a graph or a chain that builds on."""
    net = tmp_path / "net.safetensors"
    options = ("neuron=adlif", "constants=learned", "gain=leak", "tau=10", "forward=dense_delay")
    settings = [word for option in options for word in ("--set", option)]
    arguments = ("train", tiny_data, "--hidden", 8, "--epochs", 1, "-o", net)
    told = json.loads(ok_here(*arguments, *settings, "--plots", "--json"))
    assert "net.delays.png" in [Path(f).name for f in told["files"]]
    assert '"model": "adlif"' in ok_here("inspect", net, "--json")
    said = refused_here(2, *arguments, "--force", "--set", "b=2")
    assert "b is 2.0, which the neuron 'lif' does not have; allowed with neuron adlif" in said
    r = np.random.default_rng(0)
    folder = tmp_path / "imu"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        labels = np.arange(12) % 3
        values = r.normal(size=(12, 9, 6)) + labels[:, None, None]
        np.savez(folder / f"imu_{name}.npz", values=values, labels=labels)
    arguments = ("train", folder, "--hidden", 8, "--epochs", 1, "-o", net, "--force")
    assert json.loads(ok_here(*arguments, "--json"))["accuracy"].keys() == {"valid", "test"}
    assert "input_bits" in ok_here("inspect", net, "--json")
