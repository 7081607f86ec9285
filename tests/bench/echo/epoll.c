/* SPDX-License-Identifier: MIT
 *
 * The floor: an echo server on level-triggered epoll, with nothing between it and the kernel.
 */
#include "server.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024 };

/* What could not be sent at once. */
struct connection {
    int fd;
    size_t size, sent;
    bool writing;
    char rest[MESSAGE_ROOM];
};

static int set;

static void drop(struct connection *c)
{
    close(c->fd);
    free(c);
}

static void await(struct connection *c, bool writing)
{
    struct epoll_event event = {.events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = c};

    if (epoll_ctl(set, EPOLL_CTL_MOD, c->fd, &event) != 0)
        err(EXIT_FAILURE, "epoll_ctl");
    c->writing = writing;
}

static void keep(struct connection *c, const char *bytes, size_t size)
{
    memmove(c->rest, bytes, size);
    c->size = size;
    c->sent = 0;
    if (!c->writing)
        await(c, true);
}

static void on_writable(struct connection *c)
{
    ssize_t sent = send(c->fd, c->rest + c->sent, c->size - c->sent, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    c->sent += sent < 0 ? 0 : (size_t)sent;
    if (c->sent == c->size)
        await(c, false);
}

static void on_readable(struct connection *c)
{
    char bytes[MESSAGE_ROOM];
    ssize_t received = recv(c->fd, bytes, sizeof bytes, 0), sent;

    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        drop(c);
        return;
    }
    sent = send(c->fd, bytes, (size_t)received, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        drop(c);
    else if (sent < received)
        keep(c, bytes + (sent < 0 ? 0 : sent), (size_t)(received - (sent < 0 ? 0 : sent)));
}

static void accept_one(int listening)
{
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (c == NULL)
        err(EXIT_FAILURE, "connection");
    c->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (c->fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &event) != 0)
        err(EXIT_FAILURE, "accept4");
}

int main(void)
{
    static struct epoll_event events[EVENTS];
    int listening = listen_anywhere(SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listening, &event) != 0)
        err(EXIT_FAILURE, "epoll");
    for (;;) {
        int count = epoll_wait(set, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;

            if (c == NULL)
                accept_one(listening);
            else if (c->writing)
                on_writable(c);
            else
                on_readable(c);
        }
    }
}
