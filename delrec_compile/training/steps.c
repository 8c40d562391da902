/* The steps of a training on a CPU, in float32; `native` compiles them, and names what each one replaces.

   A value of a step is (N, B), row by row; series are (T, N, B). */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lanes.h"

enum { HARD, SOFT, SOFT_LATER };

struct lif {
    int64_t neurons, batch;
    const float *beta; /* one for each neuron */
    float threshold, v_reset, gain, backflow;
    float steep, half; /* alpha times pi / 2, and alpha / 2: of the surrogate atan */
    int32_t above, reset;
};

static inline float fires(float h, float threshold, int above) {
    return above ? h > threshold : h >= threshold;
}

/* `lif_forward` with above, reset and recurs known: a loop without branches. */
static inline void lif_rows(const struct lif *c, int above, int reset, int recurs, const float *x, const float *current,
                            float *restrict v, float *restrict h, float *restrict y) {
    const float threshold = c->threshold, v_reset = c->v_reset, gain = c->gain;
    int64_t at = 0;
    for (int64_t n = 0; n < c->neurons; ++n) {
        const float beta = c->beta[n];
        for (const int64_t end = at + c->batch; at < end; ++at) {
            float m = fmaf(beta, v[at], gain * x[at]);
            if (reset == SOFT_LATER)
                m -= threshold * fires(v[at], threshold, above);
            if (recurs)
                m = fmaf(gain, current[at], m);
            const float spike = fires(m, threshold, above);
            h[at] = m;
            y[at] = spike;
            if (reset == HARD)
                m = fmaf(v_reset, spike, m - m * spike);
            else if (reset == SOFT)
                m -= threshold * spike;
            v[at] = m;
        }
    }
}

/* Membrane h and spikes y of the drive x. v: the membrane after its reset, of the step before, then of this one.
   current: through the recurrence, or NULL. */
void lif_forward(const struct lif *c, const float *x, const float *current, float *v, float *h, float *y) {
#define ROWS(above, reset) \
    (current ? lif_rows(c, above, reset, 1, x, current, v, h, y) : lif_rows(c, above, reset, 0, x, NULL, v, h, y))
    switch (c->reset) {
    case HARD:
        c->above ? ROWS(1, HARD) : ROWS(0, HARD);
        break;
    case SOFT:
        c->above ? ROWS(1, SOFT) : ROWS(0, SOFT);
        break;
    default:
        c->above ? ROWS(1, SOFT_LATER) : ROWS(0, SOFT_LATER);
    }
#undef ROWS
}

/* dL/dh of dL/dy: d_y, and `sent` through the recurrence, or NULL. later: dL/dh of the next step. */
void lif_backward(const struct lif *c, const float *h, const float *y, const float *d_y, const float *sent,
                  const float *later, float *d_h) {
    int64_t at = 0;
    for (int64_t n = 0; n < c->neurons; ++n)
        for (int64_t b = 0; b < c->batch; ++b, ++at) {
            const float u = (h[at] - c->threshold) * c->steep;
            const float slope = 1.0f / (u * u + 1.0f) * c->half;
            const float d = (sent ? fmaf(c->backflow, sent[at], d_y[at]) : d_y[at]) * slope;
            const float kept = c->reset == HARD ? later[at] - later[at] * y[at] : later[at];
            d_h[at] = fmaf(c->beta[n], kept, d);
        }
}

/* sums (N, B) of (x - mean) * other over the steps; other NULL: x - mean itself. */
void norm_sums(int64_t steps, int64_t neurons, int64_t batch, const float *mean, const float *x,
               const float *other, float *sums) {
    for (int64_t t = 0, at = 0; t < steps; ++t)
        for (int64_t n = 0; n < neurons; ++n)
            for (int64_t b = 0; b < batch; ++b, ++at) {
                const float away = x[at] - mean[n];
                sums[n * batch + b] += away * (other ? other[at] : away);
            }
}

/* out = x * factor + offset + other * share, with numbers for each neuron; without its last term if other is NULL. */
void norm_map(int64_t steps, int64_t neurons, int64_t batch, const float *factor, const float *offset,
              const float *share, const float *x, const float *other, float *out) {
    for (int64_t t = 0, at = 0; t < steps; ++t)
        for (int64_t n = 0; n < neurons; ++n)
            for (int64_t b = 0; b < batch; ++b, ++at) {
                const float mapped = fmaf(x[at], factor[n], offset[n]);
                out[at] = other ? fmaf(other[at], share[n], mapped) : mapped;
            }
}

enum { AHEAD = 4, LINE = 16 }; /* bags, and floats of a cache line */

/* out (bags, B): of each bag of `size` rows of the table, t rows further, the sum weighted by their shares. */
void line_sums(int64_t bags, int64_t size, int64_t batch, const float *table, const int32_t *rows,
               const float *shares, int64_t t, float *restrict out) {
    for (int64_t bag = 0, k = 0; bag < bags; ++bag, out += batch) {
        if (bag + AHEAD < bags) /* rows lie far from each other */
            for (int64_t each = k + AHEAD * size; each < k + (AHEAD + 1) * size; ++each)
                for (int64_t b = 0; b < batch; b += LINE)
                    __builtin_prefetch(table + (rows[each] + t) * batch + b);
        memset(out, 0, batch * sizeof *out);
        for (const int64_t end = k + size; k < end; ++k) {
            const float share = shares[k], *row = table + (rows[k] + t) * batch;
            if (share != 0.0f)
                for (int64_t b = 0; b < batch; ++b)
                    out[b] = fmaf(share, row[b], out[b]);
        }
    }
}

