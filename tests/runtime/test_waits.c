/* SPDX-License-Identifier: MIT
 *
 * Waits of several coroutines that touch each other: two at one descriptor, closes, kills, numbers
 * used again; the hub's own callbacks; forks. Libc has no counterpart to compare these with.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int s[2];

static void make_pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
}

/* -errno, or how many bytes. */
static void *read_one(void *fd)
{
    char byte;
    ssize_t got = greenify_recv((int)(intptr_t)fd, &byte, 1, 0);

    return (void *)(intptr_t)(got < 0 ? -errno : got);
}

static void *write_much(void *fd)
{
    static char much[1 << 20];
    ssize_t sent = greenify_send((int)(intptr_t)fd, much, sizeof much, MSG_NOSIGNAL);

    return (void *)(intptr_t)(sent < 0 ? -errno : sent);
}

static green_t *reader(int fd)
{
    green_t *g = green_spawn(read_one, (void *)(intptr_t)fd);

    ck_assert_ptr_nonnull(g);
    return g;
}

static int outcome(green_t *g)
{
    void *result = NULL;

    ck_assert_int_eq(green_join(g, &result, 10), 0);
    return (int)(intptr_t)result;
}

START_TEST(two_readers_both_get_on)
{
    green_t *a, *b;

    make_pair();
    a = reader(s[0]);
    b = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(a), 1);
    ck_assert_int_eq(outcome(b), 1);
}
END_TEST

START_TEST(a_reader_and_a_writer_both_get_on)
{
    green_t *r, *w;
    char much[4096];
    int left = 1 << 20;

    make_pair();
    r = reader(s[0]);
    w = green_spawn(write_much, (void *)(intptr_t)s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(r), 1);
    while (left > 0)
        left -= (int)greenify_read(s[1], much, sizeof much);
    ck_assert_int_eq(outcome(w), 1 << 20);
}
END_TEST

START_TEST(a_close_wakes_all_with_ebadf)
{
    green_t *a, *b, *w;
    int sent;

    make_pair();
    a = reader(s[0]);
    b = reader(s[0]);
    w = green_spawn(write_much, (void *)(intptr_t)s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(greenify_close(s[0]), 0);
    ck_assert_int_eq(outcome(a), -EBADF);
    ck_assert_int_eq(outcome(b), -EBADF);
    sent = outcome(w);
    ck_assert(sent > 0 && sent < 1 << 20); /* as much as there was room for */
}
END_TEST

static void *poll_both(void *fds)
{
    int ready = greenify_poll(fds, 2, 5000);

    return (void *)(intptr_t)(ready < 0 ? -errno : ready);
}

START_TEST(a_close_is_pollnval)
{
    struct pollfd fds[2];
    green_t *g;

    make_pair();
    fds[0] = (struct pollfd){.fd = s[0], .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s[1], .events = POLLIN | POLLPRI};
    g = green_spawn(poll_both, fds);
    green_sleep(0.01);
    ck_assert_int_eq(greenify_close(s[0]), 0);
    ck_assert_int_ge(outcome(g), 1);
    ck_assert_int_eq(fds[0].revents, POLLNVAL);
}
END_TEST

START_TEST(dup2_over_a_waited_descriptor_wakes)
{
    green_t *g;
    int other[2];

    make_pair();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    g = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(greenify_dup2(other[0], s[0]), s[0]);
    ck_assert_int_eq(outcome(g), -EBADF);
    g = reader(s[0]); /* which is the other one now */
    green_sleep(0.01);
    ck_assert_int_eq(write(other[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);
}
END_TEST

START_TEST(a_shutdown_wakes)
{
    green_t *g;

    make_pair();
    g = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(greenify_shutdown(s[0], SHUT_RD), 0);
    ck_assert_int_eq(outcome(g), 0);
}
END_TEST

START_TEST(a_number_used_again_gets_no_old_wake_up)
{
    green_t *first, *second;
    int old;

    make_pair();
    old = s[0];
    first = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1); /* readiness that nobody has collected yet */
    ck_assert_int_eq(greenify_close(s[0]), 0);
    ck_assert_int_eq(close(s[1]), 0);
    make_pair();
    ck_assert_int_eq(s[0], old);
    second = reader(s[0]);
    ck_assert_int_eq(outcome(first), -EBADF);
    ck_assert_int_eq(green_join(second, NULL, 0.03), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(second), 1);
}
END_TEST

/* Code that we do not see closes a descriptor that was watched a moment ago. */
START_TEST(a_number_used_again_before_the_woken_one_runs)
{
    green_t *g;
    int other[2];
    char byte;

    make_pair();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    ck_assert_int_eq(write(other[1], "x", 1), 1);
    g = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(greenify_shutdown(s[0], SHUT_RD), 0); /* this wakes it */
    ck_assert_int_eq(greenify_dup2(other[0], s[0]), s[0]);
    ck_assert_int_eq(outcome(g), -EBADF);
    ck_assert_int_eq(recv(s[0], &byte, 1, MSG_DONTWAIT), 1); /* which was not for it */
}
END_TEST

START_TEST(closed_behind_the_hub)
{
    green_t *g;

    make_pair();
    g = reader(s[0]);
    green_yield(); /* it waits, and the loop has not run yet */
    ck_assert_int_eq((int)syscall(SYS_close, s[0]), 0);
    ck_assert_int_eq(outcome(g), -EBADF);
    ck_assert_int_eq(green_sleep(0.001), 0);
}
END_TEST

static green_t *late_reader;

static void *spawn_reader_and_close(void *unused)
{
    late_reader = reader(s[0]);
    green_yield();
    return unused;
}

START_TEST(closed_behind_the_hub_and_used_again)
{
    green_t *g;

    make_pair();
    g = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);
    ck_assert_int_eq((int)syscall(SYS_close, s[0]), 0);
    ck_assert_int_eq((int)syscall(SYS_close, s[1]), 0);
    make_pair();
    ck_assert_int_eq(green_join(green_spawn(spawn_reader_and_close, NULL), NULL, -1), 0);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(late_reader), 1);
}
END_TEST

