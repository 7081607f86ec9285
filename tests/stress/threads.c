/* SPDX-License-Identifier: MIT
 *
 * Eight threads on the same locks, pipes and sockets: four with a hub and many coroutines, three
 * without a hub whose calls are hooked, and one whose calls are not. Each operation leaves things
 * as they were, so nobody waits for good unless a wake-up is lost; and of the operations of all
 * only so many pass between two of one flow. What the locks protect is plain memory, for
 * ThreadSanitizer to see.
 *
 * With ONLY_WAKES all calls are hooked, and nobody looks by itself for what it was not told of:
 * then the first wake-up of a lock that is lost stops the program.
 */
#include "green.h"
#include "hook.h"
#include "stress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifdef ONLY_WAKES
#include "lot.h"
enum { PLAIN_THREADS = 0, ONLY_WAKES_END = 1 };
static void prepare(void)
{
    atomic_store(&lot_only_wakes, true);
}
#else
enum { PLAIN_THREADS = 1, ONLY_WAKES_END = 0 };
static void prepare(void)
{
}
#endif

enum { HUB_THREADS = 4, HOOKED_THREADS = 4 - PLAIN_THREADS, FLOWS = 12, ROOMS = 3 };
enum { THREADS = HUB_THREADS + HOOKED_THREADS + PLAIN_THREADS };
enum { ALL_FLOWS = HUB_THREADS * FLOWS + HOOKED_THREADS + PLAIN_THREADS };

/* The calls of one kind of thread. */
struct calls {
    int (*lock)(pthread_mutex_t *);
    int (*unlock)(pthread_mutex_t *);
    int (*wait)(pthread_cond_t *, pthread_mutex_t *);
    int (*signal)(pthread_cond_t *);
    int (*broadcast)(pthread_cond_t *);
    int (*read_lock)(pthread_rwlock_t *);
    int (*write_lock)(pthread_rwlock_t *);
    int (*rw_unlock)(pthread_rwlock_t *);
    int (*sem_wait)(sem_t *);
    int (*sem_post)(sem_t *);
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*write)(int, const void *, size_t);
    int (*poll)(struct pollfd *, nfds_t, int);
};

static const struct calls hooked = {
    .lock = greenify_pthread_mutex_lock,
    .unlock = greenify_pthread_mutex_unlock,
    .wait = greenify_pthread_cond_wait,
    .signal = greenify_pthread_cond_signal,
    .broadcast = greenify_pthread_cond_broadcast,
    .read_lock = greenify_pthread_rwlock_rdlock,
    .write_lock = greenify_pthread_rwlock_wrlock,
    .rw_unlock = greenify_pthread_rwlock_unlock,
    .sem_wait = greenify_sem_wait,
    .sem_post = greenify_sem_post,
    .read = greenify_read,
    .write = greenify_write,
    .poll = greenify_poll,
};

static const struct calls plain = {
    .lock = pthread_mutex_lock,
    .unlock = pthread_mutex_unlock,
    .wait = pthread_cond_wait,
    .signal = pthread_cond_signal,
    .broadcast = pthread_cond_broadcast,
    .read_lock = pthread_rwlock_rdlock,
    .write_lock = pthread_rwlock_wrlock,
    .rw_unlock = pthread_rwlock_unlock,
    .sem_wait = sem_wait,
    .sem_post = sem_post,
    .read = read,
    .write = write,
    .poll = poll,
};

struct flow {
    const struct calls *calls;
    _Atomic(const char *) doing;
    uint64_t dice;
    long number, done;
    unsigned long last, longest; /* its last operation among those of all, and the longest wait */
    uint64_t sent, received;     /* sums of what it wrote to pipes and sockets, and read */
};

/* Of the operations of all, between two of one flow. A thread that the machine leaves aside for
 * seconds is no matter of ours. */
enum { WAIT_MOST = 1000000 };

enum { STOCK = 8, PERMITS = 3, RECORD = 32 /* words */ };

