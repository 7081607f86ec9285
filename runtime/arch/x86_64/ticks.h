/* SPDX-License-Identifier: MIT
 *
 * The time stamp counter: two to five for a nanosecond, and not in order with what is around it.
 * For what need not be exact, and must cost less than a clock of the system.
 */
#ifndef GREEN_ARCH_TICKS_H
#define GREEN_ARCH_TICKS_H

#include <stdint.h>

static inline uint64_t ticks_now(void)
{
    return __builtin_ia32_rdtsc();
}

/* About as many as pass in so many microseconds. */
static inline uint64_t ticks_in(unsigned microseconds)
{
    return microseconds * (uint64_t)3000;
}

#endif
