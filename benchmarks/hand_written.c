/* A step of a network with one conv_delay layer, as one writes it by hand for a CPU with AVX-512: the
 * yardstick for what the compiler makes. Needs AVX-512 F, BW, VL, VBMI2 and VNNI; written for clang.
 *
 * Weights and sums are whole multiples of a power of two, UNIT1 to UNIT3, in 16 and 32 bits, so sums are exact.
 * hand_written.py writes hand_written_tables.h: sizes, constants of the neurons, and the tables, of which
 *   ROWS1 [pairs of inputs][N] has the weights of two inputs in a word,
 *   ROWS2 [N][N / 32][16] those of neurons 32 b + k and 32 b + k + 16 in word k of block b, the lower one + 2^15,
 *   ROWS3 [N][16] those of outputs k and k + 16 in the same way,
 *   ARRIVING [16] the sum of the taps by the bits of the neurons they come from,
 *   DELAYED [2 PLANES] planes of the neurons whose delay is -q mod PLANES.
 */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "hand_written_tables.h"

#define WORDS (N / 64) /* of a plane, which has a bit for each neuron */
#define FULL _Pragma("clang loop unroll(full)")

_Static_assert(N == 256, "the sums of a layer are 16 registers");
_Static_assert(INPUTS > 128 && INPUTS < 144, "the counts are five registers, the last one in part");
_Static_assert(OUTPUTS > 16 && OUTPUTS <= 32, "the outputs are two registers");
_Static_assert(TAPS == 3 && PLANES == 32, "a look-up has 16 entries; planes are 16 registers");

/* planes: the spikes of step t at t mod PLANES. */
typedef struct {
    _Alignas(64) float v1[N], v2[N], v3[32];
    _Alignas(64) uint64_t planes[PLANES][WORDS];
    uint32_t clock;
} state;

_Alignas(64) static const uint8_t PLACES[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

static inline uint64_t joined(const __mmask16 *k)
{
    return _cvtmask64_u64(_mm512_kunpackd(_mm512_kunpackw(k[3], k[2]), _mm512_kunpackw(k[1], k[0])));
}

/* Appends the places of the bits of a mask, counted from `first`, and returns the new length. */
static inline int append(uint8_t *list, int length, uint64_t mask, int first)
{
    const __m512i at = _mm512_add_epi8(_mm512_load_si512(PLACES), _mm512_set1_epi8((char)first));
    _mm512_storeu_si512(list + length, _mm512_maskz_compress_epi8(mask, at));
    return length + (int)_mm_popcnt_u64(mask);
}

static inline int spikes(uint8_t *list, const uint64_t *plane)
{
    int length = 0;
    FULL for (int w = 0; w < WORDS; w++)
        length = append(list, length, plane[w], 64 * w);
    return length;
}

/* The counts of two inputs to a word, and the list of the words that are not 0. */
static inline int pairs(uint8_t *list, uint32_t *counts, const float *x)
{
    __mmask16 active[5];
    FULL for (int b = 0; b < 5; b++) {
        const uint32_t here = b < 4 ? ~0u : (1u << (INPUTS - 128)) - 1;
        const __m512 low = _mm512_maskz_loadu_ps((__mmask16)here, x + 32 * b);
        const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(here >> 16 & here), x + 32 * b + 16);
        const __m256i one = _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(low));
        const __m256i two = _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(high));
        const __m512i words = _mm512_inserti64x4(_mm512_castsi256_si512(one), two, 1);
        _mm512_store_si512(counts + 16 * b, words);
        active[b] = _mm512_test_epi32_mask(words, words);
    }
    return append(list, append(list, 0, joined(active), 0), active[4], 64);
}

