"""Golden vectors: a fixed input, the hash of the reference's outputs, and how equal outputs must be."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.network.grid import exact
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network


def same_bits(network: Network | IntegerNetwork) -> bool:
    """Whether every form of the network computes the same bits."""
    return isinstance(network, IntegerNetwork) or exact(network)


CHECK_STEPS = 40


# a linear congruential generator (Numerical Recipes), and its top byte's limits for 1, 2, 3 counts
GOLDEN_SEED, GOLDEN_FACTOR, GOLDEN_TERM = 1, 1664525, 1013904223

GOLDEN_LIMITS = (199, 249, 255)


def golden_input(network: Network | IntegerNetwork, steps: int = CHECK_STEPS) -> F32:
    """Fixed pseudo-random counts, (steps, 1, inputs): input of golden hashes and self-tests.

    About Poisson of mean 0.25, from a generator that a chip's self-test repeats.
    """
    counts = np.empty(steps * network.inputs, np.float32)
    x = GOLDEN_SEED
    for i in range(len(counts)):
        x = (x * GOLDEN_FACTOR + GOLDEN_TERM) & 0xFFFFFFFF
        counts[i] = sum(x >> 24 >= limit for limit in GOLDEN_LIMITS)
    return np.minimum(counts, network.max_input).reshape(steps, 1, network.inputs)


def golden_hash(network: Network | IntegerNetwork) -> str:
    """sha256 of the reference outputs on the golden input."""
    state: Any = network.reset()
    h = hashlib.sha256()
    for x in golden_input(network):
        y, state = network.step(x, state)
        h.update(y.astype("<f4").tobytes())
    return h.hexdigest()
