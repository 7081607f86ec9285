/* SPDX-License-Identifier: MIT
 *
 * An echo server on State Threads, a thread of theirs for each connection.
 */
#include "server.h"

#include <err.h>
#include <stdlib.h>
#include <st.h>

static void *serve(void *connection)
{
    st_netfd_t fd = connection;
    char bytes[MESSAGE_ROOM];
    ssize_t received;

    while ((received = st_read(fd, bytes, sizeof bytes, ST_UTIME_NO_TIMEOUT)) > 0)
        if (st_write(fd, bytes, (size_t)received, ST_UTIME_NO_TIMEOUT) != received)
            break;
    st_netfd_close(fd);
    return NULL;
}

int main(void)
{
    st_netfd_t listening;

    if (st_set_eventsys(ST_EVENTSYS_ALT) != 0 || st_init() != 0)
        err(EXIT_FAILURE, "State Threads");
    listening = st_netfd_open_socket(listen_anywhere(0));
    if (listening == NULL)
        err(EXIT_FAILURE, "st_netfd_open_socket");
    for (;;) {
        st_netfd_t fd = st_accept(listening, NULL, NULL, ST_UTIME_NO_TIMEOUT);

        if (fd == NULL || st_thread_create(serve, fd, 0, 65536) == NULL)
            err(EXIT_FAILURE, "connection");
    }
}
