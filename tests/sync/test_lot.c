/* SPDX-License-Identifier: MIT
 *
 * The queues themselves: their order, wakes that nobody uses, wakes from other threads, and those
 * who left before the wake came.
 */
#include "../runtime/support.h"
#include "green.h"
#include "hook.h"
#include "hub.h"
#include "lot_queue.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <unistd.h>

static char object[8];
static int order[8], ended;

/* Parks without a limit and without looking again: only a wake ends it. */
static void *park_for_good(void *number)
{
    struct lot_wait *w = lot_join(hub_current(), "test", &object[0]);
    enum wake cause = lot_park(w, (double)INFINITY);
    bool woken = lot_leave(w);

    order[ended++] = (int)(intptr_t)number;
    return (void *)(intptr_t)(cause == WAKE_READY && woken);
}

static green_t *park_number(intptr_t number)
{
    green_t *g = green_spawn(park_for_good, (void *)number);

    green_yield();
    return g;
}

START_TEST(the_oldest_is_woken_first)
{
    green_t *flows[4];
    void *woken;

    for (intptr_t i = 0; i < 4; i++)
        flows[i] = park_number(i);
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 4);
    lot_wake(&object[1], 1);
    lot_wake(&object[0], 1);
    lot_wake(&object[0], 2);
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_join(flows[i], &woken, 10), 0);
        ck_assert_ptr_nonnull(woken);
    }
    ck_assert_int_eq(green_join(flows[3], NULL, 0.05), -1);
    lot_wake(&object[0], SIZE_MAX);
    ck_assert_int_eq(green_join(flows[3], &woken, 10), 0);
    ck_assert_ptr_nonnull(woken);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(order[i], i);
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 0);
}
END_TEST

START_TEST(a_wake_before_the_wait_counts)
{
    struct lot_wait *w;

    ck_assert_ptr_nonnull(green_loop());
    w = lot_join(hub_current(), "test", &object[0]);
    lot_wake(&object[0], 1);
    ck_assert(lot_leave(w));
    w = lot_join(hub_current(), "test", &object[0]);
    ck_assert(!lot_leave(w));
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 0);
}
END_TEST

static void *wake_from_thread(void *most)
{
    lot_wake(&object[0], (size_t)(uintptr_t)most);
    return NULL;
}

static void *wake_as_handler(void *unused)
{
    lot_wake_from_handler(&object[0]);
    return unused;
}

static void in_thread(void *(*function)(void *), uintptr_t argument)
{
    pthread_t thread;

    pthread_create(&thread, NULL, function, (void *)argument);
    pthread_join(thread, NULL);
}

START_TEST(other_threads_wake)
{
    green_t *flows[3];
    void *woken;

    for (intptr_t i = 0; i < 3; i++)
        flows[i] = park_number(i);
    in_thread(wake_from_thread, 2);
    in_thread(wake_as_handler, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_join(flows[i], &woken, 10), 0);
        ck_assert_ptr_nonnull(woken);
    }
    flows[0] = park_number(0);
    lot_wake_from_handler(&object[0]); /* the hub's own thread leaves itself mail */
    ck_assert_int_eq(green_join(flows[0], &woken, 10), 0);
    ck_assert_ptr_nonnull(woken);
}
END_TEST

/* The mail of a wait that has left must not find it, nor what came to stand there. */
START_TEST(a_wake_that_comes_too_late_is_known_to_the_leaver)
{
    for (int i = 0; i < 100; i++) {
        struct lot_wait *w;

        ck_assert_ptr_nonnull(green_loop());
        w = lot_join(hub_current(), "test", &object[0]);
        in_thread(i % 2 == 0 ? wake_from_thread : wake_as_handler, 1);
        ck_assert(lot_leave(w)); /* the mail is on its way */
    }
    green_sleep(0.001);
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 0);
}
END_TEST

/* --- operations ------------------------------------------------------------------------------- */

static int tries, available;

static int attempt(void *unused)
{
    (void)unused;
    tries++;
    if (available == 0)
        return EBUSY;
    available--;
    return 0;
}

static int await(double seconds, clockid_t clock)
{
    struct timespec time;
    struct lot_call call = {
        .name = "test",
        .object = object,
        .attempt = attempt,
        .until = {clock, &time},
        .kind = LOT_COUNTED,
    };

    clock_gettime(clock, &time);
    time.tv_sec += (time_t)seconds;
    time.tv_nsec = seconds < 0 ? 0 : time.tv_nsec;
    return lot_await(hub_current(), &call);
}

static void *await_one(void *seconds)
{
    return (void *)(intptr_t)await(*(double *)seconds, CLOCK_MONOTONIC);
}

