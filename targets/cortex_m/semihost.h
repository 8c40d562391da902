/* Semihosting: text to the debugger or the emulator, and an exit status. */
#ifndef SEMIHOST_H
#define SEMIHOST_H

#include <stdint.h>

#define SEMIHOST_READ 1u  /* fopen's "rb" */
#define SEMIHOST_WRITE 5u /* fopen's "wb" */

static inline uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static inline void semihost_print(const char *text)
{
    (void)semihost(0x04, text); /* SYS_WRITE0 */
}

/* A handle, or -1. */
static inline int32_t semihost_open(const char *path, uint32_t mode)
{
    uint32_t length = 0u;
    while (path[length] != '\0') {
        length++;
    }
    const uint32_t block[3] = {(uint32_t)path, mode, length};
    return (int32_t)semihost(0x01, block); /* SYS_OPEN */
}

/* The number of bytes that were not read: 0 when all were. */
static inline uint32_t semihost_read(int32_t handle, void *bytes, uint32_t size)
{
    const uint32_t block[3] = {(uint32_t)handle, (uint32_t)bytes, size};
    return semihost(0x06, block); /* SYS_READ */
}

static inline void semihost_write(int32_t handle, const void *bytes, uint32_t size)
{
    const uint32_t block[3] = {(uint32_t)handle, (uint32_t)bytes, size};
    (void)semihost(0x05, block); /* SYS_WRITE */
}

static inline void semihost_exit(uint32_t status)
{
    const uint32_t block[2] = {0x20026u, status}; /* ADP_Stopped_ApplicationExit */
    (void)semihost(0x20, block);                  /* SYS_EXIT_EXTENDED */
    for (;;) {
    }
}

#endif
