/* Sums of the rows of active neurons, step by step and tile by tile, on AVX-512 VNNI; tiles.py compiles and
 * calls it.
 *
 * Rows of 16 bits, two outputs to a word, added as `ops.joined_rows` does. events [steps][active]: numbers of
 * rows; sums [steps][outputs] of 32 bits: of words, then of upper halves, vector by vector.
 */
#include <immintrin.h>
#include <stdint.h>
#include <time.h>

#define ROWS(name, vectors)                                                                                       \
    static void name(const int16_t *row, int64_t stride, const uint16_t *events, int32_t active, int32_t *sums)   \
    {                                                                                                             \
        const __m512i upper = _mm512_set1_epi32(1 << 16);                                                         \
        __m512i words[vectors], halves[vectors];                                                                  \
        for (int v = 0; v < vectors; v++)                                                                         \
            words[v] = halves[v] = _mm512_setzero_si512();                                                        \
        for (int32_t k = 0; k < active; k++)                                                                      \
            for (int v = 0; v < vectors; v++) {                                                                   \
                __m512i own = _mm512_load_si512(row + events[k] * stride + 32 * v);                               \
                words[v] = _mm512_add_epi32(words[v], own);                                                       \
                halves[v] = _mm512_dpwssd_epi32(halves[v], own, upper);                                           \
            }                                                                                                     \
        for (int v = 0; v < vectors; v++) {                                                                       \
            _mm512_store_si512(sums + 32 * v, words[v]);                                                          \
            _mm512_store_si512(sums + 32 * v + 16, halves[v]);                                                    \
        }                                                                                                         \
    }

ROWS(of_64, 2)
ROWS(of_128, 4)
ROWS(of_256, 8)

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* CPU time, in ns, of all steps. tile: outputs of a tile, 64, 128 or 256. apart: whether a tile's rows lie side
 * by side, [outputs / tile][n][tile], and all steps go through a tile after another; else [n][outputs], and a
 * step goes through all tiles.
 */
int64_t tiles(int32_t tile, int32_t apart, const int16_t *weight, int32_t n, int32_t outputs,
              const uint16_t *events, int32_t active, int32_t steps, int32_t *sums)
{
    void (*rows)(const int16_t *, int64_t, const uint16_t *, int32_t, int32_t *) =
        tile == 64 ? of_64 : tile == 128 ? of_128 : of_256;
    int32_t each = outputs / tile;
    int64_t begun = now();
    for (int64_t k = 0; k < (int64_t)steps * each; k++) {
        int64_t step = apart ? k % steps : k / each, at = (apart ? k / steps : k % each) * tile;
        rows(weight + (apart ? at * n : at), apart ? tile : outputs, events + step * active, active,
             sums + step * outputs + at);
    }
    return now() - begun;
}
