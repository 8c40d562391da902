"""The streaming cochlea: the same spikes however audio is cut, near those of the FFT cochlea."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.data.cochlea import RATE_HZ, UNITS, Cochlea, centre_frequencies
from delrec_compile.data.streaming import StreamingCochlea, bands
from delrec_compile.errors import UsageError


def chirps(seconds: float) -> np.ndarray:
    """Tones that rise from 200 to 5,000 Hz three times a second, in faint noise."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    r = np.random.default_rng(0)
    phase = 2 * np.pi * np.cumsum(200 * 25 ** (3 * t % 1)) / RATE_HZ
    return (0.1 * np.sin(phase) + 0.005 * r.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_cuts_change_no_spike(noise: float) -> None:
    wave, r = chirps(0.7), np.random.default_rng(1)
    cochlea = StreamingCochlea(noise=noise)
    whole = cochlea.spikes(wave)
    assert whole.shape == (700, UNITS)
    assert 0.01 < whole.mean() < 0.2
    cochlea.reset()
    cuts = np.split(wave, np.sort(r.integers(0, len(wave), 60)))
    assert np.array_equal(np.concatenate([cochlea.spikes(part) for part in cuts]), whole)
    counted = StreamingCochlea(group=5, noise=noise)
    assert np.array_equal(counted.push(wave), whole.reshape(70, 10, 140, 5).sum(axis=(1, 3)))


def test_it_hears_what_the_fft_cochlea_hears() -> None:
    wave = chirps(1.0)
    fft = Cochlea.build().spikes(wave[None], np.zeros((1, 1000, UNITS), np.float32))[0]
    stream = StreamingCochlea().spikes(wave)
    counts = [s.reshape(100, 10, 140, 5).sum(axis=(1, 3)).ravel() for s in (fft, stream)]
    assert np.corrcoef(*counts)[0, 1] > 0.99
    assert abs(int(stream.sum()) / int(fft.sum()) - 1) < 0.02


def test_a_tone_is_loudest_at_its_own_unit() -> None:
    t = np.arange(RATE_HZ // 2) / RATE_HZ
    for unit in (100, 350, 650):
        tone = 0.02 * np.sin(2 * np.pi * centre_frequencies()[unit] * t)
        counts = StreamingCochlea().push(tone).sum(axis=0)
        middle = np.average(np.arange(UNITS), weights=counts.astype(float) ** 4)
        assert abs(middle - unit) < 15, unit


def test_counts_end_at_what_a_network_takes() -> None:
    wave = np.float32(0.5) * np.random.default_rng(0).standard_normal(RATE_HZ // 10)
    one, all_units = StreamingCochlea().push(wave), StreamingCochlea(group=UNITS).push(wave)
    assert all_units.ravel().tolist() == np.minimum(one.sum(axis=1, dtype=int), 255).tolist()
    assert all_units.max() == 255


def test_bands_are_the_filters() -> None:
    wave = np.random.default_rng(0).standard_normal(RATE_HZ // 4).astype(np.float32)
    expected = Cochlea.build(len(wave)).envelope(wave)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (1_009, 0)), 1_024)[::16]
    parts = np.concatenate([band.respond(windows) for band in bands()], axis=1)
    found = np.hypot(parts[:, 0::2], parts[:, 1::2])
    assert found.shape == expected.shape == (250, UNITS)
    lost = np.square(found - expected).sum(axis=0) / np.square(expected).sum(axis=0)
    assert np.median(lost) < 0.01
    assert lost.max() < 0.05


def test_no_step_waits_for_the_next() -> None:
    cochlea = StreamingCochlea(group=5)
    assert len(cochlea.push(np.zeros(159, np.float32))) == 0
    assert len(cochlea.push([0.0])) == 1
    assert len(cochlea.push(np.ones(1, np.float32))) == 0
    assert cochlea.finish().shape == (1, 140)
    assert len(cochlea.finish()) == 0


def test_sizes_that_make_no_sense() -> None:
    for options in ({"group": 3}, {"step_ms": 0}, {"units": 0}, {"units": 10}):
        with pytest.raises(UsageError):
            StreamingCochlea(**options)
