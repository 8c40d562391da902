/* Start-up for the emulated boards: vectors, FPU, variables; then main, whose value is the exit
 * status. A board of yours brings its own start-up code. */
#include "semihost.h"

extern uint32_t __stack_top__[], __data_load__[], __data_start__[], __data_end__[];
extern uint32_t __bss_start__[], __bss_end__[];

int main(void);
void Reset_Handler(void);
void SysTick_Handler(void);

#define CPACR ((volatile uint32_t *)0xE000ED88u)
#define FAULT_STATUS 70u

static void fault(void)
{
    semihost_print("fault\n");
    semihost_exit(FAULT_STATUS);
}

__attribute__((weak)) void SysTick_Handler(void)
{
}

__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
    (const void *)__stack_top__, (const void *)Reset_Handler,
    (const void *)fault, (const void *)fault, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, 0, 0, 0,
    (const void *)fault, (const void *)fault, 0, (const void *)fault,
    (const void *)SysTick_Handler,
};

__attribute__((used)) void Reset_Handler(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *CPACR |= 0xFu << 20; /* full access to coprocessors 10 and 11 */
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
    /* volatile: else the compiler calls memcpy, which is for the program */
    volatile uint32_t *to = __data_start__;
    for (const uint32_t *from = __data_load__; to < __data_end__;) {
        *to++ = *from++;
    }
    for (to = __bss_start__; to < __bss_end__;) {
        *to++ = 0;
    }
    semihost_exit((uint32_t)main());
}