START_TEST(what_is_available_costs_one_try)
{
    ck_assert_ptr_nonnull(green_loop());
    available = 1;
    ck_assert_int_eq(await(10, CLOCK_MONOTONIC), 0);
    ck_assert_int_eq(tries, 1);
    ck_assert_int_eq(await(-10, CLOCK_REALTIME), ETIMEDOUT);
    ck_assert_int_eq(tries, 2);
}
END_TEST

/* Returns how many found it by themselves. */
static unsigned long release_in_silence(void)
{
    struct green_hub_stats before, after;
    double patience = 60;
    green_t *flows[5];
    void *result;

    tries = 0;
    for (int i = 0; i < 5; i++)
        flows[i] = green_spawn(await_one, &patience);
    green_sleep(0.01);
    ck_assert_int_eq(green_hub_stats(&before), 0);
    available = 5; /* the first finds it, and tells the next */
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(green_join(flows[i], &result, 30), 0);
        ck_assert_ptr_null(result);
    }
    ck_assert_int_eq(available, 0);
    /* They look less and less often: not all the time. */
    ck_assert_int_lt(tries, 200);
    ck_assert_int_eq(green_hub_stats(&after), 0);
    ck_assert_uint_gt(after.found, before.found);
    return after.found - before.found;
}

/* The others need not look; but where the machine held all up for long, they do. */
START_TEST(a_release_that_nobody_tells_of_is_found)
{
    unsigned long found = 5;

    for (int i = 0; i < 50 && found > 2; i++)
        found = release_in_silence();
    ck_assert_uint_le(found, 2);
}
END_TEST

/* --- fairness --------------------------------------------------------------------------------- */

static sem_t go_on;
static int blocked;

/* Lets a coroutine wait until it is out of patience, then blocks its thread for real. */
static void *starve_and_block(void *unused)
{
    double patience = 20;
    green_t *starving = green_spawn(await_one, &patience);

    for (int i = 0; i < 20; i++) {
        green_yield();
        lot_wake(object, 1); /* in vain */
    }
    __atomic_store_n(&available, 1, __ATOMIC_SEQ_CST);
    lot_wake(object, 1);
    __atomic_store_n(&blocked, 1, __ATOMIC_SEQ_CST);
    while (sem_wait(&go_on) != 0)
        continue;
    green_join(starving, NULL, -1);
    return unused;
}

/* It steps back for the other only for a while. */
START_TEST(a_blocked_thread_blocks_nobody_else)
{
    pthread_t thread;

    sem_init(&go_on, 0, 0);
    ck_assert_ptr_nonnull(green_loop());
    pthread_create(&thread, NULL, starve_and_block, NULL);
    while (!__atomic_load_n(&blocked, __ATOMIC_SEQ_CST))
        usleep(1000);
    ck_assert_int_eq(await(30, CLOCK_MONOTONIC), 0);
    available = 1;
    sem_post(&go_on);
    pthread_join(thread, NULL);
    ck_assert_int_eq(available, 0);
}
END_TEST

/* --- where only wakes count ------------------------------------------------------------------- */

static void *await_in_other_hub(void *unused)
{
    double patience = 20;
    green_t *older = green_spawn(await_one, &patience);
    void *result = NULL;

    green_yield();
    __atomic_store_n(&blocked, 1, __ATOMIC_SEQ_CST);
    while (sem_wait(&go_on) != 0)
        continue;
    ck_assert_int_eq(green_join(older, &result, 20), 0);
    ck_assert_ptr_null(result);
    return unused;
}

/* The older of two steps back for the younger, and both sleep. The next wake goes to the older, who
 * has to hand it on. */
START_TEST(who_steps_back_hands_its_wake_on)
{
    double patience = 20;
    green_t *starving;
    pthread_t thread;
    void *result;

    sem_init(&go_on, 0, 0);
    atomic_store(&lot_only_wakes, true);
    ck_assert_ptr_nonnull(green_loop());
    pthread_create(&thread, NULL, await_in_other_hub, NULL);
    while (!__atomic_load_n(&blocked, __ATOMIC_SEQ_CST))
        usleep(1000);
    starving = green_spawn(await_one, &patience);
    green_yield();
    lot_wake(object, 1); /* the older's, whose thread is blocked */
    for (int i = 0; i < 2 * LOT_PATIENCE; i++) {
        lot_wake(object, 1); /* in vain */
        green_yield();
    }
    sem_post(&go_on);
    while (atomic_load(&lot_sleepers) < 2)
        green_sleep(0.001);
    green_sleep(0.01);
    __atomic_store_n(&available, 1, __ATOMIC_SEQ_CST);
    lot_wake(object, 1);
    ck_assert_int_eq(green_join(starving, &result, 20), 0);
    ck_assert_ptr_null(result);
    __atomic_store_n(&available, 1, __ATOMIC_SEQ_CST);
    lot_wake(object, 1);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 0);
}
END_TEST

