"""Make a spoken-digits data set without a download: espeak-ng words through a model cochlea.

20 classes in the label order of the Spiking Heidelberg Digits (0-9 English, 10-19 German).
A speaker is an espeak-ng voice variant; the three sets share no speaker. Every random number
of an utterance comes from (seed, set, index), so a seed gives the same bytes again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from delrec_compile.data import voices
from delrec_compile.data.events import Events, save_samples
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.speech import Speak, Voice
from delrec_compile.data.synth_folder import check_folder, folder_when_done
from delrec_compile.data.utterances import (
    Progress,
    SetReport,
    Utterance,
    check_seed,
    draw_pitch_and_speed,
    file_name,
    heard_by_front_end,
    labels_and_speakers,
    render,
    set_of,
    worker_count,
    write_set,
)
from delrec_compile.data.voices import VARIANTS, WORDS
from delrec_compile.errors import UsageError

PER_CLASS = {"train": 120, "valid": 15, "test": 30}  # samples
SETS = tuple(PER_CLASS)
SPEAKERS = {"test": 20, "valid": 10}  # train has the rest


@dataclass(frozen=True)
class SynthReport(SetReport):
    """Summary of the files that `synthesise` wrote."""

    espeak: str


def synthesise(
    out_dir: str | Path,
    *,
    train: int = PER_CLASS["train"],
    valid: int = PER_CLASS["valid"],
    test: int = PER_CLASS["test"],
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
    _check_counts(counts)
    check_seed(seed)
    out = Path(out_dir).absolute()
    ours = {file_name(name, counted) for name in SETS for counted in (False, True)}
    check_folder(out, force, ours)
    espeak = voices.find_espeak()
    workers = worker_count()
    plans = {name: plan(name, counts[name], seed) for name in SETS}
    pairs = {(u.voice.base, u.voice.variant) for utterances in plans.values() for u in utterances}
    checked = voices.check_distinct(espeak, pairs, workers, progress)
    version = voices.espeak_version(espeak)
    about = {"generator": "delrec-compile data synth", "seed": seed, "espeak": version}
    write = _counted if with_frontend else write_set
    speak, mean_spikes = partial(voices.say, espeak), {}
    with folder_when_done(out) as folder:
        for name in SETS:
            path = folder / file_name(name, with_frontend)
            mean_spikes[name] = write(path, speak, plans[name], about, workers, progress)
    files = {name: out / file_name(name, with_frontend) for name in SETS}
    seconds = time.monotonic() - started
    return _report(out, files, plans, mean_spikes, checked, version, seconds)


def _counted(
    path: Path,
    speak: Speak,
    utterances: list[Utterance],
    about: dict[str, object],
    workers: int,
    progress: Progress | None,
) -> float:
    """Writes the front end's counts of a set; returns the mean number of spikes."""
    front = FrontEnd()
    hear = partial(heard_by_front_end, speak, front)
    counts = render(hear, set_of(path), utterances, workers, progress)
    labels, speakers = labels_and_speakers(utterances)
    described = json.dumps(front.to_json())
    events = Events(
        np.stack(counts), labels, WORDS, speakers, float(front.step_ms), front_end=described
    )
    save_samples(path, events)
    return float(events.counts.sum(axis=(1, 2), dtype=np.int64).mean())


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
        speaker = speakers[int(rng.integers(len(speakers)))]
        voice = draw_voice(label, VARIANTS[speaker], rng)
        utterances.append(Utterance(label, speaker, voice, (seed, number, index)))
    return utterances


def draw_voice(label: int, variant: str, rng: np.random.Generator) -> Voice:
    """A way in which a variant says a word of that language: accent, pitch, speed."""
    bases = voices.ENGLISH_BASES if label < len(voices.ENGLISH_WORDS) else voices.GERMAN_BASES
    base = bases[int(rng.integers(len(bases)))]
    return Voice(base, variant, **draw_pitch_and_speed(rng))


def _check_counts(counts: dict[str, int]) -> None:
    """Raises UsageError."""
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"{name} is {count} samples per class; at least 1 is required")
