/* SPDX-License-Identifier: MIT
 *
 * What a hook costs in a thread without a hub, over the call of libc itself; and with one, where
 * nothing has to wait. With an argument (a number of calls): just those calls of both, to be
 * counted by callgrind.
 */
#include "measure.h"

#include "hook.h"

#include "green.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int s[2];
static char bytes[64];

#define PAIR(name, direct, hooked)                                                                 \
    static void name##_direct(long count)                                                          \
    {                                                                                              \
        for (long i = 0; i < count; i++)                                                           \
            (void)!(direct);                                                                       \
    }                                                                                              \
    static void name##_hooked(long count)                                                          \
    {                                                                                              \
        for (long i = 0; i < count; i++)                                                           \
            (void)!(hooked);                                                                       \
    }

/* The kernel refuses at once, so that the call itself counts for as little as possible. */
PAIR(refused, recv(-1, bytes, 1, 0), greenify_recv(-1, bytes, 1, 0))
PAIR(peek, recv(s[0], bytes, 1, MSG_PEEK), greenify_recv(s[0], bytes, 1, MSG_PEEK))
PAIR(poll, poll(NULL, 0, 0), greenify_poll(NULL, 0, 0))
PAIR(send, send(s[0], bytes, 1, MSG_OOB), greenify_send(s[0], bytes, 1, MSG_OOB))
PAIR(read, read(-1, bytes, 1), greenify_read(-1, bytes, 1))

static const struct {
    const char *name;
    void (*direct)(long count), (*hooked)(long count);
} pairs[] = {
    {"recv, refused", refused_direct, refused_hooked}, {"recv, peeking", peek_direct, peek_hooked},
    {"poll of nothing", poll_direct, poll_hooked},     {"send, refused", send_direct, send_hooked},
    {"read, refused", read_direct, read_hooked},
};

static void compare(const char *where)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        double direct = measure(pairs[i].direct, 200000), hooked = measure(pairs[i].hooked, 200000);

        printf("%-18s %s: direct %7.2f ns, hooked %7.2f ns, +%6.2f ns, ratio %.3f\n", pairs[i].name,
               where, direct, hooked, hooked - direct, hooked / direct);
    }
}

static void *compare_with_hub(void *unused)
{
    compare("with a hub");
    return unused;
}

int main(int argc, char **argv)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) != 0 || send(s[1], "x", 1, 0) != 1)
        return EXIT_FAILURE;
    if (argc > 1) {
        refused_direct(atol(argv[1]));
        refused_hooked(atol(argv[1]));
        return EXIT_SUCCESS;
    }
    compare("without a hub");
    green_join(green_spawn(compare_with_hub, NULL), NULL, -1);
    return EXIT_SUCCESS;
}
