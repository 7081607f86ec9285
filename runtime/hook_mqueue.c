/* SPDX-License-Identifier: MIT
 *
 * Hooks of POSIX message queues. On Linux they are descriptors, which poll(2) knows; the form that
 * never waits is the one with a time that is long over.
 */
#include "closings.h"
#include "descriptor.h"
#include "hook_inside.h"
#include "hub.h"
#include "thread/cancel.h"
#include "timespec.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <mqueue.h>
#include <poll.h>

static const struct timespec long_over = {0, 0};

/* The clock may be set meanwhile, so it is looked at again after every second. */
static double until(const struct timespec *time)
{
    struct timespec now;
    double left;

    if (time == NULL)
        return (double)INFINITY;
    clock_gettime(CLOCK_REALTIME, &now);
    left = timespec_seconds(time) - timespec_seconds(&now);
    if (left > 1)
        left = 1;
    return hub_deadline(left > 0 ? left : 0);
}

enum outcome { AGAIN, FAILED, BLOCKS };

/* Another thread may close the queue at any moment, but not during a try. */
static enum outcome begin_try(struct hub *hub, mqd_t queue, unsigned life)
{
    if (closings_try(hub->fds.closings, incarnation_record(queue), life))
        return AGAIN;
    errno = EBADF;
    return FAILED;
}

/* After a try that failed with ETIMEDOUT, which it still does where the caller's time is over.
 * *life: of the queue, for which all waits of a call are; 0 before the first. */
static enum outcome await(struct hub *hub, const char *call, mqd_t queue, short events,
                          const struct timespec *time, unsigned *life)
{
    double deadline = until(time);
    struct waiter *w;
    enum wake cause = WAKE_FAILED;

    if (deadline <= hub_now())
        return FAILED;
    w = waiter_create(hub, call, 1);
    if (w == NULL)
        return FAILED;
    w->restartable = true;
    if (waiter_watch(w, queue, events) == 0) {
        if (*life == 0)
            *life = w->single.life;
        cause = *life == w->single.life ? waiter_park(w, deadline) : WAKE_CLOSED;
    }
    waiter_destroy(w);
    if (cause == WAKE_SIGNAL)
        errno = EINTR;
    if (cause == WAKE_CLOSED)
        errno = EBADF;
    if (cause == WAKE_REFUSED)
        return BLOCKS;
    return cause == WAKE_READY || cause == WAKE_DEADLINE ? begin_try(hub, queue, *life) : FAILED;
}

/* --- receiving -------------------------------------------------------------------------------- */

static ssize_t receive(struct hub *hub, const char *call, mqd_t queue, char *buffer, size_t size,
                       unsigned *priority, const struct timespec *time)
{
    enum outcome outcome = AGAIN;
    unsigned life = 0;
    int saved = errno;
    ssize_t done = -1;

    CANCELLATION_POINT(hub);
    while (outcome == AGAIN) {
        done = mq_timedreceive(queue, buffer, size, priority, &long_over);
        closings_try_end(hub->fds.closings);
        if (done != -1)
            errno = saved;
        if (done != -1 || errno != ETIMEDOUT)
            return done;
        outcome = await(hub, call, queue, POLLIN, time, &life);
    }
    return outcome == BLOCKS ? mq_timedreceive(queue, buffer, size, priority, time) : -1;
}

ssize_t greenify_mq_receive(mqd_t queue, char *buffer, size_t size, unsigned *priority)
{
    struct hub *hub = hub_current();

    return hub == NULL ? mq_receive(queue, buffer, size, priority)
                       : receive(hub, "mq_receive", queue, buffer, size, priority, NULL);
}

ssize_t greenify_mq_timedreceive(mqd_t queue, char *__restrict buffer, size_t size,
                                 unsigned *__restrict priority,
                                 const struct timespec *__restrict time)
{
    struct hub *hub = hub_current();

    if (hub == NULL || !timespec_is_valid(time))
        return mq_timedreceive(queue, buffer, size, priority, time);
    return receive(hub, "mq_timedreceive", queue, buffer, size, priority, time);
}

/* --- sending ---------------------------------------------------------------------------------- */

static int send_message(struct hub *hub, const char *call, mqd_t queue, const char *message,
                        size_t size, unsigned priority, const struct timespec *time)
{
    enum outcome outcome = AGAIN;
    unsigned life = 0;
    int saved = errno, result;

    CANCELLATION_POINT(hub);
    while (outcome == AGAIN) {
        result = mq_timedsend(queue, message, size, priority, &long_over);
        closings_try_end(hub->fds.closings);
        if (result == 0)
            errno = saved;
        if (result == 0 || errno != ETIMEDOUT)
            return result;
        outcome = await(hub, call, queue, POLLOUT, time, &life);
    }
    return outcome == BLOCKS ? mq_timedsend(queue, message, size, priority, time) : -1;
}

int greenify_mq_send(mqd_t queue, const char *message, size_t size, unsigned priority)
{
    struct hub *hub = hub_current();

    return hub == NULL ? mq_send(queue, message, size, priority)
                       : send_message(hub, "mq_send", queue, message, size, priority, NULL);
}

int greenify_mq_timedsend(mqd_t queue, const char *message, size_t size, unsigned priority,
                          const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (hub == NULL || !timespec_is_valid(time))
        return mq_timedsend(queue, message, size, priority, time);
    return send_message(hub, "mq_timedsend", queue, message, size, priority, time);
}

/* --- the end ---------------------------------------------------------------------------------- */

int greenify_mq_close(mqd_t queue)
{
    unsigned closing = descriptor_closing(hub_current(), queue);
    int result = mq_close(queue);

    descriptor_closed(queue, closing);
    return result;
}
