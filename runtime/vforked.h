/* SPDX-License-Identifier: MIT
 *
 * The child of a vfork(2) runs in its parent's memory, with descriptors of its own: what it does to
 * these means nothing for those who wait in the parent.
 */
#ifndef GREEN_VFORKED_H
#define GREEN_VFORKED_H

#include <stdbool.h>

/* Remembers whose memory this is; before the first hub, and in the child of a fork. */
void vforked_set_up(void);

/* Whether the caller is such a child. A system call. */
bool vforked(void);

#endif
