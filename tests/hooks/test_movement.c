/* SPDX-License-Identifier: MIT
 *
 * Calls that move several messages, or data between two descriptors: whole transfers while others
 * run.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

static int pair[2];

/* Reads pair[0] to its end and sums up. */
static void *drain(void *sum)
{
    unsigned char buffer[30000];
    size_t total = 0;
    ssize_t got;

    while ((got = greenify_read(pair[0], buffer, sizeof buffer)) > 0) {
        total += (size_t)got;
        for (ssize_t i = 0; i < got; i++)
            *(uint64_t *)sum += buffer[i];
    }
    return (void *)total;
}

static void *give(void *status, ssize_t result)
{
    *(ssize_t *)status = result;
    greenify_close(pair[1]);
    return NULL;
}

/* Runs `giver`, which writes to pair[1], against drain(). Returns the bytes that came through. */
static size_t exchange(void *(*giver)(void *), ssize_t *status, uint64_t *sum)
{
    green_t *reader, *writer;
    void *total = NULL;

    *sum = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    reader = green_spawn(drain, sum);
    writer = green_spawn(giver, status);
    ck_assert_int_eq(green_join(writer, NULL, -1), 0);
    ck_assert_int_eq(green_join(reader, &total, -1), 0);
    close(pair[0]);
    return (size_t)total;
}

enum { FILE_SIZE = 3 << 20 };

/* A file of FILE_SIZE bytes, each 1. */
static int file_of_ones(void)
{
    static char ones[FILE_SIZE];
    int fd = memfd_create("ones", MFD_CLOEXEC);

    memset(ones, 1, sizeof ones);
    if (write(fd, ones, sizeof ones) != FILE_SIZE || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

static void *give_file(void *status)
{
    int fd = file_of_ones();
    ssize_t sent = greenify_sendfile(pair[1], fd, NULL, 2 * FILE_SIZE);

    close(fd);
    return give(status, sent);
}

START_TEST(sendfile_sends_to_the_end_of_the_file)
{
    ssize_t status = -1;
    uint64_t sum;

    ck_assert_uint_eq(exchange(give_file, &status, &sum), FILE_SIZE);
    ck_assert_int_eq(status, FILE_SIZE);
    ck_assert_uint_eq(sum, FILE_SIZE);
}
END_TEST

static void *fill_pipe(void *fd)
{
    static char ones[FILE_SIZE];
    ssize_t written;

    memset(ones, 1, sizeof ones);
    written = greenify_write((int)(intptr_t)fd, ones, sizeof ones);
    greenify_close((int)(intptr_t)fd);
    return (void *)written;
}

static void *give_spliced(void *status)
{
    int ends[2];
    green_t *filler;
    ssize_t moved, total = 0;
    void *written = NULL;

    if (pipe(ends) != 0)
        return give(status, -1);
    filler = green_spawn(fill_pipe, (void *)(intptr_t)ends[1]);
    while ((moved = greenify_splice(ends[0], NULL, pair[1], NULL, 1 << 16, 0)) > 0)
        total += moved;
    green_join(filler, &written, -1);
    close(ends[0]);
    return give(status, moved == 0 && (ssize_t)written == FILE_SIZE ? total : -1);
}

START_TEST(splice_waits_for_either_side)
{
    ssize_t status = -1;
    uint64_t sum;

    ck_assert_uint_eq(exchange(give_spliced, &status, &sum), FILE_SIZE);
    ck_assert_int_eq(status, FILE_SIZE);
    ck_assert_uint_eq(sum, FILE_SIZE);
}
END_TEST

enum { MESSAGES = 40, MESSAGE_SIZE = 50000 };

static void *give_messages(void *status)
{
    static char data[MESSAGES][MESSAGE_SIZE];
    struct mmsghdr messages[MESSAGES];
    struct iovec parts[MESSAGES];
    int sent;

    memset(data, 1, sizeof data);
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < MESSAGES; i++) {
        parts[i] = (struct iovec){data[i], MESSAGE_SIZE};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    sent = greenify_sendmmsg(pair[1], messages, MESSAGES, 0);
    for (int i = 0; i < MESSAGES; i++)
        if (messages[i].msg_len != MESSAGE_SIZE)
            sent = -1;
    return give(status, sent);
}

START_TEST(sendmmsg_sends_each_message_whole)
{
    ssize_t status = -1;
    uint64_t sum;

    ck_assert_uint_eq(exchange(give_messages, &status, &sum), MESSAGES * MESSAGE_SIZE);
    ck_assert_int_eq(status, MESSAGES);
    ck_assert_uint_eq(sum, MESSAGES * MESSAGE_SIZE);
}
END_TEST

static void *take_messages(void *flags)
{
    struct mmsghdr messages[4];
    struct iovec parts[4];
    char data[4][8];

    memset(messages, 0, sizeof messages);
    for (int i = 0; i < 4; i++) {
        parts[i] = (struct iovec){data[i], sizeof data[i]};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    return (void *)(intptr_t)greenify_recvmmsg(pair[0], messages, 4, *(int *)flags, NULL);
}

/* Datagrams come one by one; how many does one call take? */
static int taken_with(int flags, int count)
{
    green_t *taker;
    void *taken = NULL;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    taker = green_spawn(take_messages, &flags);
    for (int i = 0; i < count; i++) {
        green_sleep(0.002);
        ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    }
    ck_assert_int_eq(green_join(taker, &taken, 30), 0);
    close(pair[0]);
    close(pair[1]);
    return (int)(intptr_t)taken;
}

START_TEST(recvmmsg_waits_for_all_or_for_one)
{
    ck_assert_int_eq(taken_with(0, 4), 4);
    ck_assert_int_eq(taken_with(MSG_WAITFORONE, 1), 1);
}
END_TEST

static void *connect_to(void *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int result = greenify_connect(fd, address, sizeof(struct sockaddr_un));

    close(fd);
    return (void *)(intptr_t)(result == 0 ? 0 : errno);
}

START_TEST(connect_waits_for_room_in_the_queue_of_a_unix_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "@green-test"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    green_t *g[8];
    void *error;

    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "green-test-%d", (int)getpid());
    address.sun_path[0] = '\0';
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    for (int i = 0; i < 8; i++)
        g[i] = green_spawn(connect_to, &address);
    green_sleep(0.01);
    for (int i = 0; i < 8; i++)
        ck_assert_int_ge(greenify_accept(listener, NULL, NULL), 0);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(green_join(g[i], &error, -1), 0);
        ck_assert_int_eq((int)(intptr_t)error, 0);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        sendfile_sends_to_the_end_of_the_file,
        splice_waits_for_either_side,
        sendmmsg_sends_each_message_whole,
        recvmmsg_waits_for_all_or_for_one,
        connect_waits_for_room_in_the_queue_of_a_unix_socket,
    };

    return run_suite("movement", tests, sizeof tests / sizeof tests[0]);
}
