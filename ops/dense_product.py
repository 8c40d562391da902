"""Product of a weight matrix and whole numbers that are seldom zero, for cores without vectors.

    I[i] = sum_j W[i, j] * u[j]          W: int16 or int8, u: int16, I: int32

It is `linear` on real inputs (`real_input`), output by output: u stays in registers for a tile of
outputs, and a table holds the weights in the order in which they are read. Devices with vectors add rows
instead: two at a time, where they multiply and add pairs (`linear.Rows`, `Emitter.add_products`).

With `bytes = "words"` two weights of 16 bits, or four of 8 in the order (0, 2, 1, 3), lie in a 32-bit
word, and two of u. Cores with DSP instructions multiply and add both halves in one (SMLAD); C does so in
two. Otherwise weights lie as they are, row after row: loops that a compiler turns into vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import Ints
from delrec_compile.errors import NetworkError

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.linear import Finish
    from delrec_compile.targets.schedule import Schedule

PAIR = 2  # values of u in a word
TILE = 4  # outputs that are summed together: more spill the registers of 32-bit cores
ORDER = (0, 2, 1, 3)  # byte of a word that holds each of four weights, from the lowest

ADD_PAIR = """/* sum + the products of the halves of two words: a pair of int16 each */
#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif
static inline int32_t add_pair(int32_t sum, uint32_t weights, uint32_t units)
{
#if defined(__ARM_FEATURE_SIMD32)
    return __smlad((int16x2_t)weights, (int16x2_t)units, sum);
#else
    return sum + (int32_t)(int16_t)weights * (int16_t)units
        + (int32_t)(int16_t)(weights >> 16) * (int16_t)(units >> 16);
#endif
}

"""
# of weights that are bytes, as a pair of int16
ADD_EVEN, ADD_ODD = (
    f"""/* as add_pair, of bytes {first} and {first + 2} of a word of weights */
#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif
static inline int32_t {name}(int32_t sum, uint32_t weights, uint32_t units)
{{
#if defined(__ARM_FEATURE_SIMD32)
    const uint32_t pair = (uint32_t)__sxtb16((int8x4_t){turned});
    return __smlad((int16x2_t)pair, (int16x2_t)units, sum);
#else
    return sum + (int32_t)(int8_t){low} * (int16_t)units
        + (int32_t)(int8_t)(weights >> {8 * first + 16}) * (int16_t)(units >> 16);
#endif
}}