/* Leak, current and reset of N neurons; plane: those that fire. */
static inline void lif(const __m512i *sum, float *v, float beta, float unit, float threshold, float reset,
                       uint64_t *plane)
{
    __mmask16 below[16];
    FULL for (int b = 0; b < 16; b++) {
        const __m512 kept = _mm512_mul_ps(_mm512_load_ps(v + 16 * b), _mm512_set1_ps(beta));
        const __m512 m = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[b]), _mm512_set1_ps(unit), kept);
        below[b] = _mm512_cmp_ps_mask(m, _mm512_set1_ps(threshold), _CMP_LT_OQ);
        _mm512_store_ps(v + 16 * b, _mm512_mask_mov_ps(_mm512_set1_ps(reset), below[b], m));
    }
    FULL for (int w = 0; w < WORDS; w++)
        plane[w] = ~joined(below + 4 * w);
}

/* Spikes that arrive at this step, from each plane those of the neurons with its delay. */
static inline void arrivals(const state *s, uint8_t *window)
{
    const uint64_t *delayed = DELAYED + (1 - s->clock) % PLANES * WORDS;
    const uint64_t *planes = s->planes[0];
    __m512i some[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    FULL for (int k = 0; k < PLANES / 2; k++) {
        const __m512i a = _mm512_load_si512(planes + 8 * k), d = _mm512_loadu_si512(delayed + 8 * k);
        some[k & 1] = _mm512_ternarylogic_epi64(some[k & 1], a, d, 0xF8); /* some | a & d */
    }
    const __m512i both = _mm512_or_si512(some[0], some[1]);
    const __m512i plane = _mm512_or_si512(both, _mm512_shuffle_i64x2(both, both, 0x4E));
    /* eight bytes of zeros, the plane, and zeros */
    _mm512_store_si512(window, _mm512_maskz_alignr_epi64(0x1E, plane, plane, 7));
}

static inline __m512i taps(const uint8_t *window, int b)
{
    const __m512i shifts = _mm512_setr_epi32(7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22);
    int32_t around;
    memcpy(&around, window + 7 + 2 * b, 4);
    const __m512i pattern = _mm512_srlv_epi32(_mm512_set1_epi32(around), shifts);
    return _mm512_permutexvar_epi32(pattern, _mm512_load_si512(ARRIVING));
}

/* The sum of the lower halves of as many words, from the sum of the words and that of their upper halves. */
static inline __m512i lower(__m512i words, __m512i upper, int length)
{
    return _mm512_sub_epi32(_mm512_sub_epi32(words, _mm512_slli_epi32(upper, 16)), _mm512_set1_epi32(length << 15));
}

/* Lists are read forwards and backwards in turn: rows that the step before read last are still in the L1 cache.
 * Before a list lies room for the end of a backward one. */
typedef struct {
    const uint8_t *first, *end;
    int by;
} order;

static inline order turn(const state *s, const uint8_t *list, int length)
{
    const uint8_t *end = list + length;
    return s->clock % 2 ? (order){end - 1, list - 1, -1} : (order){list, end, 1};
}

static inline void layer1(state *s, const float *x, uint64_t *fired)
{
    _Alignas(64) uint32_t counts[80];
    _Alignas(64) uint8_t room[64 + 80 + 64], *list = room + 64;
    const int length = pairs(list, counts, x);
    __m512i sum[16];
    FULL for (int b = 0; b < 16; b++)
        sum[b] = _mm512_load_si512(BIAS1 + 16 * b);
    const order o = turn(s, list, length);
    for (const uint8_t *k = o.first; k != o.end; k += o.by) {
        const int16_t *row = ROWS1 + *k * 2 * N;
        const __m512i count = _mm512_set1_epi32((int)counts[*k]);
        FULL for (int b = 0; b < 16; b++)
            sum[b] = _mm512_dpwssd_epi32(sum[b], _mm512_load_si512(row + 32 * b), count);
    }
    lif(sum, s->v1, BETA1, UNIT1, THRESHOLD1, RESET1, fired);
}

static inline void layer2(state *s, const uint64_t *fired, uint64_t *fires)
{
    _Alignas(64) uint8_t window[64];
    _Alignas(64) uint8_t room[64 + N + 64], *list = room + 64;
    arrivals(s, window);
    const int length = spikes(list, fired);
    const __m512i upper = _mm512_set1_epi32(1 << 16); /* a product with 1, and one with 0 */
    __m512i sum[16];
    FULL for (int b = 0; b < 16; b++)
        sum[b] = _mm512_add_epi32(_mm512_load_si512(BIAS2 + 16 * b), taps(window, b));
    FULL for (int b = 0; b < 16; b += 2)
        sum[b] = _mm512_add_epi32(sum[b], _mm512_slli_epi32(sum[b + 1], 16));
    const order o = turn(s, list, length);
    for (const uint8_t *k = o.first; k != o.end; k += o.by) {
        const int16_t *row = ROWS2 + *k * N;
        FULL for (int b = 0; b < 16; b += 2) {
            const __m512i words = _mm512_load_si512(row + 16 * b);
            sum[b] = _mm512_add_epi32(sum[b], words);
            sum[b + 1] = _mm512_dpwssd_epi32(sum[b + 1], words, upper);
        }
    }
    FULL for (int b = 0; b < 16; b += 2)
        sum[b] = lower(sum[b], sum[b + 1], length);
    lif(sum, s->v2, BETA2, UNIT2, THRESHOLD2, RESET2, fires);
    memcpy(s->planes[s->clock++ % PLANES], fires, N / 8);
}

static inline void readout(state *s, const uint64_t *fired, float *y)
{
    uint8_t list[N + 64];
    const int length = spikes(list, fired);
    const __m512i upper = _mm512_set1_epi32(1 << 16);
    __m512i whole = _mm512_setzero_si512(), high[2] = {whole, whole};
    int k = 0;
    for (; k + 2 <= length; k += 2) {
        const __m512i a = _mm512_load_si512(ROWS3 + 32 * list[k]), b = _mm512_load_si512(ROWS3 + 32 * list[k + 1]);
        whole = _mm512_add_epi32(whole, _mm512_add_epi32(a, b));
        high[0] = _mm512_dpwssd_epi32(high[0], a, upper);
        high[1] = _mm512_dpwssd_epi32(high[1], b, upper);
    }
    if (k < length) {
        const __m512i a = _mm512_load_si512(ROWS3 + 32 * list[k]);
        whole = _mm512_add_epi32(whole, a);
        high[0] = _mm512_dpwssd_epi32(high[0], a, upper);
    }
    const __m512i second = _mm512_add_epi32(high[0], high[1]);
    const __m512i first = lower(whole, second, length);
    const __m512 unit = _mm512_set1_ps(UNIT3), beta = _mm512_set1_ps(BETA3);
    const __m512 one = _mm512_cvtepi32_ps(_mm512_add_epi32(first, _mm512_load_si512(BIAS3)));
    const __m512 two = _mm512_cvtepi32_ps(_mm512_add_epi32(second, _mm512_load_si512(BIAS3 + 16)));
    const __m512 v = _mm512_fmadd_ps(one, unit, _mm512_mul_ps(_mm512_load_ps(s->v3), beta));
    const __m512 w = _mm512_fmadd_ps(two, unit, _mm512_mul_ps(_mm512_load_ps(s->v3 + 16), beta));
    _mm512_store_ps(s->v3, v);
    _mm512_store_ps(s->v3 + 16, w);
    _mm512_storeu_ps(y, v);
    _mm512_mask_storeu_ps(y + 16, (__mmask16)((1ull << (OUTPUTS - 16)) - 1), w);
}

int32_t hand_state_bytes(void)
{
    return sizeof(state);
}

void hand_reset(state *s)
{
    memset(s, 0, sizeof *s);
}

int32_t hand_run(state *s, const float *x, int32_t steps, float *y)
{
    for (int32_t t = 0; t < steps; t++, x += INPUTS, y += OUTPUTS) {
        uint64_t first[WORDS], second[WORDS];
        layer1(s, x, first);
        layer2(s, first, second);
        readout(s, second, y);
    }
    return 0;
}
