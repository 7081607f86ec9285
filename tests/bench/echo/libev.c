/* SPDX-License-Identifier: MIT
 *
 * An echo server on libev's callbacks.
 */
#include "server.h"

#include <err.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What could not be sent at once. */
struct connection {
    ev_io io;
    size_t size, sent;
    char rest[MESSAGE_ROOM];
};

static void drop(struct ev_loop *loop, struct connection *c)
{
    ev_io_stop(loop, &c->io);
    close(c->io.fd);
    free(c);
}

static void await(struct ev_loop *loop, struct connection *c,
                  void (*ready)(struct ev_loop *, ev_io *, int), int events)
{
    ev_io_stop(loop, &c->io);
    ev_io_init(&c->io, ready, c->io.fd, events);
    ev_io_start(loop, &c->io);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents);

static void on_writable(struct ev_loop *loop, ev_io *io, int revents)
{
    struct connection *c = (struct connection *)io;
    ssize_t sent = send(io->fd, c->rest + c->sent, c->size - c->sent, MSG_NOSIGNAL);

    (void)revents;
    if (sent < 0 && errno != EAGAIN) {
        drop(loop, c);
        return;
    }
    c->sent += sent < 0 ? 0 : (size_t)sent;
    if (c->sent == c->size)
        await(loop, c, on_readable, EV_READ);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
    struct connection *c = (struct connection *)io;
    char bytes[MESSAGE_ROOM];
    ssize_t received = recv(io->fd, bytes, sizeof bytes, 0), sent;

    (void)revents;
    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        drop(loop, c);
        return;
    }
    sent = send(io->fd, bytes, (size_t)received, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        drop(loop, c);
    } else if (sent < received) {
        sent = sent < 0 ? 0 : sent;
        c->size = (size_t)(received - sent);
        c->sent = 0;
        memcpy(c->rest, bytes + sent, c->size);
        await(loop, c, on_writable, EV_WRITE);
    }
}

static void on_connection(struct ev_loop *loop, ev_io *io, int revents)
{
    struct connection *c = malloc(sizeof *c);
    int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)revents;
    if (c == NULL || fd < 0)
        err(EXIT_FAILURE, "accept4");
    ev_io_init(&c->io, on_readable, fd, EV_READ);
    ev_io_start(loop, &c->io);
}

int main(void)
{
    struct ev_loop *loop = ev_default_loop(0);
    ev_io listening;

    ev_io_init(&listening, on_connection, listen_anywhere(SOCK_NONBLOCK), EV_READ);
    ev_io_start(loop, &listening);
    ev_run(loop, 0);
    return EXIT_SUCCESS;
}
