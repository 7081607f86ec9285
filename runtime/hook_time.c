/* SPDX-License-Identifier: MIT
 *
 * Hooks of the sleeps. A signal handler that runs during one ends it, as signal(7) says.
 */
#include "hook_inside.h"
#include "hub.h"
#include "thread/cancel.h"
#include "timespec.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

/* Who sleeps for less than that wants to give way, not to be in time. */
#define BRIEF_SECONDS 1e-4

/* Suspends for a time. 0: it is over; -1 with errno: ended early; 1: block for real. */
static int nap(struct hub *hub, const char *call, double deadline)
{
    struct waiter *w = waiter_create(hub, call, 0);
    int saved = errno;
    enum wake cause;

    if (w == NULL)
        return 1;
    w->interruptible = true;
    w->brief = deadline < hub_now() + BRIEF_SECONDS;
    cause = waiter_park(w, deadline);
    waiter_destroy(w);
    if (cause == WAKE_REFUSED)
        return 1;
    if (cause == WAKE_SIGNAL)
        errno = EINTR;
    else if (cause != WAKE_FAILED)
        errno = saved;
    return cause == WAKE_SIGNAL || cause == WAKE_FAILED ? -1 : 0;
}

unsigned greenify_sleep(unsigned seconds)
{
    struct hub *hub = hub_current();
    double deadline, left;

    if (hub == NULL)
        return sleep(seconds);
    CANCELLATION_POINT(hub);
    deadline = hub_deadline(seconds);
    switch (nap(hub, "sleep", deadline)) {
    case 0:
        return 0;
    case 1:
        return sleep(seconds);
    default:
        left = deadline - hub_now(); /* whole seconds; errno says why, as libc's does */
        return left > 0 ? (unsigned)left : 0;
    }
}

int greenify_usleep(useconds_t microseconds)
{
    struct hub *hub = hub_current();
    int ended;

    if (hub == NULL)
        return usleep(microseconds);
    CANCELLATION_POINT(hub);
    ended = nap(hub, "usleep", hub_deadline(microseconds * 1e-6));
    return ended == 1 ? usleep(microseconds) : ended;
}

int greenify_nanosleep(const struct timespec *time, struct timespec *left)
{
    struct hub *hub = hub_current();
    double deadline;
    int ended;

    if (hub == NULL || time == NULL || !timespec_is_valid(time))
        return nanosleep(time, left);
    CANCELLATION_POINT(hub);
    deadline = hub_deadline(timespec_seconds(time));
    ended = nap(hub, "nanosleep", deadline);
    if (ended == 1)
        return nanosleep(time, left);
    if (ended == -1 && left != NULL)
        *left = timespec_from(deadline - hub_now());
    return ended;
}

/* How long until `time` on `clock`, which may be set meanwhile; < 0: it is over. */
static double until(clockid_t clock, const struct timespec *time)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(clock, &now);
    return timespec_seconds(time) - timespec_seconds(&now);
}

/* Sleeps up to a point on a clock. A clock that may be set is looked at again after every second.
 */
static int nap_until(struct hub *hub, clockid_t clock, const struct timespec *time)
{
    double rest;
    int ended;

    do {
        rest = until(clock, time);
        if (clock == CLOCK_REALTIME && rest > 1)
            rest = 1;
        ended = nap(hub, "clock_nanosleep", hub_deadline(rest > 0 ? rest : 0));
    } while (ended == 0 && until(clock, time) > 0);
    return ended;
}

/* Clocks that measure CPU time pass only while somebody computes. */
static bool is_wall_clock(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
           clock == CLOCK_TAI;
}

int greenify_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                             struct timespec *left)
{
    struct hub *hub = hub_current();
    double deadline;
    int saved = errno, ended, error;

    if (hub == NULL || time == NULL || !timespec_is_valid(time) || !is_wall_clock(clock))
        return clock_nanosleep(clock, flags, time, left);
    CANCELLATION_POINT(hub);
    deadline = hub_deadline(timespec_seconds(time));
    ended = (flags & TIMER_ABSTIME) != 0 ? nap_until(hub, clock, time)
                                         : nap(hub, "clock_nanosleep", deadline);
    if (ended == 1)
        return clock_nanosleep(clock, flags, time, left);
    error = ended == 0 ? 0 : errno;
    errno = saved; /* the error is what it returns */
    if (error != 0 && left != NULL && (flags & TIMER_ABSTIME) == 0)
        *left = timespec_from(deadline - hub_now());
    return error;
}
