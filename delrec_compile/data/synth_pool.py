"""Make a pool of spoken digits whose voices rotate: each is in the test set of one fold.

Every voice says every word equally often, so that the folds differ in their voices alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.data import voices
from delrec_compile.data.cast import Cast, draw_voices, own_voices
from delrec_compile.data.kinds import families, spread
from delrec_compile.data.limits import available
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
from delrec_compile.data.voices import WORDS
from delrec_compile.errors import UsageError

POOL = "pool"
NUMBER = len(SETS)  # in the seeds of its utterances, as the place in SETS is of a set
DRAWN = NUMBER + 2  # in the seed of drawn voices; the number between is that of another set
FOLDS, PER_VOICE_AND_CLASS = 5, 5
WORD_BYTES, COPIES = 45_000, 3  # of a word in the file; of the file in memory while it is written


@dataclass(frozen=True)
class PoolReport(SynthReport):
    """Summary of the file that `synthesise_pool` wrote."""

    parts: tuple[Part, ...]


def synthesise_pool(
    out_dir: str | Path,
    *,
    folds: int = FOLDS,
    words_per_voice_and_class: int = PER_VOICE_AND_CLASS,
    drawn_voices: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> PoolReport:
    """Write synth_pool.h5 to `out_dir`, which `load_folds` reads.

    drawn_voices: number of voices that are drawn at random, in place of espeak-ng's own. workers:
    threads, which change nothing but the time. progress(stage, done, total): called after each part.
    The directory appears complete or not at all. Raises UsageError (numbers), DataError (directory in
    use, voices that sound alike), ToolchainError (no espeak-ng).
    """
    started = time.monotonic()
    check_words(words_per_voice_and_class)
    check_seed(seed)
    cast = _cast(drawn_voices, seed)
    _check_folds(folds, cast)
    _check_room(len(cast.variants) * len(WORDS) * words_per_voice_and_class)
    out, name, workers = Path(out_dir).absolute(), file_name(POOL), workers or worker_count()
    check_folder(out, force, {name})
    espeak = voices.find_espeak()
    utterances = plan(words_per_voice_and_class, seed, cast)
    version, table = voices.espeak_version(espeak), speaker_table(folds, seed, cast)
    about = {"generator": "delrec-compile data synth", "seed": seed, "espeak": version}
    with voices.with_variants(espeak, cast.files) as found:
        pairs, speak = _compared(utterances, cast), partial(voices.say, espeak, folders=found)
        checked = voices.check_distinct(espeak, pairs, workers, progress, found)
        with folder_when_done(out) as folder:
            rows = _speaker_rows(table, cast)
            mean = write_set(folder / name, speak, utterances, about, workers, progress, rows)
    return PoolReport(
        folder=out,
        files={POOL: out / name},
        utterances={POOL: len(utterances)},
        speakers={POOL: len(cast.variants)},
        mean_spikes={POOL: mean},
        voices_checked=checked,
        espeak=version,
        seconds=time.monotonic() - started,
        parts=table.parts(labels_and_speakers(utterances)[1]),
    )


def _cast(drawn: int | None, seed: int) -> Cast:
    """espeak-ng's voices, or a number of drawn ones."""
    if drawn is None:
        return own_voices()
    return draw_voices(drawn, np.random.default_rng([seed, DRAWN]))


def plan(per_voice_and_class: int, seed: int, cast: Cast | None = None) -> list[Utterance]:
    """The utterances of the pool in file order: every voice with every word, shuffled."""
    cast = cast or own_voices()
    rng = np.random.default_rng([seed, NUMBER])
    words = every_word(len(cast.variants), len(WORDS), per_voice_and_class, rng)
    return [
        Utterance(
            label, speaker, draw_voice(label, cast.variants[speaker], rng), (seed, NUMBER, index)
        )
        for index, (speaker, label) in enumerate(words)
    ]


def _compared(utterances: Sequence[Utterance], cast: Cast) -> set[tuple[str, str]]:
    """The pairs of base and variant whose audio is compared: all that speak, but of drawn voices each
    with one base, and each base with one voice.
    """
    pairs = {(u.voice.base, u.voice.variant) for u in utterances}
    if not cast.files:
        return pairs
    bases = sorted({base for base, _ in pairs})
    one = cast.variants[0]
    return {(base, one) for base in bases} | {(bases[0], each) for each in cast.variants}


def speaker_table(folds: int, seed: int, cast: Cast | None = None) -> SpeakerTable:
    """The part and the kind of each speaker number."""
    cast = cast or own_voices()
    parts = spread(cast.variants, cast.kinds, folds, np.random.default_rng(seed))
    return SpeakerTable(tuple(parts.tolist()), cast.kinds, folds)


def _speaker_rows(table: SpeakerTable, cast: Cast) -> dict[str, npt.NDArray[Any]]:
    """What the file says of each speaker; a synthesiser's have no age and no height."""
    texts: dict[str, Sequence[str]] = {"kind": table.kinds, "gender": cast.genders}
    texts |= {"voice": cast.variants}
    if cast.files:
        texts |= {"variant": [cast.files[name] for name in cast.variants]}
    encoded = {name: np.array([row.encode() for row in rows]) for name, rows in texts.items()}
    return {"fold": np.array(table.folds, np.uint16), **encoded}


def _check_room(words: int) -> None:
    """Raises UsageError for more words than memory has room for, before the first is spoken."""
    most = available() // (COPIES * WORD_BYTES)
    if words > most:
        raise UsageError(
            f"{words:,} words take {words * COPIES * WORD_BYTES / 1e9:,.0f} GB of memory; {most:,} fit: "
            "take fewer voices (drawn_voices) or words (words_per_voice_and_class)"
        )


def _check_folds(folds: int, cast: Cast) -> None:
    """Raises UsageError for a number of which one part would be empty, or no training set left."""
    most = len(families(cast.variants))
    if not FEWEST <= folds <= most:
        raise UsageError(
            f"folds is {folds}; {FEWEST} to {most}, the number of voices that do not sound alike, are "
            "allowed"
        )
