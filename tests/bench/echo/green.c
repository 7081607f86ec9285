/* SPDX-License-Identifier: MIT
 *
 * The blocking server, patched: a coroutine a connection.
 */
#include "blocking.h"
#include "server.h"

#include <err.h>
#include <green.h>
#include <stdlib.h>

static void start(void *(*serve)(void *), void *argument)
{
    if (green_detach(green_spawn(serve, argument)) != 0)
        err(EXIT_FAILURE, "green_spawn");
}

static void *accept_all(void *listening)
{
    accept_forever(*(const int *)listening, start);
    return NULL;
}

/* The listening socket is waited for in a coroutine: the thread has a hub then. */
int main(void)
{
    int listening = listen_anywhere(0);

    green_join(green_spawn(accept_all, &listening), NULL, -1);
    return EXIT_SUCCESS;
}
