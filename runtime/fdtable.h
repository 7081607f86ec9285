/* SPDX-License-Identifier: MIT
 *
 * Which calls of a hub wait for which descriptor: an entry for each number. Keeps what the kernel
 * was told in step with the lists: it goes on reporting after a wait has ended, so that a
 * descriptor in steady use is told of once.
 */
#ifndef GREEN_FDTABLE_H
#define GREEN_FDTABLE_H

#include "closings.h"
#include "descriptor.h"
#include "hot.h"
#include "incarnation.h"
#include "list.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct epollset;
struct hub;
struct waiter;

/* One waiter's interest in one descriptor. */
struct fd_wait {
    struct list link;
    struct waiter *waiter;
    struct fd_entry *entry;
    int fd;
    unsigned life; /* of the descriptor when the wait began (incarnation.h) */
    short events;
    bool closed; /* the descriptor was closed during the wait */
};

/* What a hub knows of a number; one cache line. */
struct fd_entry {
    struct list waits;
    struct incarnation *number;
    unsigned incarnation;  /* at its birth in a hook; 0: it was born elsewhere (descriptor.h) */
    unsigned tag;          /* of the reports that count; others are of an earlier file */
    unsigned relied_since; /* table->tick when a wait began that relies on what the kernel was told,
                              and no report came since; 0: there is none */
    short told;            /* the events that the kernel reports */
    unsigned char unwanted; /* reports in a row that nobody waited for */
    bool relied : 1;        /* it is in table->relied */
    bool beyond : 1;        /* the last report told of what comes after the data, and is reported
                               once: an end, an error, urgent data */
    bool examined : 1;      /* `traits` are known */
    bool drained : 1;       /* with them: a read got less than it asked for, nothing came since */
    struct traits traits;
};

/* Whether the descriptor was born in a hooked call, and nothing was changed since (descriptor.h).
 */
static inline bool fd_entry_is_trusted(const struct fd_entry *entry)
{
    return entry->incarnation != 0 && entry->incarnation == incarnation_changes(entry->number);
}

/* Whether a read is known to find nothing. entry may be NULL. */
static inline bool fd_entry_is_drained(const struct fd_entry *entry)
{
    return entry != NULL && entry->drained && fd_entry_is_trusted(entry);
}

/* A read that takes what it reads gave `result` of `size` bytes. */
static inline void fd_entry_was_read(struct fd_entry *entry, ssize_t result, size_t size)
{
    entry->drained = OFTEN(result > 0) && OFTEN((size_t)result < size) && OFTEN(entry->examined) &&
                     OFTEN(entry->traits.tells) && OFTEN(!entry->beyond);
}

struct fdtable {
    struct hub *hub;
    struct epollset *set;
    struct closings *closings; /* of descriptors, by other threads */
    struct fd_entry **entries; /* by descriptor; NULL: nothing is known of it */
    int size;
    int *relied; /* descriptors whose entry says so; room for all */
    int relied_count;
    unsigned tick;   /* of fdtable_doubt(); never 0 */
    double doubt_at; /* when it is due (CLOCK_MONOTONIC, seconds); INFINITY: nothing is relied on */
};

/* `set` and `closings` are borrowed; the table is in the hub. */
void fdtable_init(struct fdtable *table, struct hub *hub, struct epollset *set,
                  struct closings *closings);
void fdtable_finish(struct fdtable *table);

/* NULL: nothing is known of fd. */
static inline struct fd_entry *fdtable_find(const struct fdtable *table, int fd)
{
    return (unsigned)fd < (unsigned)table->size ? table->entries[fd] : NULL;
}

/* The same, made if necessary. NULL with errno. */
struct fd_entry *fdtable_make(struct fdtable *table, int fd);

static inline struct fd_entry *fdtable_entry(struct fdtable *table, int fd)
{
    struct fd_entry *entry = fdtable_find(table, fd);

    return entry != NULL ? entry : fdtable_make(table, fd);
}

/* The inner half of fdtable_add(): has the kernel told, and relies on it. -1 with errno. */
int fdtable_tell(struct fdtable *table, struct fd_entry *entry, bool trusted, struct fd_wait *wait);

/* Has the kernel report what the wait is for. wait->waiter, fd and events are set by the caller,
 * who has looked at the descriptor before, and whether it is `trusted`. -1 with errno. */
static inline int fdtable_add(struct fdtable *table, struct fd_entry *entry, bool trusted,
                              struct fd_wait *wait)
{
    wait->entry = entry;
    wait->closed = false;
    wait->life = incarnation_watch(entry->number, table->closings->bit);
    if (incarnation_is_closing(entry->number)) {
        errno = EBADF;
        return -1;
    }
    list_append(&entry->waits, &wait->link);
    if (SELDOM(!trusted) || SELDOM((wait->events & ~entry->told) != 0) || SELDOM(!entry->relied))
        return fdtable_tell(table, entry, trusted, wait);
    if (entry->relied_since == 0)
        entry->relied_since = table->tick;
    return 0;
}

static inline void fdtable_remove(struct fd_wait *wait)
{
    list_remove(&wait->link);
}

/* A report of the kernel: wakes those whose events are among `revents` (error and hang-up concern
 * everybody). */
void fdtable_ready(struct fdtable *table, int fd, unsigned tag, short revents);

/* What the kernel was told of fd does not count any more. */
void fdtable_forget(struct fdtable *table, int fd);

/* Tells the kernel anew of what has been relied on for long: code that we do not see may have
 * closed a descriptor, and opened another with its number. */
void fdtable_doubt(struct fdtable *table);

/* The set was lost: all is told to a new one. -1 with errno. */
int fdtable_begin_anew(struct fdtable *table);

/* fd is about to be closed: everybody who waits for it is woken with WAKE_CLOSED. */
void fdtable_close(struct fdtable *table, int fd);

/* Other threads have closed descriptors: those who wait for them are woken with WAKE_CLOSED. */
void fdtable_collect(struct fdtable *table);

/* Whether what the wait is for was closed meanwhile, by any thread, told of or not. */
static inline bool fdtable_is_over(const struct fd_wait *wait)
{
    return wait->closed || wait->life != incarnation_lives(wait->entry->number);
}

/* Everybody who waits for fd shall look again. */
void fdtable_retry(struct fdtable *table, int fd);

#endif
