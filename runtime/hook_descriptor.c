/* SPDX-License-Identifier: MIT
 *
 * Hooks of calls that do not wait, but change what waiting on a descriptor means: where it begins,
 * where it ends, its flags and its timeouts.
 */
#include "descriptor.h"
#include "hook_inside.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"
#include "own.h"
#include "record_lock.h"
#include "thread/cancel.h"
#include "vforked.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <sys/ioctl.h>

int greenify_socket(int family, int type, int protocol)
{
    struct hub *hub = hub_current();
    int fd = socket(family, type, protocol);

    if (hub != NULL && fd >= 0)
        descriptor_born(hub, fd);
    return fd;
}

/* Whether a program that does not know of it means a descriptor of the runtime. */
static bool is_hidden(int fd)
{
    if (!own_has(fd))
        return false;
    errno = EBADF;
    return true;
}

/* Whether its close waits until the other side has all that was sent (socket(7)). */
static bool lingers(int fd)
{
    struct linger linger = {0, 0};
    socklen_t size = sizeof linger;
    int saved = errno;

    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) != 0)
        errno = saved;
    return linger.l_onoff != 0 && linger.l_linger > 0;
}

/* The words of the job: descriptor, incarnation. */
static long run_close(const long *words)
{
    if (incarnation_life((int)words[0]) == (unsigned)words[1])
        return close((int)words[0]);
    errno = EBADF;
    return -1;
}

IN_HUB int close_lingering(struct hub *hub, int fd)
{
    long words[OFFLOAD_WORDS] = {fd};
    bool blocks;
    int result;

    CANCELLATION_POINT(hub);
    descriptor_gone(hub, fd);
    words[1] = (long)incarnation_life(fd);
    result = (int)offload_call(hub, "close", run_close, words, JOB_LONG, &blocks);
    return blocks ? close(fd) : result;
}

int greenify_close(int fd)
{
    struct hub *hub = hub_current();
    unsigned closing;
    int result;

    if (is_hidden(fd))
        return -1;
    if (hub != NULL && hub->cancels != 0)
        cancel_at_entry(hub); /* it is one, and seldom waits */
    if (hub != NULL && lingers(fd) && !vforked())
        return close_lingering(hub, fd);
    closing = descriptor_closing(hub, fd);
    result = close(fd);
    descriptor_closed(fd, closing);
    return result;
}

/* Where somebody waits for the number, the old file ends before the new one takes its place: nobody
 * comes to that instead. If there is nothing to come it ends for nothing. For descriptor_closed().
 */
static unsigned end_before(int from, int to)
{
    int saved = errno;
    unsigned closing = 0;

    if (from != to && incarnation_hubs(to) != 0 && fcntl(from, F_GETFD) >= 0)
        closing = descriptor_closing(hub_current(), to);
    errno = saved;
    return closing;
}

int greenify_dup2(int from, int to)
{
    unsigned closing;
    int result;

    if (is_hidden(from) || is_hidden(to))
        return -1;
    closing = end_before(from, to);
    result = dup2(from, to);
    descriptor_closed(to, closing);
    if (result >= 0 && from != to)
        descriptor_gone(hub_current(), to);
    return result;
}

int greenify_dup3(int from, int to, int flags)
{
    unsigned closing = 0;
    int result;

    if (is_hidden(from) || is_hidden(to))
        return -1;
    if ((flags & ~O_CLOEXEC) == 0)
        closing = end_before(from, to);
    result = dup3(from, to, flags);
    descriptor_closed(to, closing);
    if (result >= 0)
        descriptor_gone(hub_current(), to);
    return result;
}

static void all_gone(unsigned first, unsigned last)
{
    struct hub *hub = hub_current();
    int fd = first <= INT_MAX ? incarnation_next((int)first) : -1;

    for (; fd >= 0 && (unsigned)fd <= last; fd = incarnation_next(fd + 1))
        descriptor_gone(hub, fd);
}

/* In parts, around those of the runtime. */
int greenify_close_range(unsigned first, unsigned last, int flags)
{
    unsigned next = own_next(first);

    if (first > last || (flags & ~(int)CLOSE_RANGE_UNSHARE) != 0)
        return close_range(first, last, flags);
    all_gone(first, last);
    for (; next <= last && next != UINT_MAX; first = next + 1, next = own_next(first))
        if (first < next && close_range(first, next - 1, flags) != 0)
            return -1;
    return first <= last ? close_range(first, last, flags) : 0;
}

void greenify_closefrom(int first)
{
    unsigned from = first > 0 ? (unsigned)first : 0;

    all_gone(from, UINT_MAX);
    if (own_next(from) == UINT_MAX || greenify_close_range(from, UINT_MAX, 0) != 0)
        closefrom(first);
}

int greenify_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    int result = setsockopt(fd, level, name, value, size);

    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_RCVLOWAT))
        descriptor_changed(hub_current(), fd);
    return result;
}

/* The third argument of these two is an integer or a pointer, or is not there; libc, too, takes one
 * word and hands it on. */
#define THIRD_ARGUMENT(last)                                                                       \
    ({                                                                                             \
        va_list arguments_;                                                                        \
        void *argument_;                                                                           \
        va_start(arguments_, last);                                                                \
        argument_ = va_arg(arguments_, void *);                                                    \
        va_end(arguments_);                                                                        \
        argument_;                                                                                 \
    })

IN_HUB int lock_in_hub(struct hub *hub, int fd, int command, struct flock *range)
{
    CANCELLATION_POINT(hub);
    return record_lock_wait(hub, fd, command, range);
}

int greenify_fcntl(int fd, int command, ...)
{
    void *argument = THIRD_ARGUMENT(command);
    struct hub *hub = hub_current();
    int result;

    if (hub != NULL && (command == F_SETLKW || command == F_OFD_SETLKW))
        return lock_in_hub(hub, fd, command, argument);
    result = fcntl(fd, command, argument);
    if (command == F_SETFL)
        descriptor_changed(hub, fd);
    return result;
}

int greenify_ioctl(int fd, unsigned long request, ...)
{
    void *argument = THIRD_ARGUMENT(request);
    int result = ioctl(fd, request, argument);

    if (request == FIONBIO)
        descriptor_changed(hub_current(), fd);
    return result;
}
