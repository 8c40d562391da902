"""Golden vectors: a fixed input, the hash of the reference's outputs, and how equal outputs must be."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
INT16_BITS = 15


def golden_input(network: Network | IntegerNetwork, steps: int = CHECK_STEPS) -> F32:
    """Fixed pseudo-random inputs, (steps, 1, inputs): input of golden hashes and self-tests.

    Counts about Poisson of mean 0.25, from a generator that a chip's self-test repeats. Real inputs are
    uniform, in multiples of 2^-`golden_scale`: some are beyond max_input.
    """
    shape = (steps, 1, network.inputs)
    if network.real_input is not None:
        whole = (_words(steps * network.inputs) >> 16).astype(np.uint16).view(np.int16)
        return np.ldexp(whole.astype(np.float32), -golden_scale(network)).reshape(shape)
    counts = golden_counts(steps * network.inputs).reshape(shape)
    return np.asarray(np.minimum(counts, np.float32(network.max_input)))


def golden_counts(values: int) -> F32:
    """The first counts of the generator, (values,)."""
    words = _words(values)
    counts = np.sum([words >> 24 >= limit for limit in GOLDEN_LIMITS], axis=0)
    return np.asarray(counts, np.float32)


def _words(values: int) -> NDArray[np.uint32]:
    words = np.empty(values, np.uint32)
    x = GOLDEN_SEED
    for i in range(values):
        words[i] = x = (x * GOLDEN_FACTOR + GOLDEN_TERM) & 0xFFFFFFFF
    return words


def golden_scale(network: Network | IntegerNetwork) -> int:
    """q, of the multiples of 2^-q that the 16 bits of a golden real input are."""
    return INT16_BITS - math.ceil(math.log2(network.max_input))


@lru_cache(maxsize=2)
def golden_outputs(network: Network | IntegerNetwork) -> F32:
    """Outputs (steps, N_out) of the reference on the golden input."""
    state: Any = network.reset()
    outputs = []
    for x in golden_input(network):
        y, state = network.step(x, state)
        outputs.append(y[0])
    return np.asarray(outputs)


def golden_hash(network: Network | IntegerNetwork) -> str:
    """sha256 of the reference outputs on the golden input."""
    return hashlib.sha256(golden_outputs(network).astype("<f4").tobytes()).hexdigest()
