"""Make a pool of spoken digits whose voices rotate: each is in the test set of one fold.

Every voice says every word equally often, so that the folds differ in their voices alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.data import voices
from delrec_compile.data.kinds import families, gender_of, kind_of, spread
from delrec_compile.data.speaker_table import FEWEST, Part, SpeakerTable
from delrec_compile.data.synth import SETS, SynthReport, draw_voice
from delrec_compile.data.synth_folder import check_folder, folder_when_done
from delrec_compile.data.utterances import (
    Progress,
    Utterance,
    check_seed,
    check_words,
    every_word,
    file_name,
    labels_and_speakers,
    worker_count,
    write_set,
)
from delrec_compile.data.voices import VARIANTS, WORDS
from delrec_compile.errors import UsageError

POOL = "pool"
NUMBER = len(SETS)  # in the seeds of its utterances, as the place in SETS is of a set
FOLDS, PER_VOICE_AND_CLASS = 5, 5


@dataclass(frozen=True)
class PoolReport(SynthReport):
    """Summary of the file that `synthesise_pool` wrote."""

    parts: tuple[Part, ...]


def synthesise_pool(
    out_dir: str | Path,
    *,
    folds: int = FOLDS,
    words_per_voice_and_class: int = PER_VOICE_AND_CLASS,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> PoolReport:
    """Write synth_pool.h5 to `out_dir`, which `load_folds` reads.

    workers: threads, which change nothing but the time. progress(stage, done, total): called after
    each part. The directory appears complete or not at all. Raises UsageError (numbers), DataError
    (directory in use, voices that sound alike), ToolchainError (no espeak-ng).
    """
    started = time.monotonic()
    _check_folds(folds)
    check_words(words_per_voice_and_class)
    check_seed(seed)
    out, name, workers = Path(out_dir).absolute(), file_name(POOL), workers or worker_count()
    check_folder(out, force, {name})
    espeak = voices.find_espeak()
    utterances = plan(words_per_voice_and_class, seed)
    pairs = {(u.voice.base, u.voice.variant) for u in utterances}
    checked = voices.check_distinct(espeak, pairs, workers, progress)
    version = voices.espeak_version(espeak)
    about = {"generator": "delrec-compile data synth", "seed": seed, "espeak": version}
    table = speaker_table(folds, seed)
    rows, speak = _speaker_rows(table), partial(voices.say, espeak)
    with folder_when_done(out) as folder:
        mean = write_set(folder / name, speak, utterances, about, workers, progress, rows)
    return PoolReport(
        folder=out,
        files={POOL: out / name},
        utterances={POOL: len(utterances)},
        speakers={POOL: len(VARIANTS)},
        mean_spikes={POOL: mean},
        voices_checked=checked,
        espeak=version,
        seconds=time.monotonic() - started,
        parts=table.parts(labels_and_speakers(utterances)[1]),
    )


def plan(per_voice_and_class: int, seed: int) -> list[Utterance]:
    """The utterances of the pool in file order: every voice with every word, shuffled."""
    rng = np.random.default_rng([seed, NUMBER])
    words = every_word(len(VARIANTS), len(WORDS), per_voice_and_class, rng)
    return [
        Utterance(label, speaker, draw_voice(label, speaker, rng), (seed, NUMBER, index))
        for index, (speaker, label) in enumerate(words)
    ]


def speaker_table(folds: int, seed: int) -> SpeakerTable:
    """The part and the kind of each speaker number (index of VARIANTS)."""
    kinds = tuple(kind_of(variant) for variant in VARIANTS)
    parts = spread(VARIANTS, folds, np.random.default_rng(seed))
    return SpeakerTable(tuple(parts.tolist()), kinds, folds)


def _speaker_rows(table: SpeakerTable) -> dict[str, npt.NDArray[Any]]:
    """What the file says of each speaker; a synthesiser's have no age and no height."""
    genders = [gender_of(variant) for variant in VARIANTS]
    texts = {"kind": table.kinds, "gender": genders, "voice": VARIANTS}
    encoded = {name: np.array([row.encode() for row in rows]) for name, rows in texts.items()}
    return {"fold": np.array(table.folds, np.uint16), **encoded}


def _check_folds(folds: int) -> None:
    """Raises UsageError for a number of which one part would be empty, or no training set left."""
    most = len(families(VARIANTS))
    if not FEWEST <= folds <= most:
        raise UsageError(
            f"folds is {folds}; {FEWEST} to {most}, the number of voices that do not sound alike, are "
            "allowed"
        )
