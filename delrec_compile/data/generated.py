"""Random samples, for networks that no stored samples fit."""

from __future__ import annotations

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.data.events import Events
from delrec_compile.errors import UsageError

SAMPLES, STEPS, DENSITY = 8, 100, 0.12
LARGEST = np.iinfo(np.uint8).max
NEGATIVE = 0.25  # share of real values


def random_samples(
    inputs: int,
    *,
    samples: int = SAMPLES,
    steps: int = STEPS,
    density: float = DENSITY,
    seed: int = 0,
    max_input: float = 1,
    dt_ms: float = 10.0,
    real: bool = False,
) -> Events:
    """Counts (samples, steps, inputs) without labels; equal arguments give equal counts.

    density: share of the inputs that are active in a step, above 0 and up to 1. max_input: largest
    count. Counts are Poisson, cut at max_input; at density 1 all are max_input. real: values uniform
    in size, up to max_input, of which one in four is negative. Raises UsageError.
    """
    if not 0 < density <= 1:
        raise UsageError(f"density is {density:g}; above 0 and up to 1 is required")
    for name, value in (("inputs", inputs), ("samples", samples), ("steps", steps)):
        if value < 1:
            raise UsageError(f"{name} is {value}; at least 1 is required")
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed is {seed}; allowed: 0 to 2^63 - 1")
    shape, largest = (samples, steps, inputs), min(max_input, LARGEST)
    if real:
        return Events(_values(shape, density, seed, max_input), None, None, None, float(dt_ms))
    if density == 1:
        counts = np.full(shape, largest, np.uint8)
    else:
        drawn = np.random.default_rng(seed).poisson(-np.log1p(-density), shape)
        counts = np.minimum(drawn, largest).astype(np.uint8)
    return Events(counts, None, None, None, float(dt_ms))


def _values(shape: tuple[int, ...], density: float, seed: int, most: float) -> F32:
    r = np.random.default_rng(seed)
    sizes = r.uniform(0, most, shape) * (r.random(shape) < density)
    return np.where(r.random(shape) < NEGATIVE, -sizes, sizes).astype(np.float32)
