"""Training samples of real values: the grid that they are rounded to, before anything is trained."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np

from delrec_compile.data.partition import Sets
from delrec_compile.errors import DataError, UsageError
from delrec_compile.ops.real_input import FINEST, RealInput
from delrec_compile.training.config import TrainConfig

UNITS = 127  # largest size of an input in units where input_bits is not given


def rounding(sets: Sets, config: TrainConfig) -> RealInput | None:
    """How the inputs are rounded, by the largest training value; None where all are counts.

    Raises UsageError for options that do not fit them, DataError for a training set of zeros or
    infinities, NetworkError for bits that 16 do not hold.
    """
    if not any(getattr(sets, part.name).real for part in fields(sets)):
        if config.input_bits >= 0:
            raise UsageError(
                f"input_bits is {config.input_bits}; allowed with real values: the samples are counts"
            )
        return None
    if config.blend:
        raise UsageError(
            f"blend is {config.blend}, which mixes samples spike by spike; allowed with real values: 0"
        )
    values = sets.train.counts
    largest = float(np.abs(values).max())
    if not 0 < largest < math.inf:
        raise DataError(
            f"the largest training value is {largest:g}; a positive number is required to scale by"
        )
    auto = min(max(math.floor(math.log2(UNITS / largest)), 0), FINEST)
    bits = config.input_bits if config.input_bits >= 0 else auto
    return RealInput(bits, math.ceil(largest * 2.0**bits) / 2.0**bits)


def rounded(sets: Sets, real: RealInput | None) -> Sets:
    """The sets as the network takes them."""
    if real is None:
        return sets
    parts = {part.name: getattr(sets, part.name) for part in fields(sets)}
    return Sets(
        **{
            name: replace(events, counts=real.reference(events.counts.astype(np.float32)))
            for name, events in parts.items()
        }
    )
