/* SPDX-License-Identifier: MIT
 *
 * accept, recv, send and close, and nothing else.
 */
#include "blocking.h"

#include "server.h"

#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char bytes[MESSAGE_ROOM];
    ssize_t received;

    while ((received = recv(fd, bytes, sizeof bytes, 0)) > 0)
        if (send(fd, bytes, (size_t)received, MSG_NOSIGNAL) != received)
            break;
    close(fd);
    return NULL;
}

void accept_forever(int listening, void (*start)(void *(*serve)(void *), void *argument))
{
    for (;;) {
        int fd = accept(listening, NULL, NULL);

        if (fd < 0)
            err(EXIT_FAILURE, "accept");
        start(serve, (void *)(intptr_t)fd);
    }
}