/* Two are released at once, and one is told: the other stepped back for it. */
START_TEST(who_stepped_back_is_told_when_more_is_there)
{
    double patience = 20;
    green_t *starving, *late;
    void *result;

    atomic_store(&lot_only_wakes, true);
    ck_assert_ptr_nonnull(green_loop());
    starving = green_spawn(await_one, &patience);
    for (int i = 0; i < 2 * LOT_PATIENCE; i++) {
        green_yield();
        lot_wake(object, 1); /* in vain */
    }
    green_yield();
    available = 2;
    late = green_spawn(await_one, &patience);
    green_yield();
    ck_assert_int_eq(available, 2); /* it has stepped back */
    lot_wake(object, 1);
    ck_assert_int_eq(green_join(starving, &result, 20), 0);
    ck_assert_int_eq(green_join(late, &result, 20), 0);
    ck_assert_ptr_null(result);
}
END_TEST

/* What is announced comes later, and without a word. */
START_TEST(what_was_announced_is_looked_for)
{
    double patience = 20;
    green_t *flows[2];
    void *result;

    atomic_store(&lot_only_wakes, true);
    ck_assert_ptr_nonnull(green_loop());
    for (int i = 0; i < 2; i++)
        flows[i] = green_spawn(await_one, &patience);
    green_yield();
    lot_announce(object);
    green_sleep(0.01);
    green_kill(flows[0], ECANCELED); /* who was told */
    ck_assert_int_eq(green_join(flows[0], &result, 20), 0);
    ck_assert_int_eq((intptr_t)result, ECANCELED);
    green_sleep(0.01);
    available = 1;
    ck_assert_int_eq(green_join(flows[1], &result, 20), 0);
    ck_assert_ptr_null(result);
}
END_TEST

/* The handler interrupts who has the lock, and leaves the rest to it: for each that it posts. */
START_TEST(a_handler_need_not_have_the_lock)
{
    double patience = 20;
    green_t *flows[3];
    void *result;

    atomic_store(&lot_only_wakes, true);
    ck_assert_ptr_nonnull(green_loop());
    for (int i = 0; i < 3; i++)
        flows[i] = green_spawn(await_one, &patience);
    green_yield();
    lot_queue_lock(lot_queue_of(object));
    for (int i = 0; i < 3; i++) {
        available++;
        lot_wake_from_handler(object);
    }
    lot_queue_unlock(lot_queue_of(object));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_join(flows[i], &result, 20), 0);
        ck_assert_ptr_null(result);
    }
}
END_TEST

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int readers;

/* Holds its read lock until the other reader has one too. */
static void *read_together(void *unused)
{
    greenify_pthread_rwlock_rdlock(&rwlock);
    for (readers++; readers < 2;)
        green_sleep(0.001);
    greenify_pthread_rwlock_unlock(&rwlock);
    return unused;
}

static void *write_once(void *unused)
{
    greenify_pthread_rwlock_wrlock(&rwlock);
    greenify_pthread_rwlock_unlock(&rwlock);
    return unused;
}

/* As in libc, where readers that wait go before writers that do. */
START_TEST(no_reader_is_left_behind_a_writer)
{
    void *(*const takers[])(void *) = {read_together, write_once, read_together, write_once};
    green_t *flows[4];

    atomic_store(&lot_only_wakes, true);
    ck_assert_ptr_nonnull(green_loop());
    greenify_pthread_rwlock_wrlock(&rwlock);
    for (int i = 0; i < 4; i++) {
        flows[i] = green_spawn(takers[i], NULL);
        green_yield();
    }
    greenify_pthread_rwlock_unlock(&rwlock);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(green_join(flows[i], NULL, 20), 0);
}
END_TEST

/* A reader that comes before the writer who waits, and before whom that waits. */
START_TEST(a_reader_may_wait_for_one_behind_a_writer)
{
    green_t *writer, *reader;

    atomic_store(&lot_only_wakes, true);
    ck_assert_ptr_nonnull(green_loop());
    greenify_pthread_rwlock_wrlock(&rwlock);
    writer = green_spawn(write_once, NULL);
    green_yield();
    reader = green_spawn(read_together, NULL);
    green_yield();
    greenify_pthread_rwlock_unlock(&rwlock);
    greenify_pthread_rwlock_rdlock(&rwlock);
    readers++;
    ck_assert_int_eq(green_join(reader, NULL, 20), 0);
    greenify_pthread_rwlock_unlock(&rwlock);
    ck_assert_int_eq(green_join(writer, NULL, 20), 0);
}
END_TEST

