/* SPDX-License-Identifier: MIT
 *
 * One line a coroutine: name, state, the call that waits, its descriptors and the time it has left.
 */
#include "dump.h"

#include "hub.h"
#include "scheduler.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

static const char *state_of(const struct scheduler *scheduler, const struct green *g)
{
    if (g->ended)
        return "ended";
    if (g == scheduler->current)
        return "running";
    return g->waiting != NULL ? "waiting" : "ready";
}

static void dump_wait(const struct waiter *w, int fd, double now)
{
    dprintf(fd, " in %s", w->call);
    for (unsigned i = 0; i < w->fd_count && i < 8; i++)
        dprintf(fd, "%s%d", i == 0 ? ", descriptor " : " ", w->fds[i].fd);
    if (w->fd_count > 8)
        dprintf(fd, " and %u more", w->fd_count - 8);
    if (w->bound)
        dprintf(fd, ", %.3f s left", w->timer.at > now ? w->timer.at - now : 0.);
}

static void dump_coroutine(const struct scheduler *scheduler, const struct green *g, int fd,
                           double now)
{
    const char *name = g == &scheduler->root ? "root" : "coroutine";

    dprintf(fd, "  %s %p %s%s%s", name, (const void *)g, g->name, g->name[0] != '\0' ? " " : "",
            state_of(scheduler, g));
    if (g->waiting != NULL)
        dump_wait(g->waiting, fd, now);
    dprintf(fd, "\n");
}

void dump_scheduler(const struct scheduler *scheduler, int fd, const char *title)
{
    double now = hub_now();

    dprintf(fd, "%s\n", title);
    for (const struct list *link = scheduler->all.next; link != &scheduler->all; link = link->next)
        dump_coroutine(scheduler, list_entry(link, struct green, all), fd, now);
}

int green_dump(int fd)
{
    struct hub *hub = hub_current();
    int saved = errno;

    if (hub == NULL || hub->scheduler == NULL) {
        errno = ENOENT;
        return -1;
    }
    dump_scheduler(hub->scheduler, fd, "libgreen: coroutines of this thread:");
    errno = saved;
    return 0;
}
