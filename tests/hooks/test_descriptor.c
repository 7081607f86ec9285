/* SPDX-License-Identifier: MIT
 *
 * Descriptors that are trusted, and what other code does to them out of our sight.
 */
#include "descriptor.h"
#include "green.h"
#include "hook.h"
#include "hub.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/un.h>

static struct sockaddr_un address;
static socklen_t address_size;

/* A Unix socket: connect() ends at once, without a watch of its own. The name is the kernel's
 * choice. */
static int listen_somewhere(void)
{
    socklen_t size = sizeof address;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    address_size = size;
    return fd;
}

static void *receive_one(void *fd)
{
    char c = 0;

    return (void *)(intptr_t)(greenify_recv(*(int *)fd, &c, 1, 0) == 1 ? c : -1);
}

/* Lets a coroutine wait on fd, and answers. */
static void answer(int peer, int fd)
{
    green_t *receiver = green_spawn(receive_one, &fd);
    void *got = NULL;

    green_sleep(0.002);
    ck_assert_int_eq(send(peer, "x", 1, 0), 1);
    ck_assert_int_eq(green_join(receiver, &got, 5), 0);
    ck_assert_int_eq((int)(intptr_t)got, 'x');
}

static void converse(int listener, int fd)
{
    int peer;

    ck_assert_int_eq(greenify_connect(fd, (struct sockaddr *)&address, address_size), 0);
    peer = accept(listener, NULL, NULL);
    answer(peer, fd);
    close(peer);
}

static void *nothing(void *argument)
{
    return argument;
}

/* Without a fresh look at the kernel's watches the second conversation would wait for ever. */
START_TEST(a_number_that_was_closed_out_of_sight_serves_again)
{
    int listener = listen_somewhere(), first, second;

    green_join(green_spawn(nothing, NULL), NULL, -1); /* a hub */
    first = greenify_socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert(fd_entry_is_trusted(fdtable_find(&hub_current()->fds, first)));
    converse(listener, first);
    close(first);
    second = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(second, first);
    converse(listener, second);
    close(second);
    close(listener);
}
END_TEST

/* As with fclose() and then socketpair(): no hook sees the number end or come back. */
START_TEST(a_number_that_came_back_out_of_sight_is_watched)
{
    int listener = listen_somewhere(), first, pair[2];

    green_join(green_spawn(nothing, NULL), NULL, -1);
    first = greenify_socket(AF_UNIX, SOCK_STREAM, 0);
    converse(listener, first);
    close(first);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(pair[0], first);
    answer(pair[1], pair[0]);
    close(pair[0]);
    close(pair[1]);
    close(listener);
}
END_TEST

static int receive_error(int fd)
{
    char c;

    errno = 0;
    return greenify_recv(fd, &c, 1, 0) == -1 ? errno : 0;
}

START_TEST(hooked_changes_are_heeded)
{
    struct timeval little = {0, 5000};
    int listener = listen_somewhere(), fd, one = 1, peer;

    green_join(green_spawn(nothing, NULL), NULL, -1);
    fd = greenify_socket(AF_UNIX, SOCK_STREAM, 0);
    converse(listener, fd);
    ck_assert_int_eq(green_join(green_spawn(nothing, NULL), NULL, -1), 0);
    greenify_close(fd);
    fd = greenify_socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(greenify_connect(fd, (struct sockaddr *)&address, address_size), 0);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_eq(greenify_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &little, sizeof little), 0);
    for (int i = 0; i < 2; i++) /* it is asked for, then it is known */
        ck_assert_int_eq(receive_error(fd), EAGAIN);
    little.tv_usec = 0;
    ck_assert_int_eq(greenify_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &little, sizeof little), 0);
    ck_assert_int_eq(greenify_ioctl(fd, FIONBIO, &one), 0);
    ck_assert_int_eq(receive_error(fd), EAGAIN);
    one = 0;
    ck_assert_int_eq(greenify_ioctl(fd, FIONBIO, &one), 0);
    ck_assert_int_eq(greenify_fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(receive_error(fd), EAGAIN);
    close(peer);
}
END_TEST

static void *set_timeout(void *fd)
{
    const struct timeval little = {0, 5000};

    return (void *)(intptr_t)greenify_setsockopt(*(int *)fd, SOL_SOCKET, SO_RCVTIMEO, &little,
                                                 sizeof little);
}

