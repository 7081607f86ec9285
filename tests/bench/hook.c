/* SPDX-License-Identifier: MIT
 *
 * What a hook itself costs in a thread without a hub: this program stands in for libc, so that no
 * system call drowns it.
 */
#include "measure.h"

#include "hook.h"

#include <stdio.h>
#include <stdlib.h>

static char bytes[64];

__attribute__((noinline)) ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    (void)buffer;
    (void)flags;
    return fd + (ssize_t)size;
}

__attribute__((noinline)) ssize_t read(int fd, void *buffer, size_t size)
{
    (void)buffer;
    return fd + (ssize_t)size;
}

__attribute__((noinline)) ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    (void)buffer;
    (void)flags;
    return fd + (ssize_t)size;
}

__attribute__((noinline)) int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    (void)fds;
    return timeout + (int)count;
}

/* Through a pointer, as a library calls through its table. */
#define PAIR(name, ...)                                                                            \
    static __typeof__(name) *volatile name##_direct = name;                                        \
    static __typeof__(name) *volatile name##_hook = greenify_##name;                               \
    static void run_##name##_direct(long count)                                                    \
    {                                                                                              \
        for (long i = 0; i < count; i++)                                                           \
            (void)!name##_direct(__VA_ARGS__);                                                     \
    }                                                                                              \
    static void run_##name##_hook(long count)                                                      \
    {                                                                                              \
        for (long i = 0; i < count; i++)                                                           \
            (void)!name##_hook(__VA_ARGS__);                                                       \
    }

PAIR(recv, 3, bytes, 5, 0)
PAIR(send, 3, bytes, 5, 0)
PAIR(read, 3, bytes, 5)
PAIR(poll, NULL, 0, 5)

static const struct {
    const char *name;
    void (*direct)(long count), (*hook)(long count);
} pairs[] = {
    {"recv", run_recv_direct, run_recv_hook},
    {"send", run_send_direct, run_send_hook},
    {"read", run_read_direct, run_read_hook},
    {"poll", run_poll_direct, run_poll_hook},
};

int main(void)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        double direct = measure(pairs[i].direct, 10000000);
        double hook = measure(pairs[i].hook, 10000000);

        printf("%s: direct %.2f ns, through the hook %.2f ns, +%.2f ns\n", pairs[i].name, direct,
               hook, hook - direct);
    }
    return EXIT_SUCCESS;
}