"""
    for name, first, turned, low in (
        ("add_even_pair", 0, "weights", "weights"),
        ("add_odd_pair", 1, "((weights >> 8) | (weights << 24))", "(weights >> 8)"),
    )
)


@dataclass(frozen=True, eq=False)
class DenseProduct:
    """weight: (out, in), int16 or int8. largest: of |u|. Raises NetworkError if a sum may overflow."""

    weight: Ints
    largest: int

    def __post_init__(self) -> None:
        bound = int(np.abs(self.weight.astype(np.int64)).sum(axis=1).max()) * self.largest
        if bound >= 1 << 31:
            raise NetworkError(
                f"sums of weights times inputs can reach {bound}, beyond int32; use fewer input_bits"
            )

    @property
    def outputs(self) -> int:
        return len(self.weight)

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    def reference(self, units: Ints) -> NDArray[np.int32]:
        """units: (batch, in). Returns (batch, out)."""
        return (units.astype(np.int64) @ self.weight.T.astype(np.int64)).astype(np.int32)

    def table(self, schedule: Schedule) -> NDArray[Any]:
        """The weights, flat, in the order in which `emit` reads them."""
        if schedule.bytes != "words":
            return np.ascontiguousarray(self.weight).reshape(-1)
        words = _words(self.weight)
        parts = [words[at : at + TILE].T.reshape(-1) for at in range(0, self.outputs, TILE)]
        return np.concatenate(parts)

    def pack(self, e: Emitter, units: Callable[[Any], Any]) -> Any:
        """The buffer of u that `emit` reads. units: u of an input, int32."""
        n = self.inputs
        if e.schedule.bytes != "words":
            plain = e.buffer("units", n, "int16")
            with e.loop("j", n) as j:
                e.store(plain, j, 1, e.cast(units(j), "int16", 1))
            return plain
        per = PAIR * self._pairs
        room = -(-n // per) * self._pairs
        pairs = e.buffer("units", room, "uint32")
        with e.loop("j", n // PAIR) as j:
            e.store(pairs, j, 1, _pair(e, units(j * PAIR), units(j * PAIR + 1)))
        if n % PAIR:
            e.store(pairs, n // PAIR, 1, _pair(e, units(n - 1), e.T.int32(0)))
        for rest in range(-(-n // PAIR), room):
            e.store(pairs, rest, 1, e.T.uint32(0))
        return pairs

    def emit(
        self, e: Emitter, table: Any, units: Any, finish: Callable[[Any, int], Finish]
    ) -> None:
        """All sums. units: of `pack`. finish: as in `linear.emit`, of int32."""
        if e.schedule.bytes != "words":
            self._emit_rows(e, table, units, finish)
            return
        for base, size in e.runs(self.outputs, TILE):
            self._emit_tile(e, table, units, base, size, finish(base, size))

    @property
    def _pairs(self) -> int:
        """Pairs of u that meet one word of weights."""
        return 1 if self.weight.dtype == np.int16 else 2

    def _emit_rows(
        self, e: Emitter, table: Any, units: Any, finish: Callable[[Any, int], Finish]
    ) -> None:
        n = self.inputs
        with e.loop("k", self.outputs) as k:
            row, total = e.view(table, k * n, n), e.register(1, e.T.int32(0), "int32")
            with e.loop("j", n) as j:
                weight, unit = (e.cast(e.load(part, j, 1), "int32", 1) for part in (row, units))
                e.store(total, 0, 1, total[0] + weight * unit)
            finish(k, 1)(total[0], 0, 1)

    def _emit_tile(
        self, e: Emitter, table: Any, units: Any, base: Any, size: int, take: Finish
    ) -> None:
        """Outputs base to base + size, whose words lie side by side."""
        words = -(-self.inputs // (PAIR * self._pairs))
        sums = [e.register(1, e.T.int32(0), "int32") for _ in range(size)]
        names = ("add_pair",) if self._pairs == 1 else ("add_even_pair", "add_odd_pair")
        with e.loop("w", words) as w:
            row = e.view(table, base * words + w * size, size)
            own = [e.bind("pair", units[w * self._pairs + p]) for p in range(self._pairs)]
            for k, total in enumerate(sums):
                weights = (
                    e.bind("weights", e.load(row, k, 1)) if self._pairs > 1 else e.load(row, k, 1)
                )
                for name, pair in zip(names, own, strict=True):
                    e.store(total, 0, 1, e.T.call_extern("int32", name, total[0], weights, pair))
        for k, total in enumerate(sums):
            take(total[0], k, 1)


def _words(weight: Ints) -> NDArray[np.uint32]:
    """(out, words): the weights of each output in 32-bit words."""
    size = weight.itemsize
    per = 4 // size
    n = weight.shape[1]
    padded = np.zeros((len(weight), -(-n // per) * per), np.int64)
    padded[:, :n] = weight
    groups = padded.reshape(len(weight), -1, per)
    if per == len(ORDER):
        groups = groups[:, :, list(ORDER)]
    mask = (1 << 8 * size) - 1
    return np.asarray(((groups & mask) << (8 * size * np.arange(per))).sum(axis=2), np.uint32)


def _pair(e: Emitter, low: Any, high: Any) -> Any:
    """Two values of u in a word."""
    T = e.T
    first = T.bitwise_and(T.cast(low, "uint32"), T.uint32(0xFFFF))
    return T.bitwise_or(first, T.shift_left(T.cast(high, "uint32"), T.uint32(16)))
