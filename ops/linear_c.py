"""C text of the sums of float32 rows in `linear`: eight weights of a row at a time.

Cortex-M with an FPU loads them with one instruction, which no compiler makes of eight loads. Products
are added to sums without rounding, so a fused multiply-add gives the same bits.
"""

from __future__ import annotations

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


C_TEXT = f"""/* adds eight weights of a row to sums; or a count times each, where nothing is rounded */
#if defined(__GNUC__) && defined(__ARM_FEATURE_FMA) && defined(__ARM_ARCH_PROFILE) \\
    && __ARM_ARCH_PROFILE == 'M' && defined(__ARM_FP) && !defined(__SOFTFP__) \\
    && !defined(__ARM_FEATURE_MVE)
#define ADD_EIGHT(row, {_SUMS}) \\
    {_fpu("vadd.f32", "{own}, {weight}", "")}
#define ADD_EIGHT_TIMES(row, count, {_SUMS}) \\
    {_fpu("vfma.f32", "{weight}, %[count_]", ', [count_] "t"(count)')}
#else
#define ADD_EIGHT(row, {_SUMS}) \\
    do {{ {_portable("")} }} while (0)
#define ADD_EIGHT_TIMES(row, count, {_SUMS}) \\
    do {{ {_portable(" * (count)")} }} while (0)
#endif

"""
