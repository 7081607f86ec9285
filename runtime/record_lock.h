/* SPDX-License-Identifier: MIT
 *
 * Waiting for a record lock, for the hooks of lockf and fcntl.
 */
#ifndef GREEN_RECORD_LOCK_H
#define GREEN_RECORD_LOCK_H

struct flock;
struct hub;

/* fcntl() with F_SETLKW or F_OFD_SETLKW. */
int record_lock_wait(struct hub *hub, int fd, int command, struct flock *range);

#endif
