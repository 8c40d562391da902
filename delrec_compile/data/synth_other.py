"""Make the set of the other synthesiser: English digits by flite, for networks that never heard it.

It is a test set alone: no recipe trains on it, and none is chosen by it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from delrec_compile.data import flite
from delrec_compile.data.speech import Voice
from delrec_compile.data.synth_folder import check_folder, folder_when_done
from delrec_compile.data.synth_pool import NUMBER as POOL_NUMBER
from delrec_compile.data.utterances import (
    Progress,
    SetReport,
    Utterance,
    check_seed,
    check_words,
    draw_pitch_and_speed,
    every_word,
    file_name,
    worker_count,
    write_set,
)
from delrec_compile.data.voices import ENGLISH_WORDS

OTHER = "other"
NUMBER = POOL_NUMBER + 1  # in the seeds of its utterances
PER_VOICE_AND_CLASS = 30


@dataclass(frozen=True)
class OtherReport(SetReport):
    """Summary of the file that `synthesise_other` wrote."""

    flite: str


def synthesise_other(
    out_dir: str | Path,
    *,
    words_per_voice_and_class: int = PER_VOICE_AND_CLASS,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> OtherReport:
    """Write synth_other.h5 to `out_dir`: the words zero to nine, of the same 20 classes.

    workers: threads, which change nothing but the time. progress(stage, done, total): called after
    each part. The directory appears complete or not at all. Raises UsageError (numbers), DataError
    (directory in use, voices that sound alike), ToolchainError (no flite, or one without these voices).
    """
    started = time.monotonic()
    check_words(words_per_voice_and_class)
    check_seed(seed)
    out, name, workers = Path(out_dir).absolute(), file_name(OTHER), workers or worker_count()
    check_folder(out, force, {name})
    tool = flite.find_flite()
    checked = flite.check_distinct(tool, workers, progress)
    version = flite.flite_version(tool)
    about = {"generator": "delrec-compile data synth", "seed": seed, "flite": version}
    rows = {"voice": np.array([voice.encode() for voice in flite.VOICES])}
    utterances, speak = plan(words_per_voice_and_class, seed), partial(flite.say, tool)
    with folder_when_done(out) as folder:
        mean = write_set(folder / name, speak, utterances, about, workers, progress, rows)
    return OtherReport(
        folder=out,
        files={OTHER: out / name},
        utterances={OTHER: len(utterances)},
        speakers={OTHER: len(flite.VOICES)},
        mean_spikes={OTHER: mean},
        voices_checked=checked,
        flite=version,
        seconds=time.monotonic() - started,
    )


def plan(per_voice_and_class: int, seed: int) -> list[Utterance]:
    """The utterances in file order: every voice with every word, shuffled; pitch and speed drawn."""
    rng = np.random.default_rng([seed, NUMBER])
    words = every_word(len(flite.VOICES), len(ENGLISH_WORDS), per_voice_and_class, rng)
    utterances = []
    for index, (speaker, label) in enumerate(words):
        voice = Voice(flite.VOICES[speaker], "", **draw_pitch_and_speed(rng))
        utterances.append(Utterance(label, speaker, voice, (seed, NUMBER, index)))
    return utterances
