/* SPDX-License-Identifier: MIT
 *
 * Operations that are tried until they succeed: who tries when, who lets others go first, and how
 * often each looks by itself.
 *
 * That looking is the only way to hear of releases by code that is not patched. The kernel could
 * tell, where libc's own waiters had left their marks in the object: but these marks are different
 * for each kind of lock and not to be had for condition variables, whoever sets them has to take
 * over libc's part in waking its other waiters, and each unlock outside would cost a system call.
 */
#include "hub.h"
#include "lot_queue.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <math.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Seconds between looks at what other code may have released: from the shortest to the longest by
 * doubling for the first in line; the others look seldom; and the more first ones, or others, there
 * are in the process the less each, so that all of them together look ten thousand times a second.
 */
static const double shortest = 0.001, longest = 0.064, seldom = 0.1, each = 1e-4;

/* Between looks at what is about to be released. */
static const double soon = 5e-5;

atomic_bool lot_only_wakes, lot_hears_signals;

static double crowd(double seconds, const atomic_size_t *count)
{
    return seconds * (double)atomic_load_explicit(count, memory_order_relaxed);
}

double lot_crowd(double seconds)
{
    return crowd(seconds, &lot_sleepers);
}

/* A round of the loop costs much more than a look. */
double lot_look_time(double pause)
{
    double grid = pause / 4, at = hub_now() + pause;

    return pause < (double)INFINITY ? (double)((long)(at / grid) + 1) * grid : at;
}

double until_left(const struct until *until)
{
    struct timespec now = {0, 0};

    if (until->time == NULL)
        return (double)INFINITY;
    (void)clock_gettime(until->clock, &now);
    return (double)(until->time->tv_sec - now.tv_sec) +
           (double)(until->time->tv_nsec - now.tv_nsec) * 1e-9;
}

/* The first at the object that was passed over too often; NULL: nobody was. */
static struct lot_wait *first_starving(struct lot_queue *queue, const void *object)
{
    struct lot_row *row = lot_row_of(object);

    if (atomic_load_explicit(&queue->starving, memory_order_relaxed) == 0)
        return NULL;
    for (struct list *place = row->waits.next; place != &row->waits; place = place->next)
        if (lot_queue_at(place)->object == object && lot_queue_at(place)->passed >= LOT_PATIENCE)
            return lot_queue_at(place);
    return NULL;
}

/* The wake of one that steps back is for whom it does that. */
static void step_back(struct lot_queue *queue, struct lot_wait *w, struct lot_wait *starving,
                      bool woken)
{
    atomic_fetch_add(&queue->stepped, 1);
    w->stepped = true;
    if (woken && !starving->woken)
        lot_queue_wake(queue, starving);
}

static bool is_first(const struct lot_wait *self)
{
    struct list *place = lot_row_of(self->object)->waits.next;

    while (lot_queue_at(place)->object != self->object)
        place = place->next;
    return lot_queue_at(place) == self;
}

/* How long until the next look without a wake. */
static double next_pause(struct lot_wait *w, bool woken)
{
    double pause = w->pause;

    if (woken)
        pause = w->announced ? soon : shortest;
    w->pause = until_first(2 * pause, longest);
    if (w->announced)
        return pause;
    if (atomic_load_explicit(&lot_only_wakes, memory_order_relaxed))
        return (double)INFINITY;
    return is_first(w) ? until_last(pause, crowd(each, &lot_objects))
                       : until_last(seldom, crowd(each, &lot_sleepers));
}

/* Sleeps again where it was woken. */
static void fall_asleep(struct lot_queue *queue, struct lot_wait *w)
{
    if (w->stepped)
        atomic_fetch_sub(&queue->stepped, 1);
    w->stepped = false;
    if (w->woken)
        lot_queue_sleep(w);
}

/* After this each other thread has either made its last store visible, or sees ours. Where the
 * kernel has no such call, a release that was not told of is found by a look. */
