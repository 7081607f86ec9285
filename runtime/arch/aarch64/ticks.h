/* SPDX-License-Identifier: MIT
 *
 * The virtual counter of the generic timer, not in order with what is around it. For what need not
 * be exact, and must cost less than a clock of the system.
 */
#ifndef GREEN_ARCH_TICKS_H
#define GREEN_ARCH_TICKS_H

#include <stdint.h>

static inline uint64_t ticks_now(void)
{
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

/* About as many as pass in so many microseconds. */
static inline uint64_t ticks_in(unsigned microseconds)
{
    uint64_t in_second;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(in_second));
    return microseconds * in_second / 1000000;
}

#endif
