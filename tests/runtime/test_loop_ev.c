/* SPDX-License-Identifier: MIT
 *
 * The native loop as its users see it: watchers of their own, and what it counts as hope.
 */
#include "green.h"
#include "support.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int io_calls, timer_calls, async_calls, signal_calls, prepare_calls;
static ev_async async;
static int s[2];

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
    (void)revents;
    io_calls++;
    ev_io_stop(loop, io);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)timer;
    (void)revents;
    timer_calls++;
}

static void on_async(struct ev_loop *loop, ev_async *watcher, int revents)
{
    (void)revents;
    async_calls++;
    ev_async_stop(loop, watcher);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int revents)
{
    (void)revents;
    signal_calls++;
    ev_signal_stop(loop, watcher);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int revents)
{
    (void)loop;
    (void)watcher;
    (void)revents;
    prepare_calls++;
}

static void *send_async(void *loop)
{
    usleep(10000);
    ev_async_send(loop, &async);
    return NULL;
}

START_TEST(watchers_of_libev_run_while_the_root_waits)
{
    struct ev_loop *loop = green_loop();
    ev_io io;
    ev_timer timer;
    ev_signal number;
    ev_prepare prepare;
    pthread_t thread;

    ck_assert_ptr_nonnull(loop);
    ck_assert_ptr_eq(loop, green_loop());
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    ev_io_init(&io, on_io, s[0], EV_READ);
    ev_io_start(loop, &io);
    ev_timer_init(&timer, on_timer, 0.005, 0.005);
    ev_timer_start(loop, &timer);
    ev_signal_init(&number, on_signal, SIGUSR1);
    ev_signal_start(loop, &number);
    ev_prepare_init(&prepare, on_prepare);
    ev_prepare_start(loop, &prepare);
    ev_async_init(&async, on_async);
    ev_async_start(loop, &async);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_async, loop), 0);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    raise(SIGUSR1);
    while (io_calls < 1 || timer_calls < 2 || async_calls < 1 || signal_calls < 1)
        ck_assert_int_eq(green_sleep(0.01), 0);
    ck_assert_int_eq(green_sleep(0.02), 0);
    ck_assert_int_eq(io_calls, 1); /* each of these stops itself */
    ck_assert_int_eq(async_calls, 1);
    ck_assert_int_eq(signal_calls, 1);
    ck_assert_int_ge(prepare_calls, 1);
    ev_timer_stop(loop, &timer);
    ev_prepare_stop(loop, &prepare);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void wake_root(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    timer_calls++;
    green_kill(timer->data, EINTR);
}

/* A watcher of the program's own is hope enough. */
START_TEST(a_watcher_keeps_a_wait_from_being_a_deadlock)
{
    ev_timer timer;
    struct ev_loop *loop = green_loop();

    ev_timer_init(&timer, wake_root, 0.02, 0.);
    timer.data = green_current();
    ev_timer_start(loop, &timer);
    errno = 0;
    ck_assert_int_eq(green_wait_fd(-1, 0, -1), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(timer_calls, 1);
}
END_TEST

static void *wait_readable(void *fd)
{
    return (void *)(intptr_t)green_wait_fd((int)(intptr_t)fd, POLLIN, 5);
}

static void is_deadlock(void)
{
    const int numbers[] = {SIGINT, SIGTERM, SIGALRM}; /* libcheck's */
    int null = open("/dev/null", O_WRONLY), copy = dup(STDERR_FILENO), result;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_DFL);
    dup2(null, STDERR_FILENO);
    errno = 0;
    result = green_wait_fd(-1, 0, -1);
    dup2(copy, STDERR_FILENO);
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(errno, EDEADLK);
}

/* Whatever became of watches and timers, the loop's count of what is awaited is right afterwards.
 */
START_TEST(waits_leave_no_hope_behind)
{
    for (int i = 0; i < 20; i++) {
        green_t *g;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
        g = green_spawn(wait_readable, (void *)(intptr_t)s[0]);
        green_yield();
        if (i % 3 == 0)
            syscall(SYS_close, s[0]); /* behind the hub */
        else if (i % 3 == 1)
            green_kill(g, ECANCELED);
        else
            ck_assert_int_eq(write(s[1], "x", 1), 1);
        ck_assert_int_eq(green_join(g, NULL, -1), 0);
        ck_assert_int_eq(green_sleep(0.001), 0);
        if (i % 3 != 0)
            syscall(SYS_close, s[0]);
        syscall(SYS_close, s[1]);
    }
    is_deadlock();
    ck_assert_int_eq(green_sleep(0.001), 0);
    is_deadlock();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        watchers_of_libev_run_while_the_root_waits,
        a_watcher_keeps_a_wait_from_being_a_deadlock,
        waits_leave_no_hope_behind,
    };

    return run_suite("loop_ev", tests, sizeof tests / sizeof tests[0]);
}
