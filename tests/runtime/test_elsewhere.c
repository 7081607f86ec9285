/* SPDX-License-Identifier: MIT
 *
 * Descriptors that end in one thread while coroutines of another wait for them: in a thread without
 * a hub, in another hub's, under a foreign host. Nobody else would ever wake those who wait: in
 * libc they would wait for the old file for good.
 */
#include "green.h"
#include "hook.h"
#include "remote_fence.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int s[2], other[2];

static void make_pairs(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
}

/* --- who ends it ------------------------------------------------------------------------------ */

static void *close_it(void *unused)
{
    greenify_close(s[0]);
    return unused;
}

static void *dup2_over_it(void *unused)
{
    greenify_dup2(other[0], s[0]);
    return unused;
}

static void *dup3_over_it(void *unused)
{
    greenify_dup3(other[0], s[0], O_CLOEXEC);
    return unused;
}

static void *close_in_a_hub(void *unused)
{
    green_t *g = green_spawn(close_it, NULL);

    green_join(g, NULL, -1);
    return unused;
}

static void *(*const enders[])(void *) = {close_it, dup2_over_it, dup3_over_it, close_in_a_hub};
enum { ENDERS = sizeof enders / sizeof enders[0] };

static void in_thread(void *(*entry)(void *))
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, entry, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* --- who waits for it ------------------------------------------------------------------------- */

static char much[1 << 20];

static long wait_recv(void)
{
    char byte;

    return greenify_recv(s[0], &byte, 1, 0);
}

static long wait_read(void)
{
    char byte;

    return greenify_read(s[0], &byte, 1);
}

/* What was sent before counts: a second call is needed for the error. */
static long wait_send(void)
{
    ssize_t sent = greenify_send(s[0], much, sizeof much, MSG_NOSIGNAL);

    if (sent <= 0 || sent >= (ssize_t)sizeof much)
        return sent;
    errno = EBADF;
    return -1;
}

static long wait_poll(void)
{
    struct pollfd fds[] = {{other[1], POLLIN, 0}, {s[0], POLLIN, 0}};
    int ready = greenify_poll(fds, 2, -1);

    errno = fds[1].revents == POLLNVAL && fds[0].revents == 0 ? EBADF : 0;
    return ready == 1 ? -1 : ready;
}

static long wait_poll_urgent(void)
{
    struct pollfd fd = {s[0], POLLIN | POLLPRI, 0};
    int ready = greenify_poll(&fd, 1, -1);

    errno = fd.revents == POLLNVAL ? EBADF : 0;
    return ready == 1 ? -1 : ready;
}

static long wait_select(void)
{
    fd_set reads;

    FD_ZERO(&reads);
    FD_SET(s[0], &reads);
    return greenify_select(s[0] + 1, &reads, NULL, NULL, NULL);
}

static long wait_splice(void)
{
    int ends[2];
    long result;

    if (pipe(ends) != 0)
        return 0;
    result = greenify_splice(s[0], NULL, ends[1], NULL, 1, 0);
    close(ends[0]);
    close(ends[1]);
    return result;
}

static long (*const waits[])(void) = {
    wait_recv, wait_read, wait_send, wait_poll, wait_poll_urgent, wait_select, wait_splice,
};
enum { WAITS = sizeof waits / sizeof waits[0] };

static long (*blocking_call)(void);

/* errno of the failed call, or 0. */
static void *run_wait(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(blocking_call() == -1 ? errno : 0);
}

static void check_end(int i, void *(*ender)(void *))
{
    void *error = NULL;
    green_t *g;
    char byte;

    blocking_call = waits[i];
    make_pairs();
    if (blocking_call == wait_send)
        ck_assert_int_eq(green_wait_fd(s[0], POLLOUT, -1), POLLOUT);
    g = green_spawn(run_wait, NULL);
    green_sleep(0.002);
    ck_assert_int_eq(write(other[1], "x", 1), 1); /* for the new file, where there is one */
    in_thread(ender);
    ck_assert_int_eq(green_join(g, &error, 20), 0);
    ck_assert_msg((intptr_t)error == EBADF, "wait %d: error %d", i, (int)(intptr_t)error);
    ck_assert_int_eq(recv(other[0], &byte, 1, MSG_DONTWAIT), 1); /* which nobody took */
    close(s[0]);
    close(s[1]);
    close(other[0]);
    close(other[1]);
}