/* What is shared. */
struct room {
    pthread_mutex_t mutex, recursive, checked;
    pthread_cond_t cond;
    pthread_rwlock_t rwlock;
    sem_t semaphore;
    struct flow *mutex_owner, *recursive_owner, *checked_owner, *writer;
    long locked, stored, written;
    atomic_int readers, permits;
    int pipe[2], socket[2];
};

static struct room rooms[ROOMS];
static struct flow flows[ALL_FLOWS];
static atomic_long left, parked, found;
static atomic_int newcomers = ALL_FLOWS; /* that had no turn yet */

static void must(int result, const char *what)
{
    errno = result;
    if (result != 0)
        stress_fail("%s", what);
}

/* Inside something that is the flow's alone, at times with others running. */
static void own(struct flow *flow, struct flow **owner)
{
    if (*owner != NULL)
        stress_fail("flow %ld and flow %ld own the same", flow->number, (*owner)->number);
    *owner = flow;
    if (stress_dice(&flow->dice, 64) == 0)
        green_yield();
    if (*owner != flow)
        stress_fail("flow %ld lost what it owns", flow->number);
    *owner = NULL;
}

static void lock_mutex(struct flow *flow, struct room *room)
{
    must(flow->calls->lock(&room->mutex), "lock");
    own(flow, &room->mutex_owner);
    room->locked++;
    must(flow->calls->unlock(&room->mutex), "unlock");
}

static void lock_recursively(struct flow *flow, struct room *room)
{
    must(flow->calls->lock(&room->recursive), "first lock");
    must(flow->calls->lock(&room->recursive), "second lock");
    own(flow, &room->recursive_owner);
    must(flow->calls->unlock(&room->recursive), "first unlock");
    own(flow, &room->recursive_owner);
    must(flow->calls->unlock(&room->recursive), "second unlock");
}

/* What is an error here ThreadSanitizer would report as one. */
static void lock_checked(struct flow *flow, struct room *room)
{
#ifndef __SANITIZE_THREAD__
    if (flow->calls->unlock(&room->checked) != EPERM)
        stress_fail("flow %ld unlocked what it does not own", flow->number);
#endif
    must(flow->calls->lock(&room->checked), "checked lock");
    own(flow, &room->checked_owner);
#ifndef __SANITIZE_THREAD__
    if (flow->calls->lock(&room->checked) != EDEADLK)
        stress_fail("flow %ld locked twice", flow->number);
#endif
    must(flow->calls->unlock(&room->checked), "checked unlock");
}

static void read_and_write(struct flow *flow, struct room *room)
{
    if (stress_dice(&flow->dice, 4) == 0) {
        must(flow->calls->write_lock(&room->rwlock), "write lock");
        if (atomic_load(&room->readers) != 0)
            stress_fail("flow %ld writes beside readers", flow->number);
        own(flow, &room->writer);
        room->written++;
    } else {
        must(flow->calls->read_lock(&room->rwlock), "read lock");
        atomic_fetch_add(&room->readers, 1);
        if (room->writer != NULL)
            stress_fail("flow %ld reads beside a writer", flow->number);
        if (stress_dice(&flow->dice, 64) == 0)
            green_yield();
        atomic_fetch_sub(&room->readers, 1);
    }
    must(flow->calls->rw_unlock(&room->rwlock), "unlock of a read-write lock");
}

static void change_stock(struct flow *flow, struct room *room, long by)
{
    long full = by > 0 ? STOCK : 0;

    must(flow->calls->lock(&room->mutex), "lock of the stock");
    while (room->stored == full)
        must(flow->calls->wait(&room->cond, &room->mutex), "wait");
    room->stored += by;
    if (room->stored < 0 || room->stored > STOCK)
        stress_fail("a stock of %ld", room->stored);
    if (stress_dice(&flow->dice, 4) == 0)
        must(flow->calls->broadcast(&room->cond), "broadcast");
    else
        must(flow->calls->signal(&room->cond), "signal");
    must(flow->calls->unlock(&room->mutex), "unlock of the stock");
}