static void *set_flag(void *fd)
{
    return (void *)(intptr_t)greenify_fcntl(*(int *)fd, F_SETFL, O_NONBLOCK);
}

/* What this thread knows of a descriptor that is its own is not true any more. */
START_TEST(hooked_changes_in_other_threads_are_heeded)
{
    void *(*const changes[])(void *) = {set_timeout, set_flag};
    int listener = listen_somewhere();

    green_join(green_spawn(nothing, NULL), NULL, -1);
    for (int i = 0; i < 2; i++) {
        int fd = greenify_socket(AF_UNIX, SOCK_STREAM, 0), peer;
        pthread_t thread;
        void *result;

        ck_assert_int_eq(greenify_connect(fd, (struct sockaddr *)&address, address_size), 0);
        peer = accept(listener, NULL, NULL);
        answer(peer, fd);
        ck_assert(fd_entry_is_trusted(fdtable_find(&hub_current()->fds, fd)));
        pthread_create(&thread, NULL, changes[i], &fd);
        pthread_join(thread, &result);
        ck_assert_ptr_null(result);
        ck_assert_int_eq(receive_error(fd), EAGAIN);
        greenify_close(fd);
        close(peer);
    }
    close(listener);
}
END_TEST

/* The error of a receive that waits, or 0. */
static void *receive_and_tell(void *fd)
{
    char byte;

    return (void *)(intptr_t)(greenify_recv(*(int *)fd, &byte, 1, 0) < 0 ? errno : 0);
}

/* Its memory is ours, its descriptors are its own. */
START_TEST(what_a_vforked_child_closes_is_waited_for_on)
{
    int fds[2], status = 0;
    green_t *waits;
    void *error;
    pid_t child;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    waits = green_spawn(receive_and_tell, &fds[0]);
    green_yield();
    child = vfork();
    if (child == 0) {
        (void)greenify_dup2(1, fds[0]);
        (void)greenify_close(fds[0]);
        greenify_closefrom(3);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(green_join(waits, NULL, 0.05), -1);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(green_join(waits, &error, 30), 0);
    ck_assert_int_eq((int)(intptr_t)error, 0);
}
END_TEST

START_TEST(closing_a_range_ends_the_waits_in_it)
{
    enum { FIRST = 700 };
    int fds[2], high[2];
    green_t *waits[2];
    void *error;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        high[i] = fcntl(fds[0], F_DUPFD, FIRST + i);
        waits[i] = green_spawn(receive_and_tell, &high[i]);
    }
    green_yield();
    ck_assert_int_eq(greenify_close_range(FIRST, FIRST, 0), 0);
    ck_assert_int_eq(green_join(waits[0], &error, 30), 0);
    ck_assert_int_eq((int)(intptr_t)error, EBADF);
    ck_assert_int_eq(green_join(waits[1], &error, 0.05), -1);
    greenify_closefrom(FIRST);
    ck_assert_int_eq(green_join(waits[1], &error, 30), 0);
    ck_assert_int_eq((int)(intptr_t)error, EBADF);
    ck_assert_int_eq(fcntl(high[1], F_GETFD), -1);
}
END_TEST

/* A TCP connection, whose first end was born in a hook, waited once and was read to its end. */
static void drain(int ends[2])
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t here_size = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char two[2];

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&here, &here_size), 0);
    green_join(green_spawn(nothing, NULL), NULL, -1);
    ends[0] = greenify_socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(greenify_connect(ends[0], (struct sockaddr *)&here, sizeof here), 0);
    ends[1] = accept(listener, NULL, NULL);
    close(listener);
    answer(ends[1], ends[0]);
    ck_assert_int_eq(send(ends[1], "y", 1, 0), 1);
    ck_assert_int_eq(greenify_recv(ends[0], two, 2, 0), 1);
    ck_assert(fdtable_find(&hub_current()->fds, ends[0])->drained);
}

/* Until all that was sent there has come to the other end: a busy kernel takes its time. */
static void await_arrival(int fd)
{
    int on_its_way = 1;

    while (on_its_way > 0) {
        ck_assert_int_eq(ioctl(fd, SIOCOUTQ, &on_its_way), 0);
        usleep(500);
    }
}

