/* SPDX-License-Identifier: MIT
 *
 * The waits of green.h for programs that are written for it: green_sleep, green_wait_fd; and the
 * windows into the hub.
 */
#include "coroutine.h"
#include "hook.h"
#include "hub.h"
#include "timespec.h"
#include "waiter.h"

#include <errno.h>
#include <limits.h>

/* Seconds as poll(2) takes them. */
static int milliseconds(double timeout)
{
    if (timeout < 0)
        return -1;
    return timeout * 1e3 >= INT_MAX ? INT_MAX : (int)(timeout * 1e3 + 0.999);
}

int green_sleep(double seconds)
{
    struct timespec time = timespec_from(seconds);

    if (seconds <= 0)
        return green_yield();
    return greenify_nanosleep(&time, NULL);
}

int green_wait_fd(int fd, short events, double timeout)
{
    struct pollfd state = {.fd = fd, .events = events};
    int ready = greenify_poll(&state, 1, milliseconds(timeout));

    return ready > 0 ? state.revents : ready;
}

int green_hub_stats(struct green_hub_stats *stats)
{
    struct hub *hub = hub_current();

    if (hub == NULL) {
        errno = ENOENT;
        return -1;
    }
    *stats = hub->stats;
    return 0;
}
