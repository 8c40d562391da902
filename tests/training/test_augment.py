"""Augmentation: shifts and blends of training samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures.training import run, small, toy_sets

from delrec_compile.training.augment import Samples


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


def test_shifts_move_a_sample_within_silence() -> None:
    events = toy_sets().train.take(range(8))
    config = small(shift_steps=2, shift_channels=1)
    samples = Samples(events, config, torch.Generator().manual_seed(0))
    index = torch.arange(8)
    moved = set()
    for one, counts in zip(samples.batch(index), events.counts, strict=True):
        wide = np.pad(counts, ((2, 2), (1, 1)))
        places = [
            (t, c)
            for t in range(5)
            for c in range(3)
            if np.array_equal(one.numpy(), wide[t : t + 20, c : c + 12])
        ]
        assert len(places) == 1
        moved |= set(places)
    assert len(moved) > 3


def test_an_order_has_every_sample_once() -> None:
    samples = Samples(toy_sets().train, small(), torch.Generator().manual_seed(0))
    orders = [samples.order().tolist() for _ in range(2)]
    assert sorted(orders[0]) == list(range(160))
    assert orders[0] != orders[1]
