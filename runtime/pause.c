/* SPDX-License-Identifier: MIT */
#include "pause.h"

#include "hub.h"
#include "waiter.h"

#include <errno.h>

enum pause_outcome pause_between_tries(struct hub *hub, const char *call, double *seconds)
{
    struct waiter *w = waiter_create(hub, call, 0);
    enum wake cause;

    if (w == NULL)
        return PAUSE_FAILED;
    w->restartable = true;
    cause = waiter_park(w, hub_deadline(*seconds));
    waiter_destroy(w);
    if (*seconds < PAUSE_LONGEST)
        *seconds *= 2;
    if (cause == WAKE_SIGNAL)
        errno = EINTR;
    if (cause == WAKE_REFUSED)
        return PAUSE_BLOCKS;
    return cause == WAKE_SIGNAL || cause == WAKE_FAILED ? PAUSE_FAILED : PAUSE_OVER;
}
