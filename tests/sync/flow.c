/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#ifdef COROUTINES
#include "green.h"

struct flow *flow_start(void *(*entry)(void *), void *argument)
{
    struct green *g = green_spawn(entry, argument);

    if (g == NULL)
        abort();
    return (struct flow *)g;
}

void *flow_join(struct flow *flow)
{
    void *result = NULL;

    if (green_join((struct green *)flow, &result, -1) != 0)
        abort();
    return result;
}

void flow_pause(double seconds)
{
    green_sleep(seconds);
}
#else
struct flow *flow_start(void *(*entry)(void *), void *argument)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, entry, argument) != 0)
        abort();
    return (struct flow *)thread;
}

void *flow_join(struct flow *flow)
{
    void *result = NULL;

    if (pthread_join((pthread_t)flow, &result) != 0)
        abort();
    return result;
}

void flow_pause(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&time, NULL);
}
#endif
