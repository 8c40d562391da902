"""A folder of spike data as training, validation and test set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from delrec_compile.data.arrays import load_samples
from delrec_compile.data.events import REMARK_SHARE, Events
from delrec_compile.data.limited import load_events_limited
from delrec_compile.errors import DataError

HELD_OUT_SPEAKERS = 2
SUFFIXES = (".h5", ".npz")


@dataclass(frozen=True)
class Sets:
    """Three sets of the same channels, steps and classes."""

    train: Events
    valid: Events
    test: Events

    def __post_init__(self) -> None:
        for name in ("train", "valid", "test"):
            events: Events = getattr(self, name)
            if not len(events):
                raise DataError(f"the {name} set is empty; at least one sample is required")
            if events.counts.shape[1:] != self.train.counts.shape[1:]:
                raise DataError(
                    f"the {name} set has {events.steps} steps of {events.channels} channels, the "
                    f"train set {self.train.steps} of {self.train.channels}; bin them in the same way"
                )
            if events.keys != self.train.keys:
                raise DataError(f"the {name} set has different class names from the train set")
            if events.front_end != self.train.front_end:
                raise DataError(
                    f"the {name} set was not counted by the front end of the train set; write the three "
                    "anew with 'data synth --with-frontend'"
                )

    @property
    def remark(self) -> str:
        """One line when more than 1 % of a set's spikes come after its last step, else empty."""
        shares = {name: getattr(self, name).outside for name in ("train", "valid", "test")}
        dropped = [
            f"{share:.1%} of {name}" for name, share in shares.items() if share > REMARK_SHARE
        ]
        if not dropped:
            return ""
        window = f"{self.train.steps} steps of {self.train.dt_ms:g} ms"
        return (
            f"spikes after {self.train.steps * self.train.dt_ms / 1000:g} s ({window}) are left "
            f"out: {', '.join(dropped)}; use more steps to keep them"
        )

    @property
    def classes(self) -> int:
        return max(events.classes for events in (self.train, self.valid, self.test))


def data_digest(events: Events) -> str:
    """SHA-256 of counts and labels."""
    digest = hashlib.sha256(np.ascontiguousarray(events.counts).tobytes())
    digest.update(events.known_labels.tobytes())
    return digest.hexdigest()


def sets_digest(sets: Sets) -> str:
    """SHA-256 of training, validation and test set: spikes, labels, shape, class names, step."""
    parts = [
        [data_digest(events), events.counts.shape, events.keys, float(events.dt_ms)]
        for events in (sets.train, sets.valid, sets.test)
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def load_sets(folder: str | Path, *, dt_ms: float = 10.0, steps: int = 80, group: int = 5) -> Sets:
    """Read `*_train.h5`, `*_valid.h5` and `*_test.h5` of a folder; or .npz files, see `load_samples`,
    which are binned already: steps and group are for .h5 files.

    Without a validation file, as in SHD, the two highest-numbered speakers of the training file are
    held out. Raises DataError when a file is missing or matches twice.
    """
    paths = set_files(folder)
    read = {
        name: load_samples(path, dt_ms=dt_ms)
        if path.suffix == ".npz"
        else load_events_limited(path, dt_ms=dt_ms, steps=steps, group=group)
        for name, path in paths.items()
        if path is not None
    }
    if "valid" not in read:
        read["train"], read["valid"] = _hold_out(read["train"], paths["train"])
    return Sets(**read)


def set_files(folder: str | Path) -> dict[str, Path | None]:
    """The files of train, valid and test; None: no valid. Raises DataError, as `load_sets`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a directory; name one with *_train.h5 and *_test.h5, or .npz files, "
            "or make it with 'delrec-compile data synth'"
        )
    paths = {name: _only(folder, name) for name in ("train", "valid", "test")}
    for name in ("train", "test"):
        if paths[name] is None:
            raise DataError(
                f"{folder} has no *_{name}.h5 or *_{name}.npz; present: "
                f"{', '.join(sorted(path.name for path in folder.iterdir())[:8]) or 'no file'}"
            )
    return paths


def _only(folder: Path, name: str) -> Path | None:
    paths = sorted(path for suffix in SUFFIXES for path in folder.glob(f"*_{name}{suffix}"))
    if len(paths) > 1:
        raise DataError(
            f"{folder} has {paths[0].name} and {paths[1].name}; keep one data set per folder"
        )
    return paths[0] if paths else None


def _hold_out(train: Events, path: Path | None) -> tuple[Events, Events]:
    speaker = np.zeros(len(train), np.int64) if train.speaker is None else train.speaker
    speakers = np.unique(speaker)
    if len(speakers) <= HELD_OUT_SPEAKERS:
        raise DataError(
            f"{path} has {len(speakers)} speakers, too few to hold {HELD_OUT_SPEAKERS} out for "
            "validation; add a *_valid.h5 file"
        )
    held_out = np.isin(speaker, speakers[-HELD_OUT_SPEAKERS:])
    return train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out))
