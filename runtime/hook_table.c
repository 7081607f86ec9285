/* SPDX-License-Identifier: MIT
 *
 * The rows of hooks.def with their functions. Looked up some hundred times when a library is
 * redirected, so a walk will do.
 */
#include "hook_table.h"

#include "hook.h"
#include "hook_groups.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *group, *name;
    void (*function)(void);
} rows[] = {
#define HOOK(group, name, what) {#group, #name, (void (*)(void))greenify_##name},
#include "hooks.def"
#undef HOOK
};

static bool is_default(const char *group)
{
    const char *word = HOOK_GROUPS_DEFAULT;
    size_t length = strlen(group);

    for (;;) {
        size_t here = strcspn(word, ",");

        if (here == length && memcmp(word, group, length) == 0)
            return true;
        if (word[here] == '\0')
            return false;
        word += here + 1;
    }
}

void *hook_table_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0 && is_default(rows[i].group))
            return *(void **)&rows[i].function;
    return NULL;
}
