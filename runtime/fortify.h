/* SPDX-License-Identifier: MIT
 *
 * The checked forms (__recv_chk and the like) end the program when a buffer is too small. That is
 * left to libc's own: a hook calls it when the check fails, or when there is no hub.
 */
#ifndef GREEN_FORTIFY_H
#define GREEN_FORTIFY_H

#include "hub.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether libc's checked form has to be called. */
static inline bool fortify_is_libcs(size_t size, size_t room)
{
    return size > room || hub_current() == NULL;
}

#endif
