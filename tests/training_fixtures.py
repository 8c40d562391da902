"""A small task and a small net for the tests of training."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.data.sets import Sets
from delrec_compile.training.config import TrainConfig

SMALL = {"hidden": 24, "epochs": 2, "steps": 20, "batch": 16, "max_delay": 6, "dropout": 0.1}


def toy_sets(seed: int = 0) -> Sets:
    """Three classes that differ in which channels fire and when."""
    rng = np.random.default_rng(seed)

    def events(n: int) -> Events:
        labels = rng.integers(0, 3, n)
        rate = np.full((n, 20, 12), 0.1)
        for i, label in enumerate(labels):
            rate[i, 3 + 4 * label : 9 + 4 * label, 4 * label : 4 * label + 4] = 2.0
        counts = rng.poisson(rate).astype(np.uint8)
        return Events(counts, labels.astype(np.int64), ("a", "b", "c"), None, 10.0)

    return Sets(events(160), events(40), events(40))


def small(**options: Any) -> TrainConfig:
    """A config that trains in a blink."""
    told = {**SMALL, "shift_steps": 1, "shift_channels": 0}
    if options.get("recurrence") in ("none", "conv2d"):
        del told["max_delay"]
    return TrainConfig(**{**told, **options})
