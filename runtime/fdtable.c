/* SPDX-License-Identifier: MIT
 *
 * Entries are separate allocations, because the links of their entries point back to them.
 */
#include "fdtable.h"

#include "cacheline.h"
#include "closings.h"
#include "loop.h"
#include "waiter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct fd_entry) <= CACHE_LINE, "an entry is one cache line");

void fdtable_init(struct fdtable *table, struct loop *loop, struct closings *closings)
{
    *table = (struct fdtable){.loop = loop, .closings = closings};
}

void fdtable_finish(struct fdtable *table)
{
    for (int fd = 0; fd < table->size; fd++)
        free(table->entries[fd]);
    free(table->entries);
    *table = (struct fdtable){0};
}

static int grow(struct fdtable *table, int fd)
{
    int size = table->size == 0 ? 64 : table->size;
    struct fd_entry **entries;

    while (size <= fd)
        if (__builtin_mul_overflow(size, 2, &size)) {
            errno = ENOMEM;
            return -1;
        }
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

static struct fd_interest interest(const struct list *list)
{
    int open = 0, all = 0;

    for (struct list *link = list->next; link != list; link = link->next) {
        const struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        all |= wait->events;
        if (wait->waiter->cause == WAKE_NONE)
            open |= wait->events;
    }
    return (struct fd_interest){(short)open, (short)all};
}

int fdtable_add(struct fdtable *table, struct fd_entry *entry, struct fd_wait *wait)
{
    short events = wait->events;

    wait->entry = entry;
    wait->closed = false;
    wait->life = incarnation_watch(entry->number, table->closings->bit);
    if (!list_empty(&entry->waits))
        events |= interest(&entry->waits).open;
    list_append(&entry->waits, &wait->link);
    if (wait->events == 0 ||
        table->loop->ops->watch(table->loop, wait->fd, events, !fd_entry_is_trusted(entry)) == 0)
        return 0;
    list_remove(&wait->link);
    return -1;
}

struct fd_interest fdtable_ready(struct fdtable *table, int fd, short revents)
{
    struct fd_entry *entry = fdtable_find(table, fd);
    struct list *list;

    if (entry == NULL)
        return (struct fd_interest){0, 0};
    entry->drained = false;
    list = &entry->waits;
    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        if ((revents & (wait->events | POLLERR | POLLHUP | POLLNVAL)) != 0)
            waiter_wake(wait->waiter, WAKE_READY);
    }
    return interest(list);
}

struct fd_interest fdtable_interest(const struct fdtable *table, int fd)
{
    const struct fd_entry *entry = fdtable_find(table, fd);

    return entry == NULL ? (struct fd_interest){0, 0} : interest(&entry->waits);
}

static void wake_all(struct list *list, enum wake cause)
{
    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        wait->closed = wait->closed || cause == WAKE_CLOSED;
        waiter_wake(wait->waiter, cause);
    }
}

void fdtable_close(struct fdtable *table, int fd)
{
    struct fd_entry *entry = fdtable_find(table, fd);

    if (entry == NULL)
        return;
    entry->incarnation = 0;
    wake_all(&entry->waits, WAKE_CLOSED);
    table->loop->ops->forget(table->loop, fd);
}

/* Returns whether somebody waits for the number as it is now. */
static bool wake_outlived(struct list *list)
{
    bool others = false;

    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        if (fdtable_is_over(wait)) {
            wait->closed = true;
            waiter_wake(wait->waiter, WAKE_CLOSED);
        } else {
            others = true;
        }
    }
    return others;
}

/* The loop's watch is of the old file: it begins anew where somebody waits for a new one. */
static void end_life(void *data, int fd)
{
    struct fdtable *table = data;
    struct fd_entry *entry = fdtable_find(table, fd);
    short events;

    if (entry == NULL)
        return;
    if (!wake_outlived(&entry->waits) && closings_bit_is_own(table->closings))
        incarnation_unwatch(entry->number, table->closings->bit);
    table->loop->ops->forget(table->loop, fd);
    events = interest(&entry->waits).open;
    if (events != 0 && table->loop->ops->watch(table->loop, fd, events, true) != 0)
        wake_all(&entry->waits, WAKE_READY);
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
        wake_all(&entry->waits, WAKE_READY);
}
