/* SPDX-License-Identifier: MIT
 *
 * Entries are separate allocations, because the links of their entries point back to them.
 */
#include "fdtable.h"

#include "cacheline.h"
#include "closings.h"
#include "epollset.h"
#include "hub.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* A wait relies on what the kernel was told before it began for one to two of these; longer where
 * more descriptors than DOUBTS are waited for at once. */
#define DOUBT_SECONDS 0.05
enum { DOUBTS = 256 };

enum { UNWANTED_REPORTS = 2 };

/* What can stand behind data that are read. */
#define BEYOND (POLLRDHUP | POLLPRI | POLLERR | POLLHUP)

_Static_assert(sizeof(struct fd_entry) <= CACHE_LINE, "an entry is one cache line");

void fdtable_init(struct fdtable *table, struct hub *hub, struct epollset *set,
                  struct closings *closings)
{
    *table = (struct fdtable){
        .hub = hub, .set = set, .closings = closings, .tick = 1, .doubt_at = (double)INFINITY};
}

void fdtable_finish(struct fdtable *table)
{
    for (int fd = 0; fd < table->size; fd++)
        free(table->entries[fd]);
    free(table->entries);
    free(table->relied);
    *table = (struct fdtable){0};
}

static int grow(struct fdtable *table, int fd)
{
    int size = table->size == 0 ? 64 : table->size;
    struct fd_entry **entries;
    int *relied;

    while (size <= fd)
        if (__builtin_mul_overflow(size, 2, &size)) {
            errno = ENOMEM;
            return -1;
        }
    relied = reallocarray(table->relied, (size_t)size, sizeof *relied);
    if (relied == NULL)
        return -1;
    table->relied = relied;
    entries = reallocarray(table->entries, (size_t)size, sizeof *entries);
    if (entries == NULL)
        return -1;
    memset(entries + table->size, 0, (size_t)(size - table->size) * sizeof *entries);
    table->entries = entries;
    table->size = size;
    return 0;
}

struct fd_entry *fdtable_make(struct fdtable *table, int fd)
{
    struct fd_entry *entry;

    if (fd < 0) {
        errno = EBADF;
        return NULL;
    }
    if (fd >= table->size && grow(table, fd) != 0)
        return NULL;
    entry = cacheline_alloc(sizeof *entry);
    if (entry == NULL)
        return NULL;
    *entry = (struct fd_entry){.number = incarnation_record(fd)};
    list_init(&entry->waits);
    table->entries[fd] = entry;
    return entry;
}

/* The events that somebody still waits for. */
static short interest(const struct list *list)
{
    int events = 0;

    for (struct list *link = list->next; link != list; link = link->next) {
        const struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        if (wait->waiter->cause == WAKE_NONE)
            events |= wait->events;
    }
    return (short)events;
}

/* --- the kernel ------------------------------------------------------------------------------- */

static void wake_all(const struct fdtable *table, struct list *list, enum wake cause)
{
    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        wait->closed = wait->closed || cause == WAKE_CLOSED;
        waiter_wake_in(table->hub, wait->waiter, cause);
    }
}

/* Where code that we do not see closed it, the kernel goes on reporting under the old tag as long
 * as the file lives. */
static void forget(struct fd_entry *entry)
{
    entry->told = 0;
    entry->tag++;
    entry->drained = false;
}

/* Whoever waits for what the kernel cannot report looks again, and will hear why; and for what
 * another thread closes between two guesses of what the kernel was told. */
static bool is_for_the_waiter(int error)
{
    return error == EBADF || error == EPERM || error == ENOENT || error == EEXIST;
}

static int tell(struct fdtable *table, struct fd_entry *entry, int fd, short events)
{
    const int all = (events & POLLIN) != 0 ? events | BEYOND : events;
    int saved = errno;

    entry->unwanted = 0;
    if (epollset_tell(table->set, fd, (short)all, entry->tag, entry->told != 0) == 0) {
        entry->told = events;
        return 0;
    }
    entry->told = 0;
    if (epollset_is_lost(table->set)) {
        if (fdtable_begin_anew(table) != 0)
            return -1;
    } else {
        if (!is_for_the_waiter(errno))
            return -1;
        wake_all(table, &entry->waits, WAKE_READY);
    }
    errno = saved;
    return 0;
}

static void rely(struct fdtable *table, struct fd_entry *entry, int fd)
{
    if (entry->relied_since == 0)
        entry->relied_since = table->tick;
    if (entry->relied)
        return;
    entry->relied = true;
    table->relied[table->relied_count++] = fd;
    if (table->doubt_at >= (double)INFINITY)
        table->doubt_at = hub_now_coarsely() + DOUBT_SECONDS;
}

/* Returns whether the entry stays among those that are relied on. */
static bool doubt(struct fdtable *table, struct fd_entry *entry, int fd, int *budget)
{
    short awaited = interest(&entry->waits);

    if (entry->relied_since == 0 || awaited == 0)
        return false;
    if (table->tick - entry->relied_since < 2 || *budget == 0)
        return true;
    --*budget;
    entry->relied_since = 0;
    if (tell(table, entry, fd, (short)(entry->told | awaited)) != 0)
        wake_all(table, &entry->waits, WAKE_READY);
    return false;
}

