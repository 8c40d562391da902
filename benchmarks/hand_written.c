/* The step of a network with one conv_delay layer, as one would write it by hand with AVX-512: the
 * yardstick for what the compiler makes. Event-driven, float32 rows, sums held in registers.
 *
 * Sizes and tables come from hand_written_tables.h: INPUTS, N (16 * REGISTERS neurons per layer),
 * OUTPUTS (padded to 32), TAPS, PLANES, and the arrays named below.
 */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "hand_written_tables.h"

#define BLOCKS (N / 16)
#define WORDS (N / 32)

typedef struct {
    _Alignas(64) float v1[N];
    _Alignas(64) float v2[N];
    _Alignas(64) float vo[32];
    _Alignas(64) uint32_t ring[PLANES * WORDS];
    uint32_t clock;
} state;

static state s;

void hand_reset(void)
{
    memset(&s, 0, sizeof s);
}

static inline int list(uint8_t *out, int count, __mmask16 fires, int base)
{
    const __m128i places = _mm_add_epi8(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                        _mm_set1_epi8((char)base));
    _mm_storeu_si128((__m128i *)(out + count), _mm_maskz_compress_epi8(fires, places));
    return count + __builtin_popcount(fires);
}

static inline int lif(__m512 *acc, float *v, __m512 beta, __m512 threshold, __m512 reset, uint8_t *out)
{
    int count = 0;
#pragma GCC unroll 16
    for (int b = 0; b < BLOCKS; b++) {
        const __m512 leaked = _mm512_mul_ps(_mm512_load_ps(v + 16 * b), beta);
        const __m512 m = _mm512_add_ps(leaked, acc[b]);
        const __mmask16 fires = _mm512_cmp_ps_mask(m, threshold, _CMP_GE_OQ);
        _mm512_store_ps(v + 16 * b, _mm512_mask_mov_ps(m, fires, reset));
        count = list(out, count, fires, 16 * b);
    }
    return count;
}

void hand_run(const float *x, int steps, float *y)
{
    for (int t = 0; t < steps; t++, x += INPUTS, y += OUTPUTS) {
        uint8_t in[INPUTS + 64], one[N + 64], two[N + 64];
        int count = 0;
        for (int b = 0; b < INPUTS; b += 16) {
            const __mmask16 here = INPUTS - b < 16 ? (__mmask16)((1u << (INPUTS - b)) - 1) : 0xFFFF;
            const __m512 c = _mm512_maskz_loadu_ps(here, x + b);
            count = list(in, count, _mm512_cmp_ps_mask(c, _mm512_setzero_ps(), _CMP_GT_OQ), b);
        }
        __m512 acc[BLOCKS];
#pragma GCC unroll 16
        for (int b = 0; b < BLOCKS; b++) {
            acc[b] = _mm512_load_ps(BIAS1 + 16 * b);
        }
        for (int k = 0; k < count; k++) {
            const float *row = WEIGHT1 + in[k] * N;
            const __m512 c = _mm512_set1_ps(x[in[k]]);
#pragma GCC unroll 16
            for (int b = 0; b < BLOCKS; b++) {
                acc[b] = _mm512_fmadd_ps(_mm512_load_ps(row + 16 * b), c, acc[b]);
            }
        }
        count = lif(acc, s.v1, _mm512_set1_ps(BETA1), _mm512_set1_ps(THRESHOLD1), _mm512_set1_ps(RESET1), one);

        uint32_t *plane = s.ring + (s.clock & (PLANES - 1)) * WORDS;
        uint8_t bits[N / 8 + 16] = {0};
        memcpy(bits + 8, plane, N / 8);
        memset(plane, 0, N / 8);
#pragma GCC unroll 16
        for (int b = 0; b < BLOCKS; b++) {
            uint32_t around;
            memcpy(&around, bits + 8 + 2 * b - 1, 4);
            acc[b] = _mm512_load_ps(BIAS2 + 16 * b);
#pragma GCC unroll 8
            for (int k = 0; k < TAPS; k++) {
                const __mmask16 arrives = (__mmask16)(around >> (8 + k - TAPS / 2));
                acc[b] = _mm512_mask_add_ps(acc[b], arrives, acc[b], _mm512_set1_ps(KERNEL[k]));
            }
        }
        for (int k = 0; k < count; k++) {
            const float *row = WEIGHT2 + one[k] * N;
#pragma GCC unroll 16
            for (int b = 0; b < BLOCKS; b++) {
                acc[b] = _mm512_add_ps(acc[b], _mm512_load_ps(row + 16 * b));
            }
        }
        count = lif(acc, s.v2, _mm512_set1_ps(BETA2), _mm512_set1_ps(THRESHOLD2), _mm512_set1_ps(RESET2), two);

        __m512 low = _mm512_load_ps(BIAS3), high = _mm512_load_ps(BIAS3 + 16);
        for (int k = 0; k < count; k++) {
            const int j = two[k];
            const uint32_t at = ((s.clock + 1 + DELAY[j]) & (PLANES - 1)) * WORDS + (uint32_t)j / 32;
            s.ring[at] |= 1u << (j & 31);
            low = _mm512_add_ps(low, _mm512_load_ps(WEIGHT3 + 32 * j));
            high = _mm512_add_ps(high, _mm512_load_ps(WEIGHT3 + 32 * j + 16));
        }
        const __m512 beta = _mm512_set1_ps(BETA3);
        low = _mm512_add_ps(_mm512_mul_ps(_mm512_load_ps(s.vo), beta), low);
        high = _mm512_add_ps(_mm512_mul_ps(_mm512_load_ps(s.vo + 16), beta), high);
        _mm512_store_ps(s.vo, low);
        _mm512_store_ps(s.vo + 16, high);
        _mm512_storeu_ps(y, low);
        _mm512_mask_storeu_ps(y + 16, (__mmask16)((1u << (OUTPUTS - 16)) - 1), high);
        s.clock++;
    }
}
