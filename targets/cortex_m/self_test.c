/* Calls -DSELF_TEST=<name>_self_test, prints the SysTick ticks that it took, and exits with its
 * value. */
#include "semihost.h"

int SELF_TEST(void);

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

static void print_number(uint64_t value)
{
    char text[22];
    char *at = text + sizeof text;
    *--at = '\0';
    *--at = '\n';
    do {
        *--at = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u);
    semihost_print(at);
}

int main(void)
{
    *SYST_RVR = PERIOD - 1u;
    *SYST_CVR = 0u;
    *SYST_CSR = 7u; /* processor clock, interrupt, on */
    uint32_t start = 0u;
    for (uint32_t tries = 0u; start == 0u && tries < 100u; tries++) {
        start = *SYST_CVR; /* 0 until the first tick, and on a board without SysTick */
    }
    const int failed = SELF_TEST();
    const uint32_t end = *SYST_CVR;
    *SYST_CSR = 0u;
    semihost_print("ticks ");
    print_number((uint64_t)periods * PERIOD + start - end);
    return failed;
}
