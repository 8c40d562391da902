"""Accuracy by voice, and the paired interval over voices."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.claims import toy_pool
from fixtures.training import run

from delrec_compile.evaluation.claims.voices import by_voice, interval, share
from delrec_compile.network.classify import accuracy


def test_voices_add_up_to_the_accuracy() -> None:
    network, pool = run().network, toy_pool().events
    voices = by_voice(network, pool)
    assert sorted(voices) == [str(v) for v in range(6)]
    assert all(words == 20 for _, words in voices.values())
    assert share(voices) == accuracy(network, pool.counts, pool.known_labels)


def test_an_interval_is_that_of_the_voices_drawn() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = ({str(v): [int(rng.integers(60, 100)), 100] for v in range(60)} for _ in "ab")
    low, high = interval([ours], [theirs])
    gaps = np.array([(ours[v][0] - theirs[v][0]) / 100 for v in ours])
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    assert low == pytest.approx(gaps.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(gaps.mean() + 1.96 * error, abs=0.1 * error)


def test_pairs_cancel_what_both_have() -> None:
    """Voices that are hard for both networks make no interval wide."""
    hard = {str(v): [10 * v, 100] for v in range(10)}
    better = {voice: [right + 3, all_] for voice, (right, all_) in hard.items()}
    assert interval([better], [hard]) == pytest.approx((0.03, 0.03))


def test_seeds_of_a_voice_stay_together() -> None:
    """A second seed with the same results tells nothing new, so the interval stays as wide."""
    rng = np.random.default_rng(0)
    ours, theirs = ({str(v): [int(rng.integers(50, 99)), 100] for v in range(20)} for _ in "ab")
    assert interval([ours, ours], [theirs, theirs]) == interval([ours], [theirs])


def test_no_pair_is_no_interval() -> None:
    with pytest.raises(ValueError, match="no pair of results"):
        interval([], [])
