/* Calls -DSELF_TEST=<name>_self_test, prints the SysTick ticks that it took, and exits with its
 * value. */
#include "semihost.h"
#include "timer.h"

int SELF_TEST(void);

static void print_number(uint32_t value)
{
    char text[12];
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
    timer_start();
    const uint64_t start = timer_ticks();
    const int failed = SELF_TEST();
    const uint64_t ticks = timer_ticks() - start;
    semihost_print("ticks ");
    print_number(ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
    return failed < 63 ? failed : 63; /* other statuses say that the program did not end */
}
