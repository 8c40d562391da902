/* Names the word of a connection: 140 bytes in per 10 ms, a line out when the class changes, and one at the end.
 * systemd starts it for each connection, with the socket as its standard input and output. */
#include "conv_delay_256.h"

#include <stdio.h>

static conv_delay_256_state state;
static conv_delay_256_score score;

int main(void)
{
    uint8_t counts[CONV_DELAY_256_INPUTS];
    conv_delay_256_input_t x[CONV_DELAY_256_INPUTS];
    float y[CONV_DELAY_256_OUTPUTS];
    int32_t best = -1;
    if (conv_delay_256_self_test() != 0) {
        fputs("<2>the tables are damaged\n", stderr); /* a critical line of the journal */
        return 1;
    }
    conv_delay_256_reset(&state);
    for (int step = 1; fread(counts, sizeof counts, 1, stdin) == 1; step++) {
        for (int j = 0; j < CONV_DELAY_256_INPUTS; j++) {
            x[j] = (conv_delay_256_input_t)counts[j];
        }
        conv_delay_256_step(&state, x, y);
        const int32_t now = conv_delay_256_decide(&score, y);
        if (now != best) {
            best = now;
            printf("%.2f s: %s\n", step * CONV_DELAY_256_DT_MS / 1000.0, conv_delay_256_label(best));
            fflush(stdout);
        }
    }
    if (best < 0) {
        fputs("<4>a connection without a step\n", stderr);
        return 1;
    }
    printf("word: %s\n", conv_delay_256_label(best));
    return 0;
}