static unsigned long waits(void)
{
    struct green_hub_stats stats;

    ck_assert_int_eq(green_hub_stats(&stats), 0);
    return stats.parked;
}

START_TEST(what_was_read_to_its_end_is_waited_for_untried)
{
    unsigned long before;
    int ends[2];
    char c;

    drain(ends);
    before = waits();
    ck_assert_int_eq(send(ends[1], "z", 1, 0), 1);
    ck_assert_int_eq(greenify_read(ends[0], &c, 1), 1);
    ck_assert_uint_eq(waits() - before, 1);
    ck_assert_int_eq(send(ends[1], "zz", 2, 0), 2);
    await_arrival(ends[1]);
    ck_assert_int_eq(greenify_recv(ends[0], &c, 1, MSG_PEEK), 1);
    ck_assert_int_eq(greenify_recv(ends[0], &c, 1, 0), 1);
    ck_assert_int_eq(greenify_recv(ends[0], &c, 1, 0), 1);
    ck_assert_uint_eq(waits() - before, 1); /* each got all that it asked for */
    close(ends[1]);
    ck_assert_int_eq(greenify_recv(ends[0], &c, 1, 0), 0);
    greenify_close(ends[0]);
}
END_TEST

START_TEST(a_drained_stream_that_waits_no_more_is_tried)
{
    int ends[2], two = 2, one = 1;
    char c;

    drain(ends);
    ck_assert_int_eq(greenify_ioctl(ends[0], FIONBIO, &one), 0);
    ck_assert_int_eq(send(ends[1], "z", 1, 0), 1);
    await_arrival(ends[1]);
    ck_assert_int_eq(greenify_recv(ends[0], &c, 1, 0), 1);
    ck_assert_int_eq(receive_error(ends[0]), EAGAIN);
    close(ends[1]);
    greenify_close(ends[0]);

    drain(ends); /* the kernel would not report less than two bytes as readable */
    ck_assert_int_eq(greenify_setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &two, sizeof two), 0);
    ck_assert(!fdtable_find(&hub_current()->fds, ends[0])->drained);
    close(ends[1]);
    greenify_close(ends[0]);
}
END_TEST

/* What comes together is reported once: what stands behind the data must not be waited for. */
START_TEST(an_end_that_came_with_the_data_is_found)
{
    unsigned long before;
    char two[2];
    int ends[2];

    drain(ends);
    ck_assert_int_eq(send(ends[1], "z", 1, 0), 1);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    await_arrival(ends[1]);
    green_sleep(0.002); /* the hub hears of it */
    before = waits();
    ck_assert_int_eq(greenify_recv(ends[0], two, 2, 0), 1);
    ck_assert_int_eq(greenify_recv(ends[0], two, 2, 0), 0);
    ck_assert_uint_eq(waits(), before);
    close(ends[1]);
    greenify_close(ends[0]);
}
END_TEST

START_TEST(data_behind_the_urgent_mark_are_found)
{
    unsigned long before;
    char two[2];
    int ends[2];

    drain(ends);
    ck_assert_int_eq(send(ends[1], "a", 1, 0), 1);
    ck_assert_int_eq(send(ends[1], "u", 1, MSG_OOB), 1);
    ck_assert_int_eq(send(ends[1], "b", 1, 0), 1);
    await_arrival(ends[1]);
    green_sleep(0.002); /* the hub hears of it */
    before = waits();
    for (char expected = 'a'; expected <= 'b'; expected++) {
        ck_assert_int_eq(greenify_recv(ends[0], two, 2, 0), 1);
        ck_assert_int_eq(two[0], expected);
    }
    ck_assert_uint_eq(waits(), before);
    close(ends[1]);
    greenify_close(ends[0]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_number_that_was_closed_out_of_sight_serves_again,
        a_number_that_came_back_out_of_sight_is_watched,
        hooked_changes_are_heeded,
        hooked_changes_in_other_threads_are_heeded,
        what_a_vforked_child_closes_is_waited_for_on,
        closing_a_range_ends_the_waits_in_it,
        what_was_read_to_its_end_is_waited_for_untried,
        a_drained_stream_that_waits_no_more_is_tried,
        an_end_that_came_with_the_data_is_found,
        data_behind_the_urgent_mark_are_found,
    };

    return run_suite("descriptor", tests, sizeof tests / sizeof tests[0]);
}
