/* conv_delay_256: a spiking network, 140 inputs, 20 outputs.
 * One stream is one conv_delay_256_state; several streams are several structs; a snapshot is a memcpy.
 * No heap, no globals that change, no runtime.
 */
#ifndef CONV_DELAY_256_H
#define CONV_DELAY_256_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define CONV_DELAY_256_H_ALIGNED alignas(64)
#else
#define CONV_DELAY_256_H_ALIGNED _Alignas(64)
#endif

#define CONV_DELAY_256_INPUTS 140
#define CONV_DELAY_256_OUTPUTS 20
#define CONV_DELAY_256_NEURONS 512
#define CONV_DELAY_256_STEPS_PER_CALL 1
#define CONV_DELAY_256_DT_MS 10.0

typedef struct conv_delay_256_state {
    CONV_DELAY_256_H_ALIGNED float l0_v[256];
    CONV_DELAY_256_H_ALIGNED float l1_v[256];
    CONV_DELAY_256_H_ALIGNED uint32_t l1_ring[256];
    CONV_DELAY_256_H_ALIGNED float out_v[20];
    CONV_DELAY_256_H_ALIGNED int32_t clock[1];
} conv_delay_256_state;

/* A fresh stream. */
void conv_delay_256_reset(conv_delay_256_state *state);

/* CONV_DELAY_256_STEPS_PER_CALL time steps: x [steps][140] counts (whole numbers), y [steps][20].
 * 0, or -1 when a pointer is NULL or the state is not 64-byte aligned. x and y may lie anywhere. */
int conv_delay_256_step(conv_delay_256_state *state, const float *x, float *y);

/* Any number of time steps in one call, up to 4194303. 0, or -1. */
int conv_delay_256_run(conv_delay_256_state *state, const float *x, int32_t steps, float *y);

/* Independent streams, one after the other: states [streams], x [streams][steps][140],
 * y [streams][steps][20]. Threads may share the work, each with streams of its own. 0, or -1. */
int conv_delay_256_run_batch(conv_delay_256_state *states, int32_t streams, const float *x, int32_t steps, float *y);

/* As _run, and writes the spikes too: spikes [steps][512], 0 or 1, layer after layer. */
int conv_delay_256_trace(conv_delay_256_state *state, const float *x, int32_t steps, float *y, uint8_t *spikes);

/* Bytes of one state, for callers that allocate it without this header (64-byte aligned). */
int32_t conv_delay_256_state_bytes(void);

/* Runs golden vectors: 0 when the outputs are the recorded ones. */
int conv_delay_256_self_test(void);

#ifdef __cplusplus
}
#endif
#endif
