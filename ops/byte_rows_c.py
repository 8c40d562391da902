"""C text of the sums of `byte_rows`: a portable form, and that of cores with DSP instructions.

Each function is a text of its own, as a file has only those that it calls.
"""

ACLE = """#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif
"""
# the functions of rows that are added once; of rows that are added several times only the halves remain
ADDED = (
    """/* sums of n words of four bytes, two to a word: its halves end as signed sums of 16 bits */
"""
    + ACLE
    + """#if defined(__ARM_FEATURE_SIMD32)
/* the halves are summed apart; what n biases of 128 leave of each is their beginning */
static inline uint32_t first_even(uint32_t n)
{
    return ((0u - (n << 7)) & 0xffffu) * 0x10001u;
}
static inline uint32_t first_odd(uint32_t n)
{
    return first_even(n);
}
static inline uint32_t add_even_bytes(uint32_t sum, uint32_t word)
{
    return __uxtab16(sum, word);
}
static inline uint32_t add_odd_bytes(uint32_t sum, uint32_t word)
{
    return __uxtab16(sum, (word >> 8) | (word << 24));
}
static inline uint32_t even_sum(uint32_t even, uint32_t odd)
{
    (void)odd;
    return even;
}
#else
/* the halves carry; the sum of even bytes is what is left of that of whole words */
static inline uint32_t first_odd(uint32_t n)
{
    return 0u - n * 0x00800080u;
}
static inline uint32_t first_even(uint32_t n)
{
    return first_odd(n) * 257u;
}
static inline uint32_t add_even_bytes(uint32_t sum, uint32_t word)
{
    return sum + word;
}
static inline uint32_t add_odd_bytes(uint32_t sum, uint32_t word)
{
    return sum + ((word >> 8) & 0x00ff00ffu);
}
static inline uint32_t even_sum(uint32_t even, uint32_t odd)
{
    return even - (odd << 8);
}
#endif

"""
)
LOWER = (
    "/* start + 2^shift times the sum in the lower half */\n"
    + ACLE
    + """static inline int32_t lower_sum(uint32_t both, int32_t start, int32_t shift)
{
#if defined(__ARM_FEATURE_SIMD32)
    if (shift < 15) {
        return __smlabb((int32_t)both, 1 << shift, start);
    }
#endif
    return start + ((int32_t)(both << 16) >> (16 - shift));
}

"""
)
UPPER = (
    "/* start + 2^shift times the sum in the upper half */\n"
    + ACLE
    + """static inline int32_t upper_sum(uint32_t both, int32_t start, int32_t shift)
{
#if defined(__ARM_FEATURE_SIMD32)
    return shift < 15 ? __smlatb((int32_t)both, 1 << shift, start)
                      : start + ((int32_t)(both & 0xffff0000u) >> (16 - shift));
#else
    const int32_t lower = (int16_t)both;
    return start + ((int32_t)(both - (uint32_t)lower) >> (16 - shift));
#endif
}

"""
)
# of the upper half where the lower one was summed with counts
CARRIED = """/* as upper_sum, of a sum that the lower half carries into */
static inline int32_t carried_sum(uint32_t both, int32_t start, int32_t shift)
{
#if defined(__ARM_FEATURE_SIMD32)
    return upper_sum(both + 0x8000u, start, shift);
#else
    return upper_sum(both, start, shift);
#endif
}

"""
