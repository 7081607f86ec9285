/* SPDX-License-Identifier: MIT
 *
 * The time is looked at seldom, and counts from the first look after a switch.
 */
#include "slice.h"

#include "coroutine.h"
#include "hub.h"
#include "scheduler.h"
#include "ticks.h"

enum { CALLS_BETWEEN_LOOKS = 32, SLICE = 10000 /* microseconds */ };

void slice_check(struct hub *hub)
{
    struct scheduler *scheduler = hub->scheduler;
    struct slice *slice = &hub->slice;
    uint64_t now;

    if (++slice->calls % CALLS_BETWEEN_LOOKS != 0 || scheduler_in_dispatcher(scheduler))
        return;
    now = ticks_now();
    if (slice->turns == scheduler->turns && now - slice->begun > ticks_in(SLICE))
        (void)coroutine_yield(hub);
    else if (slice->turns == scheduler->turns)
        return;
    slice->turns = scheduler->turns;
    slice->begun = now;
}
