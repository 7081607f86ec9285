/* SPDX-License-Identifier: MIT
 *
 * Disks and file locks.
 */
#include "green.h"
#include "hook.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"
#include "support.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char path[] = "/tmp/green-storage-XXXXXX";

static int open_again(void)
{
    return open(path, O_RDWR | O_CLOEXEC);
}

static void make_file(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void *write_and_read(void *position)
{
    off_t at = (off_t)(intptr_t)position;
    char text[16] = "", back[16] = "";
    int fd = open_again();
    bool right;

    snprintf(text, sizeof text, "at %ld", (long)at);
    right = greenify_pwrite(fd, text, sizeof text, at) == sizeof text && greenify_fsync(fd) == 0 &&
            greenify_fdatasync(fd) == 0 && greenify_pread(fd, back, sizeof back, at) == sizeof back;
    close(fd);
    return (void *)(intptr_t)(right && strcmp(text, back) == 0);
}

START_TEST(many_write_and_read_at_once)
{
    green_t *g[50];
    void *right;

    make_file();
    for (int i = 0; i < 50; i++)
        g[i] = green_spawn(write_and_read, (void *)(intptr_t)(i * 16));
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(green_join(g[i], &right, -1), 0);
        ck_assert_ptr_nonnull(right);
    }
    unlink(path);
}
END_TEST

START_TEST(errors_are_those_of_libc)
{
    char c;

    green_join(green_spawn(write_and_read, NULL), NULL, -1); /* a hub */
    errno = 0;
    ck_assert_int_eq(greenify_fsync(-1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(greenify_pread(1000, &c, 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(greenify_flock(1000, LOCK_EX), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

static int inside, most_inside;

static void *hold_flock(void *unused)
{
    int fd = open_again();

    if (greenify_flock(fd, LOCK_EX) != 0)
        return NULL;
    if (++inside > most_inside)
        most_inside = inside;
    green_sleep(0.002);
    inside--;
    flock(fd, LOCK_UN);
    close(fd);
    (void)unused;
    return (void *)1;
}

START_TEST(flock_excludes_coroutines_from_each_other)
{
    green_t *g[10];
    void *held;

    make_file();
    for (int i = 0; i < 10; i++)
        g[i] = green_spawn(hold_flock, NULL);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(green_join(g[i], &held, -1), 0);
        ck_assert_ptr_nonnull(held);
    }
    ck_assert_int_eq(most_inside, 1);
    unlink(path);
}
END_TEST

/* A child that holds a record lock on the file for a while. */
/* Holds it until it hears a byte on its end of `talk`, over which it first sends one. */
static pid_t child_with_lock(int talk[2])
{
    pid_t child;
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, talk), 0);
    child = fork();
    if (child == 0) {
        int fd = open_again();

        _exit(lockf(fd, F_LOCK, 0) != 0 || write(talk[1], "", 1) != 1 ||
              read(talk[1], &byte, 1) != 1);
    }
    ck_assert_int_eq(read(talk[0], &byte, 1), 1);
    return child;
}

static void *lock_record(void *use_fcntl)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open_again();
    int result =
        *(bool *)use_fcntl ? greenify_fcntl(fd, F_SETLKW, &range) : greenify_lockf(fd, F_LOCK, 0);

    close(fd);
    return (void *)(intptr_t)(result == 0);
}

/* Others run for so long before the lock is free. */
static void *release_after_ticks(void *talk)
{
    for (int tick = 0; tick < 5; tick++)
        green_sleep(0.002);
    return (void *)(intptr_t)write(*(int *)talk, "", 1);
}

static void lock_against_a_child(bool use_fcntl)
{
    int talk[2], status = -1;
    green_t *locker, *ticker;
    void *locked, *told;
    pid_t child;

    make_file();
    child = child_with_lock(talk);
    locker = green_spawn(lock_record, &use_fcntl);
    ticker = green_spawn(release_after_ticks, &talk[0]);
    ck_assert_int_eq(green_join(locker, &locked, 30), 0);
    ck_assert_int_eq(green_join(ticker, &told, 30), 0);
    ck_assert_ptr_nonnull(locked);
    ck_assert_int_eq((int)(intptr_t)told, 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(talk[0]);
    close(talk[1]);
    unlink(path);
}

START_TEST(lockf_waits_for_another_process)
{
    lock_against_a_child(false);
}
END_TEST

START_TEST(fcntl_waits_for_another_process)
{
    lock_against_a_child(true);
}
END_TEST

START_TEST(a_closed_descriptor_is_another_incarnation)
{
    unsigned before = incarnation_of(5);

    ck_assert_uint_ne(before, 0);
    ck_assert_uint_eq(incarnation_of(5), before);
    incarnation_end(5);
    ck_assert_uint_ne(incarnation_of(5), before);
    ck_assert_uint_eq(incarnation_of(-1), 0);
    ck_assert_uint_eq(incarnation_of(1 << 30), 0);
    incarnation_end(1 << 30);
}
END_TEST

static atomic_int runs;

static long count_run(const long *words)
{
    atomic_fetch_add(&runs, 1);
    usleep(5000);
    return words[0] + 1;
}

static void call_from_the_loop(struct ev_loop *loop, ev_timer *timer, int revents)
{
    const long words[OFFLOAD_WORDS] = {41};
    bool blocks;

    (void)loop;
    (void)revents;
    *(long *)timer->data = offload_call(hub_current(), "test", count_run, words, false, &blocks);
}

/* The loop cannot be suspended: its thread waits for the worker, and the call is not made twice. */
START_TEST(a_call_from_the_loop_runs_once)
{
    struct ev_loop *loop = green_loop();
    ev_timer timer;
    long result = 0;

    ev_timer_init(&timer, call_from_the_loop, 0.001, 0.);
    timer.data = &result;
    ev_timer_start(loop, &timer);
    while (result == 0)
        green_sleep(0.01);
    ck_assert_int_eq(result, 42);
    ck_assert_int_eq(atomic_load(&runs), 1);
}
END_TEST

static void *open_fifo(void *name)
{
    return (void *)(intptr_t)(greenify_open(name, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
}

START_TEST(a_killed_open_leaves_no_end_behind)
{
    char folder[] = "/tmp/green-fifo-XXXXXX", name[64];
    green_t *g;
    int before;
    void *error;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(name, 0600), 0);
    ck_assert_ptr_nonnull(green_loop());
    before = open_descriptors();
    g = green_spawn(open_fifo, name);
    green_sleep(0.02);
    ck_assert_int_eq(green_kill(g, ECANCELED), 0);
    ck_assert_int_eq(green_join(g, &error, 30), 0);
    ck_assert_int_eq((int)(intptr_t)error, ECANCELED);
    ck_assert_int_eq(open(name, O_WRONLY | O_NONBLOCK), -1);
    ck_assert_int_eq(errno, ENXIO);
    ck_assert_int_eq(open_descriptors(), before);
    unlink(name);
    rmdir(folder);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        many_write_and_read_at_once,
        errors_are_those_of_libc,
        flock_excludes_coroutines_from_each_other,
        lockf_waits_for_another_process,
        fcntl_waits_for_another_process,
        a_closed_descriptor_is_another_incarnation,
        a_call_from_the_loop_runs_once,
        a_killed_open_leaves_no_end_behind,
    };

    return run_suite("storage", tests, sizeof tests / sizeof tests[0]);
}
