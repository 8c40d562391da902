"""Words as spikes: spoken by a synthesiser, placed in noise, heard by the cochlea or the front end.

Every random number of an utterance comes from its own seed, so its spikes are the same bytes in
whatever batch, thread or set it is rendered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import gcd
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from delrec_compile.data.cochlea import ENVELOPE_HZ, RATE_HZ, UNITS, Cochlea
from delrec_compile.data.events import Counts
from delrec_compile.data.front_end import FrontEnd, to_pcm
from delrec_compile.data.hdf5 import Ints
from delrec_compile.data.speech import Audio, Speak, Voice
from delrec_compile.data.voices import WORDS
from delrec_compile.data.writer import write_shd
from delrec_compile.errors import UsageError

Progress = Callable[[str, int, int], None]
E = TypeVar("E")  # an utterance as spikes, or as counts
Spikes = tuple[npt.NDArray[np.float16], npt.NDArray[np.uint16]]

PREFIX = "synth_"
BATCH = 16  # utterances through the cochlea at once
LEVEL = 0.1  # root mean square of the clean word
PITCH = (15, 86)
SPEED = (120, 231)
SNR_DB = (5.0, 25.0)
GAIN_DB = (-6.0, 6.0)
LATEST_START_S = 0.15
COUNTED_STEPS = 80  # of the front end, as training takes of the cochlea


@dataclass(frozen=True)
class Utterance:
    """A word of a set and who says it. seed: of every random number of it."""

    label: int
    speaker: int
    voice: Voice
    seed: tuple[int, int, int]


@dataclass(frozen=True)
class SetReport:
    """Summary of the files of a data set that was made."""

    folder: Path
    files: dict[str, Path]  # by set
    utterances: dict[str, int]
    speakers: dict[str, int]
    mean_spikes: dict[str, float]  # per utterance
    voices_checked: int
    seconds: float


def worker_count() -> int:
    """Threads that render utterances."""
    return min(4, os.cpu_count() or 1)


def draw_pitch_and_speed(rng: np.random.Generator) -> dict[str, int]:
    """A pitch and a speed for a `Voice`."""
    return {"pitch": int(rng.integers(*PITCH)), "speed": int(rng.integers(*SPEED))}


def place_in_noise(word: Audio, rng: np.random.Generator, samples: int = RATE_HZ) -> Audio:
    """The word at a random start, in coloured noise, at a random level: (samples,)."""
    word = word[:samples] * np.float32(LEVEL / (np.sqrt(np.mean(word**2)) + 1e-9))
    latest = min(samples - len(word), int(LATEST_START_S * RATE_HZ))
    start = int(rng.integers(0, latest + 1))
    wave = np.zeros(samples, np.float32)
    wave[start : start + len(word)] = word
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= np.arange(1.0, len(spectrum) + 1) ** -rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, samples)
    noise *= LEVEL / np.sqrt(np.mean(noise**2)) * 10 ** (-rng.uniform(*SNR_DB) / 20)
    return np.asarray((wave + noise) * 10 ** (rng.uniform(*GAIN_DB) / 20), np.float32)


def spoken_word(speak: Speak, utterance: Utterance) -> Audio:
    """The word of an utterance at 16 kHz, without silence at its ends."""
    from scipy.signal import resample_poly

    samples, rate = speak(WORDS[utterance.label], utterance.voice)
    common = gcd(rate, RATE_HZ)
    return np.asarray(resample_poly(samples, RATE_HZ // common, rate // common), np.float32)


def heard_by_cochlea(speak: Speak, cochlea: Cochlea, batch: list[Utterance]) -> list[Spikes]:
    """Spikes of each utterance."""
    waves, noise = [], []
    for utterance in batch:
        rng = np.random.default_rng(utterance.seed)
        waves.append(place_in_noise(spoken_word(speak, utterance), rng))
        noise.append(rng.standard_normal((cochlea.steps, UNITS), np.float32))
    events = []
    for spikes in cochlea.spikes(np.stack(waves), np.stack(noise)):
        step, unit = np.nonzero(spikes)
        # the middle of the step: float16 rounding cannot move it into a neighbouring step
        seconds = ((step + 0.5) / ENVELOPE_HZ).astype(np.float16)
        events.append((seconds, unit.astype(np.uint16)))
    return events


def heard_by_front_end(speak: Speak, front: FrontEnd, batch: list[Utterance]) -> list[Counts]:
    """Counts of each utterance."""
    waves = [place_in_noise(spoken_word(speak, u), np.random.default_rng(u.seed)) for u in batch]
    return list(front.encode(to_pcm(np.stack(waves))[:, : COUNTED_STEPS * front.block]))


def render(
    hear: Callable[[list[Utterance]], list[E]],
    name: str,
    utterances: list[Utterance],
    workers: int,
    progress: Progress | None,
) -> list[E]:
    """What `hear` makes of each utterance, batch by batch; whatever the number of workers.

    progress(name, done, total): called after each batch.
    """
    batches = [utterances[i : i + BATCH] for i in range(0, len(utterances), BATCH)]
    spikes: list[E] = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            for events in pool.map(hear, batches):
                spikes += events
                if progress:
                    progress(name, len(spikes), len(utterances))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return spikes


def write_set(
    path: Path,
    speak: Speak,
    utterances: list[Utterance],
    about: Mapping[str, object],
    workers: int,
    progress: Progress | None,
    speaker_rows: Mapping[str, npt.NDArray[Any]] | None = None,
) -> float:
    """Writes the cochlea's spikes in the layout of SHD; returns the mean of their number.

    about: attributes of the file. speaker_rows: `extra/meta_info`, a row for each speaker number.
    """
    hear = partial(heard_by_cochlea, speak, Cochlea.build())
    spikes = render(hear, set_of(path), utterances, workers, progress)
    write_shd(path, spikes, *labels_and_speakers(utterances), WORDS, about, speaker_rows)
    return float(np.mean([len(times) for times, _ in spikes]))


def file_name(name: str, with_frontend: bool = False) -> str:
    """File name of a set, such as `synth_train.h5`; of counts, `synth_train.npz`."""
    return f"{PREFIX}{name}.{'npz' if with_frontend else 'h5'}"


def set_of(path: Path) -> str:
    """Name of the set that a file holds."""
    return path.stem.removeprefix(PREFIX)


def check_seed(seed: int) -> None:
    """Raises UsageError for a seed that gives no random numbers."""
    if seed < 0:
        raise UsageError(f"seed is {seed}; 0 or more is required")


def check_words(words_per_voice_and_class: int) -> None:
    """Raises UsageError for a set without words."""
    if words_per_voice_and_class < 1:
        raise UsageError(
            f"words_per_voice_and_class is {words_per_voice_and_class}; at least 1 is required"
        )


def every_word(
    speakers: int, labels: int, times: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """(speaker, label) of every word by every speaker, each as often as that, shuffled."""
    places = rng.permutation(np.repeat(np.arange(speakers * labels), times)).tolist()
    return [divmod(place, labels) for place in places]


def labels_and_speakers(utterances: list[Utterance]) -> tuple[Ints, Ints]:
    """(n,) each."""
    both = np.array([(u.label, u.speaker) for u in utterances], np.int64)
    return both[:, 0], both[:, 1]
