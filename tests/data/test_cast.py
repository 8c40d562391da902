"""Voices of a pool: espeak-ng's, and drawn ones."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from delrec_compile.data import cast
from delrec_compile.data.cast import Cast, draw_voices, own_voices
from delrec_compile.data.voices import VARIANTS
from delrec_compile.errors import UsageError


def drawn(count: int, seed: int = 0) -> Cast:
    return draw_voices(count, np.random.default_rng(seed))


def field(text: str, name: str) -> list[float]:
    """The numbers of a line of a variant file."""
    found = re.findall(rf"^{name} ([-\d. ]+)$", text, re.M)
    assert len(found) == 1, (name, text)
    return [float(word) for word in found[0].split()]


def test_the_own_voices_are_those_that_espeak_has() -> None:
    own = own_voices()
    assert own.variants == VARIANTS
    assert own.files == {}
    assert Counter(own.genders) == {"male": 60, "female": 17}
    assert len(own.kinds) == len(VARIANTS)


def test_a_seed_draws_the_same_voices_again_and_no_two_alike() -> None:
    assert drawn(50) == drawn(50)
    assert drawn(50).files != drawn(50, seed=1).files
    assert drawn(50).variants == drawn(50, seed=1).variants
    bodies = {re.sub("^name .*", "", text, flags=re.M) for text in drawn(2000).files.values()}
    assert len(bodies) == 2000


def test_kinds_come_as_often_as_their_shares() -> None:
    voices = drawn(4000)
    counts = Counter(voices.kinds)
    assert set(counts) == set(cast.SHARES)
    assert sum(cast.SHARES.values()) == pytest.approx(1)
    for kind, share in cast.SHARES.items():
        assert counts[kind] / 4000 == pytest.approx(share, abs=4 * (share / 4000) ** 0.5)


def test_a_voice_has_the_pitch_and_the_size_of_its_body() -> None:
    voices = drawn(600)
    mean: dict[str, list[float]] = {}
    for name, kind, gender in zip(voices.variants, voices.kinds, voices.genders, strict=True):
        text = voices.files[name]
        assert f"name {name}\ngender {gender}\n" in text
        body = kind if kind in cast.SIZES else gender
        low, high = field(text, "pitch")
        first, last = cast.PITCHES[body]
        assert first <= low <= last
        assert 1.24 * low < high < 1.71 * low
        sizes = [field(text, f"formant {n}")[0] / 100 for n in range(cast.FORMANTS)]
        least, most = cast.SIZES[body]
        assert least * 0.93 < min(sizes) <= max(sizes) < most * 1.07
        mean.setdefault(body, []).append(float(np.mean(sizes)))
        assert bool(re.search("^klatt [1-5]$", text, re.M)) == (kind == "klatt")
        assert bool(re.search("^breath ", text, re.M)) == (kind == "whisper")
        if kind == "whisper":  # no voice at all below the first formant
            assert field(text, "formant 0")[1] == 0
            assert field(text, "voicing")[0] <= 25
    middles = {body: np.mean(own) for body, own in mean.items()}
    assert middles["male"] < middles["female"] < middles["child"]


@pytest.mark.parametrize("count", [0, -1, 2, 10_001])
def test_numbers_that_make_no_voices_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match=r"drawn_voices is .*; 3 to 10,000 are allowed"):
        drawn(count)
    assert len(drawn(3).variants) == 3
