/* SPDX-License-Identifier: MIT
 *
 * Hooks of semaphores. sem_post() may be called in a signal handler, whatever that interrupted.
 */
#include "hook_inside.h"
#include "hub.h"
#include "lot.h"
#include "thread/cancel.h"

#include <errno.h>

static int attempt(void *semaphore)
{
    if (sem_trywait(semaphore) == 0)
        return 0;
    return errno == EAGAIN ? EBUSY : errno;
}

/* Neither 0 nor -1: the caller has to block for real. */
enum { REFUSED = -2 };

static int wait_for(struct hub *hub, const char *name, sem_t *semaphore, struct until until)
{
    const struct lot_call call = {
        .name = name,
        .object = semaphore,
        .attempt = attempt,
        .until = until,
        .kind = LOT_COUNTED,
        .interruptible = true,
    };
    int result;

    CANCELLATION_POINT(hub);
    result = lot_await(hub, &call);
    if (result == 0)
        return 0;
    if (result == LOT_REFUSED)
        return REFUSED;
    errno = result;
    return -1;
}

/* libc refuses such times before it tries. */
static bool is_valid(struct until until)
{
    return (until.clock == CLOCK_REALTIME || until.clock == CLOCK_MONOTONIC) &&
           until.time->tv_nsec >= 0 && until.time->tv_nsec < 1000000000;
}

int greenify_sem_wait(sem_t *semaphore)
{
    struct hub *hub = hub_current();
    int result = hub == NULL ? REFUSED : wait_for(hub, "sem_wait", semaphore, UNTIL_EVER);

    return result == REFUSED ? sem_wait(semaphore) : result;
}

int greenify_sem_timedwait(sem_t *semaphore, const struct timespec *time)
{
    struct hub *hub = hub_current();
    struct until until = {CLOCK_REALTIME, time};
    int result = REFUSED;

    if (hub != NULL && is_valid(until))
        result = wait_for(hub, "sem_timedwait", semaphore, until);
    return result == REFUSED ? sem_timedwait(semaphore, time) : result;
}

int greenify_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *time)
{
    struct hub *hub = hub_current();
    struct until until = {clock, time};
    int result = REFUSED;

    if (hub != NULL && is_valid(until))
        result = wait_for(hub, "sem_clockwait", semaphore, until);
    return result == REFUSED ? sem_clockwait(semaphore, clock, time) : result;
}

int greenify_sem_post(sem_t *semaphore)
{
    int result = sem_post(semaphore);

    if (result == 0 && !lot_is_empty())
        lot_wake_from_handler(semaphore);
    return result;
}
