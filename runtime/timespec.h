/* SPDX-License-Identifier: MIT
 *
 * Between struct timespec and seconds as double.
 */
#ifndef GREEN_TIMESPEC_H
#define GREEN_TIMESPEC_H

#include "pointer.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

static inline double timespec_seconds(const struct timespec *time)
{
    return (double)time->tv_sec + (double)time->tv_nsec * 1e-9;
}

/* Less than nothing is nothing, and what does not fit is the largest time there is. */
static inline struct timespec timespec_from(double seconds)
{
    struct timespec time = {0, 0};

    if (seconds >= 0x1p62) {
        time.tv_sec = (time_t)1 << 62;
    } else if (seconds > 0) {
        time.tv_sec = (time_t)seconds;
        time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    }
    return time;
}

/* As the kernel checks it: others get EINVAL, or EFAULT where there is none. */
static inline bool timespec_is_valid(const struct timespec *time)
{
    return !pointer_is_wild(time) && time->tv_sec >= 0 && time->tv_nsec >= 0 &&
           time->tv_nsec < 1000000000;
}

#endif
