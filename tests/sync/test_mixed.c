/* SPDX-License-Identifier: MIT
 *
 * The same objects used at once by coroutines of several threads, by threads whose calls are hooked
 * but that have no hub, and by threads whose calls are not hooked; and by threads that suspend
 * through a foreign host of one flow each.
 */
#include "../runtime/support.h"
#include "green.h"
#include "hook.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { NATIVE_THREADS = 3, FLOWS = 4, ROUNDS = 1000 };
#else
enum { NATIVE_THREADS = 3, FLOWS = 8, ROUNDS = 20000 };
#endif
enum { KIND_THREADS = 3 };

/* The calls of one kind of thread. */
struct calls {
    int (*lock)(pthread_mutex_t *);
    int (*unlock)(pthread_mutex_t *);
    int (*wait)(pthread_cond_t *, pthread_mutex_t *);
    int (*signal)(pthread_cond_t *);
    int (*read_lock)(pthread_rwlock_t *);
    int (*write_lock)(pthread_rwlock_t *);
    int (*rw_unlock)(pthread_rwlock_t *);
    int (*sem_wait)(sem_t *);
    int (*sem_post)(sem_t *);
};

static const struct calls hooked = {
    greenify_pthread_mutex_lock,
    greenify_pthread_mutex_unlock,
    greenify_pthread_cond_wait,
    greenify_pthread_cond_signal,
    greenify_pthread_rwlock_rdlock,
    greenify_pthread_rwlock_wrlock,
    greenify_pthread_rwlock_unlock,
    greenify_sem_wait,
    greenify_sem_post,
};

static const struct calls unhooked = {
    pthread_mutex_lock,
    pthread_mutex_unlock,
    pthread_cond_wait,
    pthread_cond_signal,
    pthread_rwlock_rdlock,
    pthread_rwlock_wrlock,
    pthread_rwlock_unlock,
    sem_wait,
    sem_post,
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static long counter, inside;

/* What goes through a queue. */
static long stored, taken;

/* What a round does, so many times by each flow. */
static void (*round_of)(const struct calls *calls, int round);

/* --- the four kinds of flows ------------------------------------------------------------------ */

static void run_rounds(const struct calls *calls)
{
    for (int i = 0; i < ROUNDS; i++)
        round_of(calls, i);
}

static void *flow(void *unused)
{
    run_rounds(&hooked);
    return unused;
}

static void *native_thread(void *unused)
{
    green_t *flows[FLOWS];

    for (int i = 0; i < FLOWS; i++)
        flows[i] = green_spawn(flow, NULL);
    for (int i = 0; i < FLOWS; i++)
        if (green_join(flows[i], NULL, -1) != 0)
            abort();
    return unused;
}

static int foreign_park(void *data, struct green_parked *p)
{
    struct pollfd ready = {.fd = *(int *)data, .events = POLLIN};

    p->host[0] = NULL;
    while (p->host[0] == NULL) {
        poll(&ready, 1, -1);
        green_host_dispatch();
    }
    return 0;
}

static void foreign_unpark(void *data, struct green_parked *p)
{
    (void)data;
    p->host[0] = p;
}

static const struct green_host foreign = {
    .size = sizeof foreign,
    .park = foreign_park,
    .unpark = foreign_unpark,
};

static void *foreign_thread(void *unused)
{
    int fd;

    if (green_host_attach(&foreign, &fd) != 0)
        abort();
    fd = green_host_fd();
    run_rounds(&hooked);
    if (green_host_detach() != 0)
        abort();
    return unused;
}

static void *hooked_thread(void *unused)
{
    run_rounds(&hooked);
    return unused;
}

static void *unhooked_thread(void *unused)
{
    run_rounds(&unhooked);
    return unused;
}

static const struct {
    void *(*entry)(void *);
    int threads, flows;
} kinds[] = {
    {native_thread, NATIVE_THREADS, FLOWS},
    {foreign_thread, KIND_THREADS, 1},
    {hooked_thread, KIND_THREADS, 1},
    {unhooked_thread, KIND_THREADS, 1},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static long all_flows(void)
{
    long flows = 0;

    for (int kind = 0; kind < KINDS; kind++)
        flows += kinds[kind].threads * kinds[kind].flows;
    return flows;
}

/* Returns how many rounds there were. */
static long run_all(void (*round)(const struct calls *calls, int round))
{
    pthread_t threads[KINDS][KIND_THREADS];

    round_of = round;
    counter = inside = taken = stored = 0;
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < kinds[kind].threads; i++)
            pthread_create(&threads[kind][i], NULL, kinds[kind].entry, NULL);
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < kinds[kind].threads; i++)
            pthread_join(threads[kind][i], NULL);
    return all_flows() * ROUNDS;
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void add_inside(int round)
{
    if (++inside != 1)
        abort();
    counter++;
    if (round % 64 == 0)
        green_yield();
    inside--;
}

static void mutex_round(const struct calls *calls, int round)
{
    calls->lock(&mutex);
    add_inside(round);
    calls->unlock(&mutex);
}

START_TEST(one_mutex_for_all)
{
    ck_assert_int_eq(run_all(mutex_round), counter);
}
END_TEST

static void recursive_round(const struct calls *calls, int round)
{
    calls->lock(&recursive);
    calls->lock(&recursive);
    add_inside(round);
    calls->unlock(&recursive);
    calls->unlock(&recursive);
}

START_TEST(one_recursive_mutex_for_all)
{
    ck_assert_int_eq(run_all(recursive_round), counter);
}
END_TEST

static void rwlock_round(const struct calls *calls, int round)
{
    if (round % 4 == 0) {
        calls->write_lock(&rwlock);
        add_inside(round);
    } else {
        calls->read_lock(&rwlock);
        if (inside != 0)
            abort();
    }
    calls->rw_unlock(&rwlock);
}

START_TEST(one_rwlock_for_all)
{
    ck_assert_int_eq(run_all(rwlock_round), 4 * counter);
}
END_TEST

static void semaphore_round(const struct calls *calls, int round)
{
    while (calls->sem_wait(&semaphore) != 0)
        continue;
    add_inside(round);
    calls->sem_post(&semaphore);
}

START_TEST(one_semaphore_for_all)
{
    sem_init(&semaphore, 0, 1);
    ck_assert_int_eq(run_all(semaphore_round), counter);
}
END_TEST

/* A turn for each flow: puts one in when there is room, takes one out when there is one. */
enum { ROOM = 8 };

static void queue_round(const struct calls *calls, int round)
{
    calls->lock(&mutex);
    while (stored == ROOM)
        calls->wait(&cond, &mutex);
    stored++;
    calls->signal(&cond);
    calls->unlock(&mutex);
    if (round % 64 == 0)
        green_yield();
    calls->lock(&mutex);
    while (stored == 0)
        calls->wait(&cond, &mutex);
    stored--;
    taken++;
    calls->signal(&cond);
    calls->unlock(&mutex);
}

START_TEST(one_condition_variable_for_all)
{
    ck_assert_int_eq(run_all(queue_round), taken);
    ck_assert_int_eq(stored, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_mutex_for_all,     one_recursive_mutex_for_all,    one_rwlock_for_all,
        one_semaphore_for_all, one_condition_variable_for_all,
    };

    return run_suite("mixed", tests, sizeof tests / sizeof tests[0]);
}
