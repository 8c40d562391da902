"""What a file of a pool says of each speaker: the part of the folds that it is in, its kind of voice.

`extra/meta_info/fold` integers and `extra/meta_info/kind` bytes, a row for each speaker number,
beside what the Spiking Heidelberg Digits keep there (gender, age, body height).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.data.hdf5 import Ints, optional, require_ints
from delrec_compile.errors import DataError

FOLD, KIND = "extra/meta_info/fold", "extra/meta_info/kind"
FEWEST = 3  # parts: one is tested, one validates, the rest is for training
UNKNOWN = ""  # kind of a voice that the file says nothing of


@dataclass(frozen=True)
class Part:
    """Summary of one part. kinds: voices of each kind."""

    samples: int
    voices: int
    kinds: dict[str, int]

    def line(self, number: int) -> str:
        """The summary in plain text."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items() if kind)
        text = f"part {number}: {self.samples:,} samples of {self.voices} voices"
        return f"{text} ({kinds})" if kinds else text


@dataclass(frozen=True)
class SpeakerTable:
    """The part and the kind of voice of each speaker number. count: parts."""

    folds: tuple[int, ...]
    kinds: tuple[str, ...]
    count: int

    def fold_of(self, speaker: Ints) -> Ints:
        """Part of each sample, from its speaker (n,)."""
        return np.array(self.folds, np.int64)[speaker]

    def parts(self, speaker: Ints) -> tuple[Part, ...]:
        """Summary of each part, from the speaker of each sample (n,)."""
        fold_of, found = self.fold_of(speaker), []
        for number in range(self.count):
            here = speaker[fold_of == number]
            voices = np.unique(here).tolist()
            kinds = Counter(self.kinds[voice] for voice in voices)
            found.append(Part(len(here), len(voices), dict(sorted(kinds.items()))))
        return tuple(found)


def read_speaker_table(file: Any, path: Path, speaker: Ints | None) -> SpeakerTable | None:
    """The table of an open file; None where it has none.

    speaker: of each sample (n,), or None. Raises DataError for one that does not fit the samples.
    """
    folds, kinds = optional(file, path, FOLD), optional(file, path, KIND)
    if folds is None:
        return None
    if speaker is None:
        raise DataError(f"{path} has {FOLD}, but no extra/speaker that it could be of")
    folds = require_ints(path, FOLD, folds, len(folds))
    _check(path, folds, speaker)
    names = (UNKNOWN,) * len(folds)
    if kinds is not None:
        if len(kinds) != len(folds):
            raise DataError(f"{path}: {KIND} has {len(kinds)} speakers, {FOLD} has {len(folds)}")
        names = tuple(
            k.decode("utf-8", "replace") if isinstance(k, bytes) else str(k) for k in kinds
        )
    return SpeakerTable(tuple(folds.tolist()), names, int(folds.max()) + 1)


def _check(path: Path, folds: Ints, speaker: Ints) -> None:
    """Raises DataError for a speaker without a part, and for parts that are none or empty."""
    unknown = speaker[(speaker < 0) | (speaker >= len(folds))]
    if len(unknown):
        raise DataError(
            f"{path}: speaker {unknown[0]} has no row in {FOLD}, which has {len(folds)}"
        )
    used = np.unique(folds[speaker]).tolist()
    count = int(folds.max(initial=-1)) + 1
    if folds.min(initial=0) < 0 or count < FEWEST or used != list(range(count)):
        raise DataError(
            f"{path}: {FOLD} has the parts {', '.join(map(str, used)) or 'none'} with samples; 0, 1, 2 "
            f"and so on, at least {FEWEST} and none of them empty, are required"
        )
