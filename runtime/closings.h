/* SPDX-License-Identifier: MIT
 *
 * Descriptors that end in one thread while the hub of another waits for them. Whoever ends one
 * tells the hubs; and lets the tries pass that are under way, so that no call which waited for the
 * old file comes to the new one with its number:
 *
 *      hub:     try begins -> is it still the same life? -> recv -> try ends
 *      closer:  the life ends -> tell -> no try is under way -> close
 */
#ifndef GREEN_CLOSINGS_H
#define GREEN_CLOSINGS_H

#include "hot.h"
#include "incarnation.h"
#include "remote_fence.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct epollset;

/* What a hub hears of; several may share a bit where there are very many hubs. */
struct closings {
    uint64_t bit;
    atomic_uint tries; /* odd: a try is under way */
};

/* `set` is woken when there is something to collect. NULL with ENOMEM. */
struct closings *closings_open(struct epollset *set);
void closings_close(struct closings *closings); /* accepts NULL; the set goes */

/* Whether no other hub has this one's bit. */
bool closings_bit_is_own(const struct closings *closings);

/* The life of fd has ended, and is about to: tells those among `hubs` (bits) but the caller's own,
 * `self` (may be NULL), and waits for their tries, which never wait. From any thread, and from
 * signal handlers. Leaves errno alone. */
void closings_tell(uint64_t hubs, const struct closings *self, int fd);

/* Calls ended() for each number that may have been told since, below `limit`. In the hub's thread.
 */
void closings_collect(struct closings *closings, int limit, void (*ended)(void *data, int fd),
                      void *data);

/* Around a look at the life of a descriptor and the system call after it, which never waits. Ends
 * may come twice. */
static inline void closings_try_begin(struct closings *closings)
{
    remote_fence_store(&closings->tries,
                       atomic_load_explicit(&closings->tries, memory_order_relaxed) | 1);
}

static inline void closings_try_end(struct closings *closings)
{
    unsigned tries = atomic_load_explicit(&closings->tries, memory_order_relaxed);

    atomic_store_explicit(&closings->tries, tries + (tries & 1), memory_order_release);
}

/* Begins a try if the life is still `life`. */
static inline bool closings_try(struct closings *closings, const struct incarnation *number,
                                unsigned life)
{
    closings_try_begin(closings);
    if (OFTEN(life == incarnation_lives(number)))
        return true;
    closings_try_end(closings);
    return false;
}

#endif
