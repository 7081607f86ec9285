/* SPDX-License-Identifier: MIT
 *
 * The size of new stacks, the same for all threads: what was set last, else GREEN_STACK_SIZE, else
 * the default.
 */
#ifndef GREEN_STACK_SIZE_H
#define GREEN_STACK_SIZE_H

#include <stdatomic.h>
#include <stddef.h>

/* Read without a lock by every spawn; 0: not decided yet. */
extern _Atomic size_t stack_size_decided;

/* Looks at the environment. 0 with EINVAL when that holds what cannot be a size. */
size_t stack_size_decide(void);

/* In bytes of address space. 0 with EINVAL as above. */
static inline size_t stack_size_wanted(void)
{
    size_t bytes = atomic_load_explicit(&stack_size_decided, memory_order_relaxed);

    return bytes != 0 ? bytes : stack_size_decide();
}

/* -1 with EINVAL beyond the limits of stack.h. */
int stack_size_set(size_t bytes);

#endif
