"""Tolerances by name: how far two engines' results may lie apart, and why.

Spikes and classes are compared exactly; these levels are for what is compared as a floating-point
number. A new comparison takes the tightest level that its reason allows.
"""

from __future__ import annotations

# every bit: integer networks, and float32 ones whose weights lie on the grid of exact sums
EXACT = 0.0
# outputs of a float32 network whose sums round, absolute: roundings of many steps add up
LOOSE = 1e-3
# values of one call, relative to 1 plus their size: another order of one float32 sum
ONE_CALL = 1e-4
# a membrane's distance to its threshold, relative to a threshold of 1: one sum of some hundred terms
MARGIN = 1e-5
# the same where a framework computes the membrane in a way of its own, as a share of the larger
FOREIGN_MARGIN = 1e-3


def for_outputs(same_bits: bool) -> float:
    """The absolute tolerance of outputs. same_bits: whether all forms compute the same bits."""
    return EXACT if same_bits else LOOSE
