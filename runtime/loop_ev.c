/* SPDX-License-Identifier: MIT
 *
 * The loop of our own hub, and the only user of libev. Two watchers a descriptor, one a direction.
 * A watcher stays started after its waiter was woken and is stopped only when it fires with nobody
 * waiting: libev merges stop and start within one round, so a descriptor in steady use costs
 * nothing but the check that it is still the same; and a wait that lasts has the kernel told once
 * more, in case code that we do not see closed the descriptor and its number came back. Our own
 * watchers hold no reference on the loop; a run for which something is awaited does.
 */
#include "cacheline.h"
#include "closings.h"
#include "hub.h"
#include "loop.h"
#include "own.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* In the order of `directions`. */
enum { READ, WRITE, DIRECTIONS };
static const struct {
    short poll;
    int ev;
} directions[DIRECTIONS] = {{POLLIN, EV_READ}, {POLLOUT, EV_WRITE}};

/* A wait relies on what the kernel was told before it began for one to two of these. */
#define DOUBT_SECONDS 0.05

/* A wait to read, by far the most frequent, touches the first cache line only. */
struct watch {
    unsigned relied_since; /* loop->tick when a wait began that relies on what the kernel was told,
                              and no event came since; 0: there is none */
    short active;          /* poll(2) events of those of `io` that are started */
    bool relied;           /* it is in loop->relied */
    bool changed;          /* it is in loop->changed */
    bool anew;  /* libev tells the kernel, even where its events are the same as before */
    short told; /* of `active`: what libev told the kernel of */
    ev_io io[DIRECTIONS];
};

_Static_assert(offsetof(struct watch, io[WRITE]) == CACHE_LINE, "what reads use is one cache line");

struct loop_ev {
    struct loop base;
    struct ev_loop *ev;
    ev_async wake;
    ev_timer timer;
    double armed;   /* when the timer fires; INFINITY: it is stopped */
    ev_timer doubt; /* runs while some watch is relied on */
    unsigned tick;  /* of that timer; never 0 */
    ev_fork anew;   /* libev is about to tell a fresh epoll set of everything */
    struct watch **watches;
    int watch_count;
    struct watch **changed, **relied; /* since the loop ran last; room for all of them */
    int changed_count, relied_count;
    ev_io pending; /* a signalfd: a signal that a waiting call lets in is there; fd -1: not made */
    sigset_t mask; /* that lets them in */
};

static struct loop_ev *self(struct loop *loop)
{
    return (struct loop_ev *)loop;
}

struct ev_loop *loop_ev_native(struct loop *loop)
{
    return self(loop)->ev;
}

/* --- watching descriptors --------------------------------------------------------------------- */

static void note_change(struct loop_ev *loop, struct watch *watch)
{
    if (!watch->changed)
        loop->changed[loop->changed_count++] = watch;
    watch->changed = true;
}

static short direction_of(const ev_io *io)
{
    return directions[io - ((const struct watch *)io->data)->io].poll;
}

static void start(struct loop_ev *loop, ev_io *io)
{
    struct watch *watch = io->data;

    note_change(loop, watch);
    watch->active |= direction_of(io);
    ev_io_start(loop->ev, io);
    ev_unref(loop->ev);
}

static void stop(struct loop_ev *loop, ev_io *io)
{
    struct watch *watch = io->data;

    if (!ev_is_active(io))
        return;
    note_change(loop, watch);
    watch->active &= (short)~direction_of(io);
    ev_ref(loop->ev);
    ev_io_stop(loop->ev, io);
}

/* libev stopped it, with a reference that was not ours. */
static void stopped(struct loop_ev *loop, ev_io *io)
{
    struct watch *watch = io->data;

    ev_ref(loop->ev);
    watch->active &= (short)~direction_of(io);
    watch->told = 0;
}

static void on_ready(struct ev_loop *ev, ev_io *io, int revents)
{
    struct watch *watch = io->data;
    struct loop_ev *loop = ev_userdata(ev);
    short events = 0;

    watch->relied_since = 0;
    for (int d = 0; d < DIRECTIONS; d++)
        if ((revents & directions[d].ev) != 0)
            events |= directions[d].poll;
    if (!ev_is_active(io))
        stopped(loop, io);
    if ((hub_ready(loop->base.hub, io->fd, events).all & direction_of(io)) == 0)
        stop(loop, io);
}

static int resize(struct watch ***list, int count)
{
    struct watch **resized = reallocarray(*list, (size_t)count, sizeof *resized);

    if (resized == NULL)
        return -1;
    *list = resized;
    return 0;
}

static int grow(struct loop_ev *loop, int fd)
{
    int count = loop->watch_count == 0 ? 64 : loop->watch_count;

    while (count <= fd)
        count = count > fd / 2 ? fd + 1 : 2 * count;
    if (resize(&loop->changed, count) != 0 || resize(&loop->relied, count) != 0 ||
        resize(&loop->watches, count) != 0)
        return -1;
    memset(loop->watches + loop->watch_count, 0,
           (size_t)(count - loop->watch_count) * sizeof *loop->watches);
    loop->watch_count = count;
    return 0;
}

