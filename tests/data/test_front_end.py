"""The integer front end, beside its equations in plain Python integers."""

from __future__ import annotations

from dataclasses import replace
from math import floor

import numpy as np
import pytest
from scipy.signal import lfilter

from delrec_compile.data.front_end import LARGEST, ONE, FrontEnd, loudness, to_pcm
from delrec_compile.errors import DataError

SMALL = FrontEnd(channels=5)


def plain(front: FrontEnd, pcm: list[int]) -> list[list[int]]:
    """Counts (steps, channels), sample by sample, from the equations of the module."""
    b, c, a1, a2 = (v.tolist() for v in front.coefficients.values())
    counts = []
    x1 = x2 = 0
    state = [[0] * 6 for _ in range(front.channels)]
    for start in range(0, len(pcm), front.block):
        block = pcm[start : start + front.block]
        d = []
        for x in block:
            d.append((x - x2) * 2**14)
            x1, x2 = x, x1
        row = []
        for k, s in enumerate(state):
            u1, u2, v1, v2, p, m = s
            spikes = 0
            for ms in range(front.step_ms):
                e = 0
                for now in d[16 * ms : 16 * ms + 16]:
                    u1, u2 = floor((b[k] * now + a1[k] * u1 - a2[k] * u2 + 2**27) / 2**28), u1
                    v1, v2 = (c[k] * u1 + a1[k] * v1 - a2[k] * v2 + 2**27) // 2**28, v1
                    e += max(v1, 0) // 256
                v, octaves = e + 2**14, 0
                while v >= 2**15:
                    v, octaves = v // 2, octaves + 1
                loud = 1024 * octaves + (v - 2**14) // 16
                w = loud * (2**15 - p) // 2**15
                p += (13 * (w * (2**15 - p) // 2**15) - p) * 655 // 2**15
                m += w - m // 4
                if m >= front.threshold:
                    spikes += 1
                    m = min(m - front.threshold, front.threshold)
            s[:] = u1, u2, v1, v2, p, m
            row.append(spikes)
        counts.append(row)
    return counts


def sounds(samples: int) -> np.ndarray:
    r, t = np.random.default_rng(3), np.arange(samples)
    square = np.where(t // 40 % 2, 32_767, -32_768)
    chirp = 20_000 * np.sin(2 * np.pi * t**2 * 6_000 / samples / 32_000)
    noise = r.integers(-32_768, 32_768, samples)
    return np.stack([square, chirp, noise, 0 * t, noise // 300]).astype(np.int16)


def test_the_fast_form_is_the_equations_to_the_last_spike() -> None:
    pcm = sounds(4 * SMALL.block)
    counts = SMALL.encode(pcm)
    assert counts.dtype == np.uint8
    assert counts.tolist() == [plain(SMALL, row) for row in pcm.tolist()]
    assert counts[:3].sum(axis=(1, 2)).min() > 20
    assert not counts[3].any()


def test_a_sound_may_come_in_blocks() -> None:
    pcm = sounds(6 * SMALL.block)
    state = SMALL.fresh(len(pcm))
    blocks = [SMALL.step(state, block) for block in np.split(pcm, 6, axis=1)]
    np.testing.assert_array_equal(np.stack(blocks, axis=1), SMALL.encode(pcm))
    assert {v.dtype for v in state.values()} == {np.dtype(np.int32)}


def worst(front: FrontEnd, channel: int, samples: int) -> np.ndarray:
    """PCM whose last sample makes the channel's second filter as large as PCM can make it."""
    b, c, a1, a2 = (float(v[channel]) / 2**28 for v in front.coefficients.values())
    poles = [1.0, -a1, a2]
    impulse = np.eye(1, samples)[0]
    response = lfilter([c], poles, lfilter([b, 0, -b], poles, impulse))
    return np.where(response[::-1] >= 0, 32_767, -32_768).astype(np.int16)


@pytest.mark.parametrize("channel", [0, 40, 63])
def test_the_worst_sound_comes_near_the_bound_and_never_over_it(channel: int) -> None:
    front = FrontEnd()
    pcm = worst(front, channel, 30 * front.block)[None]
    state = front.fresh()
    for block in np.split(pcm, 30, axis=1):
        front.step(state, block)
    bound, reached = front.bounds[1], abs(int(state["v1"][0, channel]))
    assert 0.9 * bound < reached <= bound < LARGEST / 2


def test_what_a_loud_sound_depletes_stays_between_nothing_and_all() -> None:
    front = FrontEnd(channels=8)
    state = front.fresh(5)
    for block in np.split(sounds(100 * front.block), 100, axis=1):
        front.step(state, block)
        assert 0 <= state["depleted"].min() <= state["depleted"].max() < ONE
        assert np.abs(state["membrane"]).max() <= front.threshold
    assert state["depleted"].max() > ONE // 3


def test_each_filter_passes_its_own_frequency_best_and_as_it_is() -> None:
    front = FrontEnd(channels=9)
    t = np.arange(20 * front.block) / 16_000
    tones = np.stack([10_000 * np.sin(2 * np.pi * f * t) for f in front.centres])
    state, most = front.fresh(9), np.zeros((9, 9))
    for block in np.split(np.rint(tones).astype(np.int16), 20, axis=1):
        front.step(state, block)
        most = np.maximum(most, np.abs(state["v1"]) / 2**14)
    assert most.argmax(axis=1).tolist() == list(range(9))
    assert most.diagonal().max() < 10_100


def test_waves_become_pcm_clipped() -> None:
    wave = np.array([-1.5, -1.0, 0.0, 0.5, 1.0], np.float32)
    assert to_pcm(wave).tolist() == [-32_768, -32_768, 0, 16_384, 32_767]


def test_loudness_is_the_logarithm_within_a_tenth_of_an_octave() -> None:
    e = np.concatenate([np.arange(1 << 15), np.geomspace(1 << 15, 1 << 27, 1_000).astype(np.int64)])
    exact = np.log2(e + 2**14) - 14
    got = loudness(e) / 1_024
    assert np.all(np.diff(got) >= 0)
    assert np.abs(got - exact).max() < 0.09
    assert got[0] == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"channels": 0}, "channels is 0; allowed: 1 to 1024"),
        ({"lowest_hz": 20.0}, "lowest_hz is 20; allowed: 50 to 7000"),
        ({"highest_hz": 9_000.0}, "highest_hz is 9000"),
        ({"threshold": 0}, "threshold is 0"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(values: dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(SMALL, **values)


def test_a_description_gives_the_front_end_back_and_a_foreign_one_is_refused() -> None:
    assert FrontEnd.from_json(SMALL.to_json()) == SMALL
    for data, words in (
        ({"kind": "mel"}, "kind 'cochlea'"),
        (SMALL.to_json() | {"channels": "5"}, "'channels' is '5'"),
        (SMALL.to_json() | {"gain": 1}, "'gain' is 1"),
    ):
        with pytest.raises(DataError, match=words):
            FrontEnd.from_json(data)


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, '{"kind": "cochlea", "width": 1' + "0" * 400 + "}"]
)
def test_a_text_that_describes_none_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="is no JSON"):
        FrontEnd.parse(text)
