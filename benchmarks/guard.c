/* CPU time, in ns, that the calls of a library take; guard.py compiles and calls it. */
#include <stdint.h>
#include <time.h>

typedef int run_function(void *, const float *, int32_t, float *);
typedef int batch_function(void *, int32_t, const float *, int32_t, float *);
typedef void reset_function(void *);

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Samples one after the other, `by` steps a call: x [samples][steps][inputs]. */
int64_t guard_run(run_function *run, reset_function *reset, void *state, const float *x, int32_t samples,
                  int32_t steps, int32_t by, int32_t inputs, int32_t outputs, float *y)
{
    int64_t begun = now();
    for (int32_t k = 0; k < samples; k++) {
        reset(state);
        for (int32_t t = 0; t < steps; t += by, x += by * inputs, y += by * outputs)
            run(state, x, by, y);
    }
    return now() - begun;
}

/* One call of as many streams as there are samples. */
int64_t guard_batch(batch_function *batch, reset_function *reset, char *states, int32_t bytes, const float *x,
                    int32_t samples, int32_t steps, float *y)
{
    int64_t begun = now();
    for (int32_t k = 0; k < samples; k++)
        reset(states + (int64_t)k * bytes);
    batch(states, samples, x, steps, y);
    return now() - begun;
}
