/* SPDX-License-Identifier: MIT
 *
 * Two calls of fcntl around the one that matters.
 */
#include "at_once.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

struct at_once at_once_begin(int fd)
{
    int saved = errno;
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        flags = -1;
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    errno = saved;
    return (struct at_once){fd, flags};
}

void at_once_end(const struct at_once *at_once)
{
    int saved = errno;

    if (at_once->flags >= 0)
        (void)fcntl(at_once->fd, F_SETFL, at_once->flags);
    errno = saved;
}

bool at_once_ready(int fd, short events)
{
    struct pollfd state = {.fd = fd, .events = events};

    return poll(&state, 1, 0) != 0;
}