/* gradient (N, M, W) of the shares in slots (N, M, W): sent (N, L + T, B) before them with heads (N, M, T + L, B). */
void line_gradient(int64_t neurons, int64_t heads_each, int64_t width, int64_t slots, int64_t steps, int64_t batch,
                   const float *sent, const float *heads, const int64_t *slot, float *gradient) {
    const int64_t series = (steps + slots) * batch;
    for (int64_t n = 0; n < neurons; ++n)
        for (int64_t m = 0; m < heads_each; ++m)
            for (int64_t w = 0; w < width; ++w, ++slot, ++gradient) {
                lanes sums[SUMS] = {{0}};
                add_products(steps * batch, sent + n * series + (slots - *slot) * batch,
                             heads + (n * heads_each + m) * series, sums);
                *gradient = total(sums);
            }
}

/* Adds to out (S, L, M) the samples (S, L, M), each moved along L by a factor of its own from the place `still`; a place
   is rounded by adding a number of rounding (S, M), and what leaves L is lost. */
void stretch(int64_t samples, int64_t length, int64_t rows, float still, const float *factors, const float *rounding,
             const float *values, float *restrict out) {
    for (int64_t s = 0; s < samples; ++s, rounding += rows, out += length * rows)
        for (int64_t l = 0; l < length; ++l, values += rows) {
            const float moved = ((float)l + 0.5f - still) * factors[s] + still - 0.5f;
            for (int64_t m = 0; m < rows; ++m) {
                const float to = floorf(moved + rounding[m]);
                if (values[m] != 0 && to >= 0 && to < (float)length)
                    out[(int64_t)to * rows + m] += values[m];
            }
        }
}

/* found: how many of n values are not 0. */
void count_active(int64_t n, const float *x, int64_t *found) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i)
        count += x[i] != 0.0f;
    *found = count;
}

/* out (columns, rows) of a matrix (rows, columns). */
static void transpose(int64_t rows, int64_t columns, const float *matrix, float *restrict out) {
    for (int64_t i = 0; i < rows; i += LANES)
        for (int64_t j = 0; j < columns; j += LANES)
            for (int64_t c = j; c < columns && c < j + LANES; ++c)
                for (int64_t r = i; r < rows && r < i + LANES; ++r)
                    out[c * rows + r] = matrix[r * columns + c];
}

/* Adds to SUMS * LANES sums the rows of `each`, weighted; values lie `stride` apart. */
static inline void add_rows(int64_t count, const int32_t *each, const float *table, int64_t width, const float *values,
                            int64_t stride, float *sums) {
    lanes own[SUMS];
    memcpy(own, sums, sizeof own);
    for (int64_t k = 0; k < count; ++k) {
        const float value = values[each[k] * stride];
        const lanes *row = (const lanes *)(table + each[k] * width);
        for (int64_t s = 0; s < SUMS; ++s)
            own[s] += value * row[s];
    }
    memcpy(sums, own, sizeof own);
}

/* out (T, N_out, B) = weight x(t) + bias, by the values of x (T, N_in, B) that are not 0. weight: (N_in, N_out), N_out a
   multiple of SUMS * LANES. Room: tile (B, N_out), list (N_in + 1). */
void product_forward(int64_t steps, int64_t inputs, int64_t outputs, int64_t batch, const float *x, const float *weight,
                     const float *bias, float *out, float *tile, int32_t *list) {
    for (int64_t t = 0; t < steps; ++t, x += inputs * batch, out += outputs * batch) {
        for (int64_t b = 0; b < batch; ++b) {
            int64_t count = 0;
            for (int64_t j = 0; j < inputs; ++j) {
                list[count] = (int32_t)j;
                count += x[j * batch + b] != 0.0f;
            }
            memcpy(tile + b * outputs, bias, outputs * sizeof *bias);
            for (int64_t o = 0; o < outputs; o += SUMS * LANES)
                add_rows(count, list, weight + o, outputs, x + b, batch, tile + b * outputs + o);
        }
        transpose(batch, outputs, tile, out);
    }
}

/* Adds to the gradient (N_in, N_out) of that weight, of dL/dout (T, N_out, B). Room: tile (B, N_out), list (B + 1). */
void product_gradient(int64_t steps, int64_t inputs, int64_t outputs, int64_t batch, const float *x, const float *d_out,
                      float *gradient, float *tile, int32_t *list) {
    for (int64_t t = 0; t < steps; ++t, d_out += outputs * batch) {
        transpose(outputs, batch, d_out, tile);
        for (int64_t j = 0; j < inputs; ++j, x += batch) {
            int64_t count = 0;
            for (int64_t b = 0; b < batch; ++b) {
                list[count] = (int32_t)b;
                count += x[b] != 0.0f;
            }
            for (int64_t o = 0; o < outputs; o += SUMS * LANES)
                add_rows(count, list, tile + o, outputs, x, 1, gradient + j * outputs + o);
        }
    }
}
