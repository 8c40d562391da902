/* Runs the words that lie behind this program in a file of its own, and writes what came out.
 *
 *   program FILE OFFSET > answer
 *
 * FILE from OFFSET on: a head, then the words as uint16 counts. The answer: the head again, with the
 * verdict of the self-test and the number of words answered; per word its code, its outputs and its
 * spikes as bits; then per timed word its nanoseconds per step.
 */
#include "words.h"

#include <stdio.h>
#include <stdlib.h>

#define MAGIC 0x64726c32u

struct head {
    uint32_t magic;
    int32_t words;
    int32_t steps;
    int32_t traced; /* the first words, which are traced and compared */
    int32_t timed;  /* slices of time, each from the next of the words on */
    int32_t slice_us;
    int32_t self_test;
    int32_t piece; /* steps of a timed call; 0: all of a word */
};

static int fail(const char *why)
{
    fprintf(stderr, "device: %s\n", why);
    return 3;
}

static void *array(int32_t n, size_t size)
{
    return calloc((size_t)n + 1, size);
}

static void pack(const uint8_t *spikes, int32_t n, uint8_t *bits)
{
    for (int32_t i = 0; i < n; i += 8) {
        uint8_t byte = 0;
        for (int32_t k = 0; k < 8 && i + k < n; k++) {
            byte = (uint8_t)(byte | (spikes[i + k] & 1u) << (7 - k));
        }
        bits[i / 8] = byte;
    }
}

static int read_word(FILE *file, WORD *raw, int32_t n, COUNT *x)
{
    if (fread(raw, sizeof *raw, (size_t)n, file) != (size_t)n) {
        return -1;
    }
    for (int32_t i = 0; i < n; i++) {
        x[i] = (COUNT)raw[i];
    }
    return 0;
}

static int answer(FILE *file, const struct head *head)
{
    const int32_t counts = head->steps * INPUTS, fired = head->steps * NEURONS;
    const int32_t kept = head->timed > 0 ? head->words : 0;
    const size_t outputs = (size_t)head->steps * OUTPUTS, packed = ((size_t)fired + 7) / 8;
    WORD *raw = array(counts, sizeof *raw);
    COUNT *words = array(kept, (size_t)counts * sizeof *words);
    float *y = array((int32_t)outputs, sizeof *y);
    uint8_t *spikes = array(fired, 1), *bits = array(fired, 1);
    double *ns = array(head->timed, sizeof *ns);
    if (!raw || !words || !y || !spikes || !bits || !ns) {
        return fail("no memory");
    }
    for (int32_t w = 0; w < head->words; w++) {
        COUNT *x = words + (ptrdiff_t)(kept > 0 ? w : 0) * counts;
        if (read_word(file, raw, counts, x) != 0) {
            return fail("the words end too early");
        }
        if (w < head->traced) {
            int32_t code = trace_word(x, head->steps, y, spikes);
            code = code != 0 ? code : same_word(x, head->steps, y);
            pack(spikes, fired, bits);
            fwrite(&code, sizeof code, 1, stdout);
            fwrite(y, sizeof *y, outputs, stdout);
            fwrite(bits, 1, packed, stdout);
        }
    }
    for (int32_t w = 0; w < head->timed; w++) {
        const int64_t slice = (int64_t)head->slice_us * 1000;
        ns[w] = time_words(words, kept, w, head->steps, head->piece, slice, y);
    }
    fwrite(ns, sizeof *ns, (size_t)head->timed, stdout);
    return fflush(stdout) == 0 ? 0 : fail("the answer cannot be written");
}

int main(int argc, char **argv)
{
    struct head head;
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL || fseek(file, strtol(argv[2], NULL, 10), SEEK_SET) != 0) {
        return fail("usage: program FILE OFFSET");
    }
    if (fread(&head, sizeof head, 1, file) != 1 || head.magic != MAGIC) {
        return fail("the file came here damaged");
    }
    if (head.timed < 0 || head.timed > head.words) {
        return fail("more slices of time than words");
    }
    if (head.words < 0 || head.steps < 1 || head.steps > MOST_STEPS / (INPUTS + OUTPUTS + NEURONS)) {
        return fail("more steps than fit in memory");
    }
    head.self_test = ENTRY(NAME, self_test)();
    fwrite(&head, sizeof head, 1, stdout);
    return answer(file, &head);
}
