/* SPDX-License-Identifier: MIT
 *
 * Somebody else's coroutines as a host: translates between struct host and the public struct
 * green_host, and keeps the one descriptor true.
 */
#include "hub.h"
#include "waiter.h"

#include <errno.h>

static int park(struct hub *hub, struct waiter *w)
{
    int saved = errno, error;

    hub->loop->ops->set_deadline(hub->loop, hub_deadline_next(hub));
    error = hub->foreign->park(hub->foreign_data, &w->parked);
    errno = saved;
    return error;
}

static void unpark(struct hub *hub, struct waiter *w)
{
    hub->unparked++;
    hub->foreign->unpark(hub->foreign_data, &w->parked);
    if (!hub->dispatching)
        epollset_wake(&hub->set);
}

static void **local(struct hub *hub, void (*destroy)(void *))
{
    if (hub->foreign->local == NULL)
        return &hub->foreign_local;
    return hub->foreign->local(hub->foreign_data, destroy);
}

static void *current(struct hub *hub)
{
    return hub->foreign->current == NULL ? hub : hub->foreign->current(hub->foreign_data);
}

static struct waiter *own_waiter(struct hub *hub)
{
    (void)hub;
    return NULL;
}

static struct waiter *next_own(struct hub *hub, struct waiter *w)
{
    (void)hub;
    (void)w;
    return NULL;
}

const struct host host_foreign = {
    .park = park,
    .unpark = unpark,
    .local = local,
    .current = current,
    .own_waiter = own_waiter,
    .next_own = next_own,
};

static struct hub *foreign_hub(void)
{
    struct hub *hub = hub_current();

    if (hub != NULL && hub->foreign != NULL)
        return hub;
    errno = ENOENT;
    return NULL;
}

int green_host_attach(const struct green_host *host, void *data)
{
    struct hub *hub;

    if (host == NULL || host->size != sizeof *host || host->park == NULL || host->unpark == NULL) {
        errno = EINVAL;
        return -1;
    }
    if (hub_current() != NULL) {
        errno = EBUSY;
        return -1;
    }
    hub = hub_create(&host_foreign, loop_host_create);
    if (hub == NULL)
        return -1;
    hub->foreign = host;
    hub->foreign_data = data;
    return 0;
}

int green_host_detach(void)
{
    struct hub *hub = foreign_hub();

    if (hub == NULL)
        return -1;
    if (hub->stats.waiting > 0) {
        errno = EBUSY;
        return -1;
    }
    hub_destroy(hub);
    return 0;
}

int green_host_fd(void)
{
    struct hub *hub = foreign_hub();

    if (hub == NULL)
        return -1;
    hub->set.watched = true;
    return hub->set.fd;
}

int green_host_dispatch(void)
{
    struct hub *hub = foreign_hub();
    unsigned before;

    if (hub == NULL)
        return -1;
    before = hub->unparked;
    hub->dispatching = true;
    hub_run(hub, false);
    hub->dispatching = false;
    hub->loop->ops->set_deadline(hub->loop, hub_deadline_next(hub));
    return (int)(hub->unparked - before);
}
