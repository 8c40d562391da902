"""A frozen network as the teacher of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.training import run, toy_sets
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.classify import outputs
from delrec_compile.training import distillation
from delrec_compile.training.losses import soft_loss


def test_a_teacher_gives_the_outputs_of_its_network(tmp_path: Path) -> None:
    counts = toy_sets().test.counts
    x = torch.from_numpy(counts).float().transpose(0, 1)
    for i, options in enumerate(
        (
            {"heads": 2},
            {"recurrence": "dense"},
            {"recurrence": "synaptic"},
            {"readout": "count"},
            {"neuron": "alif", "forward": "dense_delay"},
        )
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
