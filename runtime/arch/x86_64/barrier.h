/* SPDX-License-Identifier: MIT
 *
 * What has to stand between the release of a lock and a look at who waits for it. On x86-64 the
 * locked instruction of the release is a full barrier already; only the compiler is told.
 */
#ifndef GREEN_ARCH_BARRIER_H
#define GREEN_ARCH_BARRIER_H

#include <stdatomic.h>

static inline void barrier_after_release(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

#endif