/* Which leaves s[0] watched, with nobody waiting. */
static void receive_late(void)
{
    green_t *g = reader(s[0]);

    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);
}

/* The kernel still tells of a file under the number that it had when it was watched. */
START_TEST(closed_behind_the_hub_and_reported_under_its_number)
{
    int closed, kept;

    make_pair();
    closed = s[0];
    receive_late();
    make_pair();
    receive_late();
    close(closed);
    kept = fcntl(s[0], F_DUPFD, closed + 100);
    ck_assert_int_ge(kept, 0);
    ck_assert_int_eq(greenify_close(s[0]), 0);
    ck_assert_int_eq(write(s[1], "x", 1), 1); /* comes to the number that was closed */
    for (int i = 0; i < 5; i++)
        green_sleep(0.01);
}
END_TEST

START_TEST(a_kill_ends_one_call_only)
{
    green_t *a, *b;

    make_pair();
    a = reader(s[0]);
    b = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(green_kill(a, ECANCELED), 0);
    ck_assert_int_eq(outcome(a), -ECANCELED);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(b), 1);
}
END_TEST

START_TEST(a_kill_after_the_wake_up_counts_for_the_next_wait)
{
    green_t *g;

    make_pair();
    g = reader(s[0]);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);
    g = reader(s[0]);
    ck_assert_int_eq(green_kill(g, EXDEV), 0); /* before it has run at all */
    ck_assert_int_eq(outcome(g), -EXDEV);
}
END_TEST

/* How many of its waits failed. */
static void *sleep_twice(void *unused)
{
    intptr_t failed = 0;

    (void)unused;
    for (int i = 0; i < 2; i++)
        failed += green_sleep(0.001) != 0;
    return (void *)failed;
}

START_TEST(a_kill_before_a_wait_counts_for_one)
{
    green_t *g = green_spawn(sleep_twice, NULL);
    void *failed = NULL;

    ck_assert_int_eq(green_kill(g, EXDEV), 0); /* before it has run at all */
    ck_assert_int_eq(green_join(g, &failed, -1), 0);
    ck_assert_int_eq((intptr_t)failed, 1);
}
END_TEST

