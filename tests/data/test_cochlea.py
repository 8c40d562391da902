"""Filters and fibres of the model cochlea."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.data.cochlea import RATE_HZ, UNITS, Cochlea, centre_frequencies


def test_unit_0_hears_the_highest_frequency() -> None:
    centres = centre_frequencies()
    assert (np.diff(centres) < 0).all()
    assert (centres[0], centres[-1]) == (pytest.approx(7000), pytest.approx(80))
    cochlea = Cochlea.build(RATE_HZ // 4)
    time = np.arange(cochlea.samples) / RATE_HZ
    for pitch in (200.0, 1000.0, 4000.0):
        tone = np.sin(2 * np.pi * pitch * time).astype(np.float32)
        loudest = cochlea.envelope(tone).sum(0).argmax()
        assert centres[loudest] == pytest.approx(pitch, rel=0.03)


def test_fibres_fire_at_tones_and_rest_between_spikes() -> None:
    cochlea = Cochlea.build(RATE_HZ // 4)
    tone = np.sin(2 * np.pi * 1000 * np.arange(cochlea.samples) / RATE_HZ).astype(np.float32)
    waves = np.stack([tone, 0 * tone])
    spikes = cochlea.spikes(waves, np.zeros((2, cochlea.steps, UNITS), np.float32))
    assert spikes.shape == (2, 250, UNITS)
    assert spikes[0].sum() > 100
    assert not spikes[1].any()
    near = spikes[:, 1:] & spikes[:, :-1]
    assert not near.any()
