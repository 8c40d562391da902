/* SysTick as a running count of processor clocks. */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

#define SYST_CSR ((volatile uint32_t *)0xE000E010u)
#define SYST_RVR ((volatile uint32_t *)0xE000E014u)
#define SYST_CVR ((volatile uint32_t *)0xE000E018u)
#define PERIOD 0x1000000u /* 24 bits */

static volatile uint32_t periods;

void SysTick_Handler(void);

void SysTick_Handler(void)
{
    periods++;
}

static inline void timer_start(void)
{
    *SYST_RVR = PERIOD - 1u;
    *SYST_CVR = 0u;
    *SYST_CSR = 7u; /* processor clock, interrupt, on */
    for (uint32_t tries = 0u; *SYST_CVR == 0u && tries < 100u; tries++) {
        /* 0 until the first tick, and on a board without SysTick */
    }
}

static inline uint64_t timer_ticks(void)
{
    uint32_t before, now;
    do {
        before = periods;
        now = *SYST_CVR;
    } while (before != periods);
    return (uint64_t)before * PERIOD + (PERIOD - 1u - now);
}

#endif