START_TEST(wait_fd_tells_revents_and_timeouts)
{
    make_pair();
    ck_assert_int_eq(green_wait_fd(s[0], POLLOUT, -1), POLLOUT);
    ck_assert_int_eq(green_wait_fd(s[0], POLLIN, 0), 0);
    ck_assert_int_eq(green_wait_fd(s[0], POLLIN, 0.005), 0);
    ck_assert_int_eq(green_wait_fd(9999, POLLIN, -1), POLLNVAL);
    ck_assert_int_eq(green_join(reader(s[1]), NULL, 0.005), -1);
    ck_assert_int_eq(green_wait_fd(s[0], POLLIN, 0.005), 0); /* now with a hub */
    ck_assert_int_eq(green_wait_fd(9999, POLLIN, -1), POLLNVAL);
}
END_TEST

/* --- signals ---------------------------------------------------------------------------------- */

enum { SIGNALS = 200 };

static pthread_t receiver;
static volatile int signals_handled;
static bool signals_over;

static void on_signal(int number)
{
    (void)number;
    signals_handled++;
}

static void *send_signals(void *sent)
{
    for (int i = 0; i < SIGNALS; i++) {
        while (signals_handled < i)
            usleep(10);
        usleep((useconds_t)(i * 37 % 300));
        ++*(int *)sent;
        pthread_kill(receiver, SIGUSR1);
    }
    return NULL;
}

static void *keep_busy(void *unused)
{
    while (!signals_over)
        green_yield();
    return unused;
}

static void *await_signals(void *unused)
{
    const struct timespec limit = {5, 0};
    intptr_t interrupted = 0;
    sigset_t none;

    (void)unused;
    sigemptyset(&none);
    for (int i = 0; i < SIGNALS; i++)
        interrupted += greenify_ppoll(NULL, 0, &limit, &none) == -1 && errno == EINTR;
    signals_over = true;
    return (void *)interrupted;
}

/* That is what the mask of ppoll() is for. */
START_TEST(a_signal_that_a_mask_lets_in_is_never_lost)
{
    sigset_t blocked;
    pthread_t sender;
    int sent = 0;
    green_t *g;

    receiver = pthread_self();
    signal(SIGUSR1, on_signal);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    ck_assert_int_eq(pthread_create(&sender, NULL, send_signals, &sent), 0);
    g = green_spawn(await_signals, NULL);
    green_detach(green_spawn(keep_busy, NULL));
    ck_assert_int_eq(outcome(g), SIGNALS);
    ck_assert_int_eq(signals_handled, SIGNALS);
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
    ck_assert_int_eq(sent, SIGNALS);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    ck_assert_int_eq(sigismember(&blocked, SIGUSR1), 1);
}
END_TEST

static void *send_one(void *unused)
{
    usleep(20000);
    pthread_kill(receiver, SIGUSR1);
    return unused;
}

static void *await_one(void *limit)
{
    sigset_t none;

    sigemptyset(&none);
    return (void *)(intptr_t)(greenify_ppoll(NULL, 0, limit, &none) == -1 ? errno : 0);
}

/* Nobody else keeps the hub from sleeping, with a limit and without. */
START_TEST(a_signal_that_a_mask_lets_in_ends_the_sleep_of_the_hub)
{
    struct timespec long_time = {1000, 0}, *limits[] = {&long_time, NULL};
    sigset_t blocked;
    pthread_t sender;

    receiver = pthread_self();
    signal(SIGUSR1, on_signal);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&sender, NULL, send_one, NULL), 0);
        ck_assert_int_eq(outcome(green_spawn(await_one, limits[i])), EINTR);
        ck_assert_int_eq(pthread_join(sender, NULL), 0);
    }
    pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
}
END_TEST

/* --- callbacks of the loop -------------------------------------------------------------------- */

static int callback_result, callback_errno;
static green_t *callback_current;

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pollfd fd = {.fd = s[0], .events = POLLIN};

    (void)revents;
    callback_current = green_current();
    callback_result = greenify_poll(&fd, 1, 20);
    callback_result += green_yield();
    greenify_usleep(1000);
    errno = 0;
    (void)green_join(timer->data, NULL, -1);
    callback_errno = errno;
    ev_break(loop, EVBREAK_ALL); /* has no meaning here, and must not hurt */
}

