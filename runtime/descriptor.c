/* SPDX-License-Identifier: MIT
 *
 * Trust is a count (incarnation.h) that was right at birth, and still is.
 */
#include "descriptor.h"

#include "closings.h"
#include "hub.h"
#include "incarnation.h"
#include "vforked.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

static void trust(struct hub *hub, int fd)
{
    struct fd_entry *entry = fdtable_entry(&hub->fds, fd);

    if (entry == NULL)
        return;
    entry->incarnation = incarnation_changes(entry->number);
    entry->examined = false;
    entry->drained = false;
}

void descriptor_born(struct hub *hub, int fd)
{
    int saved = errno;

    descriptor_gone(hub, fd); /* an earlier one may have been closed out of our sight */
    trust(hub, fd);
    errno = saved;
}

/* The life of fd is over, for those among `hubs` as well. */
static void tell(struct hub *hub, int fd, uint64_t hubs)
{
    if (hub != NULL)
        fdtable_close(&hub->fds, fd);
    if (hubs != 0)
        closings_tell(hubs, hub != NULL ? hub->fds.closings : NULL, fd);
}

void descriptor_gone(struct hub *hub, int fd)
{
    if (incarnation_hubs(fd) != 0 && vforked())
        return;
    tell(hub, fd, incarnation_end(fd));
}

unsigned descriptor_closing(struct hub *hub, int fd)
{
    unsigned life;

    if (incarnation_hubs(fd) != 0 && vforked())
        return 0;
    tell(hub, fd, incarnation_close(fd, &life));
    return life;
}

void descriptor_closed(int fd, unsigned closing)
{
    incarnation_closed(fd, closing);
}

void descriptor_changed(struct hub *hub, int fd)
{
    struct fd_entry *entry = hub != NULL ? fdtable_find(&hub->fds, fd) : NULL;
    bool trusted = entry != NULL && fd_entry_is_trusted(entry);

    incarnation_change(fd);
    if (trusted)
        trust(hub, fd);
}

void descriptor_connects(struct hub *hub, int fd)
{
    struct fd_entry *entry = fdtable_find(&hub->fds, fd);
    int saved = errno;

    if (entry == NULL || !fd_entry_is_trusted(entry) || !list_empty(&entry->waits))
        return;
    entry->examined = false;
    entry->drained = false;
    fdtable_forget(&hub->fds, fd);
    errno = saved;
}

static double ask_timeout(int fd, int option)
{
    struct timeval timeout = {0, 0};
    socklen_t size = sizeof timeout;
    int saved = errno;

    if (getsockopt(fd, SOL_SOCKET, option, &timeout, &size) != 0)
        errno = saved; /* not a socket */
    if (timeout.tv_sec == 0 && timeout.tv_usec == 0)
        return -1;
    return (double)timeout.tv_sec + (double)timeout.tv_usec * 1e-6;
}

static int ask_option(int fd, int option, int otherwise)
{
    int value = otherwise, saved = errno;
    socklen_t size = sizeof value;

    if (getsockopt(fd, SOL_SOCKET, option, &value, &size) != 0)
        errno = saved; /* not a socket */
    return value;
}

static int ask(int fd, bool receive, bool send, struct traits *traits)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -1;
    traits->nonblocking = (flags & O_NONBLOCK) != 0;
    traits->receive_timeout = receive ? ask_timeout(fd, SO_RCVTIMEO) : -1;
    traits->send_timeout = send ? ask_timeout(fd, SO_SNDTIMEO) : -1;
    return 0;
}

/* Once, for a trusted descriptor. */
static int ask_all(int fd, struct traits *traits)
{
    if (ask(fd, true, true, traits) != 0)
        return -1;
    traits->plain = !traits->nonblocking && traits->receive_timeout < 0 && traits->send_timeout < 0;
    traits->tells = !traits->nonblocking && ask_option(fd, SO_PROTOCOL, 0) == IPPROTO_TCP &&
                    ask_option(fd, SO_RCVLOWAT, 0) == 1;
    return 0;
}

const struct traits *descriptor_traits(struct fd_entry *entry, int fd, int option,
                                       struct traits *room)
{
    if (!fd_entry_is_trusted(entry))
        return ask(fd, option == SO_RCVTIMEO, option == SO_SNDTIMEO, room) == 0 ? room : NULL;
    if (!entry->examined && ask_all(fd, &entry->traits) != 0)
        return NULL;
    entry->examined = true;
    return &entry->traits;
}
