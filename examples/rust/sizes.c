/* What Rust cannot read in the header, counted in 8 bytes: no layout is written twice. */
#include "conv_delay_256.h"

const uint32_t conv_delay_256_state_words = (sizeof(conv_delay_256_state) + 7) / 8;
const uint32_t conv_delay_256_score_words = (sizeof(conv_delay_256_score) + 7) / 8;
const uint32_t conv_delay_256_inputs = CONV_DELAY_256_INPUTS;
const uint32_t conv_delay_256_outputs = CONV_DELAY_256_OUTPUTS;
