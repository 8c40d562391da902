/* Classifies one word with a compiled network: raw float32 counts on standard input.
 *
 *   cc -O2 -I out/include docs/example.c out/lib/libconv_delay_256.so -Wl,-rpath,out/lib -o example
 *   ./example < word.f32
 */
#include "conv_delay_256.h"

#include <stdio.h>

int main(void)
{
    static conv_delay_256_state state; /* one stream; no heap, no runtime */
    conv_delay_256_input_t x[CONV_DELAY_256_INPUTS];
    float word[CONV_DELAY_256_INPUTS], y[CONV_DELAY_256_OUTPUTS];
    conv_delay_256_score score = {0};
    int32_t best = -1;
    if (conv_delay_256_self_test() != 0) {
        return 1;
    }
    conv_delay_256_reset(&state);
    while (fread(word, sizeof word, 1, stdin) == 1) {
        for (int j = 0; j < CONV_DELAY_256_INPUTS; j++) {
            x[j] = (conv_delay_256_input_t)word[j];
        }
        conv_delay_256_step(&state, x, y);
        best = conv_delay_256_decide(&score, y);
    }
    const char *name = conv_delay_256_label(best);
    printf("class %d%s%s\n", (int)best, name ? " " : "", name ? name : "");
    return 0;
}