/* --- how much others may take meanwhile ------------------------------------------------------- */

enum { RIVALS = 40, TURNS = 500 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long handovers, longest;

static void *take_turns(void *number)
{
    uintptr_t dice = (uintptr_t)number;

    for (int i = 0; i < TURNS; i++) {
        long before = handovers;

        greenify_pthread_mutex_lock(&mutex);
        if (handovers - before > longest)
            longest = handovers - before;
        handovers++;
        dice = dice * 6364136223846793005 + 1442695040888963407;
        for (uintptr_t k = dice >> 62; k > 0; k--)
            green_yield();
        greenify_pthread_mutex_unlock(&mutex); /* and most take it again at once */
        if ((dice >> 58) % 4 == 0)
            green_yield();
    }
    return NULL;
}

/* Each of those before it may be passed over so often, and so may it. */
START_TEST(nobody_waits_for_more_than_its_share)
{
    green_t *flows[RIVALS];

    for (intptr_t i = 0; i < RIVALS; i++)
        flows[i] = green_spawn(take_turns, (void *)i);
    for (int i = 0; i < RIVALS; i++)
        ck_assert_int_eq(green_join(flows[i], NULL, 60), 0);
    ck_assert_int_eq(handovers, RIVALS * TURNS);
    ck_assert_int_gt(longest, 0);
    ck_assert_int_le(longest, RIVALS * (LOT_PATIENCE + 1));
}
END_TEST

/* --- how much looking costs ------------------------------------------------------------------- */

enum { CROWD = 3000 };

static char objects[CROWD];
static long looks;

static int look_in_vain(void *unused)
{
    (void)unused;
    looks++;
    return EBUSY;
}

static void *await_in_vain(void *of)
{
    const struct lot_call call = {
        .name = "test", .object = of, .attempt = look_in_vain, .kind = LOT_COUNTED};

    return (void *)(intptr_t)lot_await(hub_current(), &call);
}

static void check_looks(size_t distance)
{
    static green_t *flows[CROWD];
    double begun;

    for (size_t i = 0; i < CROWD; i++) {
        flows[i] = green_spawn(await_in_vain, &objects[i * distance]);
        ck_assert_ptr_nonnull(flows[i]);
    }
    green_sleep(0.5);
    looks = 0;
    begun = now();
    green_sleep(1);
    /* Ten thousand a second, of each sort. */
    ck_assert_int_ge(looks, 1);
    ck_assert_int_le(looks, (long)(1e4 * (now() - begun)) + 2 * CROWD);
    for (int i = 0; i < CROWD; i++)
        green_kill(flows[i], ECANCELED);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(green_join(flows[i], NULL, -1), 0);
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 0);
    ck_assert_uint_eq(atomic_load(&lot_objects), 0);
}

START_TEST(a_crowd_looks_seldom)
{
    ck_assert_int_eq(green_set_stack_size(64 * 1024), 0);
    check_looks(0);
    check_looks(1);
}
END_TEST

START_TEST(a_time_that_is_none_is_refused_only_where_it_matters)
{
    struct timespec bad = {0, 1000000000};
    struct lot_call call = {.name = "test", .object = object, .attempt = attempt};

    ck_assert_ptr_nonnull(green_loop());
    call.until = (struct until){CLOCK_REALTIME, &bad};
    ck_assert_int_eq(lot_await(hub_current(), &call), EINVAL);
    available = 1;
    ck_assert_int_eq(lot_await(hub_current(), &call), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_oldest_is_woken_first,
        a_wake_before_the_wait_counts,
        other_threads_wake,
        a_wake_that_comes_too_late_is_known_to_the_leaver,
        what_is_available_costs_one_try,
        a_release_that_nobody_tells_of_is_found,
        a_blocked_thread_blocks_nobody_else,
        a_time_that_is_none_is_refused_only_where_it_matters,
        who_steps_back_hands_its_wake_on,
        who_stepped_back_is_told_when_more_is_there,
        what_was_announced_is_looked_for,
        a_handler_need_not_have_the_lock,
        no_reader_is_left_behind_a_writer,
        a_reader_may_wait_for_one_behind_a_writer,
        nobody_waits_for_more_than_its_share,
        a_crowd_looks_seldom,
    };

    return run_suite("lot", tests, sizeof tests / sizeof tests[0]);
}
