/* SPDX-License-Identifier: MIT
 *
 * What the kernel reports to a hub: an epoll set of the descriptors that its flows wait for, and an
 * eventfd by which other threads wake it. Edge-triggered: a report comes when something changes, so
 * a descriptor in steady use costs nothing but its reports. Whoever waits has looked before, and
 * found nothing.
 */
#ifndef GREEN_EPOLLSET_H
#define GREEN_EPOLLSET_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fdtable;

struct epollset {
    atomic_int fd;    /* readable while there are reports */
    atomic_int event; /* in the set */
    atomic_bool woken;
    bool watched; /* by somebody else, under its number */
};

/* -1 with errno. */
int epollset_init(struct epollset *set);
void epollset_finish(struct epollset *set); /* leaves errno alone */

/* Whether the program has closed what is the set's, with all descriptors that it did not know, and
 * another can take its place: nobody else watches it. */
bool epollset_is_lost(struct epollset *set);

/* Another, which was told of nothing; the old numbers may be the program's by now. -1 with errno.
 */
int epollset_renew(struct epollset *set);

/* Has the kernel report each of `events` (POLLIN, POLLOUT) of fd, and errors, under this tag: from
 * now on, and at once what is there now. `told`: it was told of this descriptor before; a wrong
 * guess costs a system call. -1 with errno: EBADF, EPERM (a file that never waits), ENOSPC, ENOMEM.
 */
int epollset_tell(struct epollset *set, int fd, short events, unsigned tag, bool told);

/* Nothing of fd is reported any more, which is about to be closed: its file may live on under
 * another number, or in another process. From any thread, and from signal handlers. */
void epollset_drop(struct epollset *set, int fd);

/* Ends the wait of the hub, or its next one. From any thread, and from signal handlers. */
void epollset_wake(struct epollset *set);

/* Waits until there are reports, or until `seconds` are over (< 0: no limit, 0: not at all), with
 * this signal mask (NULL: the thread's own), and hands them to the table. Returns whether the set
 * was woken; *error: 0, EINTR when a signal handler ended the wait, or what went wrong. */
bool epollset_collect(struct epollset *set, double seconds, const sigset_t *mask,
                      struct fdtable *table, int *error);

#endif
