"""The loop: samples -> cochlea, or front end -> gate -> compiled step -> words, with their times."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.data.cochlea import UNITS, Float
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.streaming import StreamingCochlea, StreamingFrontEnd
from delrec_compile.errors import DataError, UnsupportedError
from delrec_compile.evaluation.listening.gate import Gate
from delrec_compile.evaluation.listening.sources import Source
from delrec_compile.network.front_end import NOTE, front_end_of
from delrec_compile.network.taker import Taker
from delrec_compile.ops.readout import scores
from delrec_compile.runners.session import Session

LEAD_MS = 120  # before the gate opens, which a word begins with
RECENT = 60_000  # steps whose latency is kept
STEPS = 80  # of a word, where the network does not say how many it was trained on


@dataclass(frozen=True)
class Word:
    """A word that was heard, or as far as it has been heard.

    start_s, end_s: where the gate opened and what the decision was made at, from the start of the
    audio. label: index of the class. confidence: its share, 0 to 1. latency_ms: from the last sample to
    here.
    """

    start_s: float
    end_s: float
    label: int
    name: str
    confidence: float
    latency_ms: float
    final: bool


@dataclass(frozen=True)
class Timing:
    """Times of a whole run. real_time_factor: time worked for a second of audio. dropped: blocks of a
    microphone that were lost. latency: from the last sample of a step to its output; median and 95 % of
    the last RECENT steps.
    """

    audio_s: float
    words: int
    real_time_factor: float
    dropped: int
    latency_ms_median: float
    latency_ms_95: float
    latency_ms_most: float
    device_ms: float
    loudest_db: float
    background_db: float


def require_listener(takes: Taker, steps_per_call: int = 1) -> None:
    """Raises DataError or UnsupportedError for a network that no audio can be given to."""
    if takes.real or (own_front_end(takes) is None and UNITS % takes.inputs):
        kind = "real values" if takes.real else f"{takes.inputs} inputs"
        raise DataError(
            f"the network takes {kind}; listening gives counts of spikes of {UNITS} units, which are "
            f"summed to a divisor of {UNITS} inputs"
        )
    if takes.dt_ms != int(takes.dt_ms) or takes.dt_ms < 1:
        raise UnsupportedError(
            f"the network has steps of {takes.dt_ms:g} ms; whole milliseconds are required to listen"
        )
    if steps_per_call != 1:
        raise UnsupportedError(
            f"the artifact makes {steps_per_call} steps per call; build it without --unroll to listen"
        )


def own_front_end(takes: Taker) -> FrontEnd | None:
    """The front end that the network was trained behind. Raises UnsupportedError."""
    network = takes.network
    return front_end_of(network) if network and NOTE in network.notes else None


class Listener:
    """One stream of audio and the network that hears it; `listen` takes a source and yields words.

    The network starts afresh at each word, LEAD_MS before the gate opened. A word is decided when the
    gate closes, or after as many steps as the network was trained on. Raises DataError and
    UnsupportedError for a network that no audio can be given to.
    """

    def __init__(self, session: Session, takes: Taker, decision: str) -> None:
        require_listener(takes, session.artifact.manifest.steps_per_call)
        self.session, self.takes, self.decision = session, takes, decision
        self.step_ms = int(takes.dt_ms)
        front = own_front_end(takes)
        self.ear = (
            StreamingFrontEnd(front)
            if front
            else StreamingCochlea(step_ms=self.step_ms, group=UNITS // takes.inputs)
        )
        self.gate = Gate(self.step_ms)
        self.steps = takes.steps or STEPS
        self._lead: deque[F32] = deque(maxlen=max(1, LEAD_MS // self.step_ms))
        self._held = np.zeros(0, np.float32)  # samples of the step that has begun
        most = max(self.steps, self._lead.maxlen or 1)
        self._outputs = np.zeros((most, 1, takes.outputs or 1), np.float32)  # of the word
        self._made = 0  # outputs of the word
        self._speaking, self._decided = False, True
        self._time = self._start = self._words = 0  # the first two in steps
        self._worked, self._slowest_ms = 0.0, 0.0
        self._latencies: deque[float] = deque(maxlen=RECENT)

    def listen(
        self, source: Source, live: Callable[[Word], None] = lambda _: None
    ) -> Iterator[Word]:
        """Yields each word when it is decided. live: told the word so far at each step."""
        for samples, arrived in source.blocks:
            began = time.perf_counter()
            heard = [word for step in self._whole(samples) if (word := self._hear(step, arrived))]
            self._worked += time.perf_counter() - began
            for word in heard:
                live(word)
            yield from (word for word in heard if word.final)
        if not self._decided and self.gate.sound:  # the audio ended within a word
            yield self._word(time.perf_counter(), final=True)

    def timing(self, source: Source) -> Timing:
        """What the run took so far."""
        audio_s = self._time * self.step_ms / 1e3
        late = np.array(self._latencies or [0.0])
        return Timing(
            audio_s=audio_s,
            words=self._words,
            real_time_factor=self._worked / audio_s if audio_s else 0.0,
            dropped=source.dropped,
            latency_ms_median=float(np.median(late)),
            latency_ms_95=float(np.quantile(late, 0.95)),
            latency_ms_most=self._slowest_ms,
            device_ms=source.device_ms,
            loudest_db=float(self.gate.loudest_db),
            background_db=self.gate.background_db,
        )

    def _whole(self, samples: Float) -> Iterator[Float]:
        """Samples of each whole step."""
        size = self.ear.step_samples
        held = np.concatenate([self._held, samples])
        whole = len(held) // size * size
        self._held = held[whole:]
        yield from held[:whole].reshape(-1, size)

    def _hear(self, samples: Float, arrived: float) -> Word | None:
        """One step; the word so far, if one is being spoken and was not decided before."""
        self._time += 1
        counts = np.minimum(self.ear.push(samples)[0], self.takes.max_input)
        self._lead.append(counts.astype(np.float32))
        opened = self.gate.hear(samples)
        if opened and not self._speaking:
            self._begin()
        elif not self._decided:
            self._output(self._lead[-1])
        word = None
        if not self._decided:
            final = not opened or self._made >= self.steps
            if final and not self.gate.sound:
                self._decided = True
            else:
                word = self._word(arrived, final)
        self._speaking = opened
        self._latencies.append(1e3 * (time.perf_counter() - arrived))
        self._slowest_ms = max(self._slowest_ms, self._latencies[-1])
        return word

    def _begin(self) -> None:
        """The steps since LEAD_MS before now, this one included."""
        self._decided, self._start, self._made = False, self._time - len(self._lead), 0
        self.session.reset()
        for counts in self._lead:
            self._output(counts)

    def _output(self, counts: F32) -> None:
        self._outputs[self._made] = self.session.step(counts).ravel()[: self.takes.outputs]
        self._made += 1

    def _word(self, arrived: float, final: bool) -> Word:
        y = self._outputs[: self._made]
        shares = _shares(self.decision, scores(self.decision, y)[0], len(y))
        label = int(shares.argmax())
        if final:
            self._decided, self._words = True, self._words + 1
        return Word(
            start_s=self._start * self.step_ms / 1e3,
            end_s=self._time * self.step_ms / 1e3,
            label=label,
            name=self.takes.labels[label] if self.takes.labels else str(label),
            confidence=float(shares[label]),
            latency_ms=1e3 * (time.perf_counter() - arrived),
            final=final,
        )


def _shares(decision: str, score: NDArray[Any], steps: int) -> NDArray[Any]:
    """Scores (classes,) as shares that sum to 1."""
    if decision == "softmax_sum":
        return np.asarray(score / steps)
    scaled = score / steps if decision in ("mean", "sum") else score
    e = np.exp(scaled - scaled.max())
    return np.asarray(e / e.sum())
