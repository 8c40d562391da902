"""Random samples, for networks that no stored samples fit."""

from __future__ import annotations

import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.errors import UsageError

SAMPLES, STEPS, DENSITY = 8, 100, 0.12
LARGEST = np.iinfo(np.uint8).max


def random_samples(
    inputs: int,
    *,
    samples: int = SAMPLES,
    steps: int = STEPS,
    density: float = DENSITY,
    seed: int = 0,
    max_input: int = 1,
    dt_ms: float = 10.0,
) -> Events:
    """Counts (samples, steps, inputs) without labels; equal arguments give equal counts.

    density: share of the inputs that are active in a step, above 0 and up to 1. max_input: largest
    count. Counts are Poisson, cut at max_input; at density 1 all are max_input. Raises UsageError.
    """
    if not 0 < density <= 1:
        raise UsageError(f"density is {density:g}; above 0 and up to 1 is required")
    for name, value in (("inputs", inputs), ("samples", samples), ("steps", steps)):
        if value < 1:
            raise UsageError(f"{name} is {value}; at least 1 is required")
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed is {seed}; allowed: 0 to 2^63 - 1")
    shape, largest = (samples, steps, inputs), min(max_input, LARGEST)
    if density == 1:
        counts = np.full(shape, largest, np.uint8)
    else:
        drawn = np.random.default_rng(seed).poisson(-np.log1p(-density), shape)
        counts = np.minimum(drawn, largest).astype(np.uint8)
    return Events(counts, None, None, None, float(dt_ms))
