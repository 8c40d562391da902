"""Make a spoken-digits data set without a download: espeak-ng words through a model cochlea.

20 classes in the label order of the Spiking Heidelberg Digits (0-9 English, 10-19 German).
A speaker is an espeak-ng voice variant; the three sets share no speaker. Every random number
of an utterance comes from (seed, set, index), so a seed gives the same bytes again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import gcd
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from delrec_compile.data import voices
from delrec_compile.data.cochlea import ENVELOPE_HZ, RATE_HZ, UNITS, Cochlea
from delrec_compile.data.events import Counts, Events, save_samples
from delrec_compile.data.front_end import FrontEnd, to_pcm
from delrec_compile.data.hdf5 import Ints
from delrec_compile.data.synth_folder import check_folder, folder_when_done
from delrec_compile.data.voices import VARIANTS, WORDS, Audio, Voice
from delrec_compile.data.writer import write_shd
from delrec_compile.errors import UsageError

Progress = Callable[[str, int, int], None]
E = TypeVar("E")  # an utterance as spikes, or as counts
Spikes = tuple[npt.NDArray[np.float16], npt.NDArray[np.uint16]]

SETS = ("train", "valid", "test")
SPEAKERS = {"test": 20, "valid": 10}  # train has the rest
BATCH = 16  # utterances through the cochlea at once
LEVEL = 0.1  # root mean square of the clean word
PITCH = (15, 86)
SPEED = (120, 231)
SNR_DB = (5.0, 25.0)
GAIN_DB = (-6.0, 6.0)
LATEST_START_S = 0.15
COUNTED_STEPS = 80  # of the front end, as training takes of the cochlea


@dataclass(frozen=True)
class SynthReport:
    """Summary of the files that `synthesise` wrote."""

    folder: Path
    files: dict[str, Path]  # by set
    utterances: dict[str, int]
    speakers: dict[str, int]
    mean_spikes: dict[str, float]  # per utterance
    voices_checked: int
    espeak: str
    seconds: float


@dataclass(frozen=True)
class Utterance:
    """A word of a set and who says it. seed: of every random number of it."""

    label: int
    speaker: int
    voice: Voice
    seed: tuple[int, int, int]


def synthesise(
    out_dir: str | Path,
    *,
    train: int = 120,
    valid: int = 15,
    test: int = 30,
    seed: int = 0,
    progress: Progress | None = None,
    force: bool = False,
    with_frontend: bool = False,
) -> SynthReport:
    """Write synth_train.h5, synth_valid.h5 and synth_test.h5 to `out_dir`.

    train, valid, test: samples per class. with_frontend: synth_train.npz and so on in their
    place, of the counts of the integer front end (`front_end.FrontEnd`). progress(stage, done, total):
    called after each part.
    The directory appears complete or not at all. Raises UsageError (counts), DataError (directory in
    use, voices that sound alike), ToolchainError (no espeak-ng).
    """
    started = time.monotonic()
    counts = {"train": train, "valid": valid, "test": test}
    _check_counts(counts, seed)
    out = Path(out_dir).absolute()
    ours = {file_name(name, counted) for name in SETS for counted in (False, True)}
    check_folder(out, force, ours)
    espeak = voices.find_espeak()
    workers = min(4, os.cpu_count() or 1)
    plans = {name: plan(name, counts[name], seed) for name in SETS}
    pairs = {(u.voice.base, u.voice.variant) for utterances in plans.values() for u in utterances}
    checked = voices.check_distinct(espeak, pairs, workers, progress)
    version = voices.espeak_version(espeak)
    about = {"generator": "delrec-compile data synth", "seed": seed, "espeak": version}
    write = _counted if with_frontend else _fired
    mean_spikes = {}
    with folder_when_done(out) as folder:
        for name in SETS:
            path = folder / file_name(name, with_frontend)
            mean_spikes[name] = write(path, espeak, plans[name], about, workers, progress)
    files = {name: out / file_name(name, with_frontend) for name in SETS}
    seconds = time.monotonic() - started
    return _report(out, files, plans, mean_spikes, checked, version, seconds)


def _fired(
    path: Path,
    espeak: str,
    utterances: list[Utterance],
    about: dict[str, object],
    workers: int,
    progress: Progress | None,
) -> float:
    """Writes the cochlea's spikes of a set; returns the mean of their number."""
    cochlea = Cochlea.build()
    encode = partial(_render_batch, espeak, cochlea)
    spikes = _render(encode, path.stem.removeprefix("synth_"), utterances, workers, progress)
    write_shd(path, spikes, *_labels(utterances), WORDS, about)
    return float(np.mean([len(times) for times, _ in spikes]))


