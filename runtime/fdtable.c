/* SPDX-License-Identifier: MIT
 *
 * Entries are separate allocations, because the links of their entries point back to them.
 */
#include "fdtable.h"

#include "closings.h"
#include "incarnation.h"
#include "loop.h"
#include "waiter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

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

struct fd_entry *fdtable_find(const struct fdtable *table, int fd)
{
    return fd >= 0 && fd < table->size ? table->entries[fd] : NULL;
}

struct fd_entry *fdtable_entry(struct fdtable *table, int fd)
{
    struct fd_entry *entry;

    if (fd < 0) {
        errno = EBADF;
        return NULL;
    }
    if (fd >= table->size && grow(table, fd) != 0)
        return NULL;
    if (table->entries[fd] != NULL)
        return table->entries[fd];
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    list_init(&entry->waits);
    table->entries[fd] = entry;
    return entry;
}

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

int fdtable_add(struct fdtable *table, struct fd_wait *wait)
{
    struct fd_entry *entry = fdtable_entry(table, wait->fd);
    struct loop *loop = table->loop;

    if (entry == NULL)
        return -1;
    wait->closed = false;
    wait->life = incarnation_watch(wait->fd, table->closings->bit);
    list_append(&entry->waits, &wait->link);
    if (wait->events != 0 && loop->ops->watch(loop, wait->fd, interest(&entry->waits),
                                              !descriptor_is_trusted(entry, wait->fd)) != 0) {
        list_remove(&wait->link);
        return -1;
    }
    return 0;
}

void fdtable_remove(struct fd_wait *wait)
{
    list_remove(&wait->link);
}

short fdtable_ready(struct fdtable *table, int fd, short revents)
{
    struct fd_entry *entry = fdtable_find(table, fd);
    struct list *list;

    if (entry == NULL)
        return 0;
    list = &entry->waits;
    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        if ((revents & (wait->events | POLLERR | POLLHUP | POLLNVAL)) != 0)
            waiter_wake(wait->waiter, WAKE_READY);
    }
    return interest(list);
}

bool fdtable_awaits(const struct fdtable *table, int fd, short events)
{
    const struct fd_entry *entry = fdtable_find(table, fd);

    if (entry == NULL)
        return false;
    for (const struct list *link = entry->waits.next; link != &entry->waits; link = link->next)
        if ((list_entry(link, struct fd_wait, link)->events & events) != 0)
            return true;
    return false;
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

bool fdtable_is_over(const struct fd_wait *wait)
{
    return wait->closed || wait->life != incarnation_life(wait->fd);
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
        incarnation_unwatch(fd, table->closings->bit);
    table->loop->ops->forget(table->loop, fd);
    events = interest(&entry->waits);
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
