/* The mixes of a training on a CPU, in float32: `mixes` calls them, and has the same in PyTorch. */
#include <math.h>
#include <string.h>

#include "lanes.h"

/* current (N, B): arrivals (N, M, B) convolved over the neurons with kernels (M, K). */
void kernel_forward(int64_t neurons, int64_t heads, int64_t batch, int64_t taps, const float *kernels,
                    const float *arrived, float *restrict current) {
    for (int64_t n = 0; n < neurons; ++n, current += batch) {
        memset(current, 0, batch * sizeof *current);
        for (int64_t m = 0; m < heads; ++m)
            for (int64_t k = 0; k < taps; ++k) {
                const int64_t from = n + k - taps / 2;
                const float weight = kernels[m * taps + k], *row = arrived + (from * heads + m) * batch;
                if (from >= 0 && from < neurons)
                    for (int64_t b = 0; b < batch; ++b)
                        current[b] = fmaf(weight, row[b], current[b]);
            }
    }
}

/* back: the transposed map of a current (N, B), for each neuron and head B values, `stride` floats further. */
void kernel_back(int64_t neurons, int64_t heads, int64_t batch, int64_t taps, int64_t stride, const float *kernels,
                 const float *current, float *restrict back) {
    for (int64_t n = 0; n < neurons; ++n)
        for (int64_t m = 0; m < heads; ++m, back += stride) {
            memset(back, 0, batch * sizeof *back);
            for (int64_t k = 0; k < taps; ++k) {
                const int64_t to = n - k + taps / 2;
                const float weight = kernels[m * taps + k], *row = current + to * batch;
                if (to >= 0 && to < neurons)
                    for (int64_t b = 0; b < batch; ++b)
                        back[b] = fmaf(weight, row[b], back[b]);
            }
        }
}

/* gradient (M, K) of the kernels, of drive (T, N, B) and arrivals (T, N, M, B). */
void kernel_gradient(int64_t steps, int64_t neurons, int64_t heads, int64_t batch, int64_t taps, const float *drive,
                     const float *arrived, float *gradient) {
    const int64_t size = neurons * batch, pad = taps / 2;
    for (int64_t t = 0; t < steps; ++t, drive += size, arrived += size * heads)
        for (int64_t m = 0; m < heads; ++m)
            for (int64_t k = 0; k < taps; ++k) {
                const int64_t first = k < pad ? pad - k : 0, end = k > pad ? neurons - k + pad : neurons;
                lanes sums[SUMS] = {{0}};
                for (int64_t n = first; n < end; ++n)
                    add_products(batch, drive + n * batch, arrived + ((n + k - pad) * heads + m) * batch, sums);
                gradient[m * taps + k] += total(sums);
            }
}

static inline void fuse(float weight, const lanes *x, lanes *sum) {
    for (int64_t k = 0; k < LANES; ++k)
        (*sum)[k] = fmaf(weight, (*x)[k], (*sum)[k]);
}

/* Adds to n values of `row` those of the channels, which lie `apart`, weighted. */
static inline void add_channels(int64_t channels, int64_t apart, int64_t n, const float *weight, const float *values,
                                float *restrict row) {
    int64_t b = 0;
    for (; b + SUMS * LANES <= n; b += SUMS * LANES) {
        lanes sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0}; /* an array would not stay in registers */
        for (int64_t c = 0; c < channels; ++c) {
            const lanes *x = (const lanes *)(values + c * apart + b);
            fuse(weight[c], x, &sum0);
            fuse(weight[c], x + 1, &sum1);
            fuse(weight[c], x + 2, &sum2);
            fuse(weight[c], x + 3, &sum3);
        }
        lanes *out = (lanes *)(row + b);
        out[0] += sum0, out[1] += sum1, out[2] += sum2, out[3] += sum3;
    }
    float sums[SUMS * LANES] = {0};
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = b; i < n; ++i)
            sums[i - b] = fmaf(weight[c], values[c * apart + i], sums[i - b]);
    for (int64_t i = b; i < n; ++i)
        row[i] += sums[i - b];
}

/* out: the maps of values (C, P, B) mixed between channels, for each neuron B values, `stride` floats further.
   weight (K, C_out, C_in): tap k reads (k - K / 2) * dilation places further; outside lie zeros, or the other end. */
void channel_mix(int64_t taps, int64_t channels, int64_t places, int64_t batch, int64_t stride, int64_t dilation,
                 int64_t circular, const float *weight, const float *values, float *restrict out) {
    for (int64_t o = 0; o < channels; ++o)
        for (int64_t x = 0; x < places; ++x, out += stride) {
            memset(out, 0, batch * sizeof *out);
            for (int64_t k = 0; k < taps; ++k) {
                int64_t from = x + (k - taps / 2) * dilation;
                if (circular)
                    from = (from % places + places) % places;
                if (from >= 0 && from < places)
                    add_channels(channels, places * batch, batch, weight + (k * channels + o) * channels,
                                 values + from * batch, out);
            }
        }
}
