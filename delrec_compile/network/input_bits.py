"""The rounding of real inputs, chosen from samples.

The sums of a population that takes the input have T bits for one unit: those of a unit of the input
and those of a weight, T = 23 - log2(largest sum). Rounding the input to 2^-q errs by
a * 2^-q / sqrt(12) in a current, rounding weights to 2^-(T-q) by b * 2^-(T-q) / sqrt(12), in the mean
square, where a is the norm of a row of weights and b that of a sample. The sum is smallest where both
are equal:

    q = (T + log2(a / b)) / 2

Samples that lie on a coarser grid of their own, such as whole numbers, take that: they are exact. The
largest input is the next power of two: other samples may reach a little further.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, INT16_MAX
from delrec_compile.errors import NetworkError
from delrec_compile.network.model import INPUT, Network
from delrec_compile.ops.real_input import FINEST, RealInput

SUM_BITS = 23


def with_real_input(network: Network, samples: NDArray[Any]) -> Network:
    """The network, not yet on a grid, with `input_bits` and `max_input` chosen from samples.

    samples: (..., inputs). Raises NetworkError for samples without a value other than 0.
    """
    real = choose(network, samples)
    return replace(network, input_bits=real.bits, max_input=real.max_input)


def choose(network: Network, samples: NDArray[Any]) -> RealInput:
    """See above. Raises NetworkError."""
    rows = np.asarray(samples, np.float64).reshape(-1, network.inputs)
    seen = float(np.abs(rows).max(initial=0.0))
    if not 0 < seen < math.inf:
        raise NetworkError(f"the largest input is {seen:g}; finite values, not all 0, are required")
    if seen > INT16_MAX:
        raise NetworkError(f"an input is {seen:g}; scale the inputs to {INT16_MAX} or less")
    largest = min(2.0 ** math.ceil(math.log2(seen)), float(INT16_MAX))
    best = min(_balanced(weight, rows, largest) for weight in _fed(network))
    least = max(0, -math.floor(math.log2(largest)))
    most = min(math.floor(math.log2(INT16_MAX / largest)), FINEST)
    bits = max(least, min(best, most))
    exact = [q for q in range(least, bits) if (np.ldexp(rows, q) % 1 == 0).all()]
    return RealInput(exact[0] if exact else bits, largest)


def _fed(network: Network) -> list[F32]:
    """The weights (out, in) of every projection from the input, as rows."""
    out = []
    for _, each in network.projections():
        if each.source == INPUT:
            for rows in each.synapses.rows or list(each.synapses.weights.values()):
                out.append(rows.reshape(len(rows), -1))
    return out


def _balanced(weight: F32, rows: NDArray[Any], largest: float) -> int:
    """q where both errors of a current are equal. weight: (out, in). rows: samples."""
    w = np.abs(weight.astype(np.float64))
    bound = max(float(w.sum(axis=1).max()) * largest, 2.0**-SUM_BITS)
    share = w.shape[1] / rows.shape[1]  # of a sample that a row of weights meets
    a = math.sqrt(float((w**2).sum(axis=1).mean()))
    b = math.sqrt(float((rows**2).sum(axis=1).mean()) * share)
    total = SUM_BITS - math.ceil(math.log2(bound))
    return round((total + math.log2(max(a, 2.0**-40) / max(b, 2.0**-40))) / 2)
