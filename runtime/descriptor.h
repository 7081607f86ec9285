/* SPDX-License-Identifier: MIT
 *
 * What waiting on a descriptor means: whether its program made it non-blocking, and its timeouts.
 * That is asked of the kernel for every wait, because code that we do not see may change it, or
 * close the descriptor and open another with its number. A descriptor that was born in a hooked
 * call of this thread (accept, socket) is trusted instead: it is asked once, until a hooked call
 * changes it (fd_entry_is_trusted()).
 */
#ifndef GREEN_DESCRIPTOR_H
#define GREEN_DESCRIPTOR_H

#include <stdbool.h>

struct hub;
struct fd_entry;

struct traits {
    bool nonblocking; /* O_NONBLOCK, set by the program */
    bool tells;       /* TCP: a read that is short has found the end of what there was, and whatever
                         comes is reported (Unix: it ends at descriptors that are passed) */
    bool plain;       /* neither non-blocking nor with timeouts; of trusted ones only */
    double receive_timeout, send_timeout; /* SO_RCVTIMEO, SO_SNDTIMEO; < 0: none */
};

/* fd is new, from a hooked call. Leaves errno alone. */
void descriptor_born(struct hub *hub, int fd);

/* fd does not mean any more what it meant: it was closed, or replaced. hub may be NULL. Leaves
 * errno alone. */
void descriptor_gone(struct hub *hub, int fd);

/* The same before a close, after which descriptor_closed() takes what it returns: nobody begins to
 * wait for the old file meanwhile. */
unsigned descriptor_closing(struct hub *hub, int fd);
void descriptor_closed(int fd, unsigned closing);

/* A hooked call changed flags or options of fd. hub may be NULL. Leaves errno alone. */
void descriptor_changed(struct hub *hub, int fd);

/* A connection begins on fd: whatever stood under this number before is over, even where it was
 * closed out of our sight. A trusted descriptor is asked anew. Leaves errno alone. */
void descriptor_connects(struct hub *hub, int fd);

/* The traits of fd, whose entry this is: those kept there, or `room` filled. `option`: the only
 * timeout that is asked for, SO_RCVTIMEO or SO_SNDTIMEO; 0: none is. NULL with errno when fd is not
 * open. */
const struct traits *descriptor_traits(struct fd_entry *entry, int fd, int option,
                                       struct traits *room);

#endif
