"""A training, a validation and a test set that belong together, and their digests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from delrec_compile.data.events import REMARK_SHARE, Events
from delrec_compile.errors import DataError


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
