/* Vectors of float32, and sums of products in them. */
#ifndef DELREC_LANES_H
#define DELREC_LANES_H

#include <stdint.h>

enum { LANES = 16, SUMS = 4 };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* Adds the products of n values to sums, in an order of its own. */
static inline void add_products(int64_t n, const float *a, const float *b, lanes *sums) {
    int64_t i = 0;
    for (; i + SUMS * LANES <= n; i += SUMS * LANES)
        for (int64_t k = 0; k < SUMS; ++k)
            sums[k] += *(const lanes *)(a + i + k * LANES) * *(const lanes *)(b + i + k * LANES);
    for (; i < n; ++i)
        sums[0][i % LANES] += a[i] * b[i];
}

static inline float total(const lanes *sums) {
    const lanes all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    float out = 0;
    for (int64_t k = 0; k < LANES; ++k)
        out += all[k];
    return out;
}

#endif
