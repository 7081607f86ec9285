/* SPDX-License-Identifier: MIT
 *
 * Pointers that a hook looks behind before the kernel has seen them.
 */
#ifndef GREEN_POINTER_H
#define GREEN_POINTER_H

#include <stdbool.h>
#include <stdint.h>

/* Nothing is ever mapped there: the first page, and the kernel's half. The kernel has to see such a
 * pointer, and says EFAULT. */
static inline bool pointer_is_wild(const void *pointer)
{
    return (uintptr_t)pointer < 4096 || (intptr_t)pointer < 0;
}

#endif
