/* SPDX-License-Identifier: MIT
 *
 * Two threads store, and each then loads what the other stored; one of them at least must see it.
 * The one that does so often pays nothing where the kernel lets the other fence all threads
 * (membarrier(2)):
 *
 *      often:   remote_fence_store(a) -> load b
 *      seldom:  store b, sequentially consistent -> remote_fence() -> load a, likewise
 */
#ifndef GREEN_REMOTE_FENCE_H
#define GREEN_REMOTE_FENCE_H

#include <stdatomic.h>
#include <stdbool.h>

/* Whether remote_fence() does anything. */
extern atomic_bool remote_fence_works;

/* Once, before any of the others. Leaves errno alone. */
void remote_fence_set_up(void);

static inline void remote_fence_store(atomic_uint *object, unsigned value)
{
    if (atomic_load_explicit(&remote_fence_works, memory_order_relaxed)) {
        atomic_store_explicit(object, value, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
    } else {
        atomic_store(object, value);
    }
}

/* From any thread, and from signal handlers. Leaves errno alone. */
void remote_fence(void);

#endif
