"""The bundled sounds."""

from __future__ import annotations

from delrec_compile.data.sounds import bundled_sounds
from delrec_compile.data.voices import WORDS


def test_the_sounds_are_ten_words_in_two_languages() -> None:
    sounds = bundled_sounds()
    assert (sounds.pcm.shape, str(sounds.pcm.dtype)) == ((10, 12_800), "int16")
    assert sorted(sounds.labels.tolist()) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert sounds.keys == WORDS
    assert abs(sounds.pcm.astype(int)).max(axis=1).min() > 1_000