void fdtable_doubt(struct fdtable *table)
{
    int count = table->relied_count, budget = DOUBTS;

    table->tick += table->tick + 1 == 0 ? 2 : 1;
    table->relied_count = 0;
    for (int i = 0; i < count; i++) {
        int fd = table->relied[i];
        struct fd_entry *entry = table->entries[fd];

        entry->relied = doubt(table, entry, fd, &budget);
        if (entry->relied)
            table->relied[table->relied_count++] = fd;
        else
            entry->relied_since = 0;
    }
    table->doubt_at =
        table->relied_count > 0 ? hub_now_coarsely() + DOUBT_SECONDS : (double)INFINITY;
}

int fdtable_begin_anew(struct fdtable *table)
{
    if (epollset_renew(table->set) != 0)
        return -1;
    for (int fd = 0; fd < table->size; fd++) {
        struct fd_entry *entry = table->entries[fd];
        short events = entry != NULL ? interest(&entry->waits) : 0;

        if (entry != NULL)
            forget(entry);
        if (events != 0 && tell(table, entry, fd, events) != 0)
            wake_all(table, &entry->waits, WAKE_READY);
    }
    return 0;
}

void fdtable_forget(struct fdtable *table, int fd)
{
    struct fd_entry *entry = fdtable_find(table, fd);

    if (entry != NULL)
        forget(entry);
}

/* Nobody waits any more for what is reported again and again. */
static void note_unwanted(struct fdtable *table, struct fd_entry *entry, int fd)
{
    if (++entry->unwanted < UNWANTED_REPORTS)
        return;
    if (epollset_tell(table->set, fd, 0, entry->tag, true) == 0)
        entry->told = 0;
    entry->unwanted = 0;
}

/* --- waits ------------------------------------------------------------------------------------ */

int fdtable_tell(struct fdtable *table, struct fd_entry *entry, bool trusted, struct fd_wait *wait)
{
    if (wait->events == 0)
        return 0;
    if (!trusted || (wait->events & ~entry->told) != 0) {
        if (tell(table, entry, wait->fd, (short)(wait->events | entry->told)) != 0) {
            list_remove(&wait->link);
            return -1;
        }
        if (trusted)
            return 0;
    }
    rely(table, entry, wait->fd);
    return 0;
}

HOT void fdtable_ready(struct fdtable *table, int fd, unsigned tag, short revents)
{
    struct fd_entry *entry = fdtable_find(table, fd);
    bool others = false;

    if (SELDOM(entry == NULL || entry->tag != tag))
        return;
    entry->drained = false;
    entry->beyond = (revents & BEYOND) != 0;
    if (SELDOM(list_empty(&entry->waits))) {
        note_unwanted(table, entry, fd);
        return;
    }
    entry->unwanted = 0;
    for (struct list *link = entry->waits.next; link != &entry->waits; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        if ((revents & (wait->events | POLLERR | POLLHUP)) != 0)
            waiter_wake_in(table->hub, wait->waiter, WAKE_READY);
        else
            others = true;
    }
    if (!others)
        entry->relied_since = 0;
}

void fdtable_close(struct fdtable *table, int fd)
{
    struct fd_entry *entry = fdtable_find(table, fd);

    if (entry == NULL)
        return;
    entry->incarnation = 0;
    wake_all(table, &entry->waits, WAKE_CLOSED);
    if (entry->told != 0)
        epollset_drop(table->set, fd);
    forget(entry);
}

/* Returns whether somebody waits for the number as it is now. */
static bool wake_outlived(const struct fdtable *table, struct list *list)
{
    bool others = false;

    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        if (fdtable_is_over(wait)) {
            wait->closed = true;
            waiter_wake_in(table->hub, wait->waiter, WAKE_CLOSED);
        } else {
            others = true;
        }
    }
    return others;
}

/* The kernel was told of the old file: it is told anew where somebody waits for a new one. */
static void end_life(void *data, int fd)
{
    struct fdtable *table = data;
    struct fd_entry *entry = fdtable_find(table, fd);
    short events;

    if (entry == NULL)
        return;
    if (!wake_outlived(table, &entry->waits) && closings_bit_is_own(table->closings))
        incarnation_unwatch(entry->number, table->closings->bit);
    forget(entry);
    events = interest(&entry->waits);
    if (events != 0 && tell(table, entry, fd, events) != 0)
        wake_all(table, &entry->waits, WAKE_READY);
}

void fdtable_collect(struct fdtable *table)
{
    int saved = errno;

    closings_collect(table->closings, table->size, end_life, table);
    errno = saved;
}

void fdtable_retry(struct fdtable *table, int fd)
{
    struct fd_entry *entry = fdtable_find(table, fd);

    if (entry != NULL)
        wake_all(table, &entry->waits, WAKE_READY);
}
