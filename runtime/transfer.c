/* SPDX-License-Identifier: MIT
 *
 * Loops over parts of a message; blocking.h decides about each wait.
 */
#include "transfer.h"

#include "blocking.h"
#include "hub.h"
#include "pointer.h"
#include "suspend.h"
#include "thread/cancel.h"
#include "vector.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>

/* After progress the error that waits in the socket belongs to the next call: do not fetch it. */
static bool broken(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLOUT};

    return poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

/* What broke the connection during the wait: a waiting call fails with that, where another try
 * would only hear that it is broken. */
bool transfer_fetch_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error == 0)
        return false;
    errno = error;
    return true;
}

void transfer_drop_error(int fd)
{
    int saved = errno;

    (void)transfer_fetch_error(fd);
    errno = saved;
}

bool transfer_must_not_send(const struct blocking *b, bool waited)
{
    if (!b->progress)
        return waited && transfer_fetch_error(b->fd);
    if (!broken(b->fd))
        return false;
    errno = EPIPE;
    return true;
}

static ssize_t send_part(struct blocking *b, struct msghdr *part, int flags)
{
    bool waited = false;
    ssize_t sent;

    do {
        if (transfer_must_not_send(b, waited)) {
            blocking_tried(b);
            return -1;
        }
        sent = sendmsg(b->fd, part, flags | b->dontwait | (b->progress ? MSG_NOSIGNAL : 0));
        waited = true;
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
            sent = blocking_progress(b);
            part.msg_control = NULL;
            part.msg_controllen = 0;
        }
        if (sent < 0)
            break;
        sent = send_part(b, &part, flags);
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

/* After a first try that sent `sent` bytes or gave EAGAIN. */
static __attribute__((noinline)) ssize_t send_bytes_on(struct hub *hub, const char *call, int fd,
                                                       struct iovec bytes, int flags, ssize_t sent,
                                                       unsigned life, int saved_errno)
{
    struct blocking b = blocking_after_try(hub, call, fd, POLLOUT, SO_SNDTIMEO, saved_errno);
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

    b.life = life;
    return transfer_send_rest(&b, &message, flags, sent < 0 ? 0 : (size_t)sent);
}

HOT ssize_t transfer_send_bytes(struct hub *hub, const char *call, int fd, const void *buffer,
                                size_t size, int flags)
{
    unsigned life = blocking_life(hub, fd);
    int saved = errno;
    ssize_t sent;

    CANCELLATION_POINT(hub);
    hub->stats.optimistic++;
    sent = send(fd, buffer, size, flags | MSG_DONTWAIT);
    if (OFTEN(!transfer_continues(sent, size)))
        return sent;
    return send_bytes_on(hub, call, fd, (struct iovec){(void *)buffer, size}, flags, sent, life,
                         saved);
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
 * look now and then can tell whether enough has come. A Unix socket does not wait for more. */
static ssize_t peek_all(struct blocking *b, struct msghdr *message, int flags)
{
    const struct msghdr given = *message;
    size_t size = vector_size(given.msg_iov, given.msg_iovlen);
    double pause = 0.001;
    ssize_t seen;

    do {
        *message = given;
        seen = recvmsg(b->fd, message, flags | b->dontwait);
    } while (blocking_retry(b, seen));
    while (seen > 0 && (size_t)seen < size && b->dontwait != 0 && is_stream(b->fd) &&
           !blocking_is_unix(b) && !at_end(b->fd) && blocking_pause(b, &pause) == 0) {
        *message = given;
        seen = recvmsg(b->fd, message, flags | b->dontwait);
        blocking_tried(b);
    }
    if (seen >= 0)
        errno = b->saved_errno;
    return seen;
}

/* Data behind descriptors is for the next call. */
static bool carries_descriptors(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            return true;
    return false;
}

/* Something stands in front of the next byte: the mark of urgent data, or an error after the last
 * one. That is for the next call. */
static bool next_is_not_data(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLPRI};
    int at_mark = 0, left = 0;

    if (poll(&state, 1, 0) <= 0)
        return false;
    if ((state.revents & POLLPRI) != 0 && ioctl(fd, SIOCATMARK, &at_mark) == 0 && at_mark != 0)
        return true;
    return (state.revents & POLLERR) != 0 && ioctl(fd, FIONREAD, &left) == 0 && left == 0;
}

/* A further part, or 0 when the call ends without one; -1 likewise, with errno. */
static ssize_t receive_part(struct blocking *b, const struct vector *rest,
                            const struct msghdr *given, struct msghdr *part, int flags)
{
    ssize_t received;

    do {
        if (next_is_not_data(b->fd)) {
            blocking_tried(b);
            return 0;
        }
        *part = (struct msghdr){.msg_iov = rest->iov,
                                .msg_iovlen = rest->count,
                                .msg_control = given->msg_control,
                                .msg_controllen = given->msg_controllen};
        received = recvmsg(b->fd, part, flags | b->dontwait);
    } while (blocking_retry(b, received));
    return received;
}

/* Fills what `done` bytes left open; `given` is the message as the caller gave it. */
static ssize_t receive_rest(struct blocking *b, struct msghdr *message, const struct msghdr *given,
                            int flags, size_t done)
{
    size_t size = vector_size(given->msg_iov, given->msg_iovlen);
    struct msghdr part;
    struct vector rest;
    ssize_t received;

    if (done >= size || carries_descriptors(message) || !is_stream(b->fd) ||
        vector_init(&rest, given->msg_iov, given->msg_iovlen) != 0)
        return (ssize_t)done;
    vector_advance(&rest, done);
    do {
        received = blocking_progress(b);
        if (received == 0)
            received = receive_part(b, &rest, given, &part, flags);
        if (received <= 0)
            break;
        done += (size_t)received;
        vector_advance(&rest, (size_t)received);
        if (part.msg_controllen > 0)
            message->msg_controllen = part.msg_controllen;
        message->msg_flags |= part.msg_flags;
    } while (done < size && !carries_descriptors(&part));
    vector_finish(&rest);
    errno = b->saved_errno;
    return (ssize_t)done;
}

ssize_t transfer_receive_all(struct blocking *b, struct msghdr *message, int flags)
{
    struct msghdr given;
    ssize_t received;

    if (pointer_is_wild(message))
        return recvmsg(b->fd, message, flags);
    if ((flags & MSG_PEEK) != 0)
        return peek_all(b, message, flags);
    given = *message;
    do {
        *message = given;
        received = recvmsg(b->fd, message, flags | b->dontwait);
    } while (blocking_retry(b, received));
    return received <= 0 ? received : receive_rest(b, message, &given, flags, (size_t)received);
}

static __attribute__((noinline)) ssize_t receive_bytes_all(struct hub *hub, const char *call,
                                                           int fd, struct iovec bytes, int flags)
{
    struct blocking b = blocking_begin(hub, call, fd, POLLIN, SO_RCVTIMEO);
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

    return transfer_receive_all(&b, &message, flags);
}

/* Of how many bytes fewer mean that there are no more: a look leaves them there. */
static size_t taken(size_t size, int flags)
{
    return (flags & MSG_PEEK) != 0 ? 0 : size;
}

/* Receives as `b` says once its next wait, which has begun or not, has ended. */
static ssize_t receive_again(struct blocking *b, void *buffer, size_t size, int flags)
{
    ssize_t received;

    do
        received = recv(b->fd, buffer, size, flags | b->dontwait);
    while (blocking_retry(b, received));
    if (b->entry != NULL)
        fd_entry_was_read(b->entry, received, taken(size, flags));
    return received;
}

/* With errno as it was before the call. */
static __attribute__((noinline)) ssize_t receive_waiting(struct hub *hub, const char *call, int fd,
                                                         void *buffer, size_t size, int flags)
{
    struct blocking b = blocking_after_try(hub, call, fd, POLLIN, SO_RCVTIMEO, errno);

    hub->stats.optimistic++;
    return blocking_wait(&b) == 0 ? receive_again(&b, buffer, size, flags) : -1;
}

/* After a plain wait that ended with `cause`, or with WAKE_NONE: the try after it gave EAGAIN. */
static __attribute__((noinline)) ssize_t receive_after(struct hub *hub, const char *call,
                                                       struct fd_entry *entry, int fd, void *buffer,
                                                       size_t size, int flags, unsigned life,
                                                       enum wake cause)
{
    struct blocking b = blocking_after_wait(hub, call, entry, fd, POLLIN, SO_RCVTIMEO, life);

    if ((cause == WAKE_NONE ? blocking_wait(&b) : blocking_conclude(&b, cause)) != 0)
        return -1;
    return receive_again(&b, buffer, size, flags);
}

/* Nobody waited yet. */
enum { WOULD_BLOCK = -2 };

/* The first try. errno is as it was before where the call has to wait. */
static __attribute__((noinline)) ssize_t receive_at_once(struct hub *hub, struct fd_entry *entry,
                                                         int fd, void *buffer, size_t size,
                                                         int flags)
{
    int saved = errno;
    ssize_t received;

    if (fd_entry_is_drained(entry))
        return WOULD_BLOCK;
    received = recv(fd, buffer, size, flags | MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN) {
        errno = saved;
        return WOULD_BLOCK;
    }
    hub->stats.optimistic++;
    if (entry != NULL)
        fd_entry_was_read(entry, received, taken(size, flags));
    return received;
}

/* The wait that is made most often, with one frame on the suspended stack. */
static inline ssize_t receive_plainly(struct hub *hub, const char *call, struct fd_entry *entry,
                                      int fd, void *buffer, size_t size, int flags)
{
    const unsigned life = incarnation_lives(entry->number);
    enum wake cause = waiter_await(hub, call, entry, true, fd, POLLIN, life);
    ssize_t received;

    if (OFTEN(cause == WAKE_READY) && OFTEN(closings_try(hub->fds.closings, entry->number, life))) {
        received = recv(fd, buffer, size, flags | MSG_DONTWAIT);
        closings_try_end(hub->fds.closings);
        fd_entry_was_read(entry, received, taken(size, flags));
        if (OFTEN(received >= 0) || errno != EAGAIN)
            return received;
        cause = WAKE_NONE;
    }
    return receive_after(hub, call, entry, fd, buffer, size, flags, life, cause);
}

/* What was read to its end before is not tried: a stream is reported as readable once it is. */
HOT ssize_t transfer_receive(struct hub *hub, const char *call, int fd, void *buffer, size_t size,
                             int flags)
{
    struct fd_entry *entry = fdtable_find(&hub->fds, fd);
    bool plain = blocking_is_plain(entry);
    ssize_t received;

    CANCELLATION_POINT(hub);
    if (SELDOM((flags & MSG_WAITALL) != 0))
        return receive_bytes_all(hub, call, fd, (struct iovec){buffer, size}, flags);
    if (SELDOM(!plain) || SELDOM(!entry->drained)) {
        received = receive_at_once(hub, entry, fd, buffer, size, flags);
        if (received != WOULD_BLOCK)
            return received;
    }
    if (OFTEN(plain))
        return receive_plainly(hub, call, entry, fd, buffer, size, flags);
    return receive_waiting(hub, call, fd, buffer, size, flags);
}