static struct watch *find(const struct loop_ev *loop, int fd)
{
    return fd < loop->watch_count ? loop->watches[fd] : NULL;
}

static struct watch *make(struct loop_ev *loop, int fd)
{
    struct watch *watch;

    if (fd >= loop->watch_count && grow(loop, fd) != 0)
        return NULL;
    watch = cacheline_alloc(sizeof *watch);
    if (watch == NULL)
        return NULL;
    *watch = (struct watch){0};
    for (int d = 0; d < DIRECTIONS; d++) {
        ev_io_init(&watch->io[d], on_ready, fd, directions[d].ev);
        watch->io[d].data = watch;
    }
    loop->watches[fd] = watch;
    return watch;
}

/* The next start makes libev tell the kernel, even where nothing seems to have changed. */
static void ask_anew(struct watch *watch, int direction)
{
    ev_io *io = &watch->io[direction];

    watch->anew = true;
    ev_io_set(io, io->fd, directions[direction].ev);
}

static void renew(struct loop_ev *loop, struct watch *watch, int direction)
{
    stop(loop, &watch->io[direction]);
    ask_anew(watch, direction);
    start(loop, &watch->io[direction]);
}

static void begin_to_doubt(struct loop_ev *loop)
{
    ev_timer_set(&loop->doubt, DOUBT_SECONDS, 0.);
    ev_timer_start(loop->ev, &loop->doubt);
    ev_unref(loop->ev);
}

static void renew_awaited(struct loop_ev *loop, struct watch *watch)
{
    short awaited = fdtable_interest(&loop->base.hub->fds, watch->io[READ].fd).all;

    for (int d = 0; d < DIRECTIONS; d++)
        if ((watch->active & awaited & directions[d].poll) != 0)
            renew(loop, watch, d);
}

/* Waits that began before the last tick but one are no short ones. */
static void on_doubt(struct ev_loop *ev, ev_timer *timer, int revents)
{
    struct loop_ev *loop = timer->data;
    int count = loop->relied_count;

    (void)revents;
    ev_ref(ev); /* libev stopped it with a reference that was not ours */
    loop->tick += loop->tick + 1 == 0 ? 2 : 1;
    loop->relied_count = 0;
    for (int i = 0; i < count; i++) {
        struct watch *watch = loop->relied[i];

        watch->relied = watch->relied_since != 0 && loop->tick - watch->relied_since < 2;
        if (watch->relied) {
            loop->relied[loop->relied_count++] = watch;
        } else if (watch->relied_since != 0) {
            watch->relied_since = 0;
            renew_awaited(loop, watch);
        }
    }
    if (loop->relied_count > 0)
        begin_to_doubt(loop);
}

static void rely(struct loop_ev *loop, struct watch *watch)
{
    if (watch->relied_since == 0)
        watch->relied_since = loop->tick;
    if (watch->relied)
        return;
    watch->relied = true;
    loop->relied[loop->relied_count++] = watch;
    if (!ev_is_active(&loop->doubt))
        begin_to_doubt(loop);
}

static void add_directions(struct loop_ev *loop, struct watch *watch, short events, bool anew)
{
    for (int d = 0; d < DIRECTIONS; d++) {
        if ((events & directions[d].poll) == 0)
            continue;
        if (anew)
            renew(loop, watch, d);
        else if ((watch->active & directions[d].poll) != 0)
            rely(loop, watch);
        else
            start(loop, &watch->io[d]);
    }
}

static int loop_watch(struct loop *base, int fd, short events, bool anew)
{
    struct loop_ev *loop = self(base);
    struct watch *watch = find(loop, fd);

    if (watch == NULL)
        watch = make(loop, fd);
    if (watch == NULL)
        return -1;
    if (!anew && (events & ~watch->active) == 0)
        rely(loop, watch);
    else
        add_directions(loop, watch, events, anew);
    return 0;
}

static void loop_forget(struct loop *base, int fd)
{
    struct loop_ev *loop = self(base);
    struct watch *watch = find(loop, fd);

    if (watch == NULL)
        return;
    for (int d = 0; d < DIRECTIONS; d++) {
        stop(loop, &watch->io[d]);
        ask_anew(watch, d);
    }
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
    ev_now_update(
        loop->ev); /* afterwards: a timer that fires too early costs another wait of 1 ms */
    ev_timer_set(&loop->timer, after > 0 ? after : 0, 0.);
    ev_timer_start(loop->ev, &loop->timer);
    ev_unref(loop->ev);
    loop->armed = at;
}

/* --- running ---------------------------------------------------------------------------------- */

static void loop_wake(struct loop *base)
{
    struct loop_ev *loop = self(base);

    ev_async_send(loop->ev, &loop->wake);
}

static void on_wake(struct ev_loop *ev, ev_async *async, int revents)
{
    struct loop_ev *loop = async->data;

    (void)ev;
    (void)revents;
    hub_woken(loop->base.hub);
}

