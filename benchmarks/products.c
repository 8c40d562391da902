/* One product of a block of streams with a dense layer, on AVX-512 VNNI; products.py compiles and calls it.
 *
 * Weights [words][outputs] of 32 bits, each word two inputs of 16 bits or four of 8 bits; x [streams][words]
 * the same, y [streams][outputs]. A block is STREAMS streams by 64 outputs, whose 24 sums stay in registers:
 * a weight is loaded once for all of its streams. streams: a multiple of STREAMS, outputs one of 64.
 */
#include <immintrin.h>
#include <stdint.h>
#include <time.h>

#define STREAMS 6
#define VECTORS 4

#define BLOCK(name, dot)                                                                                          \
    static void name(const int32_t *w, const int32_t *x, int32_t *y, int32_t words, int32_t outputs)             \
    {                                                                                                             \
        __m512i sum[STREAMS][VECTORS];                                                                            \
        for (int b = 0; b < STREAMS; b++)                                                                         \
            for (int v = 0; v < VECTORS; v++)                                                                     \
                sum[b][v] = _mm512_setzero_si512();                                                               \
        for (int32_t k = 0; k < words; k++) {                                                                     \
            __m512i row[VECTORS];                                                                                 \
            for (int v = 0; v < VECTORS; v++)                                                                     \
                row[v] = _mm512_load_si512(w + (int64_t)k * outputs + 16 * v);                                    \
            for (int b = 0; b < STREAMS; b++)                                                                     \
                for (int v = 0; v < VECTORS; v++)                                                                 \
                    sum[b][v] = dot(sum[b][v], _mm512_set1_epi32(x[(int64_t)b * words + k]), row[v]);             \
        }                                                                                                         \
        for (int b = 0; b < STREAMS; b++)                                                                         \
            for (int v = 0; v < VECTORS; v++)                                                                     \
                _mm512_store_si512(y + (int64_t)b * outputs + 16 * v, sum[b][v]);                                 \
    }

BLOCK(block_16, _mm512_dpwssd_epi32)
BLOCK(block_8, _mm512_dpbusd_epi32)

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* CPU time, in ns, of the product of all streams. bits: of a weight, 16 or 8. */
int64_t products(int32_t bits, const int32_t *w, const int32_t *x, int32_t *y, int32_t streams, int32_t words,
                 int32_t outputs)
{
    int64_t begun = now();
    for (int32_t o = 0; o < outputs; o += 16 * VECTORS)
        for (int32_t s = 0; s < streams; s += STREAMS)
            (bits == 16 ? block_16 : block_8)(w + o, x + (int64_t)s * words, y + (int64_t)s * outputs + o, words,
                                              outputs);
    return now() - begun;
}
