"""C text of integer LIF neurons, four at a time: a portable form, and that of Helium (MVE)."""

from __future__ import annotations

from delrec_compile.ops.memory_rows_c import HEAD

FOUR = 4

LEAK = (
    HEAD
    + """/* four membranes: of each the upper word of its product with a share, rounded, and, if it is
   `kept`, the membrane itself; to it a current is added. ends: whether at -2^30 at the lowest */
static inline void leak_four(int32_t *v, int32_t share, bool kept, const int32_t *current, bool ends)
{
    const int32_t least = -0x40000000;
#if defined(__ARM_FEATURE_MVE)
    const int32x4_t old = vldrwq_s32(v);
    int32x4_t m = vrmulhq_s32(old, vdupq_n_s32(share));
    m = vaddq_s32(kept ? vaddq_s32(m, old) : m, vldrwq_s32(current));
    vstrwq_s32(v, ends ? vmaxq_s32(m, vdupq_n_s32(least)) : m);
#else
    for (int32_t k = 0; k < 4; ++k) {
        const uint32_t upper = (uint32_t)upper_of_product(v[k], share);
        const int32_t m = (int32_t)(upper + (kept ? (uint32_t)v[k] : 0u) + (uint32_t)current[k]);
        v[k] = ends && m < least ? least : m;
    }
#endif
}

"""
)
REACH = (
    HEAD
    + """/* which of four membranes reach their levels: four bits of each */
static inline uint32_t which_reach(const int32_t *v, const int32_t *level)
{
#if defined(__ARM_FEATURE_MVE)
    return vcmpgeq_s32(vldrwq_s32(v), vldrwq_s32(level));
#else
    uint32_t bits = 0u;
    for (int32_t k = 0; k < 4; ++k) {
        bits |= v[k] >= level[k] ? 15u << (4 * k) : 0u;
    }
    return bits;
#endif
}

"""
)
