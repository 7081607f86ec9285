/* SPDX-License-Identifier: MIT
 *
 * Redirection in memory, tried on a library of the system that calls poll() for us: libelf and the
 * like do not, so the test program is linked with none; it loads libcrypto, whose BIO_socket_wait()
 * does.
 */
#include "green.h"
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* int BIO_socket_wait(int fd, int for_read, time_t max_time) of OpenSSL 3: poll() on one
 * descriptor. */
typedef int socket_wait(int fd, int for_read, time_t max_time);

static socket_wait *load(void)
{
    void *library = dlopen("libcrypto.so.3", RTLD_NOW);
    socket_wait *function = NULL;

    if (library != NULL)
        *(void **)&function = dlsym(library, "BIO_socket_wait");
    return function;
}

static socket_wait *wait_for;
static int silent[2];

static void *wait_long(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)wait_for(silent[0], 1, time(NULL) + 1000);
}

static char state_of(pid_t thread)
{
    char path[64], state = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        abort();
    fclose(file);
    return state;
}

/* Ends the waits when the thread sleeps: in the first of them, or in the loop while both wait. */
static void *write_when_it_sleeps(void *thread)
{
    while (state_of(*(pid_t *)thread) != 'S')
        usleep(1000);
    if (write(silent[1], "x", 1) != 1)
        abort();
    return NULL;
}

/* Whether two wait at the same time. */
static bool is_concurrent(void)
{
    green_t *a = green_spawn(wait_long, NULL), *b = green_spawn(wait_long, NULL);
    struct green_hub_stats before, after;
    pid_t self = gettid();
    void *ready[2];
    pthread_t writer;
    char byte;

    ck_assert_int_eq(pthread_create(&writer, NULL, write_when_it_sleeps, &self), 0);
    green_hub_stats(&before);
    ck_assert_int_eq(green_join(a, &ready[0], -1), 0);
    ck_assert_int_eq(green_join(b, &ready[1], -1), 0);
    green_hub_stats(&after);
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    ck_assert_int_eq((int)(intptr_t)ready[0], 1);
    ck_assert_int_eq((int)(intptr_t)ready[1], 1);
    ck_assert_int_eq(read(silent[0], &byte, 1), 1);
    return after.parked - before.parked >= 3; /* both waits, and the join */
}

START_TEST(slots_are_written_and_taken_back)
{
    int slots;

    wait_for = load();
    if (wait_for == NULL)
        return; /* nothing to try it on */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, silent), 0);
    slots = green_patch_loaded("libcrypto.so.3");
    ck_assert_int_gt(slots, 5);
    ck_assert_int_eq(green_patch_loaded("libcrypto.so.3"), 0);
    ck_assert(is_concurrent());
    ck_assert_int_eq(green_unpatch_loaded("libcrypto.so.3"), slots);
    ck_assert_int_eq(green_unpatch_loaded("libcrypto.so.3"), 0);
    ck_assert(!is_concurrent());
    ck_assert_int_eq(green_patch_loaded("libcrypto.so.3"), slots);
}
END_TEST

static int error_of(const char *library)
{
    errno = 0;
    return green_patch_loaded(library) == -1 ? errno : 0;
}

START_TEST(what_cannot_be_redirected_is_refused)
{
    ck_assert_int_eq(error_of(NULL), EINVAL);
    ck_assert_int_eq(error_of(""), EINVAL);
    ck_assert_int_eq(error_of("libnobody.so.7"), ENOENT);
    ck_assert_int_eq(error_of("/nowhere/libc.so.6"), ENOENT);
    ck_assert_int_eq(error_of("libc.so.6"), EPERM);
    ck_assert_ptr_nonnull(green_loop()); /* which is what the runtime needs libev for */
    ck_assert_int_eq(error_of("libev.so.4"), EPERM);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        slots_are_written_and_taken_back,
        what_cannot_be_redirected_is_refused,
    };

    return run_suite("redirect", tests, sizeof tests / sizeof tests[0]);
}
