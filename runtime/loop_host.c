/* SPDX-License-Identifier: MIT
 *
 * The loop for a hub that belongs to somebody else: one epoll set that holds the watched
 * descriptors, a timerfd for the earliest deadline and an eventfd for wake-ups, and is itself the
 * one descriptor that the other loop watches. Descriptors are armed for one report (EPOLLONESHOT),
 * so that the set is never readable for something that nobody waits for.
 */
#include "hub.h"
#include "loop.h"
#include "timespec.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct loop_host {
    struct loop base;
    int epoll, timer, event;
    double armed; /* when the timer fires; INFINITY: it does not */
};

static struct loop_host *self(struct loop *loop)
{
    return (struct loop_host *)loop;
}

int loop_host_descriptor(struct loop *loop)
{
    return self(loop)->epoll;
}

/* A report disarms, so the kernel is told every time. */
static int loop_watch(struct loop *base, int fd, short events, bool anew)
{
    int set = self(base)->epoll;
    struct epoll_event event = {.events = EPOLLONESHOT, .data.fd = fd};
    int saved = errno;

    (void)anew;
    event.events |= (events & POLLIN) != 0 ? EPOLLIN : 0;
    event.events |= (events & POLLOUT) != 0 ? EPOLLOUT : 0;
    if (epoll_ctl(set, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    if (errno != ENOENT || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        return -1;
    errno = saved;
    return 0;
}

static void loop_forget(struct loop *base, int fd)
{
    int saved = errno;

    (void)epoll_ctl(self(base)->epoll, EPOLL_CTL_DEL, fd, NULL);
    errno = saved;
}

/* A timer that is earlier than necessary may stay: it costs one empty dispatch. */
static void loop_set_deadline(struct loop *base, double at)
{
    struct loop_host *loop = self(base);
    struct itimerspec when = {.it_value = {0, 0}};

    if (at >= loop->armed || !(at < (double)INFINITY))
        return;
    when.it_value = timespec_from(at);
    if (when.it_value.tv_sec == 0 && when.it_value.tv_nsec == 0)
        when.it_value.tv_nsec = 1;
    if (timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        loop->armed = at;
}

static void loop_wake(struct loop *base)
{
    uint64_t one = 1;
    int saved = errno;

    (void)!write(self(base)->event, &one, sizeof one);
    errno = saved;
}

static void on_timer(struct loop_host *loop)
{
    uint64_t expirations;

    if (read(loop->timer, &expirations, sizeof expirations) > 0)
        loop->armed = (double)INFINITY;
}

static void on_event(struct loop_host *loop)
{
    uint64_t count;

    (void)!read(loop->event, &count, sizeof count);
    hub_woken(loop->base.hub);
}

static void report(struct loop_host *loop, const struct epoll_event *event)
{
    int fd = event->data.fd;
    short revents = 0, wanted;

    revents |= (event->events & EPOLLIN) != 0 ? POLLIN : 0;
    revents |= (event->events & EPOLLOUT) != 0 ? POLLOUT : 0;
    revents |= (event->events & EPOLLERR) != 0 ? POLLERR : 0;
    revents |= (event->events & EPOLLHUP) != 0 ? POLLHUP : 0;
    wanted = hub_ready(loop->base.hub, fd, revents).open;
    if (wanted != 0)
        (void)loop_watch(&loop->base, fd, wanted, true);
}

/* Somebody else's loop decides how long it lives. */
static bool loop_run(struct loop *base, bool wait, bool held)
{
    struct loop_host *loop = self(base);
    struct epoll_event events[256];
    int saved = errno;
    int count = epoll_wait(loop->epoll, events, 256, wait ? -1 : 0);

    (void)held;
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == loop->timer)
            on_timer(loop);
        else if (events[i].data.fd == loop->event)
            on_event(loop);
        else
            report(loop, &events[i]);
    }
    errno = saved;
    return true;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void loop_fork(struct loop *base)
{
    struct loop_host *loop = self(base);

    close_if_open(loop->epoll);
    close_if_open(loop->timer);
    close_if_open(loop->event);
    loop->epoll = loop->timer = loop->event = -1;
}

static void loop_destroy(struct loop *base)
{
    loop_fork(base);
    free(base);
}

static const struct loop_ops ops = {
    .destroy = loop_destroy,
    .fork = loop_fork,
    .watch = loop_watch,
    .forget = loop_forget,
    .set_deadline = loop_set_deadline,
    .wake = loop_wake,
    .run = loop_run,
};

static int own_descriptors(struct loop_host *loop)
{
    const int own[] = {loop->timer, loop->event};

    if (loop->epoll < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = own[i]};

        if (own[i] < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, own[i], &event) != 0)
            return -1;
    }
    return 0;
}

struct loop *loop_host_create(struct hub *hub)
{
    struct loop_host *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    loop->base = (struct loop){.ops = &ops, .hub = hub};
    loop->armed = (double)INFINITY;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (own_descriptors(loop) != 0) {
        int error = errno;

        loop_destroy(&loop->base);
        errno = error;
        return NULL;
    }
    return &loop->base;
}
