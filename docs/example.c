/* Classifies one word with a compiled network: raw float32 counts on standard input.
 *
 *   cc -O2 -I out/include docs/example.c out/lib/libconv_delay_256.so -lm -Wl,-rpath,out/lib -o example
 *   ./example < word.f32
 */
#include "conv_delay_256.h"

#include <math.h>
#include <stdio.h>

int main(void)
{
    conv_delay_256_state state; /* one stream; no heap, no runtime */
    float x[CONV_DELAY_256_INPUTS], y[CONV_DELAY_256_OUTPUTS], score[CONV_DELAY_256_OUTPUTS] = {0};
    if (conv_delay_256_self_test() != 0) {
        return 1;
    }
    conv_delay_256_reset(&state);
    while (fread(x, sizeof x, 1, stdin) == 1) {
        float sum = 0.0f;
        conv_delay_256_step(&state, x, y);
        for (int k = 0; k < CONV_DELAY_256_OUTPUTS; k++) {
            sum += expf(y[k]);
        }
        for (int k = 0; k < CONV_DELAY_256_OUTPUTS; k++) {
            score[k] += expf(y[k]) / sum;
        }
    }
    int best = 0;
    for (int k = 1; k < CONV_DELAY_256_OUTPUTS; k++) {
        best = score[k] > score[best] ? k : best;
    }
    printf("class %d\n", best);
    return 0;
}
