/* SPDX-License-Identifier: MIT
 *
 * Lists are separate allocations, because their links point back to them while the table grows.
 */
#include "fdtable.h"

#include "loop.h"
#include "waiter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

void fdtable_init(struct fdtable *table, struct loop *loop)
{
    *table = (struct fdtable){.loop = loop};
}

void fdtable_finish(struct fdtable *table)
{
    for (int fd = 0; fd < table->size; fd++)
        free(table->lists[fd]);
    free(table->lists);
    *table = (struct fdtable){0};
}

static int grow(struct fdtable *table, int fd)
{
    int size = table->size == 0 ? 64 : table->size;
    struct list **lists;

    while (size <= fd)
        if (__builtin_mul_overflow(size, 2, &size)) {
            errno = ENOMEM;
            return -1;
        }
    lists = reallocarray(table->lists, (size_t)size, sizeof *lists);
    if (lists == NULL)
        return -1;
    memset(lists + table->size, 0, (size_t)(size - table->size) * sizeof *lists);
    table->lists = lists;
    table->size = size;
    return 0;
}

static struct list *list_find(const struct fdtable *table, int fd)
{
    return fd >= 0 && fd < table->size ? table->lists[fd] : NULL;
}

static struct list *list_for(struct fdtable *table, int fd)
{
    struct list *list;

    if (fd < 0) {
        errno = EBADF;
        return NULL;
    }
    if (fd >= table->size && grow(table, fd) != 0)
        return NULL;
    list = table->lists[fd];
    if (list == NULL) {
        list = malloc(sizeof *list);
        if (list == NULL)
            return NULL;
        list_init(list);
        table->lists[fd] = list;
    }
    return list;
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
    struct list *list = list_for(table, wait->fd);

    if (list == NULL)
        return -1;
    wait->closed = false;
    list_append(list, &wait->link);
    if (wait->events != 0 && table->loop->ops->watch(table->loop, wait->fd, interest(list)) != 0) {
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
    struct list *list = list_find(table, fd);

    if (list == NULL)
        return 0;
    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        if ((revents & (wait->events | POLLERR | POLLHUP | POLLNVAL)) != 0)
            waiter_wake(wait->waiter, WAKE_READY);
    }
    return interest(list);
}

static void wake_all(struct list *list, enum wake cause)
{
    for (struct list *link = list->next; link != list; link = link->next) {
        struct fd_wait *wait = list_entry(link, struct fd_wait, link);

        wait->closed = cause == WAKE_CLOSED;
        waiter_wake(wait->waiter, cause);
    }
}

void fdtable_close(struct fdtable *table, int fd)
{
    struct list *list = list_find(table, fd);

    if (list == NULL)
        return;
    wake_all(list, WAKE_CLOSED);
    table->loop->ops->forget(table->loop, fd);
}

void fdtable_retry(struct fdtable *table, int fd)
{
    struct list *list = list_find(table, fd);

    if (list != NULL)
        wake_all(list, WAKE_READY);
}
