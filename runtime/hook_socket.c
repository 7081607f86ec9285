/* SPDX-License-Identifier: MIT
 *
 * Hooks of the socket calls.
 */
#include "at_once.h"
#include "blocking.h"
#include "descriptor.h"
#include "fortify.h"
#include "hook_inside.h"
#include "hub.h"
#include "pointer.h"
#include "thread/cancel.h"
#include "transfer.h"

#include <stdbool.h>

/* With these recv(2) and its relatives return at once. */
enum { RECEIVE_AT_ONCE = MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB };

static struct blocking receiving(struct hub *hub, const char *call, int fd)
{
    return blocking_begin(hub, call, fd, POLLIN, SO_RCVTIMEO);
}

static struct blocking sending(struct hub *hub, const char *call, int fd)
{
    return blocking_begin(hub, call, fd, POLLOUT, SO_SNDTIMEO);
}

/* --- receiving -------------------------------------------------------------------------------- */

HOT ssize_t greenify_recv(int fd, void *buffer, size_t size, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & RECEIVE_AT_ONCE) != 0)
        return recv(fd, buffer, size, flags);
    return transfer_receive(hub, "recv", fd, buffer, size, flags);
}

ssize_t greenify___recv_chk(int fd, void *buffer, size_t size, size_t room, int flags)
{
    if (fortify_is_libcs(size, room))
        return __recv_chk(fd, buffer, size, room, flags);
    return greenify_recv(fd, buffer, size, flags);
}

IN_HUB ssize_t recvfrom_in_hub(struct hub *hub, int fd, void *__restrict buffer, size_t size,
                               int flags, __SOCKADDR_ARG address, socklen_t *__restrict length)
{
    struct blocking b;
    ssize_t received;

    CANCELLATION_POINT(hub);
    b = receiving(hub, "recvfrom", fd);
    if ((flags & MSG_WAITALL) != 0 && !pointer_is_wild(length) && address.__sockaddr__ != NULL) {
        struct iovec iov = {buffer, size};
        struct msghdr message = {.msg_name = address.__sockaddr__,
                                 .msg_namelen = *length,
                                 .msg_iov = &iov,
                                 .msg_iovlen = 1};

        received = transfer_receive_all(&b, &message, flags);
        if (received >= 0)
            *length = message.msg_namelen;
        return received;
    }
    if ((flags & MSG_WAITALL) != 0)
        return greenify_recv(fd, buffer, size, flags);
    do
        received = recvfrom(fd, buffer, size, flags | b.dontwait, address, length);
    while (blocking_retry(&b, received));
    return received;
}

ssize_t greenify_recvfrom(int fd, void *__restrict buffer, size_t size, int flags,
                          __SOCKADDR_ARG address, socklen_t *__restrict length)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & RECEIVE_AT_ONCE) != 0)
        return recvfrom(fd, buffer, size, flags, address, length);
    return recvfrom_in_hub(hub, fd, buffer, size, flags, address, length);
}

ssize_t greenify___recvfrom_chk(int fd, void *__restrict buffer, size_t size, size_t room,
                                int flags, __SOCKADDR_ARG address, socklen_t *__restrict length)
{
    if (fortify_is_libcs(size, room))
        return __recvfrom_chk(fd, buffer, size, room, flags, address, length);
    return greenify_recvfrom(fd, buffer, size, flags, address, length);
}

IN_HUB ssize_t recvmsg_in_hub(struct hub *hub, int fd, struct msghdr *message, int flags)
{
    struct blocking b;
    ssize_t received;

    CANCELLATION_POINT(hub);
    b = receiving(hub, "recvmsg", fd);
    if ((flags & MSG_WAITALL) != 0)
        return transfer_receive_all(&b, message, flags);
    do
        received = recvmsg(fd, message, flags | b.dontwait);
    while (blocking_retry(&b, received));
    return received;
}

ssize_t greenify_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & RECEIVE_AT_ONCE) != 0)
        return recvmsg(fd, message, flags);
    return recvmsg_in_hub(hub, fd, message, flags);
}

/* --- sending ---------------------------------------------------------------------------------- */

IN_HUB ssize_t sendto_in_hub(struct hub *hub, int fd, const void *buffer, size_t size, int flags,
                             __CONST_SOCKADDR_ARG address, socklen_t length)
{
    struct iovec iov = {(void *)buffer, size};
    struct msghdr message = {.msg_name = (void *)address.__sockaddr__,
                             .msg_namelen = length,
                             .msg_iov = &iov,
                             .msg_iovlen = 1};
    struct blocking b;
    ssize_t sent;

    CANCELLATION_POINT(hub);
    b = sending(hub, "sendto", fd);
    sent = sendto(fd, buffer, size, flags | MSG_DONTWAIT, address, length);
    if (!transfer_continues(sent, size))
        return sent;
    return transfer_send_rest(&b, &message, flags, sent < 0 ? 0 : (size_t)sent);
}

ssize_t greenify_sendto(int fd, const void *buffer, size_t size, int flags,
                        __CONST_SOCKADDR_ARG address, socklen_t length)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & MSG_DONTWAIT) != 0)
        return sendto(fd, buffer, size, flags, address, length);
    return sendto_in_hub(hub, fd, buffer, size, flags, address, length);
}

HOT ssize_t greenify_send(int fd, const void *buffer, size_t size, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & MSG_DONTWAIT) != 0)
        return send(fd, buffer, size, flags);
    return transfer_send_bytes(hub, "send", fd, buffer, size, flags);
}

