/* Runs recorded input on an emulated board: reads input.bin, writes output.bin, both on the host.
 *
 * input.bin: per step a byte, 1 where a stream starts afresh, and x. output.bin: the bytes
 * of stack that a step takes; then per step the ticks of SysTick that it took, its output, the
 * output of the tracing kernel, and the spikes; without NEURONS, the first two of these alone.
 */
#include "semihost.h"
#include "timer.h"
#include HEADER

#define JOIN(name, entry) name##_##entry
#define ENTRY(name, entry) JOIN(name, entry)
#define PAINT 0xa5u

extern uint8_t __bss_end__[], __stack_top__[];

static ENTRY(NAME, state) state;
static uint8_t begins;
static ENTRY(NAME, input_t) x[INPUTS];
static float y[OUTPUTS];
#ifdef NEURONS
static ENTRY(NAME, state) traced_state;
static float traced_y[OUTPUTS];
static uint8_t spikes[NEURONS];
#endif

static uint8_t *sp(void)
{
    uint8_t *here;
    __asm volatile("mov %0, sp" : "=r"(here));
    return here;
}

static uint32_t painted_bytes(const uint8_t *from)
{
    const uint8_t *at = from;
    while (at < __stack_top__ && *at == PAINT) {
        at++;
    }
    return (uint32_t)(at - from);
}

int main(void)
{
    uint8_t *const low = __bss_end__, *const top = sp() - 64;
    uint32_t stack = 0u;
    const int32_t from = semihost_open("input.bin", SEMIHOST_READ);
    const int32_t to = semihost_open("output.bin", SEMIHOST_WRITE);
    if (from < 0 || to < 0) {
        return 2;
    }
    timer_start();
    while (semihost_read(from, &begins, 1) == 0 && semihost_read(from, x, sizeof x) == 0) {
        if (begins != 0u) {
            ENTRY(NAME, reset)(&state);
#ifdef NEURONS
            ENTRY(NAME, reset)(&traced_state);
#endif
        }
        if (stack == 0u) {
            for (volatile uint8_t *at = low; at < top; at++) {
                *at = PAINT;
            }
        }
        const uint64_t start = timer_ticks();
        (void)ENTRY(NAME, run)(&state, x, 1, y);
        const uint32_t ticks = (uint32_t)(timer_ticks() - start);
        if (stack == 0u) {
            stack = (uint32_t)(top + 64 - low) - painted_bytes(low);
            semihost_write(to, &stack, sizeof stack);
        }
        semihost_write(to, &ticks, sizeof ticks);
        semihost_write(to, y, sizeof y);
#ifdef NEURONS
        (void)ENTRY(NAME, trace)(&traced_state, x, 1, traced_y, spikes);
        semihost_write(to, traced_y, sizeof traced_y);
        semihost_write(to, spikes, sizeof spikes);
#endif
    }
    return 0;
}
