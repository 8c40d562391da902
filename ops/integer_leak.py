"""The leak of integers: a share of 2^-15 is left, halves go up.

    leak(v) = floor((v * b + 2^14) / 2^15)
            = (v >> 15) * b + (((v & 32767) * b + 2^14) >> 15)        in 32 bits, exactly

for |v| <= 2^30 and |b| <= 2^15; for 0 <= b <= 2^15 of any v of 32 bits. In C text, of one number b,

            = upper(v, b)               b < 2^14
            = v + upper(v, b - 2^15)    else

with upper(v, s) = floor((v * s * 2^17 + 2^31) / 2^32), for any v: one instruction of some cores.
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


# by lanes of int32: LLVM's sum of two products, and product of shares, of 16 bits
HALVES = {
    8: ("llvm.x86.avx2.pmadd.wd", "llvm.x86.avx2.pmul.hr.sw"),
    16: ("llvm.x86.avx512.pmaddw.d.512", "llvm.x86.avx512.pmul.hr.sw.512"),
}
# NEON's product, doubled and rounded, of which the upper 32 bits are kept, by its name in assembly. It
# saturates where both factors are -2^31, and nowhere else
DOUBLING = {
    "sqrdmulh": "llvm.aarch64.neon.sqrdmulh.v4i32",
    "vqrdmulh": "llvm.arm.neon.vqrdmulh.v4i32",
}
QUAD = 4  # lanes of its vectors


C_TEXT = """/* the upper word of a product, rounded; the 16 lower bits of the second factor are 0 */
static inline int32_t upper_of_product(int32_t v, int32_t share)
{
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1 /* products have 32 bits */
    const int32_t half = share >> 16;
    return (v >> 16) * half + (((v & 0xffff) * half + 0x8000) >> 16);
#else
    return (int32_t)(((int64_t)v * share + 0x80000000u) >> 32);
#endif
}

"""


def is_half(beta: Any) -> bool:
    """Whether shares are of 15 bits, without a sign."""
    return bool(np.min(beta) >= 0 and np.max(beta) < ONE)


def emit_leak(e: Emitter, beta: Any, v: Any, lanes: int, half: bool = False) -> Any:
    """leak(v) of one block, v an int32 value. beta: a number, or a block of them.

    half: whether `is_half` holds for beta, and v is the value of a state variable.
    """
    T = e.T

    def splat(number: int) -> Any:
        return e.splat(T.int32(number), lanes)

    alone = isinstance(beta, int)
    if isinstance(beta, int):
        if beta == ONE:
            return v
        if beta == 0:
            return e.zero("int32", lanes)
        upper = by_upper(beta)
        if upper is not None and lanes == 1 and e.generator == "c":
            return _by_upper(e, *upper, v)
        beta = splat(beta)
    if half and e.schedule.halves and lanes == e.schedule.lanes:
        return _by_halves(e, beta, v, lanes)
    if (half or alone) and e.schedule.doubles and lanes % QUAD == 0:
        return _by_doubling(e, beta, v, lanes)
    high = T.shift_right(v, splat(Q)) * beta
    low = T.bitwise_and(v, splat(ONE - 1)) * beta + splat(ONE >> 1)
    return high + T.shift_right(low, splat(Q))


def by_upper(beta: Any) -> tuple[int, bool] | None:
    """The second factor of `upper_of_product`, and whether v is added to its result; None: no number
    that has one.
    """
    if not isinstance(beta, int) or beta == 0 or not -(ONE >> 1) <= beta < ONE:
        return None
    kept = beta >= ONE >> 1
    return (beta - ONE if kept else beta) << 17, kept


def _by_upper(e: Emitter, share: int, kept: bool, v: Any) -> Any:
    upper = e.T.call_extern("int32", "upper_of_product", v, e.T.int32(share))
    return e.wrapping(v, upper, 1) if kept else upper


def _by_halves(e: Emitter, beta: Any, v: Any, lanes: int) -> Any:
    """v >> 15 and v & 32767 have 16 bits; the upper half of a word meets a factor of 0, or is 0."""
    T, halves = e.T, f"int16x{2 * lanes}"
    products, shares = HALVES[lanes]
    factor = T.reinterpret(halves, beta)
    high = T.reinterpret(halves, T.shift_right(v, e.splat(T.int32(Q), lanes)))
    low = T.reinterpret(halves, T.bitwise_and(v, e.splat(T.int32(ONE - 1), lanes)))
    low = T.call_llvm_pure_intrin(halves, shares, low, factor)
    high = T.call_llvm_pure_intrin(f"int32x{lanes}", products, high, factor)
    return high + T.reinterpret(f"int32x{lanes}", low)


def _by_doubling(e: Emitter, beta: Any, v: Any, lanes: int) -> Any:
    """(2 * v * (beta << 16) + 2^31) >> 32, of shares below 2^15; a quad at a time."""
    T, name = e.T, DOUBLING[e.schedule.leak]
    factors = e.register(lanes, T.shift_left(beta, e.splat(T.int32(31 - Q), lanes)), "int32")
    values, out = e.register(lanes, v, "int32"), e.register(lanes, v, "int32")
    for at in range(0, lanes, QUAD):
        pair = (e.load(each, at, QUAD) for each in (values, factors))
        e.store(out, at, QUAD, T.call_llvm_pure_intrin(f"int32x{QUAD}", name, *pair))
    return e.load(out, 0, lanes)
