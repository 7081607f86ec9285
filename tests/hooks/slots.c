/* SPDX-License-Identifier: MIT
 *
 * A library that reaches imported functions through every kind of slot, built in several ways.
 */
#include "slots.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

poll_function *const fixed[] = {poll, poll};
poll_function *changeable[] = {poll, poll};

int by_call(struct pollfd *fd, int timeout)
{
    return poll(fd, 1, timeout);
}

int by_fixed_table(struct pollfd *fd, int timeout)
{
    poll_function *const *volatile table = fixed;

    return table[1](fd, 1, timeout);
}

int by_changeable_table(struct pollfd *fd, int timeout)
{
    return changeable[0](fd, 1, timeout);
}

poll_function *by_address(void)
{
    return poll;
}

/* Each of these calls fails at once, or waits for nothing. */
void call_many(void)
{
    const struct timespec at_once = {0, 0};
    struct epoll_event event;
    char byte = 0;

    (void)!read(-1, &byte, 1);
    (void)!write(-1, &byte, 1);
    (void)recv(-1, &byte, 1, 0);
    (void)send(-1, &byte, 1, 0);
    (void)connect(-1, NULL, 0);
    (void)accept(-1, NULL, NULL);
    (void)shutdown(-1, SHUT_RD);
    (void)accept4(-1, NULL, NULL, 0);
    (void)!readv(-1, NULL, 0);
    (void)!writev(-1, NULL, 0);
    (void)recvfrom(-1, &byte, 1, 0, NULL, NULL);
    (void)recvmsg(-1, NULL, 0);
    (void)sendto(-1, &byte, 1, 0, NULL, 0);
    (void)sendmsg(-1, NULL, 0);
    (void)sendfile(-1, -1, NULL, 1);
    (void)splice(-1, NULL, -1, NULL, 1, 0);
    (void)tee(-1, -1, 1, 0);
    (void)dup2(-1, -1);
    (void)dup3(-1, -1, 0);
    (void)setsockopt(-1, SOL_SOCKET, SO_RCVTIMEO, NULL, 0);
    (void)epoll_wait(-1, &event, 1, 0);
    (void)epoll_pwait(-1, &event, 1, 0, NULL);
    (void)ppoll(NULL, 0, &at_once, NULL);
    (void)pselect(0, NULL, NULL, NULL, &at_once, NULL);
    (void)nanosleep(&at_once, NULL);
    (void)usleep(0);
    (void)poll(NULL, 0, 0);
}
