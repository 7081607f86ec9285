/* SPDX-License-Identifier: MIT
 *
 * The loop of our own hub once a program has asked for libev's, and the only user of libev: it
 * waits in libev, where the epoll set is one watcher among those of the program. Our own watchers
 * hold no reference on libev's loop; a run for which something is awaited does.
 */
#include "hub.h"
#include "loop.h"
#include "own.h"

#include <errno.h>
#include <ev.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct loop_ev {
    struct loop base;
    struct ev_loop *ev;
    ev_io set; /* the hub's epoll set */
    ev_timer timer;
    double armed;  /* when the timer fires; INFINITY: it is stopped */
    ev_io pending; /* a signalfd: a signal that a waiting call lets in is there; fd -1: not made */
    sigset_t mask; /* that lets them in */
};

static struct loop_ev *self(struct loop *loop)
{
    return (struct loop_ev *)loop;
}

static void start(struct loop_ev *loop, ev_io *io)
{
    ev_io_start(loop->ev, io);
    ev_unref(loop->ev);
}

static void stop(struct loop_ev *loop, ev_io *io)
{
    if (!ev_is_active(io))
        return;
    ev_ref(loop->ev);
    ev_io_stop(loop->ev, io);
}

static void on_reports(struct ev_loop *ev, ev_io *io, int revents)
{
    struct loop_ev *loop = io->data;

    (void)ev;
    (void)revents;
    hub_collect(loop->base.hub, 0, NULL);
}

/* --- time ------------------------------------------------------------------------------------- */

static void on_timer(struct ev_loop *ev, ev_timer *timer, int revents)
{
    struct loop_ev *loop = timer->data;

    (void)revents;
    ev_ref(ev); /* libev stopped it with a reference that was not ours */
    loop->armed = (double)INFINITY;
}

/* A timer that is earlier than necessary may stay: it costs one empty round, moving it costs more.
 */
static void loop_set_deadline(struct loop *base, double at)
{
    struct loop_ev *loop = self(base);
    double after;

    if (at >= loop->armed || !(at < (double)INFINITY))
        return;
    if (ev_is_active(&loop->timer)) {
        ev_ref(loop->ev);
        ev_timer_stop(loop->ev, &loop->timer);
    }
    after = at - hub_now();
    /* Afterwards: a timer that fires too early costs another wait of 1 ms. */
    ev_now_update(loop->ev);
    ev_timer_set(&loop->timer, after > 0 ? after : 0, 0.);
    ev_timer_start(loop->ev, &loop->timer);
    ev_unref(loop->ev);
    loop->armed = at;
}

/* --- signals ---------------------------------------------------------------------------------- */

/* libev says nothing of an interrupted wait, but errno does: these two stand on both sides of it.
 */
static void before_wait(struct ev_loop *ev) EV_NOEXCEPT
{
    (void)ev;
    errno = 0;
}

static void after_wait(struct ev_loop *ev) EV_NOEXCEPT
{
    struct loop_ev *loop = ev_userdata(ev);
    int error = errno;

    if (error == EINTR)
        hub_interrupted(loop->base.hub);
    errno = error;
}

/* The mask of a waiting call cannot be put in force together with libev's wait, and apart from it a
 * signal in between would be lost. They stay blocked, a signalfd ends the wait, and their handlers
 * run here. */
static void on_pending(struct ev_loop *ev, ev_io *io, int revents)
{
    struct loop_ev *loop = io->data;
    const struct timespec at_once = {0, 0};

    (void)ev;
    (void)revents;
    /* Takes what is pending, and nothing that arrives meanwhile. */
    if (ppoll(NULL, 0, &at_once, &loop->mask) < 0)
        hub_interrupted(loop->base.hub);
}

static void watch_signals(struct loop_ev *loop)
{
    sigset_t let_in, blocked;
    int fd;

    stop(loop, &loop->pending);
    if (!hub_wait_mask(loop->base.hub, &loop->mask))
        return;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    sigemptyset(&let_in);
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&blocked, number) == 1 && sigismember(&loop->mask, number) == 0)
            sigaddset(&let_in, number);
    fd = signalfd(loop->pending.fd, &let_in, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return;
    if (fd != loop->pending.fd && loop->base.hub->hidden)
        fd = own_raise(fd);
    ev_io_set(&loop->pending, fd, EV_READ);
    start(loop, &loop->pending);
}

/* --- running ---------------------------------------------------------------------------------- */

static bool loop_run(struct loop *base, bool wait, bool held)
{
    struct loop_ev *loop = self(base);
    bool possible;

    watch_signals(loop);
    if (held)
        ev_ref(loop->ev);
    possible = ev_run(loop->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT) != 0;
    if (held)
        ev_unref(loop->ev);
    return possible;
}

/* The set is gone, and libev ends the process when it tells the kernel of a descriptor that is
 * closed. */
static void loop_fork(struct loop *base)
{
    struct loop_ev *loop = self(base);

    stop(loop, &loop->set);
    ev_loop_fork(loop->ev);
}

static void loop_destroy(struct loop *base)
{
    struct loop_ev *loop = self(base);

    if (loop->pending.fd >= 0)
        close(loop->pending.fd);
    ev_loop_destroy(loop->ev);
    free(loop);
}

static const struct loop_ops ops = {
    .destroy = loop_destroy,
    .fork = loop_fork,
    .set_deadline = loop_set_deadline,
    .run = loop_run,
};

/* libev ends the process when it cannot have its two descriptors: asks for them first. */
static bool descriptors_are_left(void)
{
    int first = eventfd(0, EFD_CLOEXEC), second = eventfd(0, EFD_CLOEXEC), saved = errno;

    if (first >= 0)
        close(first);
    if (second >= 0)
        close(second);
    errno = saved;
    return second >= 0;
}

struct loop *loop_ev_create(struct hub *hub)
{
    struct loop_ev *loop;

    if (!descriptors_are_left())
        return NULL;
    loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->base = (struct loop){.ops = &ops, .hub = hub};
    loop->armed = (double)INFINITY;
    loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
    if (loop->ev == NULL) {
        free(loop);
        errno = ENOMEM;
        return NULL;
    }
    ev_set_userdata(loop->ev, loop);
    ev_set_loop_release_cb(loop->ev, before_wait, after_wait);
    hub->set.watched = true;
    ev_io_init(&loop->set, on_reports, hub->set.fd, EV_READ);
    loop->set.data = loop;
    start(loop, &loop->set);
    ev_io_init(&loop->pending, on_pending, -1, EV_READ);
    loop->pending.data = loop;
    ev_timer_init(&loop->timer, on_timer, 0., 0.);
    loop->timer.data = loop;
    return &loop->base;
}

struct ev_loop *green_loop(void)
{
    struct hub *hub = hub_native();
    struct loop *loop;

    if (hub == NULL)
        return NULL;
    if (hub->loop->ops == &ops)
        return self(hub->loop)->ev;
    loop = loop_ev_create(hub);
    if (loop == NULL)
        return NULL;
    hub->loop->ops->destroy(hub->loop);
    hub->loop = loop;
    return self(loop)->ev;
}