START_TEST(every_wait_ends_with_every_end)
{
    for (int i = 0; i < WAITS; i++)
        for (int k = 0; k < ENDERS; k++)
            check_end(i, enders[k]);
}
END_TEST

static void *await_set(void *set)
{
    struct epoll_event event;
    int ready = greenify_epoll_wait((int)(intptr_t)set, &event, 1, -1);

    return (void *)(intptr_t)(ready == -1 ? errno : 0);
}

START_TEST(a_wait_for_an_epoll_set_ends)
{
    void *error = NULL;
    green_t *g;

    make_pairs();
    close(s[0]);
    s[0] = epoll_create1(EPOLL_CLOEXEC);
    g = green_spawn(await_set, (void *)(intptr_t)s[0]);
    green_sleep(0.002);
    in_thread(close_it);
    ck_assert_int_eq(green_join(g, &error, 20), 0);
    ck_assert_int_eq((intptr_t)error, EBADF);
}
END_TEST

/* --- the same file under other numbers, and other files under the same number ----------------- */

static void *receive(void *fd)
{
    char byte = 0;
    ssize_t got = greenify_recv((int)(intptr_t)fd, &byte, 1, 0);

    return (void *)(intptr_t)(got == 1 ? byte : -errno);
}

START_TEST(a_copy_of_the_descriptor_goes_on)
{
    green_t *by_number, *by_copy;
    void *result = NULL;
    int copy;

    make_pairs();
    copy = dup(s[0]);
    by_number = green_spawn(receive, (void *)(intptr_t)s[0]);
    by_copy = green_spawn(receive, (void *)(intptr_t)copy);
    green_sleep(0.002);
    in_thread(close_it);
    ck_assert_int_eq(green_join(by_number, &result, 20), 0);
    ck_assert_int_eq((intptr_t)result, -EBADF);
    ck_assert_int_eq(green_join(by_copy, NULL, 0.02), -1);
    ck_assert_int_eq(write(s[1], "c", 1), 1);
    ck_assert_int_eq(green_join(by_copy, &result, 20), 0);
    ck_assert_int_eq((intptr_t)result, 'c');
}
END_TEST

static int number;

/* Ends the number and gives it to the next file at once. */
static void *replace_it(void *unused)
{
    greenify_close(number);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, other) == 0 && other[0] != number) {
        greenify_dup2(other[0], number);
        close(other[0]);
    }
    return unused;
}

/* The hub hears of the close only when others wait for the new file already. */
static void serve_again(int rounds)
{
    make_pairs();
    number = s[0];
    for (int i = 0; i < rounds; i++) {
        green_t *before = green_spawn(receive, (void *)(intptr_t)number), *after;
        int peer = i == 0 ? s[1] : other[1];
        void *result = NULL;

        green_sleep(0.0005);
        in_thread(replace_it);
        close(peer);
        after = green_spawn(receive, (void *)(intptr_t)number);
        if (i % 2 == 0)
            green_sleep(0.0005);
        ck_assert_int_eq(write(other[1], "n", 1), 1);
        ck_assert_int_eq(green_join(before, &result, 20), 0);
        ck_assert_int_eq((intptr_t)result, -EBADF);
        ck_assert_int_eq(green_join(after, &result, 20), 0);
        ck_assert_int_eq((intptr_t)result, 'n');
    }
}

START_TEST(the_number_serves_again_at_once)
{
    serve_again(50);
}
END_TEST

/* The kernel does not fence other threads for whoever closes. */
static void forbid_fences(void)
{
    ck_assert(make_fail(SYS_membarrier, 0, 0, EPERM));
}

