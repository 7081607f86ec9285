/* SPDX-License-Identifier: MIT
 *
 * Threads of a process run at the same time, and so a thread may look again and again, without ever
 * waiting, for what another one is to do. A coroutine that does so lets others run now and then: in
 * calls that signal handlers do not make, as one may have interrupted what the others need.
 */
#ifndef GREEN_THREAD_SLICE_H
#define GREEN_THREAD_SLICE_H

#include <stdint.h>

struct hub;

struct slice {
    unsigned calls;
    unsigned turns; /* of the scheduler, when the running flow was looked at first */
    uint64_t begun; /* in the processor's ticks */
};

/* In a call of a hub that runs threads: if the running flow makes calls for long without waiting in
 * any, all others have a turn, and the loop. */
void slice_check(struct hub *hub);

#endif
