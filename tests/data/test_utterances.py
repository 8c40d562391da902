"""Words as spikes: in noise, in batches, by any number of workers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.data import utterances as u
from delrec_compile.data.cochlea import RATE_HZ, Cochlea
from delrec_compile.data.events import load_events
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.speech import Audio, Voice
from delrec_compile.errors import UsageError


def hum(text: str, voice: Voice) -> tuple[Audio, int]:
    """A tone of the voice's pitch, as long as the word."""
    time = np.arange(900 * len(text)) / 8000
    return np.sin(2 * np.pi * 10 * voice.pitch * time).astype(np.float32), 8000


def said(n: int, seed: int = 0) -> list[u.Utterance]:
    return [u.Utterance(i % 20, i % 3, Voice("hum", "", 20 + i), (seed, 9, i)) for i in range(n)]


def test_a_word_is_placed_in_noise_within_a_second() -> None:
    word = hum("seven", Voice("hum", ""))[0]
    placed = u.place_in_noise(word, np.random.default_rng(1))
    assert placed.shape == (RATE_HZ,)
    same = u.place_in_noise(word, np.random.default_rng(1))
    assert np.array_equal(placed, same)
    assert not np.array_equal(placed, u.place_in_noise(word, np.random.default_rng(2)))
    assert u.place_in_noise(np.tile(word, 9), np.random.default_rng(1)).shape == (RATE_HZ,)


def test_a_word_is_resampled_to_the_rate_of_the_cochlea() -> None:
    (utterance,) = said(1)
    assert len(u.spoken_word(hum, utterance)) == 2 * len(hum("zero", utterance.voice)[0])


@pytest.mark.parametrize("hear", ["cochlea", "front end"])
def test_the_spikes_of_an_utterance_depend_on_nothing_beside_it(hear: str) -> None:
    heard = (
        partial(u.heard_by_cochlea, hum, Cochlea.build())
        if hear == "cochlea"
        else partial(u.heard_by_front_end, hum, FrontEnd())
    )
    batch = said(3)
    together, alone = heard(batch), [heard([utterance])[0] for utterance in batch]
    for one, other in zip(together, alone, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_rendering_keeps_the_order_whatever_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(u, "BATCH", 4)
    told: list[tuple[str, int, int]] = []
    for workers in (1, 3):
        told.clear()
        labels = u.render(
            lambda batch: [x.label for x in batch],
            "x",
            said(10),
            workers,
            lambda *s: told.append(s),
        )
        assert labels == list(range(10))
        assert told == [("x", 4, 10), ("x", 8, 10), ("x", 10, 10)]


def test_a_failure_of_one_batch_ends_the_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(u, "BATCH", 1)
    begun: list[int] = []

    def hear(batch: list[u.Utterance]) -> list[int]:
        begun.append(batch[0].label)
        raise KeyError(batch[0].label)

    with pytest.raises(KeyError):
        u.render(hear, "x", said(20), 1, None)
    assert len(begun) < 20


def test_a_set_is_a_file_in_the_layout_of_shd(tmp_path: Path) -> None:
    path = tmp_path / u.file_name("hummed")
    assert (path.name, u.set_of(path), u.file_name("a", True)) == (
        "synth_hummed.h5",
        "hummed",
        "synth_a.npz",
    )
    words = said(4)
    mean = u.write_set(path, hum, words, {"seed": 0}, 2, None, {"fold": np.arange(3)})
    events = load_events(path)
    assert events.known_labels.tolist() == [0, 1, 2, 3]
    assert events.speaker is not None
    assert events.speaker.tolist() == [0, 1, 2, 0]
    assert mean >= events.counts.sum() / 4 > 100


def test_every_word_is_said_by_every_speaker_equally_often() -> None:
    words = u.every_word(3, 4, 2, np.random.default_rng(0))
    assert sorted(words) == sorted([(s, w) for s in range(3) for w in range(4)] * 2)
    assert words != sorted(words)


def test_numbers_that_make_no_set_are_refused() -> None:
    with refusal(UsageError, "seed is -1; 0 or more", 2):
        u.check_seed(-1)
    with refusal(UsageError, "words_per_voice_and_class is 0; at least 1", 2):
        u.check_words(0)
