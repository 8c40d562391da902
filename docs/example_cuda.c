/* A batch of streams on a GPU. Build an artifact, then:
 *   delrec-compile build --target cuda -o gpu
 *   cc example_cuda.c -Igpu/include -Lgpu/lib -lconv_delay_256 -Wl,-rpath,gpu/lib -o example
 */
#include <stdio.h>
#include <string.h>

#include "conv_delay_256.h"

enum { STREAMS = 64, STEPS = 80, INPUTS = CONV_DELAY_256_INPUTS, OUTPUTS = CONV_DELAY_256_OUTPUTS };

static float x[STEPS][STREAMS][INPUTS]; /* counts; here stream s hears channel s at every step */
static float y[STEPS][STREAMS][OUTPUTS];

int main(void)
{
    conv_delay_256_gpu *gpu;
    int code = conv_delay_256_open(&gpu, 0, STREAMS);
    if (code != 0) {
        fprintf(stderr, "no GPU: %d\n", code);
        return code == -2 ? 77 : 1;
    }
    for (int t = 0; t < STEPS; t++) {
        for (int s = 0; s < STREAMS; s++) {
            x[t][s][s % INPUTS] = 1.0f;
        }
    }
    code = conv_delay_256_run(gpu, x[0][0], STEPS, y[0][0]); /* one launch; the state stays there */
    if (code == 0) {
        printf("stream 5, last membrane of class 3: %g\n", (double)y[STEPS - 1][5][3]);
    }
    conv_delay_256_close(gpu);
    return code != 0;
}
