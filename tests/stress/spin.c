/* SPDX-License-Identifier: MIT
 *
 * A spin lock that is released in the very moment in which a coroutine of another thread finds it
 * taken: once, and never again, so that nothing but the wake of that release can end the wait. Its
 * release is a plain store, which the look at who waits must not overtake.
 */
#include "green.h"
#include "hook.h"
#include "lot.h"
#include "stress.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { OFFSETS = 1500 }; /* of the release, in turns of an empty loop */

static pthread_spinlock_t lock;
static atomic_long turn, coming, done;
static atomic_bool over;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Both threads have to run at the same time; there may be no processor for that. */
static void await(atomic_long *counter, long value)
{
    for (int i = 0; atomic_load(counter) < value; i++)
        if (i > 2000)
            sched_yield();
}

static void spin(long turns)
{
    for (; turns > 0; turns--)
        atomic_signal_fence(memory_order_seq_cst);
}

static void *run_locker(void *unused)
{
    for (long i = 1;; i++) {
        await(&turn, i);
        if (atomic_load(&over))
            return unused;
        atomic_store(&coming, i);
        spin(i % 7);
        if (greenify_pthread_spin_lock(&lock) != 0)
            stress_fail("spin_lock");
        greenify_pthread_spin_unlock(&lock);
        atomic_store(&done, i);
        atomic_fetch_add(&stress_progress, 1);
    }
}

static void *run_hub(void *unused)
{
    green_t *g = green_spawn(run_locker, NULL);

    if (g == NULL || green_join(g, NULL, -1) != 0)
        stress_fail("green_spawn or green_join");
    return unused;
}

static void tell_stuck(void)
{
    fprintf(stderr, "the lock was released in round %ld, and nobody came\n", atomic_load(&turn));
}

/* PROGRAM ROUNDS SEED SECONDS: no more than either. */
int main(int argc, char **argv)
{
    double limit = now() + (argc > 3 ? atof(argv[3]) : 1e9);
    pthread_t thread;
    long i;

    stress_begin(argc, argv, 1000000, 20, tell_stuck);
    atomic_store(&lot_only_wakes, true);
    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
    if (pthread_create(&thread, NULL, run_hub, NULL) != 0)
        stress_fail("pthread_create");
    for (i = 1; i <= stress_count && now() < limit; i++) {
        pthread_spin_lock(&lock);
        atomic_store(&turn, i);
        await(&coming, i);
        spin(i * 13 % OFFSETS);
        greenify_pthread_spin_unlock(&lock);
        await(&done, i);
    }
    atomic_store(&over, true);
    atomic_store(&turn, i);
    pthread_join(thread, NULL);
    stress_end("spin: a lock released %ld times", i - 1);
    return 0;
}