START_TEST(threads_fence_themselves)
{
    forbid_fences();
    serve_again(50);
    ck_assert(!atomic_load(&remote_fence_works));
}
END_TEST

START_TEST(threads_fence_themselves_from_now_on)
{
    serve_again(5);
    ck_assert(atomic_load(&remote_fence_works));
    forbid_fences();
    serve_again(50);
    ck_assert(!atomic_load(&remote_fence_works));
}
END_TEST

/* --- hubs ------------------------------------------------------------------------------------- */

enum { HUBS = 70 }; /* more than have a bit of their own */

static pthread_barrier_t settled, ended;

static void *wait_in_a_hub(void *unused)
{
    green_t *g = green_spawn(receive, (void *)(intptr_t)s[0]);
    void *result = NULL;

    (void)unused;
    green_sleep(0.002);
    pthread_barrier_wait(&settled);
    pthread_barrier_wait(&ended);
    return (void *)(intptr_t)(green_join(g, &result, 20) == 0 && (intptr_t)result == -EBADF);
}

START_TEST(all_hubs_are_told)
{
    pthread_t threads[HUBS];
    void *right;

    make_pairs();
    pthread_barrier_init(&settled, NULL, HUBS + 1);
    pthread_barrier_init(&ended, NULL, HUBS + 1);
    for (int i = 0; i < HUBS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_in_a_hub, NULL), 0);
    pthread_barrier_wait(&settled);
    greenify_close(s[0]);
    pthread_barrier_wait(&ended);
    for (int i = 0; i < HUBS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &right), 0);
        ck_assert_ptr_nonnull(right);
    }
}
END_TEST

static int foreign_park(void *data, struct green_parked *p)
{
    struct pollfd ready = {.fd = green_host_fd(), .events = POLLIN};

    (void)data;
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

static void *close_soon(void *unused)
{
    usleep(5000);
    return close_it(unused);
}

START_TEST(a_foreign_host_is_told)
{
    static const struct green_host host = {
        .size = sizeof host, .park = foreign_park, .unpark = foreign_unpark};
    pthread_t thread;

    make_pairs();
    ck_assert_int_eq(green_host_attach(&host, NULL), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, close_soon, NULL), 0);
        ck_assert_int_eq((intptr_t)receive((void *)(intptr_t)s[0]), -EBADF);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        close(s[1]);
        make_pairs();
    }
    ck_assert_int_eq(green_host_detach(), 0);
}
END_TEST

static void *come_and_go(void *unused)
{
    green_t *g = green_spawn(receive, (void *)(intptr_t)s[0]);

    green_sleep(0.0002);
    green_kill(g, ECANCELED);
    green_join(g, NULL, -1);
    return unused;
}

static volatile bool over;

static void *close_and_open(void *unused)
{
    while (!over) {
        greenify_close(s[0]);
        if (dup2(other[0], s[0]) < 0)
            return unused;
    }
    return unused;
}

/* A hub that is told may just be on its way out. The number is so high that no hub takes it for
 * itself while it is free. */
START_TEST(hubs_end_while_they_are_told)
{
    enum { HIGH = 700 };
    pthread_t closer;

    make_pairs();
    ck_assert_int_eq(dup2(s[0], HIGH), HIGH);
    close(s[0]);
    s[0] = HIGH;
    ck_assert_int_eq(pthread_create(&closer, NULL, close_and_open, NULL), 0);
    for (int i = 0; i < 200; i++)
        in_thread(come_and_go);
    over = true;
    ck_assert_int_eq(pthread_join(closer, NULL), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_wait_ends_with_every_end,
        a_wait_for_an_epoll_set_ends,
        a_copy_of_the_descriptor_goes_on,
        the_number_serves_again_at_once,
        threads_fence_themselves,
        threads_fence_themselves_from_now_on,
        all_hubs_are_told,
        a_foreign_host_is_told,
        hubs_end_while_they_are_told,
    };

    return run_suite("elsewhere", tests, sizeof tests / sizeof tests[0]);
}
