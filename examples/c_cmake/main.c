/* Names the words of raw files: 140 counts a step, one byte each. No heap: the state is a static struct. */
#include "conv_delay_256.h"

#include <stdio.h>

static conv_delay_256_state state;

/* The class of a word, -1 when the file cannot be read or holds no step. */
static int32_t classify(const char *path)
{
    conv_delay_256_score score = {0};
    uint8_t counts[CONV_DELAY_256_INPUTS];
    conv_delay_256_input_t x[CONV_DELAY_256_INPUTS];
    float y[CONV_DELAY_256_OUTPUTS];
    int32_t best = -1;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    conv_delay_256_reset(&state);
    while (fread(counts, sizeof counts, 1, file) == 1) {
        for (int j = 0; j < CONV_DELAY_256_INPUTS; j++) {
            x[j] = (conv_delay_256_input_t)counts[j];
        }
        conv_delay_256_step(&state, x, y);
        best = conv_delay_256_decide(&score, y);
    }
    fclose(file);
    return best;
}

static const char *base(const char *path)
{
    const char *name = path;
    for (; *path != '\0'; path++) {
        name = *path == '/' ? path + 1 : name;
    }
    return name;
}

int main(int argc, char **argv)
{
    if (conv_delay_256_self_test() != 0) {
        fputs("the tables are damaged\n", stderr);
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        const int32_t word = classify(argv[i]);
        if (word < 0) {
            fprintf(stderr, "%s: not a word\n", argv[i]);
            return 1;
        }
        printf("%s: %s\n", base(argv[i]), conv_delay_256_label(word));
    }
    return 0;
}