/* Who waits for room has put nothing in, who waits for goods has: one of them always can go on. */
static void put_and_take(struct flow *flow, struct room *room)
{
    change_stock(flow, room, 1);
    change_stock(flow, room, -1);
}

static void take_permit(struct flow *flow, struct room *room)
{
    while (flow->calls->sem_wait(&room->semaphore) != 0)
        if (errno != EINTR)
            stress_fail("sem_wait");
    if (atomic_fetch_add(&room->permits, 1) >= PERMITS)
        stress_fail("more than %d permits", PERMITS);
    if (stress_dice(&flow->dice, 64) == 0)
        green_yield();
    atomic_fetch_sub(&room->permits, 1);
    if (flow->calls->sem_post(&room->semaphore) != 0)
        stress_fail("sem_post");
}

/* One record in, one out, whosesoever: as with the stock. Records are whole, as they are small. */
static void pass_record(struct flow *flow, int in, int out)
{
    struct pollfd ready = {.fd = out, .events = POLLIN};
    uint64_t record[RECORD];
    uint64_t token = stress_dice(&flow->dice, UINT32_MAX);
    ssize_t size;

    for (int i = 0; i < RECORD; i++)
        record[i] = token;
    flow->sent += token;
    size = flow->calls->write(in, record, sizeof record);
    if (size != sizeof record)
        stress_fail("wrote %zd bytes", size);
    if (stress_dice(&flow->dice, 4) == 0 && flow->calls->poll(&ready, 1, 60000) != 1)
        stress_fail("polled in vain, or not");
    size = flow->calls->read(out, record, sizeof record);
    if (size != sizeof record)
        stress_fail("read %zd bytes", size);
    for (int i = 1; i < RECORD; i++)
        if (record[i] != record[0])
            stress_fail("a record of two");
    flow->received += record[0];
}

static void use_pipe(struct flow *flow, struct room *room)
{
    pass_record(flow, room->pipe[1], room->pipe[0]);
}

static void use_socket(struct flow *flow, struct room *room)
{
    pass_record(flow, room->socket[1], room->socket[0]);
}

