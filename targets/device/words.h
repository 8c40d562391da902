/* Whole words through a compiled network, for a device: traced, compared, timed.
 *
 * NAME: of the artifact. HEADER: its own. COUNT: the type of its inputs. INPUTS, OUTPUTS, NEURONS.
 */
#ifndef DELREC_WORDS_H
#define DELREC_WORDS_H

#define _POSIX_C_SOURCE 200809L
#include HEADER

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JOIN(name, entry) name##_##entry
#define ENTRY(name, entry) JOIN(name, entry)

enum { DIFFERS = 1, REFUSED = 2, NO_MEMORY = 3, MOST_STEPS = 1 << 20 };

static _Alignas(64) ENTRY(NAME, state) state;

/* One word, with the tracing kernel: 0, or REFUSED. spikes: [steps][NEURONS], 0 or 1. */
static int trace_word(const COUNT *x, int32_t steps, float *y, uint8_t *spikes)
{
    ENTRY(NAME, reset)(&state);
    return ENTRY(NAME, trace)(&state, x, steps, y, spikes) == 0 ? 0 : REFUSED;
}

/* One word, with the plain kernel, `piece` steps in a call. */
static int run_word(const COUNT *x, int32_t steps, int32_t piece, float *y)
{
    int code = 0;
    ENTRY(NAME, reset)(&state);
    for (int32_t t = 0; t < steps && code == 0; t += piece) {
        const int32_t some = piece < steps - t ? piece : steps - t;
        code = ENTRY(NAME, run)(&state, x + (ptrdiff_t)t * INPUTS, some, y + (ptrdiff_t)t * OUTPUTS);
    }
    return code == 0 ? 0 : REFUSED;
}

/* `steps` steps on from the state, with the plain kernel: their outputs must be those in y, bit for bit. */
static int same_run(const COUNT *x, int32_t steps, const float *y, float *again)
{
    const size_t bytes = (size_t)steps * OUTPUTS * sizeof *y;
    if (ENTRY(NAME, run)(&state, x, steps, again) != 0) {
        return REFUSED;
    }
    return memcmp(again, y, bytes) == 0 ? 0 : DIFFERS;
}

/* The word again, in one call and step by step. */
static int same_word(const COUNT *x, int32_t steps, const float *y)
{
    float *again = malloc((size_t)steps * OUTPUTS * sizeof *again);
    int code = again == NULL ? NO_MEMORY : 0;
    if (code == 0) {
        ENTRY(NAME, reset)(&state);
        code = same_run(x, steps, y, again);
        ENTRY(NAME, reset)(&state);
    }
    for (int32_t t = 0; t < steps && code == 0; t++) {
        code = same_run(x + (ptrdiff_t)t * INPUTS, 1, y + (ptrdiff_t)t * OUTPUTS, again);
    }
    free(again);
    return code;
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Nanoseconds of CPU time per step: word `first` is run once, then those after it, in turn with all,
 * until `slice` is spent: branches that know a word do not know the next.
 * x: [words][steps][INPUTS]. piece: steps of a call; 0: all of them. */
static double time_words(const COUNT *x, int64_t words, int64_t first, int32_t steps, int32_t piece,
                         int64_t slice, float *y)
{
    int64_t spent = 0, runs = 0, word = first;
    const ptrdiff_t size = (ptrdiff_t)steps * INPUTS;
    piece = piece > 0 ? piece : steps;
    (void)run_word(x + word * size, steps, piece, y);
    do {
        word = word + 1 < words ? word + 1 : 0;
        const int64_t start = cpu_ns();
        (void)run_word(x + word * size, steps, piece, y);
        spent += cpu_ns() - start;
        runs++;
    } while (spent < slice);
    return (double)spent / (double)runs / (double)steps;
}

#endif
