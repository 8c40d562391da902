"""Accuracy by voice, and the interval of a gap between two networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.network.classify import classify
from delrec_compile.network.model import Network

Voices = Mapping[str, Sequence[int]]  # samples by speaker number: those that are right, and all
ROUNDS = 10_000
SHARE = 0.95


def by_voice(network: Network, events: Events) -> dict[str, list[int]]:
    """Right and all samples of each speaker; one speaker, 0, where the samples name none."""
    right = classify(network, events.counts) == events.known_labels
    speakers = np.zeros(len(events), np.int64) if events.speaker is None else events.speaker
    return {
        str(speaker): [int(right[speakers == speaker].sum()), int((speakers == speaker).sum())]
        for speaker in np.unique(speakers).tolist()
    }


def share(voices: Voices) -> float:
    """Accuracy over all samples."""
    return sum(right for right, _ in voices.values()) / sum(all_ for _, all_ in voices.values())


def interval(
    ours: Sequence[Voices], theirs: Sequence[Voices], rounds: int = ROUNDS, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean accuracy of `ours` less that of `theirs`.

    A paired bootstrap: the voices are drawn with replacement, and each comes with the results of both.
    ours, theirs: pairs of results on the same samples, of all folds and seeds. Raises ValueError where
    there is none.
    """
    difference: dict[str, int] = {}
    words: dict[str, int] = {}
    for mine, other in zip(ours, theirs, strict=True):
        for voice, (right, all_) in mine.items():
            difference[voice] = difference.get(voice, 0) + right - other[voice][0]
            words[voice] = words.get(voice, 0) + all_
    if not words:
        raise ValueError("there is no pair of results to compare")
    won, said = (np.array([of[v] for v in words], np.float64) for of in (difference, words))
    drawn = np.random.default_rng(seed).integers(0, len(won), (rounds, len(won)))
    gaps = won[drawn].sum(1) / said[drawn].sum(1)
    low, high = np.quantile(gaps, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return float(low), float(high)
