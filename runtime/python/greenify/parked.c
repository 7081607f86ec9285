/* SPDX-License-Identifier: MIT */
#include "parked.h"

#include <assert.h>
#include <stddef.h>

/* How the four words are used. */
struct view {
    struct parked_link link;
    void *greenlet;
    void *woken; /* not NULL: it is */
};

static_assert(sizeof(struct view) == sizeof(struct green_parked), "exactly what is lent");

static struct view *view(struct green_parked *p)
{
    return (struct view *)(void *)p;
}

void parked_queue_init(struct parked_queue *queue)
{
    queue->head.next = queue->head.previous = &queue->head;
}

void parked_init(struct green_parked *p, void *greenlet)
{
    struct view *v = view(p);

    v->link.next = v->link.previous = &v->link;
    v->greenlet = greenlet;
    v->woken = NULL;
}

void *parked_greenlet(const struct green_parked *p)
{
    return ((const struct view *)(const void *)p)->greenlet;
}

void parked_append(struct parked_queue *queue, struct green_parked *p)
{
    struct view *v = view(p);
    struct parked_link *last = queue->head.previous;

    v->link.next = &queue->head;
    v->link.previous = last;
    last->next = &v->link;
    queue->head.previous = &v->link;
    v->woken = v;
}

bool parked_queue_empty(const struct parked_queue *queue)
{
    return queue->head.next == &queue->head;
}

struct green_parked *parked_take(struct parked_queue *queue)
{
    struct green_parked *p = queue->head.next;

    if (parked_queue_empty(queue))
        return NULL;
    parked_remove(p);
    return p;
}

void parked_move(struct parked_queue *to, struct parked_queue *from)
{
    struct parked_link *first = from->head.next, *last = from->head.previous;
    struct parked_link *before = to->head.previous;

    if (first == &from->head)
        return;
    first->previous = before;
    before->next = first;
    last->next = &to->head;
    to->head.previous = last;
    parked_queue_init(from);
}

void parked_remove(struct green_parked *p)
{
    struct parked_link *link = &view(p)->link;
    struct parked_link *next = link->next, *previous = link->previous;

    next->previous = previous;
    previous->next = next;
    link->next = link->previous = link;
}

bool parked_woken(const struct green_parked *p)
{
    return ((const struct view *)(const void *)p)->woken != NULL;
}
