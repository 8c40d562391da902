"""C text of the sums of float32 rows in `linear`: eight weights of a row at a time.

Cortex-M with an FPU loads them with one instruction, which no compiler makes of eight loads. Products
are added to sums without rounding, so a fused multiply-add gives the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.linear import Rows, Tile

WIDTH = 8
_SUMS = ", ".join(f"s{k}" for k in range(WIDTH))
_LAST = 32 - WIDTH  # the registers from here on hold the weights


def _portable(count: str) -> str:
    return " ".join(f"(s{k}) += (row)[{k}]{count};" for k in range(WIDTH))


def _fpu(instruction: str, last: str, inputs: str) -> str:
    lines = [f'"vldmia %[weights], {{s{_LAST}-s31}}\\n\\t"']
    lines += [
        f'"{instruction} %[a{k}], {last.format(own=f"%[a{k}]", weight=f"s{_LAST + k}")}\\n\\t"'
        for k in range(WIDTH)
    ]
    sums = ", ".join(f'[a{k}] "+t"(s{k})' for k in range(WIDTH))
    own = f'[weights] "r"(row), "m"(*(const float(*)[{WIDTH}])(row)){inputs}'
    lost = ", ".join(f'"s{k}"' for k in range(_LAST, 32))
    return " \\\n    ".join(["__asm__(", *lines, f": {sums}", f": {own}", f": {lost})"])


def _either(name: str, what: str, fpu: str, portable: str) -> str:
    """The macro `name` in both forms."""
    return f"""/* {what} */
#if defined(__GNUC__) && defined(__ARM_FEATURE_FMA) && defined(__ARM_ARCH_PROFILE) \\
    && __ARM_ARCH_PROFILE == 'M' && defined(__ARM_FP) && !defined(__SOFTFP__) \\
    && !defined(__ARM_FEATURE_MVE)
#define {name}, {_SUMS}) \\
    {fpu}
#else
#define {name}, {_SUMS}) \\
    do {{ {portable} }} while (0)
#endif

"""


ADD = _either(
    "ADD_EIGHT(row",
    "adds eight weights of a row to sums",
    _fpu("vadd.f32", "{own}, {weight}", ""),
    _portable(""),
)
ADD_TIMES = _either(
    "ADD_EIGHT_TIMES(row, count",
    "adds a count times each of eight weights of a row to sums, where nothing is rounded",
    _fpu("vfma.f32", "{weight}, %[count_]", ', [count_] "t"(count)'),
    _portable(" * (count)"),
)


def takes(e: Emitter, rows: Rows, tile: Tile) -> bool:
    """Whether the rows are float32 that C text adds eight at a time."""
    plain = str(rows.weight.dtype) == "float32" and (rows.counts is None or rows.exact)
    return e.generator == "c" and plain and tile.size % WIDTH == 0 == tile.size - len(tile.blocks)


def emit(e: Emitter, acc: list[Any], row: Any, count: Any) -> None:
    """Adds a row, or a count times it, to the registers of a tile."""
    T = e.T
    if count is not None:
        count = e.bind("count", count)
    for k in range(0, len(acc), WIDTH):
        sums = [a[0] for a in acc[k : k + WIDTH]]
        at = T.address_of(row[k])
        if count is None:
            T.evaluate(T.call_extern("void", "ADD_EIGHT", at, *sums))
        else:
            T.evaluate(T.call_extern("void", "ADD_EIGHT_TIMES", at, count, *sums))
