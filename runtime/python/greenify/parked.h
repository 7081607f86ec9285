/* SPDX-License-Identifier: MIT
 *
 * What the bridge keeps in the four words that libgreen lends for a parked call: the greenlet, its
 * place among those that may go on, and how far it is. All of it lives on the heap, as greenlets
 * share the addresses of their stacks. Needs no GIL.
 */
#ifndef GREENIFY_PARKED_H
#define GREENIFY_PARKED_H

#include <green.h>
#include <stdbool.h>

/* Links point to links; words 0 and 1 of a parked call are its own link. */
struct parked_link {
    void *next, *previous;
};

struct parked_queue {
    struct parked_link head;
};

void parked_queue_init(struct parked_queue *queue);

/* A call that waits for its wake-up; `greenlet` is kept as it is. */
void parked_init(struct green_parked *p, void *greenlet);
void *parked_greenlet(const struct green_parked *p);

/* The call may go on: as the last of the queue. */
void parked_append(struct parked_queue *queue, struct green_parked *p);

bool parked_queue_empty(const struct parked_queue *queue);

/* The first, taken out; or NULL. */
struct green_parked *parked_take(struct parked_queue *queue);

/* All of `from` behind all of `to`. */
void parked_move(struct parked_queue *to, struct parked_queue *from);

/* Leaves the queue, if it is in one. */
void parked_remove(struct green_parked *p);

/* parked_append() was called. */
bool parked_woken(const struct green_parked *p);

#endif
