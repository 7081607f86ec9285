/* SPDX-License-Identifier: MIT
 *
 * Hooks of the calls that move several messages: recvmmsg, sendmmsg.
 */
#include "blocking.h"
#include "hook_inside.h"
#include "hub.h"
#include "thread/cancel.h"
#include "timespec.h"
#include "transfer.h"
#include "vector.h"

#include <stdbool.h>

/* --- receiving -------------------------------------------------------------------------------- */

/* MSG_WAITALL is for each message by itself. */
static int receive_whole(struct blocking *b, struct mmsghdr *message, int flags)
{
    ssize_t received = transfer_receive_all(b, &message->msg_hdr, flags);

    if (received < 0)
        return -1;
    message->msg_len = (unsigned)received;
    return 1;
}

static int receive_some(struct blocking *b, struct mmsghdr *messages, unsigned count, int flags)
{
    int received;

    if ((flags & MSG_WAITALL) != 0 && b->dontwait != 0)
        return receive_whole(b, messages, flags);
    do
        received = recvmmsg(b->fd, messages, count, flags | b->dontwait, NULL);
    while (blocking_retry(b, received));
    return received;
}

/* Until `count` messages have come; or one, with MSG_WAITFORONE; or an error or timeout after
 * progress. `until` is looked at after each message only: so it is in Linux (recvmmsg(2), BUGS). */
static int receive_messages(struct blocking *b, struct mmsghdr *messages, unsigned count, int flags,
                            double until)
{
    unsigned done = 0;
    int received = 0;

    do {
        if (done > 0)
            received = blocking_progress(b);
        if (received >= 0)
            received = receive_some(b, messages + done, count - done, flags);
        if (received <= 0)
            break;
        done += (unsigned)received;
    } while (done < count && (flags & MSG_WAITFORONE) == 0 && hub_now() < until);
    if (received < 0 && done == 0)
        return -1;
    errno = b->saved_errno;
    return (int)done;
}

int greenify_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                      struct timespec *timeout)
{
    struct hub *hub = hub_current();
    struct blocking b;
    double until;
    int received;

    if (hub == NULL || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) != 0 ||
        (timeout != NULL && !timespec_is_valid(timeout)))
        return recvmmsg(fd, messages, count, flags, timeout);
    CANCELLATION_POINT(hub);
    until = timeout == NULL ? hub_deadline(-1) : hub_deadline(timespec_seconds(timeout));
    b = blocking_begin(hub, "recvmmsg", fd, POLLIN, SO_RCVTIMEO);
    received = receive_messages(&b, messages, count, flags, until);
    if (timeout != NULL && received > 0)
        *timeout = timespec_from(until - hub_now());
    return received;
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool is_whole(const struct mmsghdr *message)
{
    const struct msghdr *header = &message->msg_hdr;

    return message->msg_len >= vector_size(header->msg_iov, header->msg_iovlen);
}

/* The message that did not go out, or not as a whole. */
static int send_rest(struct blocking *b, struct mmsghdr *message, int flags, size_t done)
{
    ssize_t sent = transfer_send_rest(b, &message->msg_hdr, flags, done);

    if (sent < 0)
        return -1;
    message->msg_len = (unsigned)sent;
    return 0;
}

int greenify_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    struct hub *hub = hub_current();
    struct blocking b;
    unsigned done = 0;

    if (hub == NULL || (flags & MSG_DONTWAIT) != 0)
        return sendmmsg(fd, messages, count, flags);
    CANCELLATION_POINT(hub);
    b = blocking_begin(hub, "sendmmsg", fd, POLLOUT, SO_SNDTIMEO);
    do {
        int sent = done > 0 ? blocking_try(&b) : 0;
        bool begun;

        if (sent == 0)
            sent = sendmmsg(fd, messages + done, count - done, flags | MSG_DONTWAIT);
        blocking_tried(&b);
        begun = sent > 0 && !is_whole(&messages[done + (unsigned)sent - 1]);
        if (sent < 0 && errno != EAGAIN)
            break;
        if (sent == 0)
            return (int)done; /* there was nothing to send */
        done += sent > 0 ? (unsigned)sent - begun : 0;
        if (sent < 0 || begun) {
            if (send_rest(&b, &messages[done], flags, begun ? messages[done].msg_len : 0) != 0)
                break;
            done++;
        }
    } while (done < count);
    if (done == 0)
        return -1;
    errno = b.saved_errno;
    return (int)done;
}
