/* SPDX-License-Identifier: MIT
 *
 * A choice among the rows of the hook table, as --hooks states it.
 */
#ifndef GREENIFY_HOOKLIST_H
#define GREENIFY_HOOKLIST_H

#include "hook_groups.h"

#include <stdbool.h>
#include <stddef.h>

/* One row of runtime/hooks.def. */
struct hook {
    const char *group;
    const char *name;
    const char *waits; /* what the call waits for, to stand behind "waits" */
};

extern const struct hook hook_rows[];
extern const size_t hook_row_count;

/* Whether the call itself waits: some are hooked for what they do to the waits of others. */
bool hook_waits(const struct hook *hook);

#define HOOKLIST_DEFAULT HOOK_GROUPS_DEFAULT

struct hooklist;

/* Reads a comma separated list of groups and names; "-" before one takes it out again, and a list
 * that begins so starts from the default. "default" stands for that, and "thread" brings "sync".
 * Returns NULL and a reason in `reason`, which names the word that is wrong. The caller owns the
 * list. */
struct hooklist *hooklist_parse(const char *text, char *reason, size_t size);
void hooklist_destroy(struct hooklist *list); /* accepts NULL */

/* The chosen names in the order of the table, ended by NULL; owned by the list. */
const char *const *hooklist_names(const struct hooklist *list);
bool hooklist_has(const struct hooklist *list, size_t row);

#endif
