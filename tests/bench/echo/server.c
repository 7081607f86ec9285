/* SPDX-License-Identifier: MIT
 *
 * The listening socket of the echo servers.
 */
#include "server.h"

#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int listen_anywhere(int type_flags)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        err(EXIT_FAILURE, "listening socket");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}
