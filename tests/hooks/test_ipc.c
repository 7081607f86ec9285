/* SPDX-License-Identifier: MIT
 *
 * Coroutines that wait for messages and semaphores of processes: several at once, and killed ones,
 * which take nothing with them.
 */
#include "green.h"
#include "hook.h"
#include "hub.h"
#include "support.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MANY = 8, SIZE = 16 };

struct letter {
    long type;
    char text[SIZE];
};

static mqd_t queue;
static int letters, semaphores;

static void set_up(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = SIZE};
    char name[64];

    snprintf(name, sizeof name, "/test_ipc.%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    mq_unlink(name);
    letters = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    semaphores = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    ck_assert_int_ge(queue, 0);
    ck_assert_int_ge(letters, 0);
    ck_assert_int_ge(semaphores, 0);
}

static void tear_down(void)
{
    mq_close(queue);
    msgctl(letters, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
}

/* Each returns its error, or 0. */
static void *take_message(void *unused)
{
    char bytes[SIZE];

    (void)unused;
    return (void *)(intptr_t)(greenify_mq_receive(queue, bytes, SIZE, NULL) < 0 ? errno : 0);
}

static void *take_letter(void *unused)
{
    struct letter letter;

    (void)unused;
    return (void *)(intptr_t)(greenify_msgrcv(letters, &letter, SIZE, 0, 0) < 0 ? errno : 0);
}

static void *take_down(void *unused)
{
    struct sembuf down = {0, -1, 0};

    (void)unused;
    return (void *)(intptr_t)(greenify_semop(semaphores, &down, 1) != 0 ? errno : 0);
}

static void give(void)
{
    struct letter letter = {.type = 1};
    struct sembuf up = {0, 1, 0};

    ck_assert_int_eq(greenify_mq_send(queue, "x", 1, 0), 0);
    ck_assert_int_eq(greenify_msgsnd(letters, &letter, 1, 0), 0);
    ck_assert_int_eq(greenify_semop(semaphores, &up, 1), 0);
}

static void *(*const takers[])(void *) = {take_message, take_letter, take_down};
enum { KINDS = sizeof takers / sizeof takers[0] };

START_TEST(all_that_wait_are_served)
{
    green_t *g[MANY * KINDS];
    void *error;

    set_up();
    for (int i = 0; i < MANY * KINDS; i++)
        g[i] = green_spawn(takers[i % KINDS], NULL);
    green_yield();
    for (int i = 0; i < MANY; i++)
        give();
    for (int i = 0; i < MANY * KINDS; i++) {
        ck_assert_int_eq(green_join(g[i], &error, 30), 0);
        ck_assert_int_eq((int)(intptr_t)error, 0);
    }
    tear_down();
}
END_TEST

/* Whether somebody takes what was given after all. */
static bool is_left(void *(*taker)(void *))
{
    green_t *g = green_spawn(taker, NULL);
    void *error = NULL;

    return green_join(g, &error, 30) == 0 && error == NULL;
}

START_TEST(a_killed_wait_takes_nothing)
{
    green_t *g[KINDS];
    void *error;

    set_up();
    for (int i = 0; i < KINDS; i++)
        g[i] = green_spawn(takers[i], NULL);
    green_sleep(0.02); /* the one for the semaphore stands in the kernel's queue */
    for (int i = 0; i < KINDS; i++) {
        ck_assert_int_eq(green_kill(g[i], ECANCELED), 0);
        ck_assert_int_eq(green_join(g[i], &error, 30), 0);
        ck_assert_int_eq((int)(intptr_t)error, ECANCELED);
    }
    give();
    for (int i = 0; i < KINDS; i++)
        ck_assert(is_left(takers[i]));
    tear_down();
}
END_TEST

START_TEST(a_closed_queue_is_waited_for_no_more)
{
    green_t *g;
    void *error;

    set_up();
    g = green_spawn(take_message, NULL);
    green_yield();
    ck_assert_int_eq(greenify_mq_close(queue), 0);
    ck_assert_int_eq(green_join(g, &error, 30), 0);
    ck_assert_int_eq((int)(intptr_t)error, EBADF);
    tear_down();
}
END_TEST

/* Who was woken, and has not run yet, does not come to what has the number by then. */
START_TEST(a_queue_that_is_replaced_is_not_taken_from)
{
    mqd_t first, other;
    green_t *g;
    void *error;

    set_up();
    other = queue;
    ck_assert_int_eq(mq_send(other, "y", 1, 0), 0);
    set_up();
    first = queue;
    g = green_spawn(take_message, NULL);
    green_yield();
    fdtable_retry(&hub_current()->fds, first); /* as if a message had come */
    ck_assert_int_eq(greenify_dup2(other, first), first);
    ck_assert_int_eq(green_join(g, &error, 20), 0);
    ck_assert_int_eq((intptr_t)error, EBADF);
    tear_down();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        all_that_wait_are_served,
        a_killed_wait_takes_nothing,
        a_closed_queue_is_waited_for_no_more,
        a_queue_that_is_replaced_is_not_taken_from,
    };

    return run_suite("ipc", tests, sizeof tests / sizeof tests[0]);
}
