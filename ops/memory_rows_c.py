"""C text of the sums of `memory_rows`: a portable form, and that of cores with Helium (MVE).

Eight sums of 16 bits fill a vector, which one instruction loads a row's bytes for and one adds them to.
Four vectors stay in registers over all events; loops in memory would load and store them for each.
"""

from __future__ import annotations

LANES = 8  # sums of 16 bits in a vector
BLOCKS = 7  # vectors of a tile
KINDS = ("uint8", "uint16", "uint32")  # types of the numbers of rows

# of every text that has these instructions
HEAD = """#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif
"""


def _each(line: str, inside: int = 0) -> str:
    """The line for each vector of a tile; only the first is always there."""
    lines = []
    for k in range(BLOCKS):
        text = line.format(k=k, at=LANES * k)
        lines += [f"if (blocks > {k}) {{", f"    {text}", "}"] if k else [text]
    return "\n".join(" " * (4 + inside) + text for text in lines)


def _tile(kind: str) -> str:
    """The function of the sums that stay in registers."""
    weights = f"WEIGHTS_{kind}(row, {{k}}, {{at}})"
    return f"""/* weights of vector k; of the last one there may be less than {LANES} */
#define WEIGHTS_{kind}(row, k, at) \\
    (left == {LANES} || blocks > (k) + 1 ? vldrbq_s16((row) + (at)) \\
                                   : vldrbq_z_s16((row) + (at), vctp16q((uint32_t)left)))
/* at most {LANES * BLOCKS} outputs */
static inline void sum_tile_{kind}(int32_t *to, const int32_t *start, int32_t unit, int32_t outputs,
                                   const int8_t *rows, int32_t n, const {kind}_t *events,
                                   int32_t number, bool counted)
{{
    const int32_t blocks = (outputs + {LANES - 1}) / {LANES}, left = outputs - {LANES} * (blocks - 1);
    int16_t sums[{LANES * BLOCKS}];
    int16x8_t {", ".join(f"s{k} = vdupq_n_s16(0)" for k in range(BLOCKS))};
    for (int32_t i = 0; i < number; ++i) {{
        const int8_t *row = rows + (uint32_t)events[counted ? 2 * i : i] * (uint32_t)n;
        if (counted) {{
            const int16_t count = (int16_t)events[2 * i + 1];
{_each("s{k} = vmlaq_n_s16(s{k}, " + weights + ", count);", 8)}
        }} else {{
{_each("s{k} = vaddq_s16(s{k}, " + weights + ");", 8)}
        }}
    }}
{_each("vstrhq_s16(sums + {at}, s{k});")}
    for (int32_t k = 0; k < outputs; k += 4) {{
        const mve_pred16_t some = vctp32q((uint32_t)(outputs - k));
        const int32x4_t first = vldrwq_z_s32(start + k, some);
        vstrwq_p_s32(to + k, vmlaq_n_s32(first, vldrhq_z_s32(sums + k, some), unit), some);
    }}
}}
"""


def c_text(kind: str) -> str:
    """The function for rows whose numbers have a type."""
    return f"""{HEAD}#if defined(__ARM_FEATURE_MVE)
{_tile(kind)}#endif
/* start + unit times the sum of rows of n weights, which 16 bits hold. more: whether it is added to
   what there is, in place of start; counted: whether the number of a row is followed by its count */
static inline void sum_rows_{kind}(int32_t *to, const int32_t *start, bool more, int32_t unit, int32_t n,
                                   const int8_t *rows, const {kind}_t *events, int32_t number,
                                   bool counted)
{{
    const int32_t *const from = more ? to : start;
#if defined(__ARM_FEATURE_MVE)
    const int32_t tile = {LANES * BLOCKS}, tail = n % tile;
    for (int32_t k = 0; k < n - tail; k += tile) {{
        sum_tile_{kind}(to + k, from + k, unit, tile, rows + k, n, events, number, counted);
    }}
    if (tail > 0) {{
        const int32_t k = n - tail;
        sum_tile_{kind}(to + k, from + k, unit, tail, rows + k, n, events, number, counted);
    }}
#else
    for (int32_t k = 0; k < n; ++k) {{
        to[k] = from[k];
    }}
    for (int32_t i = 0; i < number; ++i) {{
        const int8_t *row = rows + (uint32_t)events[counted ? 2 * i : i] * (uint32_t)n;
        const int32_t count = counted ? (int32_t)events[2 * i + 1] : 1;
        for (int32_t k = 0; k < n; ++k) {{
            to[k] = (int32_t)((uint32_t)to[k] + (uint32_t)(row[k] * count) * (uint32_t)unit);
        }}
    }}
#endif
}}

"""


C_TEXTS = {f"sum_rows_{kind}(": c_text(kind) for kind in KINDS}