static void barrier_of_all_threads(void)
{
    static atomic_bool registered;

    if (!atomic_load(&registered)) {
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
        atomic_store(&registered, true);
    }
    (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* Whether who got in, woken or not, may have left room for another, who was not told of it. */
static bool leaves_room(const struct lot_wait *w, bool woken)
{
    if (w->kind != LOT_COUNTED)
        return w->kind != LOT_EXCLUSIVE;
    return !woken || w->passes_on || atomic_load(&lot_queue_of(w->object)->stepped) > 0;
}

/* An attempt at its place in the queue; *room: it got in, and perhaps another can. It counts as a
 * sleeper before it tries: who releases after that wakes it again. Who has slept without a wake
 * steps back for nobody: those that it would step back for may be of a thread that is blocked. */
static int look(struct lot_wait *w, const struct lot_call *call, double *pause, bool *room)
{
    struct lot_queue *queue = lot_queue_of(w->object);
    struct lot_wait *starving = NULL;
    int result = EBUSY;
    bool told, woken;

    lot_queue_lock(queue);
    woken = w->woken;
    told = w->woken || w->announced || w->stepped || !w->looked;
    fall_asleep(queue, w);
    if (!call->impatient && (woken || !w->looked))
        starving = first_starving(queue, call->object);
    if (call->plain_release)
        barrier_of_all_threads();
    if (starving == NULL || starving == w)
        result = call->attempt(call->object);
    else
        step_back(queue, w, starving, woken);
    w->looked = true;
    if (result != EBUSY) {
        w->announced = false;
        w->hub->stats.found += !told;
        *room = leaves_room(w, woken);
    } else {
        if (woken && !w->announced && ++w->passed == LOT_PATIENCE)
            atomic_fetch_add(&queue->starving, 1);
        *pause = next_pause(w, woken);
    }
    lot_queue_unlock(queue);
    return result;
}

/* How each end of a wait ends the call; 0: look again; LOT_FAILED: errno is the error. */
enum { LOT_FAILED = -2 };
static const int ends[] = {
    [WAKE_READY] = 0,      [WAKE_DEADLINE] = 0,        [WAKE_CLOSED] = 0,
    [WAKE_SIGNAL] = EINTR, [WAKE_FAILED] = LOT_FAILED, [WAKE_REFUSED] = LOT_REFUSED,
};

static int park(struct lot_wait *w, const struct lot_call *call, double pause)
{
    double limit = hub_now() + until_left(&call->until);
    int end = ends[lot_park(w, until_first(limit, lot_look_time(pause)))];

    if (end != LOT_FAILED)
        return end;
    if (call->deferred == NULL)
        return errno;
    *call->deferred = errno;
    return 0;
}

static void wake_next(const struct lot_call *call)
{
    if (call->kind == LOT_SHARED)
        lot_wake_sharer(call->object);
    else if (call->kind == LOT_COUNTED)
        lot_wake_chain(call->object);
    else
        lot_wake(call->object, 1);
}

/* In the queue, to the end. *room: for another. */
static int wait_and_try(struct lot_wait *w, const struct lot_call *call, bool *room)
{
    double pause = w->pause = shortest;
    int result, end;

    *room = false;
    result = look(w, call, &pause, room);
    while (result == EBUSY) {
        if (until_left(&call->until) <= 0)
            return ETIMEDOUT;
        end = park(w, call, pause);
        if (end != 0)
            return end;
        result = look(w, call, &pause, room);
    }
    return result;
}

static bool may_try_at_once(const struct lot_call *call)
{
    return call->impatient ||
           atomic_load_explicit(&lot_queue_of(call->object)->starving, memory_order_relaxed) == 0 ||
           until_left(&call->until) <= 0;
}

int lot_await(struct hub *hub, const struct lot_call *call)
{
    int saved = errno, result = EBUSY;
    struct lot_wait *w;
    bool room;

    if (may_try_at_once(call))
        result = call->attempt(call->object);
    if (result != EBUSY) {
        hub->stats.optimistic++;
        goto out;
    }
    result = EINVAL;
    if (call->until.time != NULL &&
        (call->until.time->tv_nsec < 0 || call->until.time->tv_nsec >= 1000000000))
        goto out;
    result = ETIMEDOUT;
    if (until_left(&call->until) <= 0)
        goto out;
    result = LOT_REFUSED;
    w = lot_join_as(hub, call->name, call->object, call->kind);
    if (w == NULL)
        goto out;
    w->interruptible = call->interruptible;
    result = wait_and_try(w, call, &room);
    if (lot_leave(w))
        wake_next(call);
    if (room)
        wake_next(call);
out:
    errno = saved;
    return result;
}
