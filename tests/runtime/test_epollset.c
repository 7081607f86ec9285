/* SPDX-License-Identifier: MIT
 *
 * The hub's own descriptors: closed by a program that does not know them; and a kernel that knows
 * less.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int s[2];

static void *read_one(void *fd)
{
    char byte;

    return (void *)(intptr_t)greenify_recv((int)(intptr_t)fd, &byte, 1, 0);
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

static void *close_all_but(void *kept)
{
    const int *fds = kept;

    for (int fd = 3; fd < 1024; fd++)
        if (fd != fds[0] && fd != fds[1])
            close(fd);
    return NULL;
}

/* As daemons do, who do not know what they have open. */
START_TEST(a_hub_whose_own_descriptors_are_closed_goes_on)
{
    pthread_t thread;
    green_t *g, *late;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    g = reader(s[0]);
    green_yield();
    close_all_but(s);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);

    late = reader(s[0]); /* who asks the set while there is none */
    close_all_but(s);
    ck_assert_int_eq(open("/dev/null", O_RDONLY), 3);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(late), 1);

    g = reader(s[0]);
    green_yield();
    ck_assert_int_eq(pthread_create(&thread, NULL, close_all_but, s), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    green_sleep(0.01);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(outcome(g), 1);
}
END_TEST

/* How often this thread gave the processor away. */
static long pauses(void)
{
    struct rusage usage;

    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

static void sleep_without(int error)
{
    double begin;
    long before;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    ck_assert_ptr_nonnull(reader(s[0])); /* there is a hub now */
    green_yield();
    ck_assert(make_fail(SYS_epoll_pwait2, 0, 0, error));
    begin = now();
    before = pauses();
    green_sleep(0.05);
    ck_assert_double_ge(now() - begin, 0.05);
    ck_assert_int_gt(pauses(), before);
}

START_TEST(a_kernel_without_precise_waits_serves)
{
    sleep_without(ENOSYS);
}
END_TEST

START_TEST(a_filter_that_does_not_know_precise_waits_serves)
{
    sleep_without(EPERM);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_hub_whose_own_descriptors_are_closed_goes_on,
        a_kernel_without_precise_waits_serves,
        a_filter_that_does_not_know_precise_waits_serves,
    };

    return run_suite("epollset", tests, sizeof tests / sizeof tests[0]);
}
