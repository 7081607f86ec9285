/* SPDX-License-Identifier: MIT
 *
 * The best of several rounds: what else the machine does only ever adds time.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <time.h>

static inline double measure_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Nanoseconds for each of the `count` steps of one function(count). */
static inline double measure(void (*function)(long count), long count)
{
    double best = 1e9;

    for (int round = 0; round < 7; round++) {
        double begin = measure_now(), each;

        function(count);
        each = (measure_now() - begin) / (double)count * 1e9;
        best = each < best ? each : best;
    }
    return best;
}

#endif
