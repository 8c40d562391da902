"""The loop on words of voices that no training sample has: as good as batch, whatever the pieces."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from fixtures.synthesisers import needs_espeak

from benchmarks import listening
from delrec_compile.data.cochlea import RATE_HZ
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.sounds import bundled_sounds
from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.listening import engine
from delrec_compile.evaluation.listening.listener import Listener, Word, _shares
from delrec_compile.evaluation.listening.sources import Source
from delrec_compile.network.front_end import NOTE
from delrec_compile.network.model import Network
from delrec_compile.network.taker import Taker
from delrec_compile.ops.readout import DECISIONS, decide, scores
from delrec_compile.runners.session import Session

WORDS = 20


def in_pieces(samples: np.ndarray, size: int) -> Source:
    parts = np.split(samples, range(size, len(samples), size))
    return Source((part, time.perf_counter()) for part in parts)


@pytest.fixture(scope="module")
def said() -> listening.Spoken:
    return listening.spoken(WORDS)


@needs_espeak
def test_words_are_heard_as_in_batch(said: listening.Spoken, artifacts: dict[str, Path]) -> None:
    listener, so_far = engine.open_listener(artifacts["conv_delay_256"]), list[Word]()
    source = in_pieces(said.samples, 160)
    heard = list(listener.listen(source, so_far.append))
    live, extra = listening.matched(said, heard)
    batch = listening.batch_classes(listener, said)
    right = [sum(a == b for a, b in zip(c, said.labels, strict=True)) for c in (live, batch)]
    assert extra == 0
    assert None not in live
    assert min(right) >= 0.75 * WORDS
    assert abs(right[0] - right[1]) <= 2
    assert [w for w in so_far if w.final] == heard
    assert len(so_far) > 30 * WORDS
    timing = listener.timing(source)
    assert timing.words == WORDS
    assert timing.audio_s == len(said.samples) // 160 / 100
    assert 0 < timing.latency_ms_median <= timing.latency_ms_95 <= timing.latency_ms_most
    for word in heard:
        assert word.name == listener.takes.labels[word.label]
        assert word.end_s - word.start_s <= 0.81
        assert 0.05 < word.confidence <= 1


@needs_espeak
def test_pieces_change_no_word(said: listening.Spoken, artifacts: dict[str, Path]) -> None:
    few, heard = said.samples[: said.ends[2]], []
    for size in (7_777, 37):
        listener = engine.open_listener(artifacts["conv_delay_256"])
        words = listener.listen(in_pieces(few, size))
        heard.append([(w.start_s, w.end_s, w.label, w.confidence) for w in words])
    assert heard[0] == heard[1]
    assert len(heard[0]) == 3  # the last one ends with the audio


def test_counts_are_no_more_than_the_network_takes(
    artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = engine.open_listener(artifacts["conv_delay_256"])
    listener.takes = replace(listener.takes, max_input=1)
    step, given = listener.session.step, list[float]()
    monkeypatch.setattr(listener.session, "step", lambda x: given.append(x.max()) or step(x))
    sound = 0.1 * np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)
    list(listener.listen(in_pieces(sound, 160)))
    assert max(given) == 1


@pytest.mark.parametrize("channels", [14, 64])
def test_a_network_hears_by_the_front_end_it_was_trained_behind(channels: int) -> None:
    """14 are a divisor of the cochlea's 700 units, whose spikes are others; 64 are none."""
    front, given = FrontEnd(channels=channels, threshold=3_000), list[np.ndarray]()
    notes = {NOTE: front.to_json()}
    network = SimpleNamespace(name="ear", notes=notes, inputs=channels, dt_ms=10.0, max_input=31.0)
    takes = Taker(channels, 2, 10.0, network=cast(Network, network), max_input=31)

    def step(counts: np.ndarray) -> np.ndarray:
        given.append(counts)
        return np.zeros(2, np.float32)

    artifact = SimpleNamespace(manifest=SimpleNamespace(steps_per_call=1))
    session = SimpleNamespace(artifact=artifact, reset=given.clear, step=step)
    pcm = np.concatenate([np.zeros(8_000, np.int16), bundled_sounds().pcm[0]])
    listener = Listener(cast(Session, session), takes, "mean")
    (word,) = listener.listen(in_pieces(pcm.astype(np.float32) / 32_768, 37))
    first, last = (round(100 * at) for at in (word.start_s, word.end_s))
    want = front.encode(pcm[None])[0, first:last]
    assert want.sum() > 50
    np.testing.assert_array_equal(np.stack(given), want)
    with pytest.raises(UnsupportedError, match="inputs 7, its front end gives"):
        Listener(cast(Session, session), replace(takes, network=other(network)), "mean")


def other(network: SimpleNamespace) -> Network:
    return cast(Network, SimpleNamespace(**{**vars(network), "inputs": 7}))


def test_loud_background_is_no_word(artifacts: dict[str, Path]) -> None:
    noise = 0.03 * np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32)
    listener = engine.open_listener(artifacts["conv_delay_256"])
    told: list[Word] = []
    assert list(listener.listen(in_pieces(noise, 160), told.append)) == []
    assert told  # it opened, before it knew
    assert listener.timing(in_pieces(noise, 160)).words == 0


def test_scores_decide_and_shares_sum_to_one() -> None:
    y = np.random.default_rng(0).standard_normal((30, 1, 20)).astype(np.float32)
    for decision in DECISIONS:
        shares = _shares(decision, scores(decision, y)[0], len(y))
        assert shares.sum() == pytest.approx(1)
        assert shares.argmax() == decide(decision, y)[0]
