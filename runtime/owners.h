/* SPDX-License-Identifier: MIT
 *
 * Which flow of a thread holds a lock whose holder libc knows only to be the thread: recursive and
 * error-checking mutexes, and reader-writer locks that are held for writing. Each hub has its own
 * table, since threads are told apart by the lock itself.
 */
#ifndef GREEN_OWNERS_H
#define GREEN_OWNERS_H

#include "list.h"

#include <stdbool.h>
#include <sys/types.h>

struct hub;
struct owners;

struct owner {
    struct list link;
    const void *lock;
    void *flow;
    unsigned depth;
};

/* The entry of a lock that libc says `thread` holds; NULL: not this one, or taken by code that is
 * not patched. An entry that is not true any more is forgotten. */
struct owner *owner_find(struct hub *hub, const void *lock, pid_t thread);

/* Whether the entry is the running flow's. */
bool owner_is_self(struct hub *hub, const struct owner *owner);

/* The running flow holds the lock from now on. -1: no memory. */
int owner_add(struct hub *hub, const void *lock);

void owner_remove(struct hub *hub, struct owner *owner);

void owners_destroy(struct owners *owners); /* accepts NULL */

#endif
