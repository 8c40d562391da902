"""The leak of integers: a share of 2^-15 is left, halves go up.

    leak(v) = floor((v * b + 2^14) / 2^15)
            = (v >> 15) * b + (((v & 32767) * b + 2^14) >> 15)        in 32 bits, exactly

for |v| <= 2^30 and |b| <= 2^15; for 0 <= b <= 2^15 of any v of 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import I64

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter

Q = 15  # fractional bits of a share
ONE = 1 << Q
LIMIT = 1 << 30  # of a state variable, and of all that a step adds to it


def leak(v: I64, beta: Any) -> I64:
    """round(v * beta / 2^15), halves upwards: a 64-bit product and an arithmetic shift."""
    return np.asarray((v * np.asarray(beta, np.int64) + (ONE >> 1)) >> Q)


def emit_leak(e: Emitter, beta: Any, v: Any, lanes: int) -> Any:
    """leak(v) of one block, v an int32 value. beta: a number, or a block of them."""
    T = e.T

    def splat(number: int) -> Any:
        return e.splat(T.int32(number), lanes)

    if isinstance(beta, int):
        if beta == ONE:
            return v
        if beta == 0:
            return e.zero("int32", lanes)
        beta = splat(beta)
    high = T.shift_right(v, splat(Q)) * beta
    low = T.bitwise_and(v, splat(ONE - 1)) * beta + splat(ONE >> 1)
    return high + T.shift_right(low, splat(Q))
