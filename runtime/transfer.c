/* SPDX-License-Identifier: MIT
 *
 * Loops over parts of a message; blocking.h decides about each wait.
 */
#include "transfer.h"

#include "blocking.h"
#include "hub.h"
#include "vector.h"
#include "waiter.h"

#include <poll.h>
#include <stdbool.h>

/* After progress the error that waits in the socket belongs to the next call: do not fetch it. */
static bool broken(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLOUT};

    return poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

static ssize_t send_part(struct blocking *b, struct msghdr *part, int flags, bool progress)
{
    ssize_t sent;

    do {
        if (progress && broken(b->fd)) {
            errno = EPIPE;
            return -1;
        }
        sent = sendmsg(b->fd, part, flags | b->dontwait | (progress ? MSG_NOSIGNAL : 0));
    } while (blocking_retry(b, sent));
    return sent;
}

ssize_t transfer_send_rest(struct blocking *b, const struct msghdr *message, int flags, size_t done)
{
    size_t size = vector_size(message->msg_iov, message->msg_iovlen);
    struct msghdr part = *message;
    struct vector rest;
    ssize_t sent = 0;

    if (vector_init(&rest, message->msg_iov, message->msg_iovlen) != 0)
        return done > 0 ? (ssize_t)done : -1;
    vector_advance(&rest, done);
    do {
        part.msg_iov = rest.iov;
        part.msg_iovlen = rest.count;
        if (done > 0) {
            part.msg_control = NULL;
            part.msg_controllen = 0;
        }
        sent = send_part(b, &part, flags, done > 0);
        if (sent < 0)
            break;
        done += (size_t)sent;
        vector_advance(&rest, (size_t)sent);
    } while (done < size);
    vector_finish(&rest);
    if (sent < 0 && done == 0)
        return -1;
    errno = b->saved_errno;
    return (ssize_t)done;
}

/* The kernel sees the caller's message first: it is the one to say EFAULT. */
ssize_t transfer_send(struct blocking *b, const struct msghdr *message, int flags)
{
    ssize_t sent = sendmsg(b->fd, message, flags | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN)
        return -1;
    if (sent >= 0 && (size_t)sent >= vector_size(message->msg_iov, message->msg_iovlen))
        return sent;
    return transfer_send_rest(b, message, flags, sent < 0 ? 0 : (size_t)sent);
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* Nothing more can come: what is there is all there will be. */
static bool at_end(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLRDHUP};

    return poll(&state, 1, 0) > 0;
}

/* MSG_PEEK with MSG_WAITALL: the data stays, so the descriptor is ready all the time, and only a
 * look now and then can tell whether enough has come. */
static ssize_t peek_all(struct blocking *b, struct msghdr *message, int flags)
{
    struct msghdr given;
    double pause = 0.001;
    ssize_t seen;

    do {
        seen = recvmsg(b->fd, message, flags | b->dontwait);
        if (seen < 0 && errno != EAGAIN)
            return -1;
        given = *message;
    } while (blocking_retry(b, seen));
    while (seen > 0 && (size_t)seen < vector_size(message->msg_iov, message->msg_iovlen) &&
           b->dontwait != 0 && is_stream(b->fd) && !at_end(b->fd) &&
           blocking_pause(b, &pause) == 0) {
        *message = given;
        seen = recvmsg(b->fd, message, flags | b->dontwait);
    }
    if (seen >= 0)
        errno = b->saved_errno;
    return seen;
}

/* Fills what `done` bytes left open. */
static ssize_t receive_rest(struct blocking *b, const struct msghdr *message, int flags,
                            size_t done)
{
    size_t size = vector_size(message->msg_iov, message->msg_iovlen);
    struct msghdr part = {.msg_iov = NULL};
    struct vector rest;
    ssize_t received;

    if (done >= size || message->msg_controllen > 0 || !is_stream(b->fd) ||
        vector_init(&rest, message->msg_iov, message->msg_iovlen) != 0)
        return (ssize_t)done;
    vector_advance(&rest, done);
    do {
        part.msg_iov = rest.iov;
        part.msg_iovlen = rest.count;
        do
            received = recvmsg(b->fd, &part, flags | b->dontwait);
        while (blocking_retry(b, received));
        if (received <= 0)
            break;
        done += (size_t)received;
        vector_advance(&rest, (size_t)received);
    } while (done < size);
    vector_finish(&rest);
    errno = b->saved_errno;
    return (ssize_t)done;
}

ssize_t transfer_receive_all(struct blocking *b, struct msghdr *message, int flags)
{
    socklen_t name_room;
    size_t control_room;
    ssize_t received;

    if ((flags & MSG_PEEK) != 0)
        return peek_all(b, message, flags);
    received = recvmsg(b->fd, message, flags | b->dontwait);
    if (received < 0 && errno != EAGAIN)
        return -1; /* a bad pointer, too */
    name_room = message->msg_namelen;
    control_room = message->msg_controllen;
    while (blocking_retry(b, received)) {
        message->msg_namelen = name_room;
        message->msg_controllen = control_room;
        received = recvmsg(b->fd, message, flags | b->dontwait);
    }
    return received <= 0 ? received : receive_rest(b, message, flags, (size_t)received);
}
