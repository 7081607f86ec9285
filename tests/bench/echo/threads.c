/* SPDX-License-Identifier: MIT
 *
 * The blocking server as it is: a thread a connection.
 */
#include "blocking.h"
#include "server.h"

#include <err.h>
#include <pthread.h>
#include <stdlib.h>

static void start(void *(*serve)(void *), void *argument)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, serve, argument) != 0 || pthread_detach(thread) != 0)
        err(EXIT_FAILURE, "pthread_create");
}

int main(void)
{
    accept_forever(listen_anywhere(0), start);
}