static const struct {
    const char *name;
    void (*run)(struct flow *flow, struct room *room);
} operations[] = {
    {"mutex", lock_mutex},
    {"recursive mutex", lock_recursively},
    {"checked mutex", lock_checked},
    {"read-write lock", read_and_write},
    {"condition", put_and_take},
    {"semaphore", take_permit},
    {"pipe", use_pipe},
    {"socket", use_socket},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* --- flows ------------------------------------------------------------------------------------ */

/* An operation is done. */
static void count(struct flow *flow)
{
    unsigned long now = atomic_fetch_add_explicit(&stress_progress, 1, memory_order_relaxed);

    if (now - flow->last > flow->longest)
        flow->longest = now - flow->last;
    flow->last = now;
    if (flow->done++ == 0)
        atomic_fetch_sub(&newcomers, 1);
}

static void fail_unfair(const struct flow *flow)
{
    errno = 0;
    stress_fail("flow %ld had no turn in %lu operations of all", flow->number, flow->longest);
}

/* Nobody goes before all had a turn, or should have had it. */
static bool goes_on(void)
{
    return atomic_fetch_sub(&left, 1) > 0 ||
           (atomic_load(&newcomers) > 0 &&
            atomic_load_explicit(&stress_progress, memory_order_relaxed) <= WAIT_MOST);
}

static void *run_flow(void *argument)
{
    struct flow *flow = argument;

    while (goes_on()) {
        uint64_t operation = stress_dice(&flow->dice, OPERATIONS);

        atomic_store_explicit(&flow->doing, operations[operation].name, memory_order_relaxed);
        operations[operation].run(flow, &rooms[stress_dice(&flow->dice, ROOMS)]);
        count(flow);
        if (flow->longest > WAIT_MOST)
            fail_unfair(flow);
    }
    atomic_store_explicit(&flow->doing, NULL, memory_order_relaxed);
    return NULL;
}

/* The thread's own flow only joins. */
static void *run_hub(void *first)
{
    struct flow *of_hub = first;
    struct green_hub_stats stats;
    green_t *started[FLOWS];

    for (int i = 0; i < FLOWS; i++) {
        started[i] = green_spawn(run_flow, &of_hub[i]);
        if (started[i] == NULL)
            stress_fail("green_spawn");
    }
    for (int i = 0; i < FLOWS; i++)
        if (green_join(started[i], NULL, -1) != 0)
            stress_fail("green_join");
    if (green_hub_stats(&stats) != 0)
        stress_fail("green_hub_stats");
    atomic_fetch_add(&parked, (long)stats.parked);
    atomic_fetch_add(&found, (long)stats.found);
    return NULL;
}

static void tell_stuck(void)
{
    for (int i = 0; i < ALL_FLOWS; i++) {
        const char *doing = atomic_load_explicit(&flows[i].doing, memory_order_relaxed);

        if (doing != NULL)
            fprintf(stderr, "flow %d is still at: %s\n", i, doing);
    }
}

static void furnish(struct room *room)
{
    static const pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    static const pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    const int little = 4096;

    pthread_mutex_init(&room->mutex, NULL);
    room->recursive = recursive;
    room->checked = checked;
    pthread_cond_init(&room->cond, NULL);
    pthread_rwlock_init(&room->rwlock, NULL);
    sem_init(&room->semaphore, 0, PERMITS);
    if (pipe(room->pipe) != 0 || fcntl(room->pipe[1], F_SETPIPE_SZ, little) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, room->socket) != 0 ||
        setsockopt(room->socket[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof little) != 0)
        stress_fail("pipe or socketpair");
}

static void run_all(void)
{
    pthread_t threads[THREADS];
    struct flow *next = flows;

    for (int i = 0; i < ALL_FLOWS; i++)
        flows[i] = (struct flow){
            .calls = i < ALL_FLOWS - PLAIN_THREADS ? &hooked : &plain,
            .dice = stress_dice_of((uint64_t)i),
            .number = i,
        };
    for (int i = 0; i < THREADS; i++) {
        must(pthread_create(&threads[i], NULL, i < HUB_THREADS ? run_hub : run_flow, next),
             "pthread_create");
        next += i < HUB_THREADS ? FLOWS : 1;
    }
    for (int i = 0; i < THREADS; i++)
        must(pthread_join(threads[i], NULL), "pthread_join");
}

static void conclude(void)
{
    long done = 0, least = flows[0].done;
    unsigned long longest = 0;
    uint64_t balance = 0;

    for (int i = 0; i < ALL_FLOWS; i++) {
        done += flows[i].done;
        least = flows[i].done < least ? flows[i].done : least;
        longest = flows[i].longest > longest ? flows[i].longest : longest;
        balance += flows[i].sent - flows[i].received;
    }
    errno = 0;
    if (done < stress_count || balance != 0)
        stress_fail("%ld of %ld operations, balance %lld", done, stress_count, (long long)balance);
    if (atomic_load(&newcomers) != 0)
        stress_fail("%d flows never had a turn", atomic_load(&newcomers));
    for (int i = 0; i < ROOMS; i++)
        if (rooms[i].stored != 0)
            stress_fail("a stock is left");
    if (ONLY_WAKES_END && atomic_load(&found) != 0)
        stress_fail("%ld locks were found free", atomic_load(&found));
    stress_end(
        "threads: %ld operations by %d flows of %d threads, %d of them not hooked, at least "
        "%ld each, and at most %lu of others between two; %ld waits of coroutines, %ld ended "
        "by a look",
        done, (int)ALL_FLOWS, (int)THREADS, (int)PLAIN_THREADS, least, longest,
        atomic_load(&parked), atomic_load(&found));
}

int main(int argc, char **argv)
{
    prepare();
    stress_begin(argc, argv, 10000000, 60, tell_stuck);
    atomic_store(&left, stress_count);
    for (int i = 0; i < ROOMS; i++)
        furnish(&rooms[i]);
    run_all();
    conclude();
    return 0;
}
