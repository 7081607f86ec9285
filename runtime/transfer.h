/* SPDX-License-Identifier: MIT
 *
 * Transfers on sockets, as blocking sockets do them: what send, write, recv, read and their
 * relatives have in common. The two that are made most often come first; the others are for what
 * the first try did not do.
 */
#ifndef GREEN_TRANSFER_H
#define GREEN_TRANSFER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct blocking;
struct hub;

/* recv(), waiting where it does. `call`: the name of the call that it is made for. */
ssize_t transfer_receive(struct hub *hub, const char *call, int fd, void *buffer, size_t size,
                         int flags);

/* send() of everything: partial only with an error or timeout after progress. */
ssize_t transfer_send_bytes(struct hub *hub, const char *call, int fd, const void *buffer,
                            size_t size, int flags);

/* After a first try that sent `sent` of `size` bytes: whether there is more to do. */
static inline bool transfer_continues(ssize_t sent, size_t size)
{
    return sent < 0 ? errno == EAGAIN : (size_t)sent < size;
}

/* The same with sendmsg(). */
ssize_t transfer_send(struct blocking *b, const struct msghdr *message, int flags);

/* The same after a first try of the caller's, which sent `done` bytes or gave EAGAIN. */
ssize_t transfer_send_rest(struct blocking *b, const struct msghdr *message, int flags,
                           size_t done);

/* Whether to send more would be wrong: it would raise a signal after some was sent, or hide what
 * broke the connection during a wait of this call (`waited`). errno says why. */
bool transfer_must_not_send(const struct blocking *b, bool waited);

/* Takes the error that waits in the socket: in errno, or drops it, as a call does that goes on until
 * it fails. Whether there was one. */
bool transfer_fetch_error(int fd);
void transfer_drop_error(int fd);

/* recvmsg() with MSG_WAITALL: everything asked for, less only at the end of the stream, with an
 * error or timeout after progress, or where control data came along. */
ssize_t transfer_receive_all(struct blocking *b, struct msghdr *message, int flags);

#endif
