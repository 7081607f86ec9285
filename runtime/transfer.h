/* SPDX-License-Identifier: MIT
 *
 * Whole transfers on sockets, as blocking sockets do them: what send, write, recv with MSG_WAITALL
 * and their relatives have in common once the first try was not enough.
 */
#ifndef GREEN_TRANSFER_H
#define GREEN_TRANSFER_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct blocking;

/* sendmsg() until everything is sent: partial only with an error or timeout after progress. */
ssize_t transfer_send(struct blocking *b, const struct msghdr *message, int flags);

/* The same after a first try of the caller's, which sent `done` bytes or gave EAGAIN. */
ssize_t transfer_send_rest(struct blocking *b, const struct msghdr *message, int flags,
                           size_t done);

/* recvmsg() with MSG_WAITALL: everything asked for, less only at the end of the stream, with an
 * error or timeout after progress, or where control data came along. */
ssize_t transfer_receive_all(struct blocking *b, struct msghdr *message, int flags);

#endif