/* libev says nothing of an interrupted wait, but errno does: these two stand on both sides of it.
 */
static void before_wait(struct ev_loop *ev) EV_NOEXCEPT
{
    struct loop_ev *loop = ev_userdata(ev);

    closings_try_end(loop->base.hub->closings);
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

/* --- signals that a waiting call lets in ------------------------------------------------------ */

/* The mask of such a call cannot be put in force together with libev's wait, and apart from it a
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

static void stop_pending(struct loop_ev *loop)
{
    if (!ev_is_active(&loop->pending))
        return;
    ev_ref(loop->ev);
    ev_io_stop(loop->ev, &loop->pending);
}

static void watch_signals(struct loop_ev *loop)
{
    sigset_t let_in, blocked;
    int fd;

    stop_pending(loop);
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
    ev_io_start(loop->ev, &loop->pending);
    ev_unref(loop->ev);
}

/* Whether libev tells the kernel of this watch when it runs now. */
static bool will_tell(struct watch *watch)
{
    bool tells = watch->active != 0 && (watch->active != watch->told || watch->anew);

    watch->changed = false;
    if (watch->active != 0)
        watch->anew = false;
    watch->told = watch->active;
    return tells;
}

static bool is_closing(const struct loop_ev *loop, int fd)
{
    const struct fd_entry *entry = fdtable_find(&loop->base.hub->fds, fd);

    return entry != NULL && incarnation_is_closing(entry->number);
}

/* libev ends the process when it tells the kernel of a descriptor that is closed. Another thread
 * may be about to close one, and code that we do not see may have closed one since its wait began:
 * whoever waits for it looks again. Returns whether it is so. */
static bool drop_if_closed(struct loop_ev *loop, int fd)
{
    if (!is_closing(loop, fd) && fcntl(fd, F_GETFD) >= 0)
        return false;
    loop_forget(&loop->base, fd); /* which is a change: it is looked at once more */
    (void)hub_ready(loop->base.hub, fd, POLLNVAL);
    return true;
}

/* All of which libev tells the kernel now. Returns whether one was closed. */
static bool drop_closed(struct loop_ev *loop)
{
    bool found = false;
    int saved = errno;

    while (loop->changed_count > 0) {
        struct watch *watch = loop->changed[--loop->changed_count];
        int fd = watch->io[READ].fd;

        if (will_tell(watch))
            found |= drop_if_closed(loop, fd);
    }
    errno = saved;
    return found;
}

/* Not only after a fork: also when the kernel told of a file that libev knows nothing of, as one
 * that is still open under another number. */
static void before_anew(struct ev_loop *ev, ev_fork *anew, int revents)
{
    struct loop_ev *loop = anew->data;
    bool found = false;

    (void)revents;
    for (int fd = 0; fd < loop->watch_count; fd++)
        if (loop->watches[fd] != NULL && loop->watches[fd]->active != 0)
            found |= drop_if_closed(loop, fd);
    if (found)
        ev_async_send(ev, &loop->wake); /* somebody may be ready: do not wait */
}

static bool loop_run(struct loop *base, bool wait, bool held)
{
    struct loop_ev *loop = self(base);
    bool possible;

    watch_signals(loop);
    /* Nobody who has not told us yet closes a descriptor before libev told the kernel of it. */
    closings_try_begin(loop->base.hub->closings);
    fdtable_collect(&loop->base.hub->fds);
    if (drop_closed(loop))
        wait = false;
    if (held)
        ev_ref(loop->ev);
    possible = ev_run(loop->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT) != 0;
    if (held)
        ev_unref(loop->ev);
    return possible;
}

static void loop_destroy(struct loop *base)
{
    struct loop_ev *loop = self(base);

    for (int fd = 0; fd < loop->watch_count; fd++)
        free(loop->watches[fd]);
    free(loop->watches);
    free(loop->changed);
    free(loop->relied);
    if (loop->pending.fd >= 0)
        close(loop->pending.fd);
    ev_loop_destroy(loop->ev);
    free(loop);
}

static void loop_fork(struct loop *base)
{
    ev_loop_fork(self(base)->ev);
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
    loop->tick = 1;
    loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
    if (loop->ev == NULL) {
        free(loop);
        errno = ENOMEM;
        return NULL;
    }
    ev_set_userdata(loop->ev, loop);
    ev_set_loop_release_cb(loop->ev, before_wait, after_wait);
    ev_async_init(&loop->wake, on_wake);
    loop->wake.data = loop;
    ev_async_start(loop->ev, &loop->wake);
    ev_unref(loop->ev);
    ev_io_init(&loop->pending, on_pending, -1, EV_READ);
    loop->pending.data = loop;
    ev_timer_init(&loop->timer, on_timer, 0., 0.);
    loop->timer.data = loop;
    ev_timer_init(&loop->doubt, on_doubt, 0., 0.);
    loop->doubt.data = loop;
    ev_fork_init(&loop->anew, before_anew);
    loop->anew.data = loop;
    ev_fork_start(loop->ev, &loop->anew);
    ev_unref(loop->ev);
    return &loop->base;
}