START_TEST(a_call_in_a_callback_blocks_for_real)
{
    struct green_hub_stats stats;
    ev_timer timer;
    green_t *g;

    make_pair();
    g = reader(s[0]);
    green_yield();
    ev_timer_init(&timer, on_timer, 0.005, 0.);
    timer.data = g;
    ev_timer_start(green_loop(), &timer);
    callback_errno = callback_result = -7;
    while (callback_errno == -7) /* the last thing that it does */
        ck_assert_int_eq(green_sleep(0.01), 0);
    ck_assert_ptr_null(callback_current);
    ck_assert_int_eq(callback_result, 0);
    ck_assert_int_eq(callback_errno, EDEADLK);
    ck_assert_int_eq(green_hub_stats(&stats), 0);
    ck_assert_uint_ge(stats.blocked, 2);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);
}
END_TEST

/* --- fork ------------------------------------------------------------------------------------- */

static void *fork_here(void *unused)
{
    int status = -1;
    pid_t child = fork();

    (void)unused;
    if (child == 0) {
        struct green_hub_stats stats;
        int fresh = green_hub_stats(&stats) == -1 && green_current() == NULL;

        make_pair();
        green_t *g = reader(s[0]);
        green_sleep(0.005);
        if (write(s[1], "x", 1) != 1 || outcome(g) != 1)
            _exit(1);
        _exit(fresh ? 0 : 2);
    }
    greenify_usleep(1000);
    waitpid(child, &status, 0);
    return (void *)(intptr_t)status;
}

START_TEST(a_fork_leaves_the_parents_waits_alone)
{
    green_t *g;
    int mine[2];

    make_pair();
    memcpy(mine, s, sizeof mine);
    g = reader(s[0]);
    green_sleep(0.01);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(outcome(green_spawn(fork_here, NULL)), 0);
    ck_assert_int_eq(write(mine[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);
}
END_TEST

static void *return_after_fork(void *status)
{
    pid_t child = fork();

    if (child == 0)
        return status; /* the child's one thread ends here */
    waitpid(child, status, 0);
    return NULL;
}

static void fork_in_a_callback(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    return_after_fork(timer->data);
}

START_TEST(a_forked_child_that_returns_has_ended)
{
    int status = -1;
    ev_timer timer;

    if (is_sanitized())
        return; /* what the parent's hub held is lost there, and no leak of ours */
    ck_assert_int_eq(outcome(green_spawn(return_after_fork, &status)), 0);
    ck_assert_int_eq(status, 0);
    status = -1;
    ev_timer_init(&timer, fork_in_a_callback, 0.001, 0.);
    timer.data = &status;
    ev_timer_start(green_loop(), &timer);
    while (status == -1)
        ck_assert_int_eq(green_sleep(0.01), 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        two_readers_both_get_on,
        a_reader_and_a_writer_both_get_on,
        a_close_wakes_all_with_ebadf,
        a_close_is_pollnval,
        dup2_over_a_waited_descriptor_wakes,
        a_shutdown_wakes,
        a_number_used_again_gets_no_old_wake_up,
        a_number_used_again_before_the_woken_one_runs,
        closed_behind_the_hub,
        closed_behind_the_hub_and_used_again,
        closed_behind_the_hub_and_reported_under_its_number,
        a_kill_ends_one_call_only,
        a_kill_after_the_wake_up_counts_for_the_next_wait,
        a_kill_before_a_wait_counts_for_one,
        wait_fd_tells_revents_and_timeouts,
        a_signal_that_a_mask_lets_in_is_never_lost,
        a_signal_that_a_mask_lets_in_ends_the_sleep_of_the_hub,
        a_call_in_a_callback_blocks_for_real,
        a_fork_leaves_the_parents_waits_alone,
        a_forked_child_that_returns_has_ended,
    };

    return run_suite("waits", tests, sizeof tests / sizeof tests[0]);
}