def _counted(
    path: Path,
    espeak: str,
    utterances: list[Utterance],
    about: dict[str, object],
    workers: int,
    progress: Progress | None,
) -> float:
    """Writes the front end's counts of a set; returns the mean number of spikes."""
    front = FrontEnd()
    encode = partial(_count_batch, espeak, front)
    counts = _render(encode, path.stem.removeprefix("synth_"), utterances, workers, progress)
    labels, speakers = _labels(utterances)
    described = json.dumps(front.to_json())
    events = Events(
        np.stack(counts), labels, WORDS, speakers, float(front.step_ms), front_end=described
    )
    save_samples(path, events)
    return float(events.counts.sum(axis=(1, 2), dtype=np.int64).mean())


def _labels(utterances: list[Utterance]) -> tuple[Ints, Ints]:
    """Labels and speakers."""
    both = np.array([(u.label, u.speaker) for u in utterances], np.int64)
    return both[:, 0], both[:, 1]


def _report(
    out: Path,
    files: dict[str, Path],
    plans: dict[str, list[Utterance]],
    mean_spikes: dict[str, float],
    checked: int,
    espeak: str,
    seconds: float,
) -> SynthReport:
    return SynthReport(
        folder=out,
        files=files,
        utterances={name: len(plans[name]) for name in SETS},
        speakers={name: len({u.speaker for u in plans[name]}) for name in SETS},
        mean_spikes=mean_spikes,
        voices_checked=checked,
        espeak=espeak,
        seconds=seconds,
    )


def file_name(name: str, with_frontend: bool = False) -> str:
    """File name of a set, such as `synth_train.h5`; of counts, `synth_train.npz`."""
    return f"synth_{name}.{'npz' if with_frontend else 'h5'}"


def speaker_split(seed: int) -> dict[str, list[int]]:
    """Speaker numbers (indices of VARIANTS) of each set; no speaker is in two sets."""
    order = np.random.default_rng(seed).permutation(len(VARIANTS)).tolist()
    test_end = SPEAKERS["test"]
    valid_end = test_end + SPEAKERS["valid"]
    return {
        "test": order[:test_end],
        "valid": order[test_end:valid_end],
        "train": order[valid_end:],
    }


def plan(name: str, per_class: int, seed: int) -> list[Utterance]:
    """The utterances of a set in file order: `per_class` of each word, shuffled."""
    number = SETS.index(name)
    rng = np.random.default_rng([seed, number])
    speakers = speaker_split(seed)[name]
    labels = rng.permutation(np.repeat(np.arange(len(WORDS)), per_class))
    utterances = []
    for index, label in enumerate(labels.tolist()):
        bases = voices.ENGLISH_BASES if label < len(voices.ENGLISH_WORDS) else voices.GERMAN_BASES
        speaker = speakers[int(rng.integers(len(speakers)))]
        voice = Voice(
            base=bases[int(rng.integers(len(bases)))],
            variant=VARIANTS[speaker],
            pitch=int(rng.integers(*PITCH)),
            speed=int(rng.integers(*SPEED)),
        )
        utterances.append(Utterance(label, speaker, voice, (seed, number, index)))
    return utterances


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


def spoken_word(espeak: str, utterance: Utterance) -> Audio:
    """The word of an utterance at 16 kHz, without silence at its ends."""
    from scipy.signal import resample_poly

    samples, rate = voices.say(espeak, WORDS[utterance.label], utterance.voice)
    common = gcd(rate, RATE_HZ)
    return np.asarray(resample_poly(samples, RATE_HZ // common, rate // common), np.float32)


def _render_batch(espeak: str, cochlea: Cochlea, batch: list[Utterance]) -> list[Spikes]:
    waves, noise = [], []
    for utterance in batch:
        rng = np.random.default_rng(utterance.seed)
        waves.append(place_in_noise(spoken_word(espeak, utterance), rng))
        noise.append(rng.standard_normal((cochlea.steps, UNITS), np.float32))
    events = []
    for spikes in cochlea.spikes(np.stack(waves), np.stack(noise)):
        step, unit = np.nonzero(spikes)
        # the middle of the step: float16 rounding cannot move it into a neighbouring step
        seconds = ((step + 0.5) / ENVELOPE_HZ).astype(np.float16)
        events.append((seconds, unit.astype(np.uint16)))
    return events


def _count_batch(espeak: str, front: FrontEnd, batch: list[Utterance]) -> list[Counts]:
    waves = [place_in_noise(spoken_word(espeak, u), np.random.default_rng(u.seed)) for u in batch]
    return list(front.encode(to_pcm(np.stack(waves))[:, : COUNTED_STEPS * front.block]))


def _render(
    encode: Callable[[list[Utterance]], list[E]],
    name: str,
    utterances: list[Utterance],
    workers: int,
    progress: Progress | None,
) -> list[E]:
    """What `encode` makes of each utterance, batch by batch."""
    batches = [utterances[i : i + BATCH] for i in range(0, len(utterances), BATCH)]
    spikes: list[E] = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            for events in pool.map(encode, batches):
                spikes += events
                if progress:
                    progress(name, len(spikes), len(utterances))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return spikes


def _check_counts(counts: dict[str, int], seed: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"{name} is {count} samples per class; at least 1 is required")
    if seed < 0:
        raise UsageError(f"seed is {seed}; 0 or more is required")
