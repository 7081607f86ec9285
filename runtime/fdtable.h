/* SPDX-License-Identifier: MIT
 *
 * Which calls of a hub wait for which descriptor: an entry for each number. Keeps the loop's
 * watches in step with the lists.
 */
#ifndef GREEN_FDTABLE_H
#define GREEN_FDTABLE_H

#include "descriptor.h"
#include "list.h"

#include <stdbool.h>

struct closings;
struct loop;
struct waiter;

/* One waiter's interest in one descriptor. */
struct fd_wait {
    struct list link;
    struct waiter *waiter;
    int fd;
    short events;
    bool closed;   /* the descriptor was closed during the wait */
    unsigned life; /* of the descriptor when the wait began (incarnation.h) */
};

struct fd_entry {
    struct list waits;
    unsigned incarnation; /* at its birth in a hook; 0: it was born elsewhere (descriptor.h) */
    bool examined;        /* `traits` are known */
    struct traits traits;
};

struct fdtable {
    struct loop *loop;
    struct closings *closings;
    struct fd_entry **entries; /* by descriptor; NULL: nothing is known of it */
    int size;
};

void fdtable_init(struct fdtable *table, struct loop *loop, struct closings *closings);
void fdtable_finish(struct fdtable *table);

/* NULL: nothing is known of fd. */
struct fd_entry *fdtable_find(const struct fdtable *table, int fd);

/* The same, made if necessary. NULL with errno. */
struct fd_entry *fdtable_entry(struct fdtable *table, int fd);

/* wait->waiter, fd and events are set by the caller. -1 with errno. */
int fdtable_add(struct fdtable *table, struct fd_wait *wait);
void fdtable_remove(struct fd_wait *wait);

/* Wakes those whose events are among `revents` (error and hang-up concern everybody), and returns
 * the events that are still waited for. */
short fdtable_ready(struct fdtable *table, int fd, short revents);

/* Whether somebody waits for one of `events` of fd, or was woken and has not run yet. */
bool fdtable_awaits(const struct fdtable *table, int fd, short events);

/* fd is about to be closed: everybody who waits for it is woken with WAKE_CLOSED. */
void fdtable_close(struct fdtable *table, int fd);

/* Other threads have closed descriptors: those who wait for them are woken with WAKE_CLOSED. */
void fdtable_collect(struct fdtable *table);

/* Whether what the wait is for was closed meanwhile, by any thread, told of or not. */
bool fdtable_is_over(const struct fd_wait *wait);

/* Everybody who waits for fd shall look again. */
void fdtable_retry(struct fdtable *table, int fd);

#endif