IN_HUB ssize_t sendmsg_in_hub(struct hub *hub, int fd, const struct msghdr *message, int flags)
{
    struct blocking b;

    CANCELLATION_POINT(hub);
    b = sending(hub, "sendmsg", fd);
    return transfer_send(&b, message, flags);
}

ssize_t greenify_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & MSG_DONTWAIT) != 0)
        return sendmsg(fd, message, flags);
    return sendmsg_in_hub(hub, fd, message, flags);
}

/* --- connections ------------------------------------------------------------------------------ */

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/* One try. A connection that is seen may be gone, or another process's, by the time of the call. */
static int accept_at_once(const struct blocking *b, __SOCKADDR_ARG address, socklen_t *length,
                          int flags)
{
    struct pollfd state = {.fd = b->fd, .events = POLLIN | POLLRDHUP};
    struct at_once at_once;
    int accepted;

    if (poll(&state, 1, 0) == 0 && is_listening(b->fd)) {
        errno = EAGAIN;
        return -1;
    }
    if ((state.revents & (POLLHUP | POLLRDHUP)) != 0) /* it is shut down, and waits for nobody */
        return accept4(b->fd, address, length, flags);
    at_once = at_once_begin(b->fd);
    accepted = accept4(b->fd, address, length, flags);
    at_once_end(&at_once);
    return accepted;
}

static int accept_waiting(struct hub *hub, const char *call, int fd, __SOCKADDR_ARG address,
                          socklen_t *__restrict length, int flags)
{
    struct blocking b = blocking_begin(hub, call, fd, POLLIN, SO_RCVTIMEO);
    int accepted;

    CANCELLATION_POINT(hub);
    do
        accepted = b.dontwait != 0 ? accept_at_once(&b, address, length, flags)
                                   : accept4(fd, address, length, flags);
    while (blocking_retry(&b, accepted));
    if (accepted >= 0)
        descriptor_born(hub, accepted);
    return accepted;
}

int greenify_accept(int fd, __SOCKADDR_ARG address, socklen_t *__restrict length)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return accept(fd, address, length);
    return accept_waiting(hub, "accept", fd, address, length, 0);
}

int greenify_accept4(int fd, __SOCKADDR_ARG address, socklen_t *__restrict length, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0)
        return accept4(fd, address, length, flags);
    return accept_waiting(hub, "accept4", fd, address, length, flags);
}

static int connect_at_once(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    struct at_once at_once = at_once_begin(fd);
    int result = connect(fd, address, length);

    at_once_end(&at_once);
    return result;
}

/* Whether it has failed; errno says how. To ask takes the error away, without which the socket
 * would call the next attempt an end of this one: it is told. A shutdown() of the program's own,
 * and nothing else, is a reset here; after that it would begin another connection. */
static bool connection_has_failed(const struct blocking *b, __CONST_SOCKADDR_ARG address,
                                  socklen_t length)
{
    int family = address.__sockaddr__->sa_family, error;

    if ((family != AF_INET && family != AF_INET6) || !transfer_fetch_error(b->fd))
        return false;
    error = errno;
    if (error != ECONNRESET)
        (void)connect_at_once(b->fd, address, length);
    errno = error;
    return true;
}

/* The connection is under way (EINPROGRESS) or was before (EALREADY): waits for its end. Only
 * another connect() tells the socket that it is over; SO_ERROR would leave it half-way. */
static int await_connection(struct blocking *b, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    int under_way = errno, result;

    do {
        if (blocking_wait(b) != 0) {
            if (errno == EAGAIN)
                errno = under_way; /* SO_SNDTIMEO is over (socket(7)) */
            return -1;
        }
        if (b->dontwait == 0)
            result = connect(b->fd, address, length);
        else if (connection_has_failed(b, address, length))
            result = -1;
        else
            result = connect_at_once(b->fd, address, length);
        blocking_tried(b);
    } while (b->dontwait != 0 && result != 0 && (errno == EALREADY || errno == EINPROGRESS));
    if (result != 0 && errno != EISCONN) /* another thread's call told it */
        return -1;
    errno = b->saved_errno;
    return 0;
}

/* A Unix socket whose peer has a full queue gives EAGAIN, and no event tells when there is room:
 * looks again after pauses. */
static int connect_to_full_queue(struct blocking *b, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    double pause = 0.0005;
    int result;

    do {
        if (blocking_pause(b, &pause) != 0)
            return -1;
        if (b->dontwait == 0)
            return connect(b->fd, address, length);
        result = connect_at_once(b->fd, address, length);
        blocking_tried(b);
    } while (result != 0 && errno == EAGAIN);
    if (result == 0)
        errno = b->saved_errno;
    return result;
}

IN_HUB int connect_in_hub(struct hub *hub, int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    struct at_once at_once;
    struct blocking b;
    int result;

    CANCELLATION_POINT(hub);
    descriptor_connects(hub, fd);
    b = sending(hub, "connect", fd);
    at_once = at_once_begin(fd);
    result = connect(fd, address, length);
    at_once_end(&at_once);
    if (result == 0 || at_once.flags < 0) /* done, or the program itself does not want to wait */
        return result;
    if (errno == EINPROGRESS || errno == EALREADY)
        return await_connection(&b, address, length);
    if (errno == EAGAIN && address.__sockaddr__->sa_family == AF_UNIX)
        return connect_to_full_queue(&b, address, length);
    return -1;
}

int greenify_connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return connect(fd, address, length);
    return connect_in_hub(hub, fd, address, length);
}

int greenify_shutdown(int fd, int how)
{
    struct hub *hub = hub_current();
    int result = shutdown(fd, how);

    if (hub != NULL && result == 0)
        fdtable_retry(&hub->fds, fd);
    return result;
}
