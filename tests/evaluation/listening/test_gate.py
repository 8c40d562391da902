"""The gate: opens at sounds that rise above the background, closes after them."""

from __future__ import annotations

import numpy as np

from delrec_compile.evaluation.listening.gate import Gate


def opened(wave: np.ndarray, step_ms: int = 10) -> list[tuple[int, int]]:
    """Milliseconds at which it opens and closes."""
    gate, was, edges = Gate(step_ms), False, []
    steps = wave.reshape(-1, 16 * step_ms).astype(np.float32)
    for n, samples in enumerate(steps):
        if gate.hear(samples) != was:
            was = gate.open
            edges.append(n * step_ms)
    assert not was
    return list(zip(edges[::2], edges[1::2], strict=True))


def with_sounds(background: float, *at_ms: int, lasts_ms: int = 300) -> np.ndarray:
    """Four seconds of noise at a level, with louder noise at some times."""
    r = np.random.default_rng(0)
    wave = r.standard_normal(64_000) * background
    for start in at_ms:
        wave[start * 16 : (start + lasts_ms) * 16] += 0.05 * r.standard_normal(lasts_ms * 16)
    return wave


def test_it_opens_at_words_and_closes_after_them() -> None:
    for background in (0, 0.001, 0.003):
        for step_ms in (5, 10):
            found = opened(with_sounds(background, 500, 1_500, 2_500), step_ms)
            assert len(found) == 3, background
            for (opens, closes), start in zip(found, (500, 1_500, 2_500), strict=True):
                assert 0 <= opens - start <= 60
                assert 200 <= closes - start - 300 <= 320


def test_a_word_at_once_is_heard() -> None:
    assert len(opened(with_sounds(0.0005, 0))) == 1


def test_a_click_and_a_steady_noise_are_no_words() -> None:
    assert opened(with_sounds(0.003, 2_000, lasts_ms=10)) == []
    assert opened(with_sounds(0.0)) == []
    noise = opened(with_sounds(0.1))  # louder than START_DB: taken for a word until it is known
    assert len(noise) <= 1


def test_a_background_that_was_not_known_is_no_sound() -> None:
    for wave, expected in ((with_sounds(0.03), [False]), (with_sounds(0.01, 1_000), [False, True])):
        gate, sounds = Gate(), []
        for samples in wave.reshape(-1, 160).astype(np.float32):
            was = gate.open
            if was and not gate.hear(samples):
                sounds.append(gate.sound)
            elif not was:
                gate.hear(samples)
        assert sounds == expected


def test_the_levels_are_told() -> None:
    gate = Gate()
    for samples in with_sounds(0.003, 2_000).reshape(-1, 160).astype(np.float32)[:230]:
        gate.hear(samples)
    assert -56 < gate.background_db < -45
    assert -26 < gate.loudest_db < -20
