"""Augmentation: shifts and blends of training samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures.training import run, small, toy_sets

from delrec_compile.data.events import Events
from delrec_compile.training import native
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


def drawn(**options: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of 64 steps and 64 channels, with a spike at every place of the middle half; augmented."""
    counts = np.zeros((32, 64, 64), np.uint8)
    counts[:, 16:48, 16:48] = 1
    events = Events(counts, np.arange(32) % 2, ("a", "b"), None, 10.0)
    config = small(shift_steps=0, shift_channels=0, **options)
    samples = Samples(events, config, torch.Generator().manual_seed(0))
    return torch.from_numpy(counts).float(), samples.batch(torch.arange(32))


@pytest.mark.parametrize(
    ("option", "axis", "still"), [("stretch_steps", 1, 0.0), ("stretch_channels", 2, 32.0)]
)
def test_a_stretch_moves_spikes_from_the_place_that_stays(
    option: str, axis: int, still: float
) -> None:
    plain, stretched = drawn(**{option: 0.25})
    assert torch.equal(stretched.sum((1, 2)), plain.sum((1, 2))), "a spike is lost"
    along = stretched.sum(3 - axis)
    place = torch.arange(64) + 0.5 - still
    far = (along * place.abs()).sum(1) / (plain.sum(3 - axis) * place.abs()).sum(1)
    assert 0.74 < far.min() < 0.85
    assert 1.15 < far.max() < 1.26
    for one, factor in zip(along, far.tolist(), strict=True):
        inside = one[
            int(still + (16 - still) * factor) + 2 : int(still + (48 - still) * factor) - 2
        ]
        assert inside.min() > 0, "rows are rounded apart, so no place is empty"
        assert inside.mean() == pytest.approx(32 / factor, rel=0.1)
    others = stretched.sum(axis)
    assert torch.equal(others, plain.sum(axis)), "a spike has left its row"


def test_what_a_stretch_moves_beyond_the_end_is_lost() -> None:
    events = toy_sets().train.take(range(32))
    config = small(stretch_steps=0.5, shift_steps=0, shift_channels=0)
    samples = Samples(events, config, torch.Generator().manual_seed(0))
    kept = samples.batch(torch.arange(32)).sum((1, 2)) / torch.from_numpy(events.counts).sum((1, 2))
    assert kept.max() == 1
    assert 0.5 < kept.min() < 0.9


def test_a_stretch_in_c_is_that_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    made, compiled = [], native.library()
    assert compiled is not None
    for form in (compiled, None):
        monkeypatch.setattr(native, "library", lambda form=form: form)
        samples = Samples(
            toy_sets().train,
            small(stretch_steps=0.4, stretch_channels=0.3),
            torch.Generator().manual_seed(0),
        )
        made.append(samples.batch(torch.arange(64)))
    ours, theirs = made
    assert torch.equal(ours, theirs)
    assert ours.any()


def test_an_order_has_every_sample_once() -> None:
    samples = Samples(toy_sets().train, small(), torch.Generator().manual_seed(0))
    orders = [samples.order().tolist() for _ in range(2)]
    assert sorted(orders[0]) == list(range(160))
    assert orders[0] != orders[1]
