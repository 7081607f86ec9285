/* SPDX-License-Identifier: MIT
 *
 * Coroutines that wait for signals: several at once, killed ones, and what is left behind.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>

static sigset_t set_of(int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

static bool is_blocked(int number)
{
    sigset_t mask;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, number) == 1;
}

/* The signal, or less than 0: the error. */
static void *wait_for(void *number)
{
    sigset_t set = set_of((int)(intptr_t)number);
    int taken = 0, error = greenify_sigwait(&set, &taken);

    return (void *)(intptr_t)(error == 0 ? taken : -error);
}

static void *pause_once(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(greenify_pause() == -1 ? errno : 0);
}

static void handle_nothing(int number)
{
    (void)number;
}

START_TEST(each_gets_its_own_signal)
{
    green_t *first = green_spawn(wait_for, (void *)SIGUSR1);
    green_t *second = green_spawn(wait_for, (void *)SIGUSR2);
    void *result;

    green_yield();
    ck_assert(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
    pthread_kill(pthread_self(), SIGUSR2);
    ck_assert_int_eq(green_join(second, &result, 10), 0);
    ck_assert_int_eq((int)(intptr_t)result, SIGUSR2);
    pthread_kill(pthread_self(), SIGUSR1);
    ck_assert_int_eq(green_join(first, &result, 10), 0);
    ck_assert_int_eq((int)(intptr_t)result, SIGUSR1);
    ck_assert(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
}
END_TEST

START_TEST(one_signal_ends_one_of_two_waits)
{
    sigset_t set = set_of(SIGUSR1);
    green_t *g[2];
    int ended = 0;
    void *result;

    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 2; i++)
        g[i] = green_spawn(wait_for, (void *)SIGUSR1);
    green_yield();
    pthread_kill(pthread_self(), SIGUSR1);
    for (int i = 0; ended == 0; i = 1 - i)
        if (green_join(g[i], &result, 0.02) == 0) {
            ended++;
            g[i] = NULL;
        }
    for (int i = 0; i < 2; i++)
        ended += g[i] != NULL && green_join(g[i], &result, 0.2) == 0;
    ck_assert_int_eq(ended, 1);
    pthread_kill(pthread_self(), SIGUSR1);
    for (int i = 0; i < 2; i++)
        if (g[i] != NULL)
            ck_assert_int_eq(green_join(g[i], &result, 10), 0);
    ck_assert_int_eq((int)(intptr_t)result, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
END_TEST

START_TEST(a_killed_wait_takes_nothing)
{
    green_t *waits, *pauses;
    void *result;
    int before;

    ck_assert_ptr_nonnull(green_loop());
    before = open_descriptors();
    waits = green_spawn(wait_for, (void *)SIGUSR1);
    pauses = green_spawn(pause_once, NULL);
    green_yield();
    ck_assert_int_eq(green_kill(waits, ECANCELED), 0);
    ck_assert_int_eq(green_kill(pauses, ETIMEDOUT), 0);
    ck_assert_int_eq(green_join(waits, &result, 10), 0);
    ck_assert_int_eq((int)(intptr_t)result, -ECANCELED);
    ck_assert_int_eq(green_join(pauses, &result, 10), 0);
    ck_assert_int_eq((int)(intptr_t)result, ETIMEDOUT);
    ck_assert(!is_blocked(SIGUSR1));
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_handler_ends_every_pause)
{
    struct sigaction action = {.sa_handler = handle_nothing, .sa_flags = SA_RESTART};
    struct sigaction before;
    green_t *g[3];
    void *result;

    sigaction(SIGALRM, &action, &before);
    for (int i = 0; i < 3; i++)
        g[i] = green_spawn(pause_once, NULL);
    green_yield();
    ualarm(50000, 20000); /* again: one that comes in between ends nothing */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_join(g[i], &result, 10), 0);
        ck_assert_int_eq((int)(intptr_t)result, EINTR);
    }
    ualarm(0, 0);
    sigaction(SIGALRM, &before, NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_gets_its_own_signal,
        one_signal_ends_one_of_two_waits,
        a_killed_wait_takes_nothing,
        a_handler_ends_every_pause,
    };

    return run_suite("signal", tests, sizeof tests / sizeof tests[0]);
}
