/* SPDX-License-Identifier: MIT
 *
 * The hook table at run time: which function stands in for which name.
 */
#ifndef GREEN_HOOK_TABLE_H
#define GREEN_HOOK_TABLE_H

/* The hook of the libc function `name`, of one of the default groups (hook_groups.h); or NULL. */
void *hook_table_find(const char *name);

#endif
